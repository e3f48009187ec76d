/* A prior from an artefact's attributes, and its graphs. SPDX-License-Identifier: MIT */
#include "core/base/text.h"
#include "core/host/runtime.h"
#include "core/model/check_recorded.h"
#include "core/model/level_mask.h"
#include "core/model/prior_check.h"
#include "core/plug/registry.h"

#include <stdio.h>
#include <string.h>

/* Labels are i32, and the denoiser has a row of weights for each. */
enum { CLASSES_MAX = 1 << 24 };

static int64_t classes_of(const struct tess_prior *p)
{
    return TESS_HAS(p, classes) ? p->classes : 0;
}

static int prior_is_causal(const struct tess_denoiser_1 *d)
{
    return TESS_HAS(d, causal) && d->causal;
}

static int prior_reads_depth(const struct tess_denoiser_1 *d)
{
    return TESS_HAS(d, reads_depth) && d->reads_depth;
}

static int takes_labels(const struct tess_denoiser_1 *d)
{
    return TESS_HAS(d, takes_labels) && d->takes_labels;
}

/* "`transformer`, `unet`": the denoisers there are that meet a demand; "another" where none does. */
static int denoisers_that(struct tess_context *ctx, int (*meets)(const struct tess_denoiser_1 *d), char *names, size_t capacity)
{
    struct tessi_runtime *r;
    const struct tess_component *k;
    TESS_TRY(tessi_base_runtime_need(ctx, &r));
    *names = '\0';
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->registry, i, NULL)); i++)
        if (strcmp(k->kind, "denoiser/1") == 0 && meets(k->ops))
            tessi_base_add(names, capacity, "%s`%s`", *names ? ", " : "", k->name);
    if (!*names)
        tessi_base_add(names, capacity, "another");
    return TESS_OK;
}

/* Demands that noise, levels and labels make of the denoiser, refused with the names of those that meet it. */
static int check_demands(struct tess_context *ctx, const struct tess_prior *p)
{
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    char names[256];
    if (tess_prior_causal(p) && !prior_is_causal(denoiser)) {
        TESS_TRY(denoisers_that(ctx, prior_is_causal, names, sizeof names));
        return ctx->fail(ctx, TESS_E_VALUE,
                         "the noise `%s` wants a denoiser that makes each token's logits of the tokens before it alone, and `%s` sees all; "
                         "use %s",
                         tess_instance_name(p->noise), tess_instance_name(p->denoiser), names);
    }
    if (p->depth > 1 && !prior_reads_depth(denoiser)) {
        TESS_TRY(denoisers_that(ctx, prior_reads_depth, names, sizeof names));
        return ctx->fail(ctx, TESS_E_VALUE, "the codes have %lld levels a position, and the denoiser `%s` knows of one; use %s",
                         (long long)p->depth, tess_instance_name(p->denoiser), names);
    }
    if (classes_of(p) == 0 || takes_labels(denoiser))
        return TESS_OK;
    TESS_TRY(denoisers_that(ctx, takes_labels, names, sizeof names));
    return ctx->fail(ctx, TESS_E_VALUE, "the denoiser `%s` cannot be told labels; use %s, or leave the condition out",
                     tess_instance_name(p->denoiser), names);
}

/* Checks of a prior's parts, made before anything is recorded or opened from them. */
static int check_parts(struct tess_context *ctx, const struct tess_prior *p)
{
    TESS_TRY(tessi_model_check_prior(ctx, p));
    if (classes_of(p) < 0 || classes_of(p) > CLASSES_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "a prior of %lld classes, wanted 1 .. %d, or none", (long long)classes_of(p), CLASSES_MAX);
    return check_demands(ctx, p);
}

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
    TESS_TRY(tess_instance_open(ctx, "denoiser/1", config_text, place, &p->denoiser));
    if (*tess_attrs_text_or(f, "condition", ""))
        TESS_TRY(tess_attrs_i64(ctx, f, "classes", &p->classes));
    return check_parts(ctx, p);
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

int64_t tess_prior_vocabulary(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return noise->vocabulary(tess_instance_self(p->noise), p->codebook_size);
}

int tess_prior_needs_time(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return noise->needs_time != 0;
}

/* Inputs of a graph of the denoiser; NULL where the graph has no such input. */
struct inputs {
    struct tess_node *tokens;    /* (rows, L) */
    struct tess_node *time;      /* (rows) */
    struct tess_node *label;     /* (rows) */
    struct tess_node *positions; /* (rows, P) */
};

/* The input "label" of a prior that is told labels. */
static struct tess_node *label_input(const struct tess_prior *p, struct tess_graph *g)
{
    int64_t rows = tess_graph_microbatch(g);
    return classes_of(p) ? tess_input(g, "label", TESS_I32, 1, &rows) : NULL;
}

/* logits (rows, P or L, K), under the scope "denoiser". */
static int record_logits(struct tess_context *ctx, const struct tess_prior *p, struct tess_graph *g, const struct inputs *n,
                         struct tess_node **logits)
{
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    struct tess_denoiser_input in = {.size = sizeof in,
                                     .tokens = n->tokens,
                                     .time = tess_prior_needs_time(p) ? n->time : NULL,
                                     .vocabulary = tess_prior_vocabulary(p),
                                     .codebook_size = p->codebook_size,
                                     .height = p->height,
                                     .width = p->width,
                                     .positions = n->positions,
                                     .causal = tess_prior_causal(p),
                                     .depth = p->depth > 1 ? p->depth : 1,
                                     .label = n->label,
                                     .classes = classes_of(p)};
    struct tess_tensor picked = tess_shape(n->positions);
    struct tessi_recording r = tessi_model_recording(p->denoiser, "denoiser", "record", g, "denoiser");
    TESS_TRY(tessi_model_returned(ctx, &r, denoiser->record(tess_instance_self(p->denoiser), ctx, g, &in, logits)));
    tess_scope_end(g);
    TESS_TRY(tessi_model_check_logits(ctx, &r, p, n->positions ? picked.dim[1] : tess_prior_tokens(p), *logits));
    *logits = tessi_model_level_mask(g, *logits, n->positions, p->depth, p->level_size);
    return TESS_OK;
}

/* Denoiser graph: logits at `positions` positions, given as an input; 0: at all tokens. */
static int record_denoise(struct tess_context *ctx, const struct tess_prior *p, int64_t positions, struct tess_graph *g)
{
    TESS_TRY(check_parts(ctx, p));
    int64_t rows = tess_graph_microbatch(g);
    struct tess_node *logits = NULL;
    struct inputs n = {.tokens = tess_input(g, "tokens", TESS_I32, 2, (const int64_t[]){rows, tess_prior_tokens(p)})};
    n.time = tess_prior_needs_time(p) ? tess_input(g, "time", TESS_F32, 1, &rows) : NULL;
    n.label = label_input(p, g);
    n.positions = positions ? tess_input(g, "positions", TESS_I32, 2, (const int64_t[]){rows, positions}) : NULL;
    TESS_TRY(record_logits(ctx, p, g, &n, &logits));
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
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    const int64_t shape[2] = {tess_graph_microbatch(g), 1};
    struct tess_node *logits = NULL;
    TESS_TRY(check_parts(ctx, p));
    if (!tess_prior_caches(p))
        return ctx->fail(ctx, TESS_E_INTERNAL, "the next token of a noise and a denoiser that know of all tokens only");
    struct tess_denoiser_next in = {.size = sizeof in,
                                    .cache = cache,
                                    .vocabulary = tess_prior_vocabulary(p),
                                    .codebook_size = p->codebook_size,
                                    .height = p->height,
                                    .width = p->width,
                                    .depth = p->depth > 1 ? p->depth : 1,
                                    .classes = classes_of(p)};
    in.token = tess_input(g, "token", TESS_I32, 2, shape);
    in.position = tess_input(g, "position", TESS_I32, 2, shape);
    in.label = label_input(p, g);
    struct tessi_recording r = tessi_model_recording(p->denoiser, "denoiser", "record_next", g, "denoiser");
    TESS_TRY(tessi_model_returned(ctx, &r, denoiser->record_next(tess_instance_self(p->denoiser), ctx, g, &in, &logits)));
    tess_scope_end(g);
    TESS_TRY(tessi_model_check_logits(ctx, &r, p, 1, logits));
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
    TESS_TRY(check_parts(ctx, p));
    int64_t rows = tess_graph_microbatch(g);
    const int64_t shape[2] = {rows, tess_prior_tokens(p)};
    struct tess_noise_loss made = {.size = sizeof made};
    struct tess_node *x0 = tess_input(g, "x0", TESS_I32, 2, shape), *xt = tess_input(g, "xt", TESS_I32, 2, shape);
    struct tess_node *t = tess_input(g, "t", TESS_F32, 1, &rows), *logits = NULL;
    struct inputs n = {.tokens = xt, .time = tess_affine(g, t, 1.0f / (float)tess_prior_steps(p), 0.0f), .label = label_input(p, g)};
    TESS_TRY(record_logits(ctx, p, g, &n, &logits));
    struct tessi_recording r = tessi_model_recording(p->noise, "noise", "record_loss", g, "noise");
    TESS_TRY(tessi_model_returned(ctx, &r, noise->record_loss(tess_instance_self(p->noise), ctx, g, logits, x0, xt, t, &made)));
    tess_scope_end(g);
    TESS_TRY(tessi_model_check_noise_loss(ctx, &r, &made));
    out->loss = made.loss;
    out->bound = made.bound;
    return TESS_OK;
}
