/* See transformer_layout.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/transformer_layout.h"

#include "kit/checkpoint/extras.h"
#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <string.h>

enum { LAYERS_MAX = 1200 };

static const struct tess_entry *transformer_layout_part(const struct tess_import_plan *p, const struct transformer_layout *l,
                                                        const char *name, int64_t i)
{
    char all[TESS_ENTRY_NAME];
    (void)snprintf(all, sizeof all, "%s%s", l->inside, name);
    return name_find(p, all, i);
}

int transformer_layout_read(struct tess_context *ctx, const struct tess_import_plan *p, struct transformer_layout *l)
{
    const struct tess_entry *head = transformer_layout_part(p, l, "head.weight", 0), *place = transformer_layout_part(p, l, "pos_emb", 0);
    const struct tess_entry *wide = transformer_layout_part(p, l, "blocks.%d.mlp.0.weight", 0);
    if (!head || !place || !wide || head->rank != 2 || place->rank != 3 || wide->rank != 2 || head->dim[1] < 1 ||
        wide->dim[0] % head->dim[1])
        return ctx->fail(
            ctx, TESS_E_DATA,
            "wanted `%shead.weight` (K, D), `%spos_emb` (1, L, D) and `%sblocks.0.mlp.0.weight` (a multiple of D, D), found one "
            "missing or of another shape",
            l->inside, l->inside, l->inside);
    l->codebook_size = head->dim[0];
    l->embed_dim = head->dim[1];
    l->places = place->dim[1];
    l->mlp_ratio = wide->dim[0] / head->dim[1];
    while (l->layers <= LAYERS_MAX && transformer_layout_part(p, l, "blocks.%d.ln1.weight", l->layers))
        l->layers++;
    return TESS_OK;
}

int transformer_layout_map(struct tess_context *ctx, const struct transformer_layout *l, int64_t positions, struct tess_import_plan *p)
{
    int64_t height, width, codebook_size;
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_height", &height));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_width", &width));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "codebook_size", &codebook_size));
    if (height * width != positions || codebook_size != l->codebook_size)
        return ctx->fail(ctx, TESS_E_DATA,
                         "the prior is of %lld tokens of %lld codes, the tokenizer makes %lld x %lld of %lld: it is another's",
                         (long long)positions, (long long)l->codebook_size, (long long)height, (long long)width, (long long)codebook_size);
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "codebook_size", codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "height", height));
    return tess_attrs_set_i64(ctx, p->attrs, "width", width);
}

void transformer_layout_leave_mask(struct tess_import_plan *p, int64_t i)
{
    const char *at = strstr(p->entry[i].name, ".attn.mask");
    if (!at || strcmp(at, ".attn.mask") != 0)
        return;
    p->use[i].ours[0] = '\0';
    p->use[i].left = "masks of causal attention, which are always the same";
}

/* ---- and back ------------------------------------------------------------------------------------------------------ */

void transformer_layout_raise(struct tess_export_weight *w)
{
    if (strcmp(w->ours, "denoiser.pos_emb") != 0 && strcmp(w->ours, "denoiser.start_tok") != 0)
        return;
    for (; w->rank < 3; w->rank++) {
        memmove(w->dim + 1, w->dim, 2 * sizeof *w->dim);
        w->dim[0] = 1;
    }
}

const struct tess_export_weight *transformer_layout_named(const struct tess_export_plan *p, const char *theirs)
{
    for (int64_t i = 0; i < p->weights; i++)
        if (strcmp(p->weight[i].theirs, theirs) == 0)
            return &p->weight[i];
    return NULL;
}

int transformer_layout_masks(struct tess_context *ctx, const struct tess_export_plan *p, const char *inside)
{
    char name[TESS_ENTRY_NAME];
    void *memory;
    (void)snprintf(name, sizeof name, "%spos_emb", inside);
    const struct tess_export_weight *place = transformer_layout_named(p, name);
    int64_t n = place ? place->dim[1] : 0;
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
