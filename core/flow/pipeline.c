/* A pipeline opened: loaded, ordered, planned stage by stage, and compared with the cache. Nothing is computed here.
 *
 * A stage plans from the attributes of its inputs. Where an input is cached, those are the artefact's own, which may say more than
 * was planned (the digest of a tokenizer, say); so a pipeline of which half is done is checked the more closely.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/base/files.h"
#include "core/flow/cache_lock.h"
#include "core/flow/folder.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/flow/rates.h"
#include "core/flow/stage_record.h"
#include "core/model/check_recorded.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- settings ------------------------------------------------------------------------------------------------------ */

static int read_word(struct tess_context *ctx, const struct tessi_pipeline *p, const char *key, const char **out)
{
    const struct tessi_config *at = tessi_config_child(p->root, key);
    char found[80];
    *out = NULL;
    if (!at)
        return TESS_OK;
    if (at->kind != TESSI_SCALAR || tessi_config_is_null(at) || !*at->text)
        return tessi_config_fail(ctx, at, TESS_E_USAGE, "`%s` wants a word, found %s", key, tessi_config_found(at, found, sizeof found));
    *out = at->text;
    return TESS_OK;
}

#define MAX_NAME 255 /* bytes of a name, and of its longest part, as file systems have it */

/* 1 for one or more parts with `/` between, each of letters, digits and some marks, beginning with a letter or digit. */
static int is_name(const char *name)
{
    int begins = 1;
    for (const char *at = name; *at; at++) {
        if (begins ? !isalnum((unsigned char)*at) : !isalnum((unsigned char)*at) && !strchr("-_.=,+/", *at))
            return 0;
        begins = *at == '/';
    }
    return !begins && strlen(name) <= MAX_NAME;
}

static int read_name(struct tess_context *ctx, struct tessi_pipeline *p)
{
    const char *name;
    TESS_TRY(read_word(ctx, p, "name", &name));
    if (!is_name(name))
        return tessi_config_fail(
            ctx, tessi_config_child(p->root, "name"), TESS_E_USAGE,
            "`name` names the run's folder: 1 to %d letters, digits, `-`, `_`, `.`, `=`, `,` and `+`, in groups with `/` between, each "
            "beginning with a letter or digit; found `%s`",
            MAX_NAME, name);
    return tessi_base_format(ctx, &p->name, "%s", name);
}

static int read_settings(struct tess_context *ctx, struct tessi_pipeline *p, const struct tessi_pipeline_options *o)
{
    const char *word, *workdir = o->workdir && *o->workdir ? o->workdir : ".";
    TESS_TRY(read_name(ctx, p));
    int here = strcmp(workdir, ".") == 0;
    TESS_TRY(tessi_base_format(ctx, &p->folder, "%s%sruns/%s", here ? "" : workdir, here ? "" : "/", p->name));
    TESS_TRY(tessi_base_format(ctx, &p->cache, "%s%sruns/.cache", here ? "" : workdir, here ? "" : "/"));
    const struct tessi_config *seed = tessi_config_child(p->root, "seed");
    if (seed)
        TESS_TRY(tessi_flow_seed_read(ctx, seed, &p->seed));
    if (o->seed)
        p->seed = *o->seed;
    TESS_TRY(read_word(ctx, p, "precision", &word));
    if (word && strcmp(word, "auto") != 0 && strcmp(word, "f32") != 0 && strcmp(word, "bf16") != 0)
        return tessi_config_fail(ctx, tessi_config_child(p->root, "precision"), TESS_E_VALUE, "precision is auto, f32 or bf16, found `%s`",
                                 word);
    if (word)
        TESS_TRY(tessi_host_runtime_choose_precision(ctx, p->runtime, word));
    TESS_TRY(read_word(ctx, p, "backend", &word));
    int ours = word && !*p->runtime->backend_name; /* a backend named by the pipeline, unless a flag says another */
    int status = word ? tessi_host_runtime_choose_backend(ctx, p->runtime, word) : TESS_OK;
    if (status == TESS_OK)
        status = tessi_host_runtime_compute(ctx, p->runtime);
    if (ours && (status == TESS_E_PLUGIN || status == TESS_E_USAGE)) {
        const struct tessi_config *at = tessi_config_child(p->root, "backend");
        tess_prepend_message(ctx, "%s:%d:%d: backend", at->file, (int)at->line, (int)at->column);
    }
    return status;
}

/* Opens the table of remembered file digests, which lies beside the artefacts. */
static int remember_files(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    char *path = NULL;
    if (p->runtime->files)
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/files", p->cache));
    int status = tessi_host_file_digests_open(ctx, path, &p->runtime->files);
    tess_free(path);
    return status;
}

/* ---- wanted stages -------------------------------------------------------------------------------------------------- */

static int find_stage(struct tess_context *ctx, const struct tessi_pipeline *p, const char *flag, const char *name,
                      struct tessi_stage **out)
{
    char near[300];
    for (int64_t i = 0; i < p->count; i++)
        if (strcmp(p->stage[i].name, name) == 0) {
            *out = &p->stage[i];
            return TESS_OK;
        }
    return ctx->fail(ctx, TESS_E_USAGE, "%s: there is no stage `%s`%s", flag, name,
                     tessi_config_suggest(tessi_config_child(p->root, "stages"), name, near, sizeof near));
}

/* Checks the amounts that a stage's plan gives, by which its time, memory and room on the disk are told. */
static int check_plan(struct tess_context *ctx, const struct tessi_stage *s)
{
    const struct {
        const char *name;
        double value;
    } amount[] = {{"steps", (double)s->steps},
                  {"parameters", (double)s->cost.parameters},
                  {"flops", s->cost.flops},
                  {"total_bytes", (double)s->cost.total_bytes},
                  {"output_bytes", (double)s->output_bytes},
                  {"checkpoint_bytes", (double)s->checkpoint_bytes}};
    char who[200];
    for (size_t i = 0; i < sizeof amount / sizeof *amount; i++)
        if (!(amount[i].value >= 0.0 && amount[i].value < INFINITY))
            return ctx->fail(ctx, TESS_E_PLUGIN, "%s, plan: gave %g %s; wanted 0 or more", tessi_model_part_text(s->instance, "stage", who),
                             amount[i].value, amount[i].name);
    return TESS_OK;
}

static int pipeline_choose(struct tess_context *ctx, struct tessi_pipeline *p, const struct tessi_pipeline_options *o)
{
    void *memory;
    struct tessi_stage *last = NULL, *forced = NULL;
    if (o->until) {
        TESS_TRY(find_stage(ctx, p, "--until", o->until, &last));
        last->wanted = 1;
    }
    for (int64_t i = p->count - 1; i >= 0; i--) {
        struct tessi_stage *s = &p->stage[i];
        s->wanted |= !last;
        for (int64_t k = 0; s->wanted && k < s->inputs; k++)
            if (s->input[k].stage >= 0)
                p->stage[s->input[k].stage].wanted = 1;
    }
    for (int64_t i = 0; i < o->forces; i++) {
        TESS_TRY(find_stage(ctx, p, "--force", o->force[i], &forced));
        if (!forced->wanted)
            return ctx->fail(ctx, TESS_E_USAGE, "--force %s: this stage comes after --until %s", forced->name, o->until);
        forced->forced = 1;
    }
    TESS_TRY(tess_alloc(ctx, (size_t)p->count * sizeof *p->view, "a plan", &memory));
    p->view = memory;
    for (int64_t i = 0; i < p->count; i++)
        if (p->stage[i].wanted)
            p->view[p->views++] = i;
    return TESS_OK;
}

/* Memory that no plan can tell to the byte: kernels that a backend compiles, pages of its code that are used for the first time, chunks on
 * their way into a file. Measured with both backends: 2 to 9 MiB. */
#define AT_WORK (6 << 20)

/* ---- planning ------------------------------------------------------------------------------------------------------ */

struct planned { /* the stage that is being planned */
    const struct tessi_pipeline *p;
    const struct tessi_stage *s;
};

static void pipeline_graph_sealed(void *user, const struct tess_graph *g)
{
    const struct planned *planned = user;
    planned->p->graph_sealed(planned->p->graph_user, planned->s->name, g);
}

int tessi_flow_stage_plan(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    void *memory;
    tessi_base_attrs_free(s->attrs);
    s->attrs = NULL;
    TESS_TRY(tess_alloc(ctx, (size_t)(s->inputs + 1) * sizeof(struct tess_attrs *), "attributes of inputs", &memory));
    const struct tess_attrs **in = memory;
    for (int64_t i = 0; i < s->inputs; i++)
        in[i] = s->input[i].stage >= 0 ? p->stage[s->input[i].stage].attrs : s->input[i].file_attrs;
    int status = tessi_base_attrs_new(ctx, &s->attrs);
    int64_t before = tessi_base_memory_in_use();
    struct planned planned = {p, s};
    p->runtime->graph_sealed = p->graph_sealed ? pipeline_graph_sealed : NULL;
    p->runtime->graph_user = &planned;
    tessi_base_memory_peak_restart();
    if (status == TESS_OK) {
        s->cost = (struct tess_cost){.size = sizeof s->cost};
        struct tess_stage_plan plan = {.size = sizeof plan, .in = in, .out = s->attrs, .seed = s->seed, .cost = &s->cost};
        status = tess_instance_returned(ctx, s->instance, "stage", "plan", s->ops->plan(tess_instance_self(s->instance), ctx, &plan));
        s->steps = plan.steps;
        s->recorded = tessi_base_memory_peak() - before;
        s->output_bytes = plan.output_bytes;
        s->portable = plan.portable;
        s->checkpoint_bytes = plan.checkpoint_bytes;
    }
    if (status == TESS_OK)
        status = check_plan(ctx, s);
    p->runtime->graph_sealed = NULL;
    tess_free(in);
    return status;
}

static int pipeline_look_up(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    int found = 0;
    int status = tessi_flow_stage_key(ctx, p, s);
    if (status == TESS_OK)
        tessi_flow_stage_identity(p, s);
    if (status == TESS_OK && *s->key && !s->forced)
        status = tessi_flow_cache_find(ctx, s, &found);
    if (status != TESS_OK)
        return tessi_flow_stage_blame(ctx, s, status);
    s->state = TESSI_CACHED;
    s->differs = 0; /* later stages are planned from the attributes that were found */
    return found ? TESS_OK : tessi_flow_stage_reason(ctx, p, s);
}

/* Makes a pipeline as far as its files and settings tell; its stages are not looked at. To be freed in any case. */
static int pipeline_new(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o,
                        struct tessi_pipeline **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_pipeline), "a pipeline", &memory));
    struct tessi_pipeline *p = *out = memory;
    p->runtime = r;
    p->waits = o->waits;
    p->waits_user = o->waits_user;
    p->graph_sealed = o->graph_sealed;
    p->graph_user = o->graph_user;
    p->anonymous = o->anonymous;
    p->checkpoint_seconds = o->checkpoint_seconds > 0 ? o->checkpoint_seconds : 60;
    p->lock = p->cache_lock = -1;
    int status = tessi_base_format(ctx, &p->source, "%s", o->path);
    if (status == TESS_OK)
        status = tessi_flow_overrides_record(ctx, o->overrides, o->override, &p->overrides);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_load(ctx, o, &p->root);
    if (status == TESS_OK)
        status = read_settings(ctx, p, o);
    return status == TESS_OK ? remember_files(ctx, p) : status;
}

int tessi_flow_pipeline_settle_runtime(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o)
{
    struct tessi_pipeline *p = NULL;
    int status = pipeline_new(ctx, r, o, &p);
    tessi_flow_pipeline_free(p);
    return status;
}

int tessi_flow_pipeline_files(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o, const char *stage,
                              char digest[TESS_DIGEST_TEXT])
{
    struct tessi_pipeline *p = NULL;
    struct tessi_stage s = {.name = stage};
    int status = pipeline_new(ctx, r, o, &p);
    s.config = status == TESS_OK ? tessi_config_child(tessi_config_child(p->root, "stages"), stage) : NULL;
    if (status == TESS_OK && !s.config)
        status = ctx->fail(ctx, TESS_E_USAGE, "there is no stage `%s`", stage);
    if (status == TESS_OK)
        status = tessi_flow_stage_instance(ctx, p, &s);
    if (status == TESS_OK)
        status = tessi_flow_sources_read(ctx, &s);
    (void)snprintf(digest, TESS_DIGEST_TEXT, "%s", s.files);
    tessi_host_file_digests_save(r->files);
    tessi_flow_stage_close(&s);
    tessi_flow_pipeline_free(p);
    return status;
}

int tessi_flow_pipeline_open(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o,
                             struct tessi_pipeline **out)
{
    struct tessi_pipeline *p = NULL;
    int status = pipeline_new(ctx, r, o, &p);
    if (status == TESS_OK)
        status = tessi_flow_stages_order(ctx, p);
    for (int64_t i = 0; status == TESS_OK && i < p->count; i++)
        status = tessi_flow_stage_open(ctx, p, &p->stage[i]);
    if (status == TESS_OK)
        status = pipeline_choose(ctx, p, o);
    for (int64_t i = 0; status == TESS_OK && i < p->count; i++) {
        status = tessi_flow_stage_plan(ctx, p, &p->stage[i]);
        if (status != TESS_OK)
            status = tessi_flow_stage_blame(ctx, &p->stage[i], status);
        if (status == TESS_OK && p->stage[i].wanted)
            status = pipeline_look_up(ctx, p, &p->stage[i]);
        if (status == TESS_OK && p->stage[i].wanted && p->stage[i].state != TESSI_CACHED)
            tessi_flow_stage_advise(p, &p->stage[i]);
    }
    if (status == TESS_OK)
        status = tessi_flow_rates_plan(ctx, p);
    tessi_host_file_digests_save(r->files); /* where there has been a run */
    tessi_base_memory_trim();               /* lists of files and graphs of the plan */
    if (status == TESS_OK) {
        p->held = tessi_base_memory_resident();
    } else {
        tessi_flow_pipeline_free(p);
        p = NULL;
    }
    *out = p;
    return status;
}

void tessi_flow_pipeline_free(struct tessi_pipeline *p)
{
    if (!p)
        return;
    if (p->lock >= 0)
        tessi_flow_folder_leave(p);
    tessi_flow_cache_leave(p->cache, p->cache_lock);
    for (int64_t i = p->count - 1; i >= 0; i--)
        tessi_flow_stage_close(&p->stage[i]);
    tess_free(p->stage);
    tess_free(p->view);
    tess_free(p->source);
    tess_free(p->overrides);
    tess_free(p->name);
    tess_free(p->folder);
    tess_free(p->cache);
    tessi_config_free(p->root);
    tess_free(p);
}

const char *tessi_flow_pipeline_name(const struct tessi_pipeline *p)
{
    return p->name;
}

const char *tessi_flow_pipeline_folder(const struct tessi_pipeline *p)
{
    return p->folder;
}

int tessi_flow_pipeline_sweeps(const struct tessi_pipeline *p)
{
    return tessi_config_child(p->root, "sweep") != NULL;
}

int64_t tessi_flow_pipeline_held(const struct tessi_pipeline *p)
{
    return p->held;
}

int64_t tessi_flow_stage_memory(const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    return p->held + s->recorded + s->cost.total_bytes + (s->cost.flops > 0.0 ? AT_WORK : 0);
}

int64_t tessi_flow_pipeline_count(const struct tessi_pipeline *p)
{
    return p->views;
}

void tessi_flow_pipeline_stage(const struct tessi_pipeline *p, int64_t i, struct tessi_stage_view *out)
{
    const struct tessi_stage *s = &p->stage[p->view[i]];
    *out = (struct tessi_stage_view){
        .name = s->name,
        .use = s->component->name,
        .state = s->state,
        .reason = s->reason ? s->reason : "",
        .parameters = tessi_plug_instance_resolved(s->instance),
        .values = tessi_plug_instance_values(s->instance),
        .cost = s->cost,
        .steps = s->steps,
        .memory = tessi_flow_stage_memory(p, s),
        .output_bytes = s->output_bytes,
        .checkpoint_bytes = s->checkpoint_bytes,
        .seconds_predicted = s->seconds_predicted,
        .done = s->done,
        .total = s->total,
        .path = s->path,
        .identity = s->identity,
        .key = s->key,
        .cached = s->cached,
        .files = s->files,
        .busy = *s->busy ? s->busy : NULL,
        .outcome = s->outcome,
        .seconds = s->seconds,
        .warning = s->warning[0] ? s->warning : NULL,
        .pictures = s->pictures,
        .picture = (const char *const *)s->picture,
    };
}

int tessi_flow_pipeline_input(const struct tessi_pipeline *p, int64_t i, int64_t k, const char **port, const char **from)
{
    const struct tessi_stage *s = &p->stage[p->view[i]];
    for (int64_t at = 0; at < s->inputs; at++) {
        const struct tessi_input *in = &s->input[at];
        if (!in->at || k-- > 0)
            continue;
        *port = in->port->name;
        *from = in->file ? in->file : in->at->text;
        return 1;
    }
    return 0;
}
