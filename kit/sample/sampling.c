/* SPDX-License-Identifier: MIT */
#include "kit/sample/sampling.h"
#include "kit/infer/cost.h"

/* Checks that the labels asked for are classes of the prior. */
static int check_labels(struct tess_context *ctx, const struct tess_prior *p, const struct sampling_choice *choice)
{
    if (p->classes == 0 && (choice->labels.count > 0 || choice->guidance > 0.0))
        return ctx->fail(ctx, TESS_E_VALUE,
                         "`%s` is given, and this prior is told no labels; leave it out, or train the prior with `condition: labels`",
                         choice->labels.count > 0 ? "labels" : "guidance");
    for (int64_t i = 0; i < choice->labels.count; i++)
        if (choice->labels.item[i] >= p->classes)
            return ctx->fail(ctx, TESS_E_VALUE, "labels: %lld is none of this prior's classes, which are 0 .. %lld (-1: of none)",
                             (long long)choice->labels.item[i], (long long)(p->classes - 1));
    return TESS_OK;
}

static int open_sampler(struct tess_context *ctx, struct sampling_prior *p, const struct sampling_choice *choice)
{
    if (!choice->sampler)
        TESS_TRY(tess_instance_open(ctx, "sampler/1", "ancestral", "the sampler of every stage that says none", &p->own));
    p->sampler = choice->sampler ? choice->sampler : p->own;
    return tess_sampler_check(ctx, p->sampler, &p->prior, tess_prior_tokens(&p->prior));
}

int sampling_open(struct tess_context *ctx, struct sampling_prior *p, const struct sampling_choice *choice, const char *who,
                  const struct tess_attrs *f, const char *where)
{
    p->prior.size = sizeof p->prior;
    TESS_TRY(tess_prior_open(ctx, f, where, &p->prior));
    if (who && !tess_prior_conditions(&p->prior))
        return ctx->fail(ctx, TESS_E_VALUE,
                         "%s: a prior of noise `%s` cannot sample around tokens that are known; give one that is trained with another "
                         "(`absorbing`)",
                         who, tess_instance_name(p->prior.noise));
    TESS_TRY(check_labels(ctx, &p->prior, choice));
    p->guidance = choice->guidance;
    p->rows = choice->guidance > 0.0 ? 2 : 1;
    return open_sampler(ctx, p, choice);
}

int sampling_record(struct tess_context *ctx, struct sampling_prior *p, int64_t steps, uint64_t seed, int64_t batch)
{
    int64_t positions = tess_sampler_positions(&p->prior, steps);
    TESS_TRY(tess_weights_new(ctx, seed, &p->weights));
    p->denoise.weights = p->picked.weights = p->weights;
    TESS_TRY(stage_graph_open(ctx, &p->denoise, seed, batch * p->rows));
    TESS_TRY(tess_prior_record_denoise(ctx, &p->prior, p->denoise.graph));
    TESS_TRY(tess_graph_seal(ctx, p->denoise.graph));
    if (!positions)
        return TESS_OK;
    TESS_TRY(stage_graph_open(ctx, &p->picked, seed, batch * p->rows));
    TESS_TRY(tess_prior_record_picked(ctx, &p->prior, positions, p->picked.graph));
    return tess_graph_seal(ctx, p->picked.graph);
}

/* Rows of a microbatch of the graph for one token: all weights are read for a microbatch, so it has more sequences than those of other
 * graphs; and the products of 16 rows are rounded as larger ones are where a library has other loops for small ones (docs/models.md,
 * section 9). */
enum { NEXT_ROWS = 16 };

int sampling_record_next(struct tess_context *ctx, struct sampling_prior *p, uint64_t seed, int64_t batch)
{
    TESS_TRY(tess_weights_new(ctx, seed, &p->weights));
    p->next.weights = p->weights;
    TESS_TRY(tess_cache_new(ctx, tess_prior_tokens(&p->prior), &p->cache));
    TESS_TRY(stage_graph_open_rows(ctx, &p->next, seed, batch * p->rows, NEXT_ROWS));
    TESS_TRY(tess_prior_record_next(ctx, &p->prior, p->cache, p->next.graph));
    return tess_graph_seal(ctx, p->next.graph);
}

void sampling_close(struct sampling_prior *p)
{
    stage_graph_close(&p->picked, 0);
    stage_graph_close(&p->denoise, 0);
    stage_graph_close(&p->next, 0);
    tess_cache_free(p->cache);
    tess_weights_free(p->weights);
    tess_instance_close(p->own);
    tess_prior_close(&p->prior);
}

int64_t sampling_bytes(const struct sampling_prior *p, int64_t count)
{
    int64_t tokens = tess_prior_tokens(&p->prior), batch = p->next.graph ? p->next.batch : p->denoise.batch;
    int64_t logits = p->next.graph ? p->prior.codebook_size : tokens * (p->prior.codebook_size + 2);
    return (count * tokens + batch * logits) * (int64_t)sizeof(int32_t) +
           count * tess_sampler_state_size(p->sampler, tokens, p->prior.codebook_size);
}

int sampling_cost(struct tess_context *ctx, const struct sampling_prior *p, double calls, struct tess_cost *cost)
{
    int64_t before = cost->total_bytes;
    calls *= (double)p->rows;
    cost->total_bytes += tess_weights_bytes(p->weights);
    if (p->next.graph)
        TESS_TRY(stage_graph_cost(ctx, &p->next, calls, cost));
    if (p->denoise.graph)
        TESS_TRY(stage_graph_cost(ctx, &p->denoise, p->picked.graph ? 0.0 : calls, cost));
    if (p->picked.graph)
        TESS_TRY(stage_graph_cost(ctx, &p->picked, calls, cost));
    stage_graph_cost_settled(p->weights, before, cost);
    return TESS_OK;
}

int sampling_tells(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return !noise->needs_time && TESS_HAS(noise, changes) && noise->changes;
}

/* Attributes on labels and on the sampler, where the prior is told labels and a sampler was given; none otherwise. */
static int describe_choice(struct tess_context *ctx, const struct sampling_prior *p, const struct sampling_choice *choice,
                           struct tess_attrs *f)
{
    if (choice->sampler)
        TESS_TRY(tess_attrs_set_text(ctx, f, "sampler", tess_instance_config_text(choice->sampler)));
    if (p->prior.classes == 0)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_text(ctx, f, "condition", "labels"));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "classes", p->prior.classes));
    TESS_TRY(tess_attrs_set_f64(ctx, f, "guidance", choice->guidance));
    return tess_attrs_set_text(ctx, f, "guidance_rule", "(1 + w) conditional - w unconditional, logits");
}

int sampling_describe(struct tess_context *ctx, const struct sampling_prior *p, const struct sampling_choice *choice,
                      const struct tess_attrs *prior, const struct sampling_result *made, struct tess_attrs *f)
{
    const char *tokenizer = tess_attrs_text_or(prior, "tokenizer", NULL);
    TESS_TRY(tess_attrs_set_i64(ctx, f, "count", made->count));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", made->height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", made->width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", p->prior.codebook_size));
    TESS_TRY(tess_levels_set(ctx, f, p->prior.codebook_size, p->prior.depth, p->prior.level_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "steps", made->steps));
    TESS_TRY(tess_attrs_set_f64(ctx, f, "temperature", choice->temperature));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "seed", (int64_t)made->seed));
    TESS_TRY(describe_choice(ctx, p, choice, f));
    return tokenizer ? tess_attrs_set_text(ctx, f, "tokenizer", tokenizer) : TESS_OK;
}

int sampling_labels(struct tess_context *ctx, const struct sampling_prior *p, const struct sampling_choice *choice, int64_t count,
                    struct tess_tensor *labels)
{
    const struct tess_list *list = &choice->labels;
    if (p->prior.classes == 0)
        return TESS_OK;
    TESS_TRY(stage_tensor(ctx, labels, TESS_I32, 1, &count));
    for (int64_t i = 0; i < count; i++) {
        int64_t label = list->count ? list->item[i % list->count] : i % p->prior.classes;
        ((int32_t *)labels->data)[i] = (int32_t)(label < 0 ? p->prior.classes : label);
    }
    return TESS_OK;
}

void sampling_disk(const struct sampling_prior *p, int64_t count, int64_t height, int64_t width, struct tess_stage_plan *plan)
{
    int64_t codes = count * height * width * (tess_prior_tokens(&p->prior) / (p->prior.height * p->prior.width));
    plan->output_bytes += cost_of_codes(codes, p->prior.codebook_size);
    plan->checkpoint_bytes += (codes + 2 * count) * (int64_t)sizeof(int32_t); /* tokens; steps left and calls of each */
}

const struct tess_port sampling_ports[] = {
    {.name = "prior", .kind = "prior", .help = "what to sample from"},
    {.name = "model", .kind = "autoencoder", .optional = 1, .help = "the tokenizer, to make images of the codes"},
    {.name = NULL}};

int sampling_read_weights(struct tess_context *ctx, const struct sampling_prior *p, const struct tess_artefact *prior,
                          const struct stage_codec *codec, const struct tess_artefact *model)
{
    TESS_TRY(stage_graph_weights(ctx, p->weights, prior));
    return model ? stage_graph_weights(ctx, codec->weights, model) : TESS_OK;
}

int sampling_put_codes(struct tess_context *ctx, struct tess_artefact *a, const struct sampling_prior *p, const struct tess_tensor *codes,
                       const struct tess_tensor *labels)
{
    const struct code_maps maps = code_maps_of_prior(&p->prior);
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(stage_put_codes(ctx, a, codes, &maps));
    return labels->data ? tess_artefact_put(ctx, a, "labels", labels, &how) : TESS_OK;
}

/* ---- progress of the sequences ---- */

static int64_t sampling_steps_of(const struct sampling_state *s, int64_t i)
{
    return s->each ? s->each[i] : s->steps;
}

int64_t sampling_total(const struct sampling_state *s)
{
    int64_t total = 0;
    for (int64_t i = 0; i < s->left.dim[0]; i++)
        total += sampling_steps_of(s, i);
    return total;
}

int64_t sampling_done(const struct sampling_state *s)
{
    int64_t done = sampling_total(s);
    for (int64_t i = 0; i < s->left.dim[0]; i++)
        done -= ((const int32_t *)s->left.data)[i];
    return done;
}

int sampling_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct sampling_state *s = user;
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "calls", *s->calls));
    TESS_TRY(tess_artefact_put(ctx, a, "x", &s->x, NULL));
    TESS_TRY(tess_artefact_put(ctx, a, "left", &s->left, NULL));
    TESS_TRY(tess_artefact_put(ctx, a, "call", &s->call, NULL));
    return s->state.data ? tess_artefact_put(ctx, a, "state", &s->state, NULL) : TESS_OK;
}

/* Checks a sample read from a checkpoint: its steps left, its calls, and its tokens. */
static int check_resumed(struct tess_context *ctx, const struct sampling_state *s, int64_t i, const char *path)
{
    int32_t left = ((const int32_t *)s->left.data)[i], call = ((const int32_t *)s->call.data)[i];
    int64_t calls = 1, tokens = tess_tensor_count(&s->x) / s->x.dim[0];
    if (left < 0 || left > sampling_steps_of(s, i))
        return ctx->fail(ctx, TESS_E_DATA, "%s: sample %lld has %d steps left of %lld; delete it to sample from the start", path,
                         (long long)i, (int)left, (long long)sampling_steps_of(s, i));
    if (left > 0)
        TESS_TRY(tess_sampler_step_calls(ctx, s->sampler, left, sampling_steps_of(s, i), &calls));
    if (call < 0 || call >= calls)
        return ctx->fail(ctx, TESS_E_DATA, "%s: sample %lld has had %d of %lld calls of its step; delete it to sample from the start", path,
                         (long long)i, (int)call, (long long)calls);
    for (int64_t t = i * tokens; t < (i + 1) * tokens; t++)
        if (((const int32_t *)s->x.data)[t] < 0 || ((const int32_t *)s->x.data)[t] >= s->vocabulary)
            return ctx->fail(ctx, TESS_E_DATA, "%s: a token of sample %lld is %d, wanted 0 .. %lld; delete it to sample from the start",
                             path, (long long)i, (int)((const int32_t *)s->x.data)[t], (long long)(s->vocabulary - 1));
    return TESS_OK;
}

static int sampling_read(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_state *s)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    struct tess_tensor x = s->x, left = s->left, call = s->call, state = s->state;
    if (!a)
        return TESS_OK;
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(a), "calls", s->calls));
    TESS_TRY(tess_artefact_read(ctx, a, "x", 0, &x));
    TESS_TRY(tess_artefact_read(ctx, a, "left", 0, &left));
    TESS_TRY(tess_artefact_read(ctx, a, "call", 0, &call));
    if (state.data)
        TESS_TRY(tess_artefact_read(ctx, a, "state", 0, &state));
    for (int64_t i = 0; i < left.dim[0]; i++)
        TESS_TRY(check_resumed(ctx, s, i, tess_artefact_path(a)));
    tess_stage_note(r, "resuming at step %lld of %lld", (long long)sampling_done(s), (long long)sampling_total(s));
    return TESS_OK;
}

int sampling_resume(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_state *s)
{
    const struct tess_tensor *const all[] = {&s->x, &s->left, &s->call, &s->state};
    if (tess_stage_leads(r))
        TESS_TRY(sampling_read(ctx, r, s));
    TESS_TRY(tess_stage_agree(ctx, r, s->calls, sizeof *s->calls));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->data)
            TESS_TRY(tess_stage_agree(ctx, r, all[i]->data, (int64_t)tess_tensor_bytes(all[i])));
    return TESS_OK;
}

int sampling_pause(struct tess_context *ctx, struct tess_stage_run *r, struct sampling_state *s)
{
    int stops = tess_stage_stopping(r);
    if (*s->calls > 0 && (stops || tess_stage_checkpoint_due(r))) {
        if (s->shared)
            TESS_TRY(tess_sampler_gather(ctx, s->shared));
        TESS_TRY(tess_stage_checkpoint(ctx, r, sampling_write_checkpoint, s));
    }
    return stops ? stage_check_stop(ctx, r, sampling_done(s), sampling_total(s), "step") : TESS_OK; /* counting them all takes a while */
}

int sampling_finish(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_prior *p, struct tess_sampler *sampler,
                    const int32_t *each, int64_t steps)
{
    struct sampling_state state = {.x = tess_sampler_x(sampler),
                                   .left = tess_sampler_left(sampler),
                                   .call = tess_sampler_call(sampler),
                                   .state = tess_sampler_state(sampler),
                                   .sampler = p->sampler,
                                   .vocabulary = tess_prior_vocabulary(&p->prior),
                                   .calls = tess_sampler_calls(sampler),
                                   .shared = sampler,
                                   .each = each,
                                   .steps = steps};
    int64_t all = sampling_total(&state);
    TESS_TRY(sampling_resume(ctx, r, &state));
    TESS_TRY(tess_sampler_share(ctx, sampler));
    while (!tess_sampler_finished(sampler)) {
        TESS_TRY(sampling_pause(ctx, r, &state));
        TESS_TRY(tess_sampler_advance(ctx, sampler));
        tess_stage_progress(r, tess_sampler_steps_done(sampler), all, "step", NULL, 0.0);
    }
    return tess_sampler_gather(ctx, sampler);
}
