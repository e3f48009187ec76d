/* The cache key of a stage: everything that decides its artefact's content, and nothing else.
 *
 *     SHA-256 over  "tessera stage key 2", plugins, ABI major, results' epoch, canonical parameters, seed (0 where nothing is
 *                   drawn), numeric mode ("any" where bits do not depend on it),
 *                   each connected port with the content digest of its artefact, digest of the files read
 *
 * as texts with their lengths in front. Plugins are the stage's own, those of every component in its parameters and those of the parts of
 * every model that it reads or writes; with versions, with their epoch where it is not this program's, and with the digest of their files
 * where those are the user's: an author builds a version many times. Parameters have their defaults
 * filled in and leave out paths and what is neutral.
 *
 * A stage's identity is the same with the identities of its inputs in the place of their contents, so it is known before anything is
 * computed: whoever runs many pipelines tells by it which stages they have in common. Equal identities have equal keys; the reverse need
 * not be.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/config/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tessi_flow_input_digest(const struct tessi_pipeline *p, const struct tessi_input *in)
{
    return in->stage >= 0 ? p->stage[in->stage].digest : in->file_digest;
}

/* ---- plugins ------------------------------------------------------------------------------------------------------- */

struct list { /* list of plugins: "stage/1 encode, tessera-encode 0.1.0; encoder/1 conv, tessera-conv-encoder 0.2.0", each plugin once */
    FILE *to;
    char *text;
    size_t bytes;
    const struct tessi_registry *registry;
};

static int key_is_listed(const struct list *l, const char *piece)
{
    size_t length = strlen(piece);
    if (fflush(l->to) != 0 || !l->text)
        return 0;
    for (const char *at = l->text; (at = strstr(at, piece)) != NULL; at += length)
        if (!at[length] || at[length] == ';')
            return 1;
    return 0;
}

/* Adds a plugin to the list: with the epoch that it was compiled with, where core has another, and with its file's digest, where the plugin
 * is not part of the release. */
static void list_plugin(struct list *l, const struct tess_component *k, const struct tess_plugin *plugin)
{
    char piece[700], bytes[200];
    int64_t epoch = TESS_HAS(plugin, epoch) ? plugin->epoch : 0;
    (void)snprintf(piece, sizeof piece, "%s %s, %s %s", k->kind, k->name, plugin->id, plugin->version);
    if (epoch != TESS_EPOCH)
        (void)snprintf(piece + strlen(piece), sizeof piece - strlen(piece), " of epoch %" PRIi64, epoch);
    if (*tessi_plug_registry_bytes(l->registry, k, plugin, bytes, sizeof bytes))
        (void)snprintf(piece + strlen(piece), sizeof piece - strlen(piece), ", file %s", bytes);
    if (!key_is_listed(l, piece))
        fprintf(l->to, "%s%s", l->bytes ? "; " : "", piece);
}

static void list_components(struct list *l, const struct tess_component *k, const struct tessi_config *config);

/* Lists the component of this kind that `at` names, and those in its parameters. */
static void list_component(struct list *l, const char *kind, const struct tessi_config *at)
{
    const struct tess_plugin *plugin = NULL;
    const struct tessi_config *use = tessi_config_child(at, "use");
    const struct tess_component *part = use ? tessi_plug_registry_find(l->registry, kind, use->text, &plugin) : NULL;
    if (!part)
        return;
    list_plugin(l, part, plugin);
    list_components(l, part, at);
}

/* Lists each component named in `config`, the parameters of `k`. */
static void list_components(struct list *l, const struct tess_component *k, const struct tessi_config *config)
{
    const struct tess_param *param;
    for (int64_t i = 0; (param = tessi_plug_param_at(k, i)); i++) {
        char kind[64];
        const struct tessi_config *at = tessi_config_child(config, param->name);
        if (param->type != TESS_COMPONENT && param->type != TESS_LIST_COMPONENT)
            continue;
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(param->text, " "), param->text);
        if (param->type == TESS_COMPONENT)
            list_component(l, kind, at);
        for (const struct tessi_config *item = param->type == TESS_LIST_COMPONENT && at ? at->child : NULL; item; item = item->next)
            list_component(l, kind, item);
    }
}

/* 1 where component `k` may be the one that the attribute `name` names as a part: the attribute "encoder" tells the kind encoder/1, others,
 * as "network", tell none. */
static int may_be(const struct list *l, const struct tess_component *k, const char *name, const char *use)
{
    char kind[64];
    snprintf(kind, sizeof kind, "%.60s/1", name);
    if (strcmp(k->name, use) != 0 || strcmp(k->kind, "stage/1") == 0)
        return 0;
    return strcmp(k->kind, kind) == 0 || !tessi_plug_registry_find(l->registry, kind, use, NULL);
}

/* Lists the parts of a model, which its attributes name, "encoder: {use: conv, ...}": whoever reads or writes it runs their code. */
static int list_parts(struct tess_context *ctx, struct list *l, const struct tess_attrs *attrs)
{
    for (int64_t i = 0; attrs && i < attrs->count; i++) {
        const struct tessi_attr *f = &attrs->item[i];
        const struct tess_plugin *plugin = NULL;
        const struct tess_component *k;
        struct tessi_config *config = NULL;
        if (f->type != TESSI_ATTR_TEXT || strncmp(f->text, "{use: ", 6) != 0)
            continue;
        TESS_TRY(tessi_config_yaml_parse(ctx, f->text, strlen(f->text), f->name, &config));
        const struct tessi_config *use = tessi_config_child(config, "use");
        for (int64_t n = 0; use && use->text && (k = tessi_plug_registry_component(l->registry, n, &plugin)); n++)
            if (may_be(l, k, f->name, use->text)) {
                list_plugin(l, k, plugin);
                list_components(l, k, config);
            }
        tessi_config_free(config);
    }
    return TESS_OK;
}

/* Lists all plugins of a stage: its own, those of its parameters, and those of the models that it reads and writes. */
static int list_all(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, struct list *l)
{
    list_plugin(l, s->component, tessi_plug_instance_plugin(s->instance));
    list_components(l, s->component, tessi_plug_instance_identity(s->instance));
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        TESS_TRY(list_parts(ctx, l, in->stage >= 0 ? p->stage[in->stage].attrs : in->file_attrs));
    }
    return list_parts(ctx, l, s->attrs);
}

static int list_plugins(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct list l = {.registry = p->runtime->registry};
    l.to = open_memstream(&l.text, &l.bytes);
    int status = l.to ? list_all(ctx, p, s, &l) : TESS_OK;
    if (!l.to || fclose(l.to) != 0)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the plugins of stage `%s`", s->name);
    if (status == TESS_OK)
        status = tessi_base_format(ctx, &s->plugins, "%s", l.text);
    free(l.text);
    return status;
}

/* ---- the key ------------------------------------------------------------------------------------------------------- */

/* Starts a digest with all of a stage but its inputs. */
static void key_start(const struct tessi_stage *s, const char *what, struct tess_digest *d)
{
    char text[40];
    tess_digest_start(d);
    tess_digest_add_text(d, what);
    tess_digest_add_text(d, s->plugins);
    snprintf(text, sizeof text, "%d", TESS_ABI_MAJOR);
    tess_digest_add_text(d, text);
    snprintf(text, sizeof text, "%d", TESS_EPOCH);
    tess_digest_add_text(d, text);
    tess_digest_add_text(d, tess_instance_config_text(s->instance));
    snprintf(text, sizeof text, "%" PRIu64, s->seed);
    tess_digest_add_text(d, text);
    tess_digest_add_text(d, s->numeric_mode);
}

/* Ends the digest with the inputs, by `input` what stands for each, and the files. */
static void key_end(const struct tessi_pipeline *p, const struct tessi_stage *s, struct tess_digest *d,
                    const char *(*input)(const struct tessi_pipeline *p, const struct tessi_input *in), char out[TESS_DIGEST_TEXT])
{
    for (int64_t i = 0; i < s->inputs; i++) {
        if (!s->input[i].at)
            continue;
        tess_digest_add_text(d, s->input[i].port->name);
        tess_digest_add_text(d, input(p, &s->input[i]));
    }
    tess_digest_add_text(d, s->files);
    tess_digest_end(d, out);
}

static const char *input_identity(const struct tessi_pipeline *p, const struct tessi_input *in)
{
    return in->stage >= 0 ? p->stage[in->stage].identity : in->file_digest;
}

void tessi_flow_stage_identity(const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tess_digest d;
    key_start(s, "tessera stage identity 1", &d);
    key_end(p, s, &d, input_identity, s->identity);
}

int tessi_flow_stage_key(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tess_digest d;
    if (*s->key)
        return TESS_OK;
    if (!s->plugins) {
        TESS_TRY(tessi_flow_sources_read(ctx, s));
        TESS_TRY(list_plugins(ctx, p, s));
    }
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].at && !*tessi_flow_input_digest(p, &s->input[i]))
            return TESS_OK;
    key_start(s, "tessera stage key 2", &d);
    key_end(p, s, &d, tessi_flow_input_digest, s->key);
    return tessi_base_format(ctx, &s->cached, "%s/%s.h5", p->cache, s->key);
}
