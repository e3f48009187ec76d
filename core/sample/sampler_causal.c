/* Autoregressive sampling of a causal prior, token by token (docs/models.md, (20.5)). A batch is the next `batch` sequences in the order of
 * their numbers, in whole microbatches; all of them are at the same position, and the batch ends with their last token. A sequence that is
 * further than the position, because a sampler takes over from a checkpoint, has its tokens put into the cache and none drawn: what that
 * checkpoint's sampler computed is computed again.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/lockstep.h"

struct tessi_lockstep {
    const struct tess_sampler_options *o;
    int64_t tokens, first, position; /* first: the batch's first sequence; position: index of its next token */
    double flops;                    /* work for one token */
    int64_t rows, batch;             /* rows of the graph for each sequence; sequences of a batch, in whole microbatches */
    struct tess_tensor token, place, label, logits;
    int32_t *row; /* (tokens) zeros: there is one row of logits, that of the token being drawn */
};

/* Checks that the sampler calls the denoiser once in each step: a step is one token. */
static int check_calls(struct tess_context *ctx, const struct tess_sampler_options *o, int64_t tokens)
{
    for (int64_t left = tokens; left > 0; left--) {
        int64_t calls;
        TESS_TRY(tess_sampler_step_calls(ctx, o->sampler, left, tokens, &calls));
        if (calls != 1)
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "the sampler `%s` wants %lld calls of the denoiser in a step, and a prior that draws one token after the other "
                "has one; set `every_step: true`, or use the sampler `ancestral`",
                tess_instance_name(o->sampler), (long long)calls);
    }
    return TESS_OK;
}

static int sampler_causal_prepare(struct tess_context *ctx, struct tessi_lockstep *k)
{
    const struct tess_prior *p = k->o->prior;
    const int64_t shape[3] = {k->batch * k->rows, 1, p->codebook_size};
    struct tess_tensor logits;
    struct tess_cost cost = {.size = sizeof cost};
    void *memory;
    TESS_TRY(check_calls(ctx, k->o, k->tokens));
    TESS_TRY(tess_graph_cost(ctx, k->o->next, &cost));
    k->flops = cost.flops;
    if (!tess_graph_output_at(k->o->next, 0, &logits) || logits.rank != 3 || logits.dim[1] != 1 || logits.dim[2] != p->codebook_size)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's graph of the next token gives no logits (rows, 1, %lld)",
                       (long long)p->codebook_size);
    TESS_TRY(tessi_sample_tensor(ctx, &k->token, TESS_I32, 2, shape));
    TESS_TRY(tessi_sample_tensor(ctx, &k->place, TESS_I32, 2, shape));
    if (k->o->label)
        TESS_TRY(tessi_sample_tensor(ctx, &k->label, TESS_I32, 1, shape));
    TESS_TRY(tessi_sample_tensor(ctx, &k->logits, TESS_F32, 3, shape));
    TESS_TRY(tess_alloc(ctx, (size_t)k->tokens * sizeof *k->row, "a list of tokens", &memory));
    k->row = memory;
    return TESS_OK;
}

int tessi_sample_lockstep_new(struct tess_context *ctx, struct tessi_sample_state *s, struct tessi_lockstep **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_lockstep), "a sampler", &memory));
    *out = memory;
    (*out)->o = &s->o;
    (*out)->rows = s->rows;
    tessi_sample_places(s, s->o.next);
    (*out)->batch = s->batch;
    (*out)->tokens = s->tokens;
    return sampler_causal_prepare(ctx, *out); /* a half-made one is freed with its sampler */
}

void tessi_sample_lockstep_free(struct tessi_lockstep *k)
{
    if (!k)
        return;
    tess_free(k->token.data);
    tess_free(k->place.data);
    tess_free(k->label.data);
    tess_free(k->logits.data);
    tess_free(k->row);
    tess_free(k);
}

static int64_t batch_size(const struct tessi_lockstep *k, const struct tessi_sample_state *s)
{
    int64_t rest = s->end - k->first;
    return rest < k->batch ? rest : k->batch;
}

/* 1 when a sequence of the batch has a token that is still to be drawn. */
static int sampler_causal_unfinished(const struct tessi_lockstep *k, const struct tessi_sample_state *s)
{
    for (int64_t i = k->first; i < k->first + batch_size(k, s); i++)
        if (*tessi_sample_left(s, i) > 0)
            return 1;
    return 0;
}

/* Fills the rows of the i-th sequence of the batch with the token before the position, and the position. */
static void sampler_causal_put(struct tessi_lockstep *k, const struct tessi_sample_state *s, int64_t i)
{
    for (int64_t row = i * k->rows; row < (i + 1) * k->rows; row++) {
        ((int32_t *)k->token.data)[row] = k->position ? tessi_sample_sequence(s, k->first + i)[k->position - 1] : 0;
        ((int32_t *)k->place.data)[row] = (int32_t)k->position;
    }
    if (k->label.data)
        tessi_sample_put_labels(s, k->first + i, (int32_t *)k->label.data + i * k->rows);
}

/* Computes the logits of the batch's sequences at the position. */
static int sampler_causal_run(struct tess_context *ctx, struct tessi_lockstep *k, const struct tessi_sample_state *s, int64_t n)
{
    struct tess_tensor in[3] = {k->token, k->place, k->label}, out = k->logits;
    for (int64_t i = 0; i < n; i++)
        sampler_causal_put(k, s, i);
    in[0].dim[0] = in[1].dim[0] = in[2].dim[0] = out.dim[0] = n * k->rows;
    struct tess_batch b = {.size = sizeof b, .samples = n * k->rows, .inputs = k->label.data ? 3 : 2, .in = in, .outputs = 1, .out = &out};
    return tess_graph_run(ctx, k->o->next, &b);
}

struct drawing {
    const struct tessi_lockstep *k;
    const struct tessi_sample_state *s;
};

static int sampler_causal_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t i)
{
    const struct drawing *d = user;
    const struct tessi_lockstep *k = d->k;
    int64_t values = k->o->prior->codebook_size, at = k->first + i;
    float *logits = (float *)k->logits.data + i * k->rows * values;
    struct tessi_sample_call c;
    (void)row;
    if (*tessi_sample_left(d->s, at) != k->tokens - k->position)
        return TESS_OK; /* the token was drawn before */
    tessi_sample_guide(d->s, values, logits);
    tessi_sample_next(d->s, at, logits, &c);
    c.reverse.row = k->row;
    TESS_TRY(tess_sampler_step_draw(ctx, k->o->sampler, &c.step));
    return tessi_sample_passed(ctx, d->s, at);
}

int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tessi_sample_state *s, int64_t *calls,
                                  double *flops)
{
    k->first = k->first < s->first ? s->first : k->first;
    for (; !sampler_causal_unfinished(k, s) && k->first < s->end; k->position = 0)
        k->first += k->batch;
    if (k->first >= s->end)
        return TESS_OK;
    int64_t n = batch_size(k, s);
    TESS_TRY(sampler_causal_run(ctx, k, s, n));
    TESS_TRY(tessi_sample_each(ctx, s, n, sampler_causal_draw_one, &(struct drawing){k, s}));
    k->position++;
    *calls += n * k->rows;
    *flops += k->flops * (double)(n * k->rows);
    return TESS_OK;
}
