/* The priors of "Unleashing Transformers", absorbing and autoregressive, whose network is the same: see unleashing.h.
 * SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/unleashing_transformers/unleashing.h"

#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <string.h>

static const char who[] = "unleashing-transformers";

enum { LAYERS_MAX = 1200 };

static const struct name_row prior_names[] = {
    {"_denoise_fn.start_tok", NULL, "the start of the autoregressive model, unused in this one"},
    {"_denoise_fn.", "denoiser.", NULL},
    {"Lt_history", NULL, "statistics of the training"},
    {"Lt_count", NULL, "statistics of the training"},
    {"loss_history", NULL, "statistics of the training"},
    {NULL, NULL, NULL}};

static const struct name_row causal_names[] = {{"net.", "denoiser.", NULL}, {NULL, NULL, NULL}};

struct network {
    const char *inside; /* prefix of the network's names */
    int64_t codebook_size, embed_dim, layers, mlp_ratio, tokens, steps;
    int causal, told; /* told: the file tells the steps, or there are none to tell */
};

static const struct tess_entry *part_of(const struct tess_import_plan *p, const struct network *n, const char *name, int64_t i)
{
    char all[TESS_ENTRY_NAME];
    (void)snprintf(all, sizeof all, "%s%s", n->inside, name);
    return name_find(p, all, i);
}

static int read_denoiser(struct tess_context *ctx, const struct unleashing_untold *u, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *head = part_of(p, n, "head.weight", 0), *place = part_of(p, n, "pos_emb", 0);
    const struct tess_entry *wide = part_of(p, n, "blocks.%d.mlp.0.weight", 0), *history = name_find(p, "Lt_history", 0);
    if (!head || !place || !wide || head->rank != 2 || place->rank != 3 || wide->rank != 2 || head->dim[1] < 1 ||
        wide->dim[0] % head->dim[1])
        return ctx->fail(ctx, TESS_E_DATA,
                       "wanted `%shead.weight` (K, D), `%spos_emb` (1, L, D) and `%sblocks.0.mlp.0.weight` (a multiple of D, D), found one "
                       "missing or of another shape",
                       n->inside, n->inside, n->inside);
    n->codebook_size = head->dim[0];
    n->embed_dim = head->dim[1];
    n->tokens = place->dim[1];
    n->mlp_ratio = wide->dim[0] / head->dim[1];
    while (n->layers <= LAYERS_MAX && part_of(p, n, "blocks.%d.ln1.weight", n->layers))
        n->layers++;
    n->told = n->causal || (history && history->rank == 1 && history->dim[0] > 1);
    n->steps = n->causal || !n->told ? u->steps : history->dim[0] - 1; /* a place for each t from 0 to T */
    return TESS_OK;
}

/* The map is the tokenizer's; the prior's own shapes must be of it. */
static int unleashing_prior_describe_map(struct tess_context *ctx, const struct network *n, struct tess_import_plan *p)
{
    int64_t height, width, codebook_size;
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_height", &height));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_width", &width));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "codebook_size", &codebook_size));
    if (height * width != n->tokens || codebook_size != n->codebook_size)
        return ctx->fail(ctx, TESS_E_DATA,
                       "the prior is of %lld tokens of %lld codes, the tokenizer makes %lld x %lld of %lld: it is another's",
                       (long long)n->tokens, (long long)n->codebook_size, (long long)height, (long long)width, (long long)codebook_size);
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "codebook_size", codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "height", height));
    return tess_attrs_set_i64(ctx, p->attrs, "width", width);
}

/* Each block of the causal network has the triangle of ones that says who is before whom. */
static void leave_mask(struct tess_import_plan *p, int64_t i)
{
    const char *at = strstr(p->entry[i].name, ".attn.mask");
    if (!at || strcmp(at, ".attn.mask") != 0)
        return;
    p->use[i].ours[0] = '\0';
    p->use[i].left = "masks of causal attention, which are always the same";
}

int unleashing_import_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_import_plan *p, int causal)
{
    struct network n = {.inside = causal ? "net." : "_denoise_fn.", .causal = causal};
    char noise[120] = "{use: autoregressive}", denoiser[240], steps[64] = "";
    TESS_TRY(read_denoiser(ctx, u, p, &n));
    if (p->tokenizer)
        TESS_TRY(unleashing_prior_describe_map(ctx, &n, p));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(causal ? causal_names : prior_names, p, i);
        if (causal)
            leave_mask(p, i);
    }
    p->kind = "prior";
    if (!causal)
        (void)snprintf(noise, sizeof noise, "{use: absorbing, steps: %lld, weight: code}", (long long)n.steps);
    (void)snprintf(denoiser, sizeof denoiser, "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld, mlp_ratio: %lld}",
                   (long long)n.embed_dim, (long long)n.layers, (long long)u->heads, (long long)n.mlp_ratio);
    if (!n.told)
        (void)snprintf(steps, sizeof steps, ", %lld steps", (long long)n.steps);
    (void)snprintf(p->warning, sizeof p->warning,
                   "%lld heads%s: the file does not tell, and other numbers make other samples without an error; set heads=%s",
                   (long long)u->heads, steps, n.told ? "" : ", steps=");
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "noise", noise));
    return tess_attrs_set_text(ctx, p->attrs, "denoiser", denoiser);
}

/* ---- export ---- */

/* The weight of this name in the file, or NULL. */
static const struct tess_export_weight *unleashing_prior_named(const struct tess_export_plan *p, const char *theirs)
{
    for (int64_t i = 0; i < p->weights; i++)
        if (strcmp(p->weight[i].theirs, theirs) == 0)
            return &p->weight[i];
    return NULL;
}

/* The triangle of ones that each block of the causal network has. */
static int add_masks(struct tess_context *ctx, const struct tess_export_plan *p)
{
    const struct tess_export_weight *place = unleashing_prior_named(p, "net.pos_emb");
    int64_t n = place ? place->dim[1] : 0;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n * n + 1) * sizeof(float), "a mask", &memory));
    float *mask = memory;
    for (int64_t i = 0; i < n * n; i++)
        mask[i] = i % n <= i / n ? 1.0f : 0.0f;
    int status = TESS_OK;
    for (int64_t i = 0; i < p->weights && n && status == TESS_OK; i++) {
        int stem = extras_stem(p->weight[i].theirs, ".attn.key.weight");
        if (stem)
            status = extras_values(ctx, p, 4, (const int64_t[]){1, 1, n, n}, mask, "%.*s.attn.mask", stem, p->weight[i].theirs);
    }
    tess_free(memory);
    return status;
}

/* The start that the absorbing model has and never uses, and the statistics of its training as they begin. */
static int add_statistics(struct tess_context *ctx, const struct tess_export_plan *p, const char *noise)
{
    const struct tess_export_weight *place = unleashing_prior_named(p, "_denoise_fn.pos_emb");
    int64_t steps;
    TESS_TRY(tess_config_text_i64(ctx, noise, "steps", 0, &steps));
    steps++; /* a place for each t from 0 to T */
    if (place && !unleashing_prior_named(p, "_denoise_fn.start_tok"))
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 3, (const int64_t[]){1, 1, place->dim[2]}, "_denoise_fn.start_tok"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "Lt_history"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "Lt_count"));
    return extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "loss_history");
}

int unleashing_export_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_export_plan *p)
{
    const char *config_text, *noise;
    TESS_TRY(tess_attrs_text(ctx, p->attrs, "noise", &noise));
    int causal = strcmp(noise, "{use: autoregressive}") == 0;
    if (!causal)
        TESS_TRY(name_check_part(ctx, p, who, "noise", "absorbing", &noise));
    TESS_TRY(name_check_part(ctx, p, who, "denoiser", "transformer", &config_text));
    TESS_TRY(name_check_number(ctx, config_text, "heads", u->heads));
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(causal ? causal_names : prior_names, w);
        if (strcmp(w->ours, "denoiser.pos_emb") == 0 || strcmp(w->ours, "denoiser.start_tok") == 0)
            for (; w->rank < 3; w->rank++) {
                memmove(w->dim + 1, w->dim, 2 * sizeof *w->dim);
                w->dim[0] = 1;
            }
    }
    if (!u->complete)
        return TESS_OK;
    return causal ? add_masks(ctx, p) : add_statistics(ctx, p, noise);
}
