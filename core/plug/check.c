/* Checks of a plugin's description before any of its code runs.
 *
 * Everything here reads constants: sizes first, then versions, services, and the tables row by row, so that a plugin compiled
 * against other headers is a sentence to its author and not a jump to a wild address.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/check.h"
#include "core/plug/kinds.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* Smallest structs, those of ABI 1.0; fields appended later are optional. */
#define PLUGIN_BYTES END_OF(struct tess_plugin, component_stride)
#define COMPONENT_BYTES END_OF(struct tess_component, ops)
#define PARAM_BYTES END_OF(struct tess_param, text)

/* Largest plausible sizes: a number beyond is not one of the table's own. */
#define PLUGIN_BYTES_MAX 4096
#define ROW_BYTES_MAX 4096
#define OPS_BYTES_MAX 65536
#define SELF_BYTES_MAX ((size_t)1 << 30)

/* Most rows of a table: one without its end row would be walked into other data. */
#define MAX_COMPONENTS 256
#define MAX_PARAMS 256
#define MAX_NEEDS 64
#define MAX_SETTINGS 64

int tessi_plug_check_refuse(struct tessi_check *k, const char *format, ...)
{
    va_list list;
    snprintf(k->why, k->capacity, "%s%s", k->at, *k->at ? ": " : "");
    size_t used = strlen(k->why);
    va_start(list, format);
    vsnprintf(k->why + used, k->capacity - used, format, list);
    va_end(list);
    return 0;
}

int tessi_plug_is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) || strlen(name) > 63)
        return 0;
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
            return 0;
    return tessi_config_scalar_is(name, 0) == TESSI_IS_TEXT;
}

int tessi_plug_is_line(const char *text, size_t max)
{
    size_t length = strlen(text);
    return length <= max && tess_shown_text(text, NULL, 0) == length;
}

/* 1 for a text that may be part of keys and file names: letters, digits and a few marks, 63 at most. */
static int is_word(const char *text)
{
    size_t length = strnlen(text, 64);
    return length > 0 && length < 64 && isalnum((unsigned char)*text) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-") == length;
}

/* A plugin's own text, escaped for messages. */
static const char *shown(const char *text, char to[160])
{
    tess_shown_text(text, to, 160);
    return to;
}

int tessi_plug_is_kind(const char *kind)
{
    char word[64];
    int length = tessi_plug_kind_length(kind);
    const char *revision = kind + length + 1;
    if (kind[length] != '/' || length > 63)
        return 0;
    snprintf(word, sizeof word, "%.*s", length, kind);
    return tessi_plug_is_name(word) && *revision != '\0' && revision[strspn(revision, "0123456789")] == '\0';
}

/* Checks that each function that the kind requires is there; those of a component with a `module` are checked when it is loaded. */
static int check_functions(struct tessi_check *k, const struct tess_component *component, const struct tessi_kind *kind)
{
    for (const struct tessi_kind_function *f = kind->function; f->name; f++)
        if (!f->optional && !tessi_plug_component_module(k->plugin, component, NULL) && !tessi_plug_kind_has(f, component->ops))
            return tessi_plug_check_refuse(k, "wanted the function `%s`, which every %s has, found NULL", f->name, kind->id);
    return 1;
}

static int check_ports(struct tessi_check *k, const struct tess_component *component)
{
    const struct tess_stage_1 *ops = component->ops;
    const uint32_t stride = tessi_plug_port_stride(ops);
    if (ops->ports && (stride < TESSI_PORT_BYTES || stride > ROW_BYTES_MAX || stride % _Alignof(struct tess_port) != 0))
        return tessi_plug_check_refuse(k, "wanted rows of ports of at least %zu bytes, %d at most, found port_stride %u", TESSI_PORT_BYTES,
                                       ROW_BYTES_MAX, stride);
    return 1;
}

static int check_ops(struct tessi_check *k, const struct tess_component *component)
{
    uint32_t size = 0;
    const struct tessi_kind *kind = tessi_plug_kind_find(component->kind);
    if (!component->ops)
        return tessi_plug_check_refuse(k, "wanted a table of functions for %s, found none", component->kind);
    memcpy(&size, component->ops, sizeof size);
    if (kind && size < kind->bytes)
        return tessi_plug_check_refuse(k, "wanted at least %zu bytes of functions for %s, found size %u", kind->bytes, component->kind,
                                       size);
    if (size > OPS_BYTES_MAX)
        return tessi_plug_check_refuse(k, "wanted at most %d bytes of functions, found size %u: the table begins with its size",
                                       OPS_BYTES_MAX, size);
    if (kind && !check_functions(k, component, kind))
        return 0;
    return !kind || strcmp(kind->id, "stage/1") != 0 || check_ports(k, component);
}

/* Checks `module` and `settings`: the module's name has no folder, so that its file lies beside the plugin's own; settings are NAME=VALUE.
 * */
static int check_module(struct tessi_check *k, const struct tess_component *component)
{
    const char *const *setting;
    const char *module = tessi_plug_component_module(k->plugin, component, &setting);
    if (module && !tessi_plug_is_name(module))
        return tessi_plug_check_refuse(k, "wanted the name of a file of %s/ as module, without .so, of letters, digits, `_` and `-`",
                                       TESSI_LIBRARIES);
    for (int64_t i = 0; setting && setting[i]; i++) {
        if (i == MAX_SETTINGS)
            return tessi_plug_check_refuse(k, "wanted at most %d settings, found no end of the list", MAX_SETTINGS);
        if (!tessi_plug_is_line(setting[i], TESSI_TEXT_BYTES_MAX) || !strchr(setting[i], '=') || *setting[i] == '=')
            return tessi_plug_check_refuse(k, "wanted settings like \"NAME=VALUE\", found another text");
    }
    return 1;
}

static int check_description(struct tessi_check *k, const struct tess_component *component)
{
    if (!tessi_plug_is_name(component->name))
        return tessi_plug_check_refuse(k, "wanted a name of letters, digits, `_` and `-`");
    if (!component->kind || !tessi_plug_is_kind(component->kind))
        return tessi_plug_check_refuse(k, "wanted a kind like \"encoder/1\", found \"%s\"", component->kind ? component->kind : "");
    if (!component->summary || !tessi_plug_is_line(component->summary, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted a summary, a line of UTF-8, found %s", component->summary ? "other text" : "none");
    const char *source = TESSI_COMPONENT_HAS(k->plugin, component, source), *example = TESSI_COMPONENT_HAS(k->plugin, component, example);
    if (source && !tessi_plug_is_line(source, TESSI_TEXT_BYTES_MAX))
        return tessi_plug_check_refuse(k, "wanted a line of UTF-8 as the source, found other text");
    for (const char *line = example; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char text[TESSI_TEXT_BYTES_MAX];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        if (!tessi_plug_is_line(text, TESSI_TEXT_BYTES_MAX))
            return tessi_plug_check_refuse(k, "wanted lines of UTF-8 as the example, found other text");
    }
    const char *made_by = tessi_plug_component_made_by(k->plugin, component);
    if (made_by && !tessi_plug_is_name(made_by))
        return tessi_plug_check_refuse(k, "wanted the name of a stage as made_by");
    if (component->caps)
        return tessi_plug_check_refuse(k, "has the capabilities 0x%llx, which this tessera, of ABI %d.%d, does not know",
                                       (unsigned long long)component->caps, TESS_ABI_MAJOR, TESS_ABI_MINOR);
    if (component->self_size > SELF_BYTES_MAX)
        return tessi_plug_check_refuse(k, "wanted a struct of at most %zu bytes, found self_size %zu", SELF_BYTES_MAX,
                                       component->self_size);
    if (component->params && (component->param_stride < PARAM_BYTES || component->param_stride > ROW_BYTES_MAX ||
                              component->param_stride % _Alignof(struct tess_param) != 0))
        return tessi_plug_check_refuse(k, "wanted parameter rows of at least %zu bytes, %d at most, found rows of %u", PARAM_BYTES,
                                       ROW_BYTES_MAX, component->param_stride);
    return 1;
}

static int check_component(struct tessi_check *k, const struct tess_component *component)
{
    const struct tess_param *p;
    char name[160];
    snprintf(k->at, sizeof k->at, "component `%.64s`", shown(component->name, name));
    if (!check_description(k, component) || !check_module(k, component))
        return 0;
    for (int64_t row = 0; (p = tessi_plug_param_at(component, row)); row++) {
        if (row == MAX_PARAMS)
            return tessi_plug_check_refuse(k, "wanted at most %d parameters, found no end of the table", MAX_PARAMS);
        snprintf(k->at, sizeof k->at, "component `%s`: parameter `%.64s`", component->name, shown(p->name, name));
        if (!tessi_plug_check_param(k, component, p, row))
            return 0;
    }
    snprintf(k->at, sizeof k->at, "component `%s`", component->name);
    return check_ops(k, component);
}

static int check_head(struct tessi_check *k, const struct tess_plugin *p)
{
    char text[160];
    if (p->size < PLUGIN_BYTES)
        return tessi_plug_check_refuse(
            k, "wanted a description of at least %zu bytes, found %u: build it again with this tessera's headers", PLUGIN_BYTES, p->size);
    if (p->abi_major != TESS_ABI_MAJOR)
        return tessi_plug_check_refuse(k, "wanted plugin ABI %d.x, found %u.%u: build it again with this tessera's headers", TESS_ABI_MAJOR,
                                       p->abi_major, p->abi_minor);
    if (p->size > PLUGIN_BYTES_MAX)
        return tessi_plug_check_refuse(k, "wanted a description of at most %d bytes, found %u", PLUGIN_BYTES_MAX, p->size);
    if (!p->id || !p->version || !p->license)
        return tessi_plug_check_refuse(k, "wanted an id, a version and a license, found no %s",
                                       !p->id        ? "id"
                                       : !p->version ? "version"
                                                     : "license");
    if (!is_word(p->id))
        return tessi_plug_check_refuse(k, "wanted an id of 1 to 63 letters, digits and ._+~-, found \"%s\"", shown(p->id, text));
    if (!is_word(p->version))
        return tessi_plug_check_refuse(k, "wanted a version of 1 to 63 letters, digits and ._+~-, found \"%s\"", shown(p->version, text));
    if (!tessi_plug_is_line(p->license, 200) || !*p->license)
        return tessi_plug_check_refuse(k, "wanted a license in a line of UTF-8, 1 to 200 bytes, found other text");
    return 1;
}

static int check_needs(struct tessi_check *k, const struct tess_plugin *p, const struct tess_host *host)
{
    for (int64_t i = 0; p->needs && p->needs[i]; i++) {
        const char *need = p->needs[i];
        if (i == MAX_NEEDS)
            return tessi_plug_check_refuse(k, "wanted at most %d services in `needs`, found no end of the list", MAX_NEEDS);
        if (!tessi_plug_is_line(need, 100))
            return tessi_plug_check_refuse(k, "wanted services like \"graph/1\" in `needs`, found other text");
        if (!host || !host->service || !host->service(host, need))
            return tessi_plug_check_refuse(k, "%s %s, of ABI %u.%u, needs the service %s, which this tessera, of ABI %d.%d, does not offer",
                                           p->id, p->version, p->abi_major, p->abi_minor, need, TESS_ABI_MAJOR, TESS_ABI_MINOR);
    }
    return 1;
}

int tessi_plug_plugin_check(const struct tess_plugin *p, const struct tess_host *host, char *why, size_t capacity)
{
    struct tessi_check k = {.plugin = p, .why = why, .capacity = capacity};
    const struct tess_component *component;
    int64_t n = 0;
    if (!check_head(&k, p) || !check_needs(&k, p, host))
        return 0;
    if (!p->components || p->component_stride < COMPONENT_BYTES || p->component_stride > ROW_BYTES_MAX ||
        p->component_stride % _Alignof(struct tess_component) != 0)
        return tessi_plug_check_refuse(&k, "wanted a table of components with rows of at least %zu bytes, %d at most, found rows of %u",
                                       COMPONENT_BYTES, ROW_BYTES_MAX, p->components ? p->component_stride : 0);
    for (; (component = tessi_plug_component_at(p, n)); n++) {
        if (n == MAX_COMPONENTS)
            return tessi_plug_check_refuse(&k, "wanted at most %d components, found no end of the table", MAX_COMPONENTS);
        if (!check_component(&k, component))
            return 0;
    }
    *k.at = '\0';
    return n > 0 || tessi_plug_check_refuse(&k, "wanted at least one component, found none");
}
