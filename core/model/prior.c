/* A prior from an artefact's attributes, and its graphs. SPDX-License-Identifier: MIT */
#include <tessera/model.h>

#include "core/host/runtime.h"
#include "core/model/level_mask.h"

#include <stdio.h>
#include <string.h>

static int prior_open_all(struct tess_context *ctx, const struct tess_attrs *f, const char *where, struct tess_prior *p)
{
    const char *config_text;
    char place[600];
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &p->codebook_size));
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &p->height));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &p->width));
    TESS_TRY(tess_levels_get(ctx, f, p->codebook_size, &p->depth, p->level_size));
    TESS_TRY(tess_attrs_text(ctx, f, "noise", &config_text));
    snprintf(place, sizeof place, "%s: noise", where);
    TESS_TRY(tess_instance_open(ctx, "noise/1", config_text, place, &p->noise));
    TESS_TRY(tess_attrs_text(ctx, f, "denoiser", &config_text));
    snprintf(place, sizeof place, "%s: denoiser", where);
    return tess_instance_open(ctx, "denoiser/1", config_text, place, &p->denoiser);
}

int tess_prior_open(struct tess_context *ctx, const struct tess_attrs *f, const char *where, struct tess_prior *out)
{
    struct tess_prior p = {.size = out->size};
    if (!TESS_HAS(out, denoiser))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: a struct of %u bytes for a prior: its `size` is to be set by who opens it", where,
                         out->size);
    int status = prior_open_all(ctx, f, where, &p);
    if (status != TESS_OK)
        tess_prior_close(&p);
    memcpy(out, &p, out->size < sizeof p ? out->size : sizeof p);
    return status;
}

void tess_prior_close(struct tess_prior *p)
{
    tess_instance_close(p->noise);
    tess_instance_close(p->denoiser);
    p->noise = p->denoiser = NULL;
}

int tess_prior_causal(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return TESS_HAS(noise, causal) && noise->causal;
}

int64_t tess_prior_tokens(const struct tess_prior *p)
{
    return p->height * p->width * (p->depth > 1 ? p->depth : 1);
}

int64_t tess_prior_steps(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    int64_t steps = noise->steps(tess_instance_self(p->noise));
    return steps ? steps : tess_prior_tokens(p);
}

static int prior_is_causal(const struct tess_denoiser_1 *d)
{
    return TESS_HAS(d, causal) && d->causal;
}

static int prior_reads_depth(const struct tess_denoiser_1 *d)
{
    return TESS_HAS(d, reads_depth) && d->reads_depth;
}

enum { NAMES = 256 };

/* "`transformer`, `unet`": the denoisers that can do something, "another" for none. */
static int denoisers_that(struct tess_context *ctx, int (*can)(const struct tess_denoiser_1 *d), char *names)
{
    struct tessi_runtime *r;
    const struct tess_component *k;
    *names = '\0';
    TESS_TRY(tessi_base_runtime_need(ctx, &r));
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->registry, i, NULL)); i++)
        if (strcmp(k->kind, "denoiser/1") == 0 && can(k->ops) && strlen(names) + strlen(k->name) + 5 < NAMES) {
            strcat(names, *names ? ", `" : "`");
            strcat(names, k->name);
            strcat(names, "`");
        }
    if (!*names)
        strcpy(names, "another");
    return TESS_OK;
}

static int check_levels(struct tess_context *ctx, const struct tess_prior *p)
{
    char names[NAMES];
    if (p->depth <= 1 || prior_reads_depth(tess_instance_ops(p->denoiser, "denoiser/1")))
        return TESS_OK;
    TESS_TRY(denoisers_that(ctx, prior_reads_depth, names));
    return ctx->fail(ctx, TESS_E_VALUE, "the codes have %lld levels a position, and the denoiser `%s` knows of one; use %s",
                     (long long)p->depth, tess_instance_name(p->denoiser), names);
}

/* The noise's demand on the denoiser, refused with the names of those that meet it. */
static int check_causal(struct tess_context *ctx, const struct tess_prior *p)
{
    char names[NAMES];
    if (!tess_prior_causal(p) || prior_is_causal(tess_instance_ops(p->denoiser, "denoiser/1")))
        return TESS_OK;
    TESS_TRY(denoisers_that(ctx, prior_is_causal, names));
    return ctx->fail(ctx, TESS_E_VALUE,
                     "the noise `%s` wants a denoiser that makes each token's logits of the tokens before it alone, and `%s` sees all; "
                     "use %s",
                     tess_instance_name(p->noise), tess_instance_name(p->denoiser), names);
}

/* tokens (rows, L), time (rows) or NULL, positions (rows, P) or NULL -> logits (rows, P or L, K), under the scope "denoiser". */
static int record_logits(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g, struct tess_node *tokens,
                         struct tess_node *time, struct tess_node *positions, struct tess_node **logits)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    struct tess_denoiser_input in = {.size = sizeof in,
                                     .tokens = tokens,
                                     .time = noise->needs_time ? time : NULL,
                                     .vocabulary = noise->vocabulary(tess_instance_self(p->noise), p->codebook_size),
                                     .codebook_size = p->codebook_size,
                                     .height = p->height,
                                     .width = p->width,
                                     .positions = positions,
                                     .causal = tess_prior_causal(p),
                                     .depth = p->depth > 1 ? p->depth : 1};
    TESS_TRY(check_causal(ctx, p));
    TESS_TRY(check_levels(ctx, p));
    tess_scope(g, "denoiser");
    TESS_TRY(denoiser->record(tess_instance_self(p->denoiser), ctx, g, &in, logits));
    tess_scope_end(g);
    *logits = tessi_model_level_mask(g, *logits, positions, p->depth, p->level_size);
    return TESS_OK;
}

/* positions 0: of all tokens. */
static int record_denoise(struct tess_context *ctx, const struct tess_prior *p, int64_t positions, struct tess_graph *g)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    int64_t rows = tess_graph_microbatch(g);
    struct tess_node *tokens = tess_input(g, "tokens", TESS_I32, 2, (const int64_t[]){rows, tess_prior_tokens(p)}), *logits = NULL;
    struct tess_node *time = noise->needs_time ? tess_input(g, "time", TESS_F32, 1, &rows) : NULL;
    struct tess_node *picked = positions ? tess_input(g, "positions", TESS_I32, 2, (const int64_t[]){rows, positions}) : NULL;
    TESS_TRY(record_logits(ctx, p, g, tokens, time, picked, &logits));
    tess_output(g, "logits", logits);
    return TESS_OK;
}

int tess_prior_record_denoise(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g)
{
    return record_denoise(ctx, p, 0, g);
}

int tess_prior_record_picked(struct tess_context *ctx, const struct tess_prior *p, int64_t positions, struct tess_graph *g)
{
    if (positions < 1 || positions > tess_prior_tokens(p) || !tess_prior_picks(p))
        return ctx->fail(ctx, TESS_E_INTERNAL, "logits of %lld of %lld tokens, of a noise and a denoiser that %s", (long long)positions,
                         (long long)tess_prior_tokens(p), tess_prior_picks(p) ? "can be asked for 1 to all" : "know of all tokens only");
    return record_denoise(ctx, p, positions, g);
}

int tess_prior_picks(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    return TESS_HAS(noise, reads_row) && noise->changes && noise->reads_row && TESS_HAS(denoiser, picks_positions) &&
           denoiser->picks_positions && !tess_prior_causal(p);
}

int tess_prior_caches(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    return tess_prior_causal(p) && !noise->needs_time && prior_is_causal(denoiser) && TESS_HAS(denoiser, record_next) &&
           denoiser->record_next;
}

int tess_prior_record_next(struct tess_context *ctx, const struct tess_prior *p, struct tess_cache *cache, struct tess_graph *g)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    const int64_t shape[2] = {tess_graph_microbatch(g), 1};
    struct tess_node *logits = NULL;
    TESS_TRY(check_causal(ctx, p));
    TESS_TRY(check_levels(ctx, p));
    if (!tess_prior_caches(p))
        return ctx->fail(ctx, TESS_E_INTERNAL, "the next token of a noise and a denoiser that know of all tokens only");
    struct tess_denoiser_next in = {.size = sizeof in,
                                    .cache = cache,
                                    .vocabulary = noise->vocabulary(tess_instance_self(p->noise), p->codebook_size),
                                    .codebook_size = p->codebook_size,
                                    .height = p->height,
                                    .width = p->width,
                                    .depth = p->depth > 1 ? p->depth : 1};
    in.token = tess_input(g, "token", TESS_I32, 2, shape);
    in.position = tess_input(g, "position", TESS_I32, 2, shape);
    tess_scope(g, "denoiser");
    TESS_TRY(denoiser->record_next(tess_instance_self(p->denoiser), ctx, g, &in, &logits));
    tess_scope_end(g);
    tess_output(g, "logits", tessi_model_level_mask(g, logits, in.position, p->depth, p->level_size));
    return TESS_OK;
}

int tess_prior_conditions(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return TESS_HAS(noise, condition) && noise->condition;
}

int tess_prior_record_loss(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g, struct tess_noise_loss *out)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    void *self = tess_instance_self(p->noise);
    int64_t rows = tess_graph_microbatch(g);
    const int64_t shape[2] = {rows, tess_prior_tokens(p)};
    struct tess_node *x0 = tess_input(g, "x0", TESS_I32, 2, shape), *xt = tess_input(g, "xt", TESS_I32, 2, shape);
    struct tess_node *t = tess_input(g, "t", TESS_F32, 1, &rows), *logits = NULL;
    struct tess_node *time = tess_affine(g, t, 1.0f / (float)tess_prior_steps(p), 0.0f);
    TESS_TRY(record_logits(ctx, p, g, xt, time, NULL, &logits));
    tess_scope(g, "noise");
    TESS_TRY(noise->record_loss(self, ctx, g, logits, x0, xt, t, out));
    tess_scope_end(g);
    return TESS_OK;
}
