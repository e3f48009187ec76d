/* The priors of "Unleashing Transformers", absorbing and autoregressive, whose network is the same: see unleashing.h.
 * SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/unleashing_transformers/unleashing.h"

#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/transformer_layout.h"

#include <stdio.h>
#include <string.h>

static const char who[] = "unleashing-transformers";

static const struct name_row prior_names[] = {
    {"_denoise_fn.start_tok", NULL, "the start of the autoregressive model, unused in this one"},
    {"_denoise_fn.", "denoiser.", NULL},
    {"Lt_history", NULL, "statistics of the training"},
    {"Lt_count", NULL, "statistics of the training"},
    {"loss_history", NULL, "statistics of the training"},
    {NULL, NULL, NULL}};

static const struct name_row causal_names[] = {{"net.", "denoiser.", NULL}, {NULL, NULL, NULL}};

struct network {
    struct transformer_layout layout;
    int64_t steps;
    int told; /* the file tells the steps, or there are none to tell */
};

static int read_denoiser(struct tess_context *ctx, const struct unleashing_untold *u, const struct tess_import_plan *p, int causal,
                         struct network *n)
{
    const struct tess_entry *history = name_find(p, "Lt_history", 0);
    n->layout.inside = causal ? "net." : "_denoise_fn.";
    TESS_TRY(transformer_layout_read(ctx, p, &n->layout));
    n->told = causal || (history && history->rank == 1 && history->dim[0] > 1);
    n->steps = causal || !n->told ? u->steps : history->dim[0] - 1; /* a place for each t from 0 to T */
    return TESS_OK;
}

int unleashing_import_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_import_plan *p, int causal)
{
    struct network n = {.steps = 0};
    const struct transformer_layout *l = &n.layout;
    char noise[120] = "{use: autoregressive}", denoiser[240], steps[64] = "";
    TESS_TRY(read_denoiser(ctx, u, p, causal, &n));
    if (p->tokenizer)
        TESS_TRY(transformer_layout_map(ctx, l, l->places, p));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(causal ? causal_names : prior_names, p, i);
        if (causal)
            transformer_layout_leave_mask(p, i);
    }
    p->kind = "prior";
    if (!causal)
        (void)snprintf(noise, sizeof noise, "{use: absorbing, steps: %lld, weight: code}", (long long)n.steps);
    (void)snprintf(denoiser, sizeof denoiser, "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld, mlp_ratio: %lld}",
                   (long long)l->embed_dim, (long long)l->layers, (long long)u->heads, (long long)l->mlp_ratio);
    if (!n.told)
        (void)snprintf(steps, sizeof steps, ", %lld steps", (long long)n.steps);
    (void)snprintf(p->warning, sizeof p->warning,
                   "%lld heads%s: the file does not tell, and other numbers make other samples without an error; set heads=%s",
                   (long long)u->heads, steps, n.told ? "" : ", steps=");
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "noise", noise));
    return tess_attrs_set_text(ctx, p->attrs, "denoiser", denoiser);
}

/* ---- export ---- */

/* The start that the absorbing model has and never uses, and the statistics of its training as they begin. */
static int add_statistics(struct tess_context *ctx, const struct tess_export_plan *p, const char *noise)
{
    const struct tess_export_weight *place = transformer_layout_named(p, "_denoise_fn.pos_emb");
    int64_t steps;
    TESS_TRY(tess_config_text_i64(ctx, noise, "steps", 0, &steps));
    steps++; /* a place for each t from 0 to T */
    if (place && !transformer_layout_named(p, "_denoise_fn.start_tok"))
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 3, (const int64_t[]){1, 1, place->dim[2]}, "_denoise_fn.start_tok"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "Lt_history"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "Lt_count"));
    return extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "loss_history");
}

/* The program's network begins with a vector of its own, and has a place for each position and no more. */
static int check_network(struct tess_context *ctx, const struct unleashing_untold *u, const struct tess_export_plan *p)
{
    const char *config_text;
    int64_t start, context;
    TESS_TRY(name_check_part(ctx, p, who, "denoiser", "transformer", &config_text));
    TESS_TRY(name_check_number(ctx, config_text, "heads", u->heads));
    TESS_TRY(tess_config_text_i64(ctx, config_text, "start_code", -1, &start));
    TESS_TRY(tess_config_text_i64(ctx, config_text, "context", 0, &context));
    if (start < 0 && context == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     "unleashing-transformers has no transformer with `start_code` or `context`, the model %s; taming has", config_text);
}

int unleashing_export_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_export_plan *p)
{
    const char *noise;
    TESS_TRY(tess_attrs_text(ctx, p->attrs, "noise", &noise));
    int causal = strcmp(noise, "{use: autoregressive}") == 0;
    if (!causal)
        TESS_TRY(name_check_part(ctx, p, who, "noise", "absorbing", &noise));
    TESS_TRY(check_network(ctx, u, p));
    for (int64_t i = 0; i < p->weights; i++) {
        name_export(causal ? causal_names : prior_names, &p->weight[i]);
        transformer_layout_raise(&p->weight[i]);
    }
    if (!u->complete)
        return TESS_OK;
    return causal ? transformer_layout_masks(ctx, p, "net.") : add_statistics(ctx, p, noise);
}
