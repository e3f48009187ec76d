/* What a plugin must look like before any of its code runs.
 *
 * Everything here reads constants: sizes first, then versions, services, and the tables row by row, so that a plugin compiled
 * against other headers is a sentence to its author and not a jump to a wild address.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"

#include <tessera/autoencoder.h>
#include <tessera/kind/critic.h>
#include <tessera/kind/backend.h>
#include <tessera/exchange.h>
#include <tessera/kind/features.h>
#include <tessera/prior.h>
#include <tessera/kind/source.h>
#include <tessera/kind/stage.h>

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* Smallest structs of ABI 1.0; what is appended later is optional. */
#define PLUGIN_BYTES END_OF(struct tess_plugin, component_stride)
#define COMPONENT_BYTES END_OF(struct tess_component, ops)
#define PARAM_BYTES END_OF(struct tess_param, text)

/* A table without its end row would be walked into other data. */
#define MAX_COMPONENTS 256
#define MAX_PARAMS 256

static const struct {
    const char *kind;
    size_t bytes;
} kinds[] = {
    {"backend/1", END_OF(struct tess_backend_1, drop)},
    {"source/1", END_OF(struct tess_source_1, fingerprint)},
    {"encoder/1", END_OF(struct tess_encoder_1, record)},
    {"decoder/1", END_OF(struct tess_decoder_1, record)},
    {"quantizer/1", END_OF(struct tess_quantizer_1, rebuild)},
    {"noise/1", END_OF(struct tess_noise_1, reverse)},
    {"critic/1", END_OF(struct tess_critic_1, record)},
    {"features/1", END_OF(struct tess_features_1, place)},
    {"denoiser/1", END_OF(struct tess_denoiser_1, record)},
    {"stage/1", END_OF(struct tess_stage_1, run)},
    {"format/1", END_OF(struct tess_format_1, write)},
    {"checkpoint/1", END_OF(struct tess_checkpoint_1, plan_export)},
};

struct check {
    const struct tess_plugin *plugin;
    char *why;
    size_t capacity;
    char at[200]; /* "conv: parameter `channels`" */
};

static int TESS_PRINTF(2, 3) check_refuse(struct check *k, const char *format, ...)
{
    va_list list;
    snprintf(k->why, k->capacity, "%s%s", k->at, *k->at ? ": " : "");
    size_t used = strlen(k->why);
    va_start(list, format);
    vsnprintf(k->why + used, k->capacity - used, format, list);
    va_end(list);
    return 0;
}

/* Bare in YAML, and the same to every reader: a letter, then letters, digits, `_` and `-`. */
static int is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) || strlen(name) > 63)
        return 0;
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
            return 0;
    return tessi_config_scalar_is(name, 0) == TESSI_IS_TEXT;
}

/* "encoder/1" */
static int check_is_kind(const char *kind)
{
    char word[64];
    int length = tessi_plug_kind_length(kind);
    const char *revision = kind + length + 1;
    if (kind[length] != '/' || length > 63)
        return 0;
    snprintf(word, sizeof word, "%.*s", length, kind);
    return is_name(word) && *revision != '\0' && revision[strspn(revision, "0123456789")] == '\0';
}

static int check_number(struct check *k, const struct tess_param *p)
{
    int whole = p->type != TESS_F64;
    if (isnan(p->lo) || isnan(p->hi) || !(p->lo < p->hi))
        return check_refuse(k, "wanted a range with lo below hi, found %g .. %g", p->lo, p->hi);
    if (p->type == TESS_LIST) {
        struct tess_list list;
        if (!tessi_plug_list_default(p, &list))
            return check_refuse(k, "wanted at most %d integers as the default, found \"%s\"", TESS_LIST_MAX, p->text);
        for (int64_t i = 0; i < list.count; i++)
            if ((double)list.item[i] < p->lo || (double)list.item[i] > p->hi)
                return check_refuse(k, "wanted default items in %g .. %g, found %lld", p->lo, p->hi, (long long)list.item[i]);
        return 1;
    }
    if (p->flags & TESS_REQUIRED)
        return 1;
    if (!isfinite(p->def) || p->def < p->lo || p->def > p->hi || (whole && p->def != floor(p->def)))
        return check_refuse(k, "wanted %s default in %g .. %g, found %g", whole ? "a whole" : "a finite", p->lo, p->hi, p->def);
    return 1;
}

static int check_enum(struct check *k, const struct tess_param *p)
{
    char option[80];
    int64_t n = 0;
    if (!p->text)
        return check_refuse(k, "wanted its choices, \"a|b\", found none");
    for (; tessi_plug_option(p, n, option, sizeof option); n++)
        if (*option == '\0' || strlen(option) > 63 || tessi_plug_option_index(p, option) != n)
            return check_refuse(k, "wanted different names of 1 to 63 letters as choices, found \"%s\"", p->text);
    if (!(p->flags & TESS_REQUIRED) && !(p->def >= 0 && p->def < (double)n && p->def == floor(p->def)))
        return check_refuse(k, "wanted the index of one of its %lld choices as the default, found %g", (long long)n, p->def);
    return 1;
}

static int check_component_param(struct check *k, const struct tess_component *component, const struct tess_param *p, int64_t row)
{
    char kind[80], like[80];
    int64_t other_row = 0;
    if (!tessi_plug_component_text(p, kind, sizeof kind, like, sizeof like) || !check_is_kind(kind))
        return check_refuse(k, "wanted a kind like \"encoder/1\", found \"%s\"", p->text ? p->text : "");
    if (*like) {
        const struct tess_param *other = tessi_plug_param_named(component, like, &other_row);
        if (!other || other->type != TESS_COMPONENT || other_row >= row)
            return check_refuse(k, "wanted `%s` of \"%s\" to be a component in an earlier row, found %s", like, p->text,
                          other ? "something else" : "no such row");
    }
    return 1;
}

static int check_param(struct check *k, const struct tess_component *component, const struct tess_param *p, int64_t row)
{
    size_t align, bytes = tessi_plug_param_bytes(p->type, &align);
    if (!is_name(p->name) || strcmp(p->name, "use") == 0)
        return check_refuse(k, "wanted a name of letters, digits, `_` and `-`, not `use`");
    if (!p->help)
        return check_refuse(k, "wanted a line of help, found none");
    if (bytes == 0)
        return check_refuse(k, "wanted a type from %d to %d, found %d", TESS_BOOL, TESS_COMPONENT, p->type);
    if (p->offset > component->self_size || bytes > component->self_size - p->offset || p->offset % align != 0)
        return check_refuse(k, "wanted %zu bytes, aligned to %zu, inside the %zu of its struct, found offset %zu", bytes, align,
                      component->self_size, p->offset);
    for (int64_t i = 0; i < row; i++) {
        const struct tess_param *other = tessi_plug_param_at(component, i);
        size_t other_align, other_bytes = tessi_plug_param_bytes(other->type, &other_align);
        if (strcmp(other->name, p->name) == 0)
            return check_refuse(k, "wanted each name once, found it twice");
        if (p->offset < other->offset + other_bytes && other->offset < p->offset + bytes)
            return check_refuse(k, "wanted a member of its own, found the one of `%s` at offset %zu", other->name, p->offset);
    }
    if ((p->flags & TESS_PATH) && p->type != TESS_STR)
        return check_refuse(k, "wanted TESS_PATH with a string, found type %d", p->type);
    switch (p->type) {
    case TESS_BOOL:
        return p->def == 0 || p->def == 1 || check_refuse(k, "wanted 0 or 1 as the default, found %g", p->def);
    case TESS_I64:
    case TESS_F64:
    case TESS_LIST:
        return check_number(k, p);
    case TESS_ENUM:
        return check_enum(k, p);
    case TESS_COMPONENT:
        return check_component_param(k, component, p, row);
    default:
        return 1;
    }
}

static int check_ops(struct check *k, const struct tess_component *component)
{
    uint32_t size = 0;
    if (!component->ops)
        return check_refuse(k, "wanted a table of functions for %s, found none", component->kind);
    memcpy(&size, component->ops, sizeof size);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, component->kind) == 0 && size < kinds[i].bytes)
            return check_refuse(k, "wanted at least %zu bytes of functions for %s, found size %u", kinds[i].bytes, component->kind, size);
    return 1;
}

static int check_component(struct check *k, const struct tess_component *component)
{
    const struct tess_param *p;
    snprintf(k->at, sizeof k->at, "component `%.64s`", component->name);
    if (!is_name(component->name))
        return check_refuse(k, "wanted a name of letters, digits, `_` and `-`");
    if (!component->kind || !check_is_kind(component->kind))
        return check_refuse(k, "wanted a kind like \"encoder/1\", found \"%s\"", component->kind ? component->kind : "");
    if (!component->summary)
        return check_refuse(k, "wanted a summary, found none");
    const char *made_by = tessi_plug_component_made_by(k->plugin, component);
    if (made_by && !is_name(made_by))
        return check_refuse(k, "wanted the name of a stage as made_by");
    if (component->params && (component->param_stride < PARAM_BYTES || component->param_stride % _Alignof(struct tess_param) != 0))
        return check_refuse(k, "wanted parameter rows of at least %zu bytes, found %u", PARAM_BYTES, component->param_stride);
    for (int64_t row = 0; (p = tessi_plug_param_at(component, row)); row++) {
        if (row == MAX_PARAMS)
            return check_refuse(k, "wanted at most %d parameters, found no end of the table", MAX_PARAMS);
        snprintf(k->at, sizeof k->at, "component `%s`: parameter `%.64s`", component->name, p->name);
        if (!check_param(k, component, p, row))
            return 0;
    }
    snprintf(k->at, sizeof k->at, "component `%s`", component->name);
    return check_ops(k, component);
}

int tessi_plug_plugin_check(const struct tess_plugin *p, const struct tess_host *host, char *why, size_t capacity)
{
    struct check k = {.plugin = p, .why = why, .capacity = capacity};
    const struct tess_component *component;
    int64_t n = 0;
    if (p->size < PLUGIN_BYTES)
        return check_refuse(&k, "wanted a description of at least %zu bytes, found %u: build it again with this tessera's headers",
                            PLUGIN_BYTES, p->size);
    if (p->abi_major != TESS_ABI_MAJOR)
        return check_refuse(&k, "wanted plugin ABI %d.x, found %u.%u: build it again with this tessera's headers", TESS_ABI_MAJOR,
                            p->abi_major, p->abi_minor);
    if (!p->id || !p->version || !p->license)
        return check_refuse(&k, "wanted an id, a version and a license, found no %s", !p->id ? "id" : !p->version ? "version" : "license");
    for (const char *const *need = p->needs; need && *need; need++)
        if (!host || !host->service || !host->service(host, *need))
            return check_refuse(&k, "%s %s, of ABI %u.%u, needs the service %s, which this tessera, of ABI %d.%d, does not offer", p->id,
                          p->version, p->abi_major, p->abi_minor, *need, TESS_ABI_MAJOR, TESS_ABI_MINOR);
    if (!p->components || p->component_stride < COMPONENT_BYTES || p->component_stride % _Alignof(struct tess_component) != 0)
        return check_refuse(&k, "wanted a table of components with rows of at least %zu bytes, found rows of %u", COMPONENT_BYTES,
                      p->components ? p->component_stride : 0);
    for (; (component = tessi_plug_component_at(p, n)); n++) {
        if (n == MAX_COMPONENTS)
            return check_refuse(&k, "wanted at most %d components, found no end of the table", MAX_COMPONENTS);
        if (!check_component(&k, component))
            return 0;
    }
    *k.at = '\0';
    return n > 0 || check_refuse(&k, "wanted at least one component, found none");
}
