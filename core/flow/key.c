/* The cache key of a stage: everything that decides its artefact's content, and nothing else.
 *
 *     SHA-256 over  "tessera stage key 1", plugins, ABI major, canonical parameters, seed, numeric mode,
 *                   each connected port with the content digest of its artefact, digest of the files read
 *
 * as texts with their lengths in front. Plugins are the stage's own and those of every component in its parameters, with
 * versions. Parameters have their defaults filled in and leave out paths and what is neutral.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/flow/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tessi_input_digest(const struct tessi_pipeline *p, const struct tessi_input *in)
{
    return in->stage >= 0 ? p->stage[in->stage].digest : in->file_digest;
}

/* "; encoder/1 conv, tessera-conv 0.1.0" for each component named in `spec`, the canonical parameters of `k`. */
static void list_components(const struct tessi_registry *r, const struct tess_component *k, const struct tessi_spec *spec, FILE *to)
{
    const struct tess_param *param;
    for (int64_t i = 0; (param = tessi_param_at(k, i)); i++) {
        char kind[64];
        const struct tess_plugin *plugin = NULL;
        const struct tessi_spec *at = tessi_spec_child(spec, param->name), *use = tessi_spec_child(at, "use");
        if (param->type != TESS_COMPONENT || !use)
            continue;
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(param->text, " "), param->text);
        const struct tess_component *part = tessi_registry_find(r, kind, use->text, &plugin);
        if (!part)
            continue;
        fprintf(to, "; %s %s, %s %s", kind, part->name, plugin->id, plugin->version);
        list_components(r, part, at, to);
    }
}

static int list_plugins(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    const struct tess_plugin *plugin = tessi_instance_plugin(s->instance);
    const char *text = tess_instance_spec(s->instance);
    struct tessi_spec *spec = NULL;
    char *list = NULL;
    size_t bytes = 0;
    TESS_TRY(tessi_yaml_parse(c, text, strlen(text), s->name, &spec));
    FILE *to = open_memstream(&list, &bytes);
    int status = TESS_OK;
    if (to) {
        fprintf(to, "stage/1 %s, %s %s", s->component->name, plugin->id, plugin->version);
        list_components(p->runtime->registry, s->component, spec, to);
    }
    if (!to || fclose(to) != 0)
        status = c->fail(c, TESS_E_MEMORY, "no memory for the plugins of stage `%s`", s->name);
    if (status == TESS_OK)
        status = tessi_format(c, &s->plugins, "%s", list);
    free(list);
    tessi_spec_free(spec);
    return status;
}

static int read_files(struct tess_call *c, struct tessi_stage *s)
{
    struct tess_digest d;
    if (!s->ops->fingerprint)
        return TESS_OK;
    tess_digest_start(&d);
    TESS_TRY(s->ops->fingerprint(tess_instance_self(s->instance), c, &d));
    tess_digest_end(&d, s->files);
    return TESS_OK;
}

int tessi_stage_key(struct tess_call *c, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tess_digest d;
    char text[40];
    if (*s->key)
        return TESS_OK;
    if (!s->plugins) {
        TESS_TRY(read_files(c, s));
        TESS_TRY(list_plugins(c, p, s));
    }
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].at && !*tessi_input_digest(p, &s->input[i]))
            return TESS_OK;
    tess_digest_start(&d);
    tess_digest_add_text(&d, "tessera stage key 1");
    tess_digest_add_text(&d, s->plugins);
    snprintf(text, sizeof text, "%d", TESS_ABI_MAJOR);
    tess_digest_add_text(&d, text);
    tess_digest_add_text(&d, tess_instance_spec(s->instance));
    snprintf(text, sizeof text, "%" PRIu64, s->seed);
    tess_digest_add_text(&d, text);
    tess_digest_add_text(&d, p->runtime->numeric_mode);
    for (int64_t i = 0; i < s->inputs; i++) {
        if (!s->input[i].at)
            continue;
        tess_digest_add_text(&d, s->input[i].port->name);
        tess_digest_add_text(&d, tessi_input_digest(p, &s->input[i]));
    }
    tess_digest_add_text(&d, s->files);
    tess_digest_end(&d, s->key);
    return tessi_format(c, &s->cached, "%s/%s.h5", p->cache, s->key);
}
