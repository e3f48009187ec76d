/* The autoencoder of "Unleashing Transformers": see unleashing.h. Both of its networks are flat lists of blocks; the encoder's tells the
 * parameters of both. SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/unleashing_transformers/unleashing.h"

#include "kit/checkpoint/critic_names.h"
#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS_MAX = 1200 }; /* more than the widest list of 16 levels of 32 residual blocks */

static const char who[] = "unleashing-transformers";

static const struct name_row tokenizer_names[] = {{"ae.encoder.", "encoder.", NULL},
                                                  {"ae.generator.", "decoder.", NULL},
                                                  {"ae.quantize.embedding.weight", "quantizer.codebook", NULL},
                                                  {"ae.quantize.embed.weight", "quantizer.codebook", NULL},
                                                  {"ae.quantize.proj.", "quantizer.logits.", NULL},
                                                  {"disc.main.", "critic.main.", NULL},
                                                  {"disc.", NULL, "more of the discriminator than its layers"},
                                                  {"perceptual.", NULL, "the network of the perceptual loss, which only training has"},
                                                  {NULL, "quantizer.", "state of the quantizer's training"},
                                                  {NULL, "lecam.", "averages of the critic's training"},
                                                  {NULL, NULL, NULL}};

/* Spells the list of blocks in letters, C convolution, R residual, A attention, D down, N norm, with each residual block's width. */
static int64_t unleashing_autoencoder_spell(const struct tess_import_plan *p, char *letter, int64_t *width)
{
    int64_t n = 0;
    for (; n < BLOCKS_MAX; n++) {
        const struct tess_entry *plain = name_find(p, "ae.encoder.blocks.%d.weight", n);
        const struct tess_entry *residual = name_find(p, "ae.encoder.blocks.%d.conv1.weight", n);
        width[n] = residual && residual->rank ? residual->dim[0] : 0;
        if (residual)
            letter[n] = 'R';
        else if (name_find(p, "ae.encoder.blocks.%d.q.weight", n))
            letter[n] = 'A';
        else if (name_find(p, "ae.encoder.blocks.%d.conv.weight", n))
            letter[n] = 'D';
        else if (plain)
            letter[n] = plain->rank == 4 ? 'C' : 'N';
        else
            break;
    }
    letter[n] = '\0';
    return n;
}

/* Reads one level, `n` letters: residual blocks, all of them or none with attention behind. */
static int read_level(struct tess_context *ctx, struct conv_layout *l, const char *letter, const int64_t *width, int64_t n)
{
    int64_t residual = 0, attention = 0, wide = 0;
    for (int64_t i = 0; i < n; i++) {
        if (letter[i] == 'R') {
            residual++;
            wide = width[i];
        } else if (letter[i] == 'A' && i > 0 && letter[i - 1] == 'R') {
            attention++;
        } else {
            return conv_layout_odd(ctx, l, "a level is not of residual blocks with attention behind");
        }
    }
    return conv_layout_level(ctx, l, residual, attention, wide);
}

/* Reads the encoder's list of blocks: C, levels with D between them, then R A R N C. */
static int unleashing_autoencoder_read_encoder(struct tess_context *ctx, const struct tess_import_plan *p, struct conv_layout *l)
{
    static const char tail[] = "RARNC";
    char letter[BLOCKS_MAX + 1];
    int64_t width[BLOCKS_MAX + 1], n = unleashing_autoencoder_spell(p, letter, width), end = n - (int64_t)(sizeof tail - 1);
    const struct tess_entry *first = name_find(p, "ae.encoder.blocks.%d.weight", 0);
    const struct tess_entry *last = name_find(p, "ae.encoder.blocks.%d.weight", n - 1);
    const struct tess_entry *codebook = name_find(p, "ae.quantize.embedding.weight", 0);
    if (n < 7 || letter[0] != 'C' || strcmp(letter + end, tail) != 0 || !first || !last || first->rank != 4)
        return conv_layout_odd(ctx, l,
                               "its blocks do not begin with a convolution and end with residual, attention, residual, norm, convolution");
    if (!codebook && name_get(p, "ae.quantize.proj.weight")) {
        codebook = name_get(p, "ae.quantize.embed.weight");
        l->quantizer = "gumbel";
    }
    if (!codebook || codebook->rank != 2)
        return ctx->fail(ctx, TESS_E_DATA, "wanted the codebook `ae.quantize.embedding.weight` (K, D), found %s",
                       codebook ? "one of another shape" : "none");
    for (int64_t from = 1, at = 1; at <= end; at++) {
        if (at < end && letter[at] != 'D')
            continue;
        TESS_TRY(read_level(ctx, l, letter + from, width + from, at - from));
        from = at + 1;
    }
    l->channels = first->dim[0];
    l->image_channels = first->dim[1];
    l->code_dim = last->dim[0];
    l->codebook_size = codebook->dim[0];
    return TESS_OK;
}

/* A residual block that keeps its width has a shortcut all the same, which it never uses. */
static int is_idle_shortcut(const struct tess_import_plan *p, const char *name)
{
    const char *at = strstr(name, ".conv_out.");
    char weight[TESS_ENTRY_NAME];
    if (!at || snprintf(weight, sizeof weight, "%.*s.conv_out.weight", (int)(at - name), name) >= (int)sizeof weight)
        return 0;
    const struct tess_entry *e = name_get(p, weight);
    return e && e->rank == 4 && e->dim[0] == e->dim[1];
}

int unleashing_import_autoencoder(struct tess_context *ctx, const struct conv_untold *u, struct tess_import_plan *p)
{
    struct conv_layout l = {.who = who, .variant = "unleashing", .quantizer = "nearest"};
    TESS_TRY(unleashing_autoencoder_read_encoder(ctx, p, &l));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(tokenizer_names, p, i);
        if (*p->use[i].ours && is_idle_shortcut(p, p->entry[i].name)) {
            p->use[i].ours[0] = '\0';
            p->use[i].left = "shortcuts of residual blocks that keep their width, which they never use";
        }
    }
    TESS_TRY(critic_import(ctx, p, "disc.", "unit", u->height, u->width));
    if (name_find(p, "ae.generator.logsigma.0.weight", 0))
        TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "likelihood", 1));
    return conv_layout_describe(ctx, u, &l, p);
}

/* ---- export ---- */

/* Shortcuts of zeros for the residual blocks that keep their width. */
static int add_idle_shortcuts(struct tess_context *ctx, const struct tess_export_plan *p)
{
    for (int64_t i = 0; i < p->weights; i++) {
        const struct tess_export_weight *w = &p->weight[i];
        int stem = extras_stem(w->theirs, ".conv1.weight");
        if (!stem || w->rank != 4 || w->dim[0] != w->dim[1])
            continue;
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 4, (const int64_t[]){w->dim[0], w->dim[1], 1, 1}, "%.*s.conv_out.weight", stem,
                                 w->theirs));
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, w->dim, "%.*s.conv_out.bias", stem, w->theirs));
    }
    return TESS_OK;
}

/* The head for the likelihood of images, as zeros, a deviation of 1, where the model has none. */
static int add_idle_head(struct tess_context *ctx, const struct tess_export_plan *p)
{
    const struct tess_export_weight *last = NULL;
    for (int64_t i = 0; i < p->weights; i++) {
        const struct tess_export_weight *w = &p->weight[i];
        if (strncmp(w->theirs, "ae.generator.logsigma.", 22) == 0)
            return TESS_OK;
        if (strncmp(w->theirs, "ae.generator.blocks.", 20) == 0 && w->rank == 4 && w->dim[2] == 3 && !strstr(w->theirs, "conv"))
            last = !last || atoi(w->theirs + 20) > atoi(last->theirs + 20) ? w : last;
    }
    if (!last)
        return TESS_OK;
    int64_t images = last->dim[0], width = last->dim[1];
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 4, (const int64_t[]){width, width, 3, 3}, "ae.generator.logsigma.0.weight"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &width, "ae.generator.logsigma.0.bias"));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 4, (const int64_t[]){images, width, 1, 1}, "ae.generator.logsigma.2.weight"));
    return extras_constant(ctx, p, "f32", 0.0f, 1, &images, "ae.generator.logsigma.2.bias");
}

int unleashing_export_autoencoder(struct tess_context *ctx, const struct conv_untold *u, struct tess_export_plan *p)
{
    TESS_TRY(conv_layout_export(ctx, who, "unleashing", "unit", tokenizer_names, u, p));
    if (!u->complete)
        return TESS_OK;
    TESS_TRY(add_idle_shortcuts(ctx, p));
    return add_idle_head(ctx, p);
}
