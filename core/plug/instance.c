/* Opened components. Finding by name, filling, opening, closing.
 *
 * Parts are opened before the whole and closed after it. A component's strings live in its canonical values, so they last as
 * long as the instance.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"
#include "core/config/yaml.h"
#include "core/plug/blame.h"
#include "core/plug/plug_private.h"
#include "core/plug/process.h"
#include "core/base/context.h"
#include "core/base/host.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_NAMES 256
#define DEPTH_MAX 16 /* components within components */

/* Names of the components of a kind, for errors. */
static int64_t instance_names_of(const struct tessi_registry *r, const char *kind, const char **names)
{
    const struct tess_component *k;
    int64_t n = 0;
    for (int64_t i = 0; n < MAX_NAMES && (k = tessi_plug_registry_component(r, i, NULL)); i++)
        if (strcmp(k->kind, kind) == 0)
            names[n++] = k->name;
    return n;
}

static int instance_missing(struct tess_context *ctx, const struct tessi_registry *r, const char *kind, const struct tessi_config *place,
                            const char *name)
{
    char text[1200], words[100];
    const char *names[MAX_NAMES];
    int64_t n = instance_names_of(r, kind, names);
    const char *nearest = tessi_base_nearest_name(name, names, n);
    snprintf(text, sizeof text, "no %.*s is called `%.64s`%s", tessi_plug_kind_length(kind), kind, name,
             tessi_base_lookalike_words(name, words, sizeof words));
    if (nearest)
        tessi_base_add(text, sizeof text, "; did you mean `%s`?", nearest);
    else if (n == 0)
        tessi_base_add(text, sizeof text, "; none of kind %s was found at all", kind);
    else
        for (int64_t i = 0; i < n; i++)
            tessi_base_add(text, sizeof text, "%s%s", i ? ", " : "; there are ", names[i]);
    tessi_plug_add_refused(r, kind, name, text, sizeof text);
    tessi_base_add(text, sizeof text, " (`tessera plugins --why` says where plugins were looked for)");
    return tessi_config_fail(ctx, place, TESS_E_PLUGIN, "%s", text);
}

/* The node that names the component: the configuration itself when it is a bare name, or its `use`. */
static int instance_use_of(struct tess_context *ctx, const char *kind, struct tessi_config *config, struct tessi_config **out)
{
    char found[80];
    int word = tessi_plug_kind_length(kind);
    struct tessi_config *use = config->kind == TESSI_MAP ? tessi_config_get(config, "use") : config;
    if (!use)
        return tessi_config_fail(ctx, config, TESS_E_USAGE, "wanted `use: NAME` to say which %.*s, found a map without it", word, kind);
    if (use->kind != TESSI_SCALAR || tessi_config_scalar_is(use->text ? use->text : "", use->quoted) != TESSI_IS_TEXT)
        return tessi_config_fail(ctx, use, TESS_E_USAGE, "wanted the name of a component of kind %.*s%s, found %s", word, kind,
                               use == config ? " or a map with `use`" : "", tessi_config_found(use, found, sizeof found));
    *out = use;
    return TESS_OK;
}

/* Starts the canonical values, {use: NAME}, to which the parameters are added. */
static int start_values(struct tess_context *ctx, const struct tessi_config *config, const struct tessi_config *use,
                        struct tessi_config **out)
{
    struct tessi_config *name = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, config->file, config->line, config->column, out));
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, use->file, use->line, use->column, &name));
    tessi_config_append(*out, name);
    TESS_TRY(tessi_config_set_key(ctx, name, "use"));
    return tessi_config_set_text(ctx, name, use->text);
}

static void place_failure(struct tess_context *ctx, const struct tessi_config *place, const struct tess_component *k)
{
    tess_prepend_message(ctx, "%s:%d:%d: %.*s/%s", place->file, place->line, place->column, tessi_plug_kind_length(k->kind), k->kind,
                         k->name);
}

int tessi_plug_instance_left(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function,
                             const struct tessi_process *before)
{
    char what[300];
    if (!tessi_plug_process_changed(before, what, sizeof what))
        return TESS_OK;
    if (getpid() != before->process) { /* it would compute everything again and write the same files */
        fprintf(stderr, "tessera: %s `%s` (plugin %s), %s: %s; it ends here\n", kind, i->component->name, i->plugin->id, function, what);
        _exit(tessi_base_exit_code(TESS_E_PLUGIN));
    }
    tess_forget(ctx);
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s `%.60s` (plugin %.60s), %s: %s", kind, i->component->name, i->plugin->id, function, what);
}

/* Status that a function returned, checked; who said what is said is left to the caller. `said_before`: 1 where there was a message before.
 */
static int checked_status(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function, int status,
                          int said_before)
{
    char what[200] = "";
    const int numbers = tessi_plug_numbers_changed(what, sizeof what);
    if (!numbers && status == TESS_OK && !said_before && *tess_message(ctx) != '\0')
        snprintf(what, sizeof what, "returned 0 after a failure, which is returned, or forgotten by tess_forget");
    else if (!numbers && status > 0)
        snprintf(what, sizeof what, "returned %d; wanted 0, or a negative TESS_E_ code with a message", status);
    else if (!numbers && status < 0 && *tess_message(ctx) == '\0')
        snprintf(what, sizeof what, "returned %d without a message; wanted one through the context's `fail`", status);
    else if (!numbers && status < TESS_E_ITEM)
        snprintf(what, sizeof what, "returned %d, which is none of the codes TESS_E_, with the message", status);
    if (!*what)
        return status;
    char said[600] = "";
    if (!numbers && (status == TESS_OK || status < TESS_E_ITEM) && *tess_message(ctx) != '\0')
        snprintf(said, sizeof said, ": %.590s", tess_message(ctx));
    tess_forget(ctx);
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s `%.60s` (plugin %.60s), %s: %s%s", kind, i->component->name, i->plugin->id, function, what,
                     said);
}

static int open_self(struct tess_context *ctx, struct tess_instance *i, const struct tessi_config *place)
{
    const struct tess_component *k = i->component;
    char kind[64];
    struct tessi_process before;
    i->opened = 1;
    if (!k->open)
        return TESS_OK;
    snprintf(kind, sizeof kind, "%.*s", tessi_plug_kind_length(k->kind), k->kind);
    tessi_plug_process_look(&before);
    const int said_before = *tess_message(ctx) != '\0';
    int status = checked_status(ctx, i, kind, "open", k->open(i->self, ctx), said_before);
    const int left = tessi_plug_instance_left(ctx, i, kind, "open", &before);
    status = left != TESS_OK ? left : status;
    if (status != TESS_OK)
        place_failure(ctx, place, k);
    return status;
}

static int instance_new(struct tess_context *ctx, const struct tessi_registry *r, const char *kind, struct tessi_config *config,
                        const struct tess_instance *like, const char *const *skip, int open, struct tess_instance **out)
{
    struct tessi_config *use = NULL;
    struct tess_instance *i = NULL;
    const struct tess_plugin *plugin = NULL;
    void *memory = NULL;
    int status;
    *out = NULL;
    TESS_TRY(instance_use_of(ctx, kind, config, &use));
    const struct tess_component *component = tessi_plug_registry_find(r, kind, use->text, &plugin);
    if (!component)
        return instance_missing(ctx, r, kind, use, use->text);
    if (open && (status = tessi_plug_module_load(ctx, r, &plugin, &component)) != TESS_OK) {
        place_failure(ctx, config, component);
        return status;
    }

    TESS_TRY(tess_alloc(ctx, sizeof *i, "a component", &memory));
    i = memory;
    i->component = component;
    i->plugin = plugin;
    while (tessi_plug_param_at(component, i->parts))
        i->parts++;
    status = tess_alloc(ctx, component->self_size ? component->self_size : 1, component->name, &i->self);
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)(i->parts + 1) * sizeof *i->part, "sub-components", &memory);
    if (status != TESS_OK)
        goto done;
    i->part = memory;
    if ((status = start_values(ctx, config, use, &i->values)) != TESS_OK ||
        (status = start_values(ctx, config, use, &i->identity)) != TESS_OK ||
        (status = tessi_plug_params_fill(ctx, r, i, config, like, skip, open)) != TESS_OK ||
        (status = tessi_config_print(ctx, i->values, &i->resolved)) != TESS_OK ||
        (status = tessi_config_print(ctx, i->identity, &i->config_text)) != TESS_OK)
        goto done;
    if (open)
        tessi_plug_note_former(ctx, i, config);
    if (open)
        status = open_self(ctx, i, config);
done:
    if (status != TESS_OK) {
        tess_instance_close(i);
        i = NULL;
    }
    *out = i;
    return status;
}

int tessi_plug_instance_new(struct tess_context *ctx, const struct tessi_registry *r, const char *kind, struct tessi_config *config,
                            const struct tess_instance *like, const char *const *skip, int open, struct tess_instance **out)
{
    static _Thread_local int depth; /* a component that opens itself would go on until the stack is full */
    *out = NULL;
    if (depth == DEPTH_MAX)
        return tessi_config_fail(ctx, config, TESS_E_PLUGIN, "components within components, more than %d deep: does one open itself?",
                                 DEPTH_MAX);
    depth++;
    int status = instance_new(ctx, r, kind, config, like, skip, open, out);
    depth--;
    return status;
}

int tess_instance_open(struct tess_context *ctx, const char *kind, const char *config_text, const char *where, struct tess_instance **out)
{
    struct tessi_config *root = NULL;
    struct tessi_runtime *r;
    if (!kind || !config_text || !out)
        return ctx->fail(ctx, TESS_E_VALUE, "a component is opened with a NULL in place of its %s",
                         !kind          ? "kind"
                         : !config_text ? "configuration"
                                        : "address");
    where = where ? where : "a component";
    *out = NULL;
    TESS_TRY(tessi_base_runtime_need(ctx, &r));
    TESS_TRY(tessi_config_yaml_parse(ctx, config_text, strlen(config_text), where, &root));
    int status = tessi_plug_instance_new(ctx, r->registry, kind, root, NULL, NULL, 1, out);
    tessi_config_free(root);
    return status;
}

void tess_instance_close(struct tess_instance *i)
{
    if (!i)
        return;
    if (i->opened && i->component->close) {
        char ignored[200];
        i->component->close(i->self);
        (void)tessi_plug_numbers_changed(ignored, sizeof ignored); /* nobody to tell; whoever computes next does so as before */
    }
    for (int64_t n = i->listeds - 1; n >= 0; n--)
        tess_instance_close(i->listed[n]);
    for (int64_t row = i->part ? i->parts - 1 : -1; row >= 0; row--)
        tess_instance_close(i->part[row]);
    tessi_config_free(i->values);
    tessi_config_free(i->identity);
    tess_free(i->resolved);
    tess_free(i->config_text);
    tess_free(i->part);
    tess_free(i->listed);
    tess_free(i->self);
    tess_free(i);
}

const void *tess_instance_ops(const struct tess_instance *i, const char *kind)
{
    return i && strcmp(i->component->kind, kind) == 0 ? i->component->ops : NULL;
}

void *tess_instance_self(const struct tess_instance *i)
{
    return i->self;
}

const char *tess_instance_name(const struct tess_instance *i)
{
    return i->component->name;
}

/* Adds to a failure's message who said it, where that is a user's plugin that names neither itself nor its component. */
static void say_who(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function)
{
    static const char *const said_by = "; said by ";
    struct tessi_blamed b;
    void *const table = (void *)(uintptr_t)i->plugin;
    const char *message = tess_message(ctx);
    tessi_plug_blame(&table, 1, &b);
    if (!b.plugin || b.own || strstr(message, i->component->name) || strstr(message, i->plugin->id) || strstr(message, said_by))
        return;
    tess_append_message(ctx, "%s%s `%.60s` (plugin %.60s), %s", said_by, kind, i->component->name, i->plugin->id, function);
}

int tess_instance_returned(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function, int status)
{
    status = checked_status(ctx, i, kind, function, status, 0);
    if (status < 0)
        say_who(ctx, i, kind, function);
    return status;
}

const char *tessi_plug_component_made_by(const struct tess_plugin *plugin, const struct tess_component *k)
{
    return plugin->component_stride >= offsetof(struct tess_component, made_by) + sizeof k->made_by ? k->made_by : NULL;
}

int tess_instance_learns(struct tess_context *ctx, const struct tess_instance *i, const char *parameter, const char *port)
{
    const struct tess_component *k = i->component;
    const char *stage = tessi_plug_component_made_by(i->plugin, k);
    if (!stage)
        return TESS_OK;
    ctx->fail(
        ctx, TESS_E_USAGE,
        "`%s: %s` learns nothing from its initial values: stage/%s makes it of a model that is trained; train another %.*s here, and run "
        "that stage on what comes of it",
        parameter, k->name, stage, tessi_plug_kind_length(k->kind), k->kind);
    if (port)
        tess_append_message(ctx, ", or give a `%s` that has one", port);
    return TESS_E_USAGE;
}

const char *tess_instance_config_text(const struct tess_instance *i)
{
    return i->config_text;
}

const struct tess_component *tessi_plug_instance_component(const struct tess_instance *i)
{
    return i->component;
}

const struct tess_plugin *tessi_plug_instance_plugin(const struct tess_instance *i)
{
    return i->plugin;
}

const struct tessi_config *tessi_plug_instance_values(const struct tess_instance *i)
{
    return i->values;
}

const struct tessi_config *tessi_plug_instance_identity(const struct tess_instance *i)
{
    return i->identity;
}

const char *tessi_plug_instance_resolved(const struct tess_instance *i)
{
    return i->resolved;
}
