/* Sequences of a causal prior, token by token (docs/models.md, (20.5)). A batch is the next `batch` sequences in the order of their
 * numbers; all of them are at the same position, and the batch ends with their last token. A sequence that is further than the position,
 * because a sampler takes over from a checkpoint, has its tokens put into the cache and none drawn: what that checkpoint's sampler
 * computed is computed again.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

struct tessi_lockstep {
    const struct tess_sampler_options *o;
    int64_t tokens, first, position; /* of the batch: its first sequence, and where all of them are */
    double flops;                    /* of one token */
    struct tess_tensor token, place, logits;
    int32_t *row;                    /* (tokens) of 0: the one row of logits is whichever token's is drawn */
};

static int sampler_causal_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t), "a batch of tokens", &t->data);
}

static int sampler_causal_prepare(struct tess_context *ctx, struct tessi_lockstep *k)
{
    const struct tess_prior *p = k->o->prior;
    const int64_t shape[3] = {k->o->batch, 1, p->codebook_size};
    struct tess_tensor logits;
    struct tess_cost cost = {.size = sizeof cost};
    void *memory;
    k->tokens = tess_prior_tokens(p);
    TESS_TRY(tess_graph_cost(ctx, k->o->next, &cost));
    k->flops = cost.flops;
    if (!tess_graph_output_at(k->o->next, 0, &logits) || logits.rank != 3 || logits.dim[1] != 1 || logits.dim[2] != p->codebook_size)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's graph of the next token gives no logits (rows, 1, %lld)",
                       (long long)p->codebook_size);
    TESS_TRY(sampler_causal_tensor(ctx, &k->token, TESS_I32, 2, shape));
    TESS_TRY(sampler_causal_tensor(ctx, &k->place, TESS_I32, 2, shape));
    TESS_TRY(sampler_causal_tensor(ctx, &k->logits, TESS_F32, 3, shape));
    TESS_TRY(tess_alloc(ctx, (size_t)k->tokens * sizeof *k->row, "a list of tokens", &memory));
    k->row = memory;
    return TESS_OK;
}

int tessi_sample_lockstep_new(struct tess_context *ctx, const struct tess_sampler_options *o, struct tessi_lockstep **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_lockstep), "a sampler", &memory));
    *out = memory;
    (*out)->o = o;
    return sampler_causal_prepare(ctx, *out); /* a half-made one is freed with its sampler */
}

void tessi_sample_lockstep_free(struct tessi_lockstep *k)
{
    if (!k)
        return;
    tess_free(k->token.data);
    tess_free(k->place.data);
    tess_free(k->logits.data);
    tess_free(k->row);
    tess_free(k);
}

static const int32_t *sampler_causal_sequence(const struct tessi_lockstep *k, const struct tess_sampler *s, int64_t i)
{
    struct tess_tensor x = tess_sampler_x(s);
    return (const int32_t *)x.data + i * k->tokens;
}

static int32_t *sampler_causal_left(const struct tess_sampler *s, int64_t i)
{
    struct tess_tensor all = tess_sampler_left(s);
    return (int32_t *)all.data + i;
}

static int64_t batch_size(const struct tessi_lockstep *k)
{
    int64_t rest = k->o->count - k->first;
    return rest < k->o->batch ? rest : k->o->batch;
}

/* A token of any of the batch is still to be drawn. */
static int sampler_causal_unfinished(const struct tessi_lockstep *k, const struct tess_sampler *s)
{
    for (int64_t i = k->first; i < k->first + batch_size(k); i++)
        if (*sampler_causal_left(s, i) > 0)
            return 1;
    return 0;
}

/* The logits of the batch's sequences at the position, each told the token before it. */
static int sampler_causal_run(struct tess_context *ctx, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t n)
{
    struct tess_tensor in[2] = {k->token, k->place}, out = k->logits;
    for (int64_t i = 0; i < n; i++) {
        ((int32_t *)k->token.data)[i] = k->position ? sampler_causal_sequence(k, s, k->first + i)[k->position - 1] : 0;
        ((int32_t *)k->place.data)[i] = (int32_t)k->position;
    }
    in[0].dim[0] = in[1].dim[0] = out.dim[0] = n;
    struct tess_batch b = {.size = sizeof b, .samples = n, .inputs = 2, .in = in, .outputs = 1, .out = &out};
    return tess_graph_run(ctx, k->o->next, &b);
}

struct drawing {
    const struct tessi_lockstep *k;
    const struct tess_sampler *s;
};

static int sampler_causal_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t i)
{
    const struct drawing *d = user;
    const struct tessi_lockstep *k = d->k;
    const struct tess_noise_1 *noise = tess_instance_ops(k->o->prior->noise, "noise/1");
    (void)row;
    if (*sampler_causal_left(d->s, k->first + i) != k->tokens - k->position)
        return TESS_OK; /* drawn before */
    struct tess_reverse r = tessi_sample_sampler_step(d->s, k->first + i, (const float *)k->logits.data + i * k->o->prior->codebook_size);
    r.row = k->row;
    TESS_TRY(noise->reverse(tess_instance_self(k->o->prior->noise), ctx, &r));
    --*sampler_causal_left(d->s, k->first + i);
    return TESS_OK;
}

int tessi_sample_lockstep_advance(struct tess_context *ctx, struct tessi_lockstep *k, const struct tess_sampler *s, int64_t *calls,
                                  double *flops)
{
    for (; !sampler_causal_unfinished(k, s) && k->first < k->o->count; k->position = 0)
        k->first += k->o->batch;
    if (k->first >= k->o->count)
        return TESS_OK;
    int64_t n = batch_size(k);
    TESS_TRY(sampler_causal_run(ctx, k, s, n));
    TESS_TRY(tessi_sample_sampler_each(ctx, s, n, sampler_causal_draw_one, &(struct drawing){k, s}));
    k->position++;
    *calls += n;
    *flops += k->flops * (double)n;
    return TESS_OK;
}
