/* Stages of a pipeline: their DAG, by the names under `in`, then each one's plugin and ports.
 *
 * The order of execution is that of the file where the needs allow it: always the first stage whose inputs are done.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/plug/kinds.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const own_keys[] = {"in", "seed", NULL};

int tessi_flow_stage_blame(struct tess_context *ctx, const struct tessi_stage *s, int status)
{
    tess_prepend_message(ctx, "%s:%d:%d: stage `%s`", s->config->file, (int)s->config->key_line, (int)s->config->key_column, s->name);
    return status;
}

int tessi_flow_kind_fits(const char *kinds, const char *kind)
{
    size_t length = strlen(kind);
    for (const char *at = kinds; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == length && strncmp(at, kind, length) == 0)
            return 1;
    return 0;
}

/* ---- names and order ----------------------------------------------------------------------------------------------- */

/* Checks a stage's name, which is a file's name, and part of a path on the command line. */
static int stages_check_name(struct tess_context *ctx, const struct tessi_config *s)
{
    int fine = isalnum((unsigned char)s->key[0]) && strlen(s->key) <= 64;
    for (const char *at = s->key; *at; at++)
        fine = fine && (isalnum((unsigned char)*at) || *at == '-' || *at == '_');
    if (!fine)
        return tessi_config_key_fail(ctx, s, TESS_E_USAGE,
                              "a stage's name is 1 to 64 letters, digits, `-` and `_`, beginning with a letter or digit; found `%s`",
                              s->key);
    if (strcmp(s->key, "params") == 0 || strcmp(s->key, "stages") == 0)
        return tessi_config_key_fail(ctx, s, TESS_E_USAGE,
                                     "`%s` cannot be a stage's name: on the command line it means the pipeline's own key", s->key);
    if (s->kind != TESSI_MAP)
        return tessi_config_fail(ctx, s, TESS_E_USAGE, "stage `%s` wants a map with `use`", s->key);
    return TESS_OK;
}

/* 1 for an input that is the path of an artefact: a file, or the folder of an archive. A stage's name has no slash. */
static int is_path(const struct tessi_config *in)
{
    size_t length = strlen(in->text);
    return (length > 3 && strcmp(in->text + length - 3, ".h5") == 0) || strchr(in->text, '/');
}

/* 1 for an input that names the folder of an archive, beside the file it is written in. */
static int stages_is_archive(struct tess_context *ctx, const struct tessi_config *in)
{
    char *path = NULL, *index = NULL;
    int is = tessi_base_path_beside(ctx, tessi_config_beside(in), in->text, &path) == TESS_OK &&
             tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, path) == TESS_OK && tessi_base_is_file(index);
    tess_free(path);
    tess_free(index);
    return is;
}

/* Checks that the stages a stage reads exist. */
static int stages_check_inputs(struct tess_context *ctx, const struct tessi_config *stages, const struct tessi_config *s)
{
    char near[300];
    const struct tessi_config *in = tessi_config_child(s, "in");
    if (in && in->kind != TESSI_MAP)
        return tessi_config_fail(ctx, in, TESS_E_USAGE, "`in` wants a map of ports and stages, like {images: images}");
    for (const struct tessi_config *at = in ? in->child : NULL; at; at = at->next) {
        if (at->kind != TESSI_SCALAR || !at->text || !*at->text)
            return tessi_config_fail(ctx, at, TESS_E_USAGE,
                                     "input `%s` wants the name of a stage, or the path of an artefact (a file .h5, or FOLDER/)", at->key);
        if (!is_path(at) && !tessi_config_child(stages, at->text) && !stages_is_archive(ctx, at))
            return tessi_config_fail(ctx, at, TESS_E_USAGE, "input `%s`: there is no stage `%s`%s", at->key, at->text,
                                   tessi_config_suggest(stages, at->text, near, sizeof near));
    }
    return TESS_OK;
}

static const struct tessi_stage *stages_ordered(const struct tessi_pipeline *p, const char *name)
{
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->stage[i].name, name) == 0)
            return &p->stage[i];
    return NULL;
}

/* The first stage that `s` reads and that is not in order yet, or NULL. */
static const struct tessi_config *first_need(const struct tessi_pipeline *p, const struct tessi_config *stages,
                                             const struct tessi_config *s)
{
    const struct tessi_config *in = tessi_config_child(s, "in");
    for (const struct tessi_config *at = in ? in->child : NULL; at; at = at->next)
        if (!is_path(at) && tessi_config_child(stages, at->text) && !stages_ordered(p, at->text))
            return tessi_config_child(stages, at->text);
    return NULL;
}

/* Fails for a cycle: no stage is left whose needs are done, and following the needs leads into a circle. */
static int stages_cycle(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_config *stages,
                        const struct tessi_config *s)
{
    char round[1024] = "";
    for (int64_t i = tessi_config_count(stages); i > 0; i--)
        s = first_need(p, stages, s); /* after so many steps, inside the cycle */
    const struct tessi_config *at = s;
    do {
        size_t used = strlen(round);
        snprintf(round + used, sizeof round - used, "%s -> ", at->key);
        at = first_need(p, stages, at);
    } while (at != s);
    return tessi_config_key_fail(ctx, s, TESS_E_USAGE, "these stages wait for each other: %s%s", round, s->key);
}

int tessi_flow_seed_read(struct tess_context *ctx, const struct tessi_config *at, uint64_t *out)
{
    int64_t value;
    char found[200];
    if (!tessi_config_is_i64(at, &value) || value < 0)
        return tessi_config_fail(ctx, at, TESS_E_VALUE, "`seed` wants an integer 0 .. %lld, found %s", (long long)INT64_MAX,
                               tessi_config_found(at, found, sizeof found));
    *out = (uint64_t)value;
    return TESS_OK;
}

static int add_stage(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_config *config)
{
    struct tessi_stage *s = &p->stage[p->count++];
    const struct tessi_config *seed = tessi_config_child(config, "seed");
    s->name = config->key;
    s->config = config;
    s->seed = p->seed;
    s->own_seed = seed != NULL;
    if (seed)
        TESS_TRY(tessi_flow_seed_read(ctx, seed, &s->seed));
    return tessi_base_format(ctx, &s->path, "%s/%s.h5", p->folder, s->name);
}

int tessi_flow_stages_order(struct tess_context *ctx, struct tessi_pipeline *p)
{
    void *memory;
    struct tessi_config *stages = tessi_config_child(p->root, "stages");
    if (!stages || stages->kind != TESSI_MAP || !stages->child)
        return tessi_config_fail(ctx, stages ? stages : p->root, TESS_E_USAGE, "wanted `stages`, a map of at least one stage");
    for (const struct tessi_config *s = stages->child; s; s = s->next)
        TESS_TRY(stages_check_name(ctx, s));
    for (const struct tessi_config *s = stages->child; s; s = s->next)
        TESS_TRY(stages_check_inputs(ctx, stages, s));
    int64_t n = tessi_config_count(stages);
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof *p->stage, "stages", &memory));
    p->stage = memory;
    while (p->count < n) {
        struct tessi_config *s = stages->child;
        const struct tessi_config *waiting = NULL;
        for (; s; s = s->next) {
            if (stages_ordered(p, s->key))
                continue;
            if (!first_need(p, stages, s))
                break;
            waiting = s;
        }
        if (!s)
            return stages_cycle(ctx, p, stages, waiting);
        TESS_TRY(add_stage(ctx, p, s));
    }
    return TESS_OK;
}

/* ---- plugin and ports ---------------------------------------------------------------------------------------------- */

static int unknown_port(struct tess_context *ctx, const struct tessi_stage *s, const struct tessi_config *at)
{
    const char *names[64] = {NULL};
    char list[400] = "";
    int64_t n = 0;
    for (; n < s->inputs && n < 64; n++)
        names[n] = s->input[n].port->name;
    const char *nearest = tessi_base_nearest_name(at->key, names, n);
    const struct tessi_config *former = s->config->former;
    if (former && tessi_config_stays(tessi_config_child(former, "in"), at)) {
        int status = tessi_config_key_fail(ctx, at, TESS_E_USAGE, "stage/%s has no input `%s`", s->component->name, at->key);
        tessi_plug_append_stays(ctx, s->config, "in", at);
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    if (nearest)
        return tessi_config_key_fail(ctx, at, TESS_E_USAGE, "stage/%s has no input `%s`; did you mean `%s`?", s->component->name, at->key,
                                     nearest);
    return tessi_config_key_fail(ctx, at, TESS_E_USAGE, "stage/%s has no input `%s`; it takes %s", s->component->name, at->key,
                                 n ? list : "none");
}

static int wrong_kind(struct tess_context *ctx, const struct tessi_stage *s, const struct tessi_input *in, const char *found)
{
    return tessi_config_fail(ctx, in->at, TESS_E_USAGE, "input `%s` of stage/%s wants an artefact of kind %s; `%s` is of kind %s",
                           in->port->name, s->component->name, in->port->kind, in->at->text, found);
}

/* Opens an artefact from outside, reading it whole once: its digest is part of keys. */
static int connect_file(struct tess_context *ctx, const struct tessi_stage *s, struct tessi_input *in)
{
    struct tess_artefact *a = NULL;
    char *path = NULL;
    int status = tessi_base_path_beside(ctx, tessi_config_beside(in->at), in->at->text, &path);
    if (status == TESS_OK)
        status = tessi_base_path_absolute(ctx, path, &in->file);
    if (status == TESS_OK)
        status = tessi_store_artefact_open(ctx, in->file, &a);
    if (status == TESS_OK)
        status = tessi_host_artefact_check(ctx, a);
    if (status == TESS_OK)
        status = tessi_store_artefact_check_attrs(ctx, a);
    if (status != TESS_OK) {
        tess_prepend_message(ctx, "%s:%d:%d: input `%s`", in->at->file, (int)in->at->line, (int)in->at->column, in->port->name);
        goto done;
    }
    if (!tessi_flow_kind_fits(in->port->kind, tess_artefact_kind(a))) {
        status = wrong_kind(ctx, s, in, tess_artefact_kind(a));
        goto done;
    }
    tess_free(in->file); /* the file within the folder, where the input was one */
    in->file = NULL;
    status = tess_copy_text(ctx, tess_artefact_path(a), &in->file);
    snprintf(in->file_digest, sizeof in->file_digest, "%s", tess_artefact_digest(a));
    if (status == TESS_OK)
        status = tessi_base_attrs_new(ctx, &in->file_attrs);
    if (status == TESS_OK)
        status = tessi_base_attrs_copy(ctx, tess_artefact_attrs(a), in->file_attrs);
done:
    tessi_store_artefact_close(a);
    tess_free(path);
    return status;
}

static int stages_connect(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, struct tessi_input *in)
{
    if (!in->at) {
        if (in->port->optional)
            return TESS_OK;
        return tessi_config_key_fail(ctx, s->config, TESS_E_USAGE, "stage `%s` wants `in: {%s: ...}`, an artefact of kind %s (%s)", s->name,
                              in->port->name, in->port->kind, in->port->help ? in->port->help : in->port->name);
    }
    const struct tessi_stage *from = is_path(in->at) ? NULL : stages_ordered(p, in->at->text);
    if (!from)
        return connect_file(ctx, s, in);
    in->stage = from - p->stage;
    const char *kind = p->stage[in->stage].ops->output;
    return tessi_flow_kind_fits(in->port->kind, kind) ? TESS_OK : wrong_kind(ctx, s, in, kind);
}

uint64_t tessi_flow_depends(const struct tessi_stage *s)
{
    int tells = TESS_HAS(s->ops, depends) && s->ops->depends;
    return tells ? s->ops->depends(tess_instance_self(s->instance)) : TESS_DEPENDS_SEED | TESS_DEPENDS_NUMERIC;
}

/* Sets seed and numeric mode as far as the result depends on them: a seed that is not used is 0, a numeric mode "any". */
static void set_dependences(const struct tessi_pipeline *p, struct tessi_stage *s)
{
    uint64_t on = tessi_flow_depends(s);
    s->numeric_mode = on & TESS_DEPENDS_NUMERIC ? p->runtime->numeric_mode : "any";
    if (on & TESS_DEPENDS_SEED)
        return;
    s->seed = 0;
    s->own_seed = 0;
}

int tessi_flow_stage_instance(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    TESS_TRY(tessi_plug_instance_new(ctx, p->runtime->registry, "stage/1", s->config, NULL, own_keys, 1, &s->instance));
    s->component = tessi_plug_instance_component(s->instance);
    s->ops = tess_instance_ops(s->instance, "stage/1");
    if (!s->ops->plan || !s->ops->run || !s->ops->output)
        return ctx->fail(ctx, TESS_E_PLUGIN, "stage/%s: wanted plan, run and output, found one of them missing", s->component->name);
    return TESS_OK;
}

int tessi_flow_stage_open(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    void *memory;
    TESS_TRY(tessi_flow_stage_instance(ctx, p, s));
    set_dependences(p, s);
    while (tessi_plug_port_at(s->ops, s->inputs))
        s->inputs++;
    TESS_TRY(tess_alloc(ctx, (size_t)s->inputs * sizeof *s->input, "inputs", &memory));
    s->input = memory;
    const struct tessi_config *in = tessi_config_child(s->config, "in");
    for (int64_t i = 0; i < s->inputs; i++) {
        s->input[i].port = tessi_plug_port_at(s->ops, i);
        s->input[i].stage = -1;
        s->input[i].at = tessi_config_child(in, s->input[i].port->name);
    }
    for (const struct tessi_config *at = in ? in->child : NULL; at; at = at->next) {
        int64_t i = 0;
        while (i < s->inputs && strcmp(s->input[i].port->name, at->key) != 0)
            i++;
        if (i == s->inputs)
            return unknown_port(ctx, s, at);
    }
    for (int64_t i = 0; i < s->inputs; i++)
        TESS_TRY(stages_connect(ctx, p, s, &s->input[i]));
    return TESS_OK;
}

void tessi_flow_stage_close(struct tessi_stage *s)
{
    tess_instance_close(s->instance);
    for (int64_t i = 0; s->input && i < s->inputs; i++) {
        tess_free(s->input[i].file);
        tessi_base_attrs_free(s->input[i].file_attrs);
    }
    for (int64_t i = 0; i < s->pictures; i++)
        tess_free(s->picture[i]);
    tess_free(s->picture);
    tess_free(s->input);
    tessi_base_attrs_free(s->attrs);
    tess_free(s->reason);
    tess_free(s->record);
    tess_free(s->plugins);
    tessi_host_witness_free(&s->witness);
    tess_free(s->cached);
    tess_free(s->path);
}
