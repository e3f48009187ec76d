/* See taming_autoencoder.h. Blocks are called by what they are, `encoder.down.LEVEL.block.NUMBER`, so that levels and blocks are counted
 * rather than spelled. The decoder has one residual block a level more, which encoder/1 and decoder/1 `conv` of `variant: taming` know.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/taming_autoencoder.h"

#include "kit/checkpoint/critic_names.h"
#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <string.h>

/* The first row is of taming's own class, which has the critic inside its loss; an export of the retraining's class begins behind it. */
static const struct name_row names[] = {
    {"loss.discriminator.main.", "critic.main.", NULL},
    {"quant_conv.", "encoder.quant_conv.", NULL},
    {"post_quant_conv.", "decoder.post_quant_conv.", NULL},
    {"encoder.", "encoder.", NULL},
    {"decoder.", "decoder.", NULL},
    {"quantize.embedding.weight", "quantizer.codebook", NULL},
    {"quantize.embed.weight", "quantizer.codebook", NULL},
    {"quantize.proj.", "quantizer.logits.", NULL},
    {"quantize.embedding.cluster_size", "quantizer.cluster_size", NULL},
    {"quantize.embedding.embed_avg", "quantizer.embed_sum", NULL},
    {"quantize.cluster_size", "quantizer.cluster_size", NULL},
    {"quantize.embed_avg", "quantizer.embed_sum", NULL},
    {"quantize.embedding.", NULL, "state of the quantizer's training"},
    {"quantize.used", NULL, "the list of codes in use, by which a program may renumber them; codes here are the codebook's"},
    {"quantize.codebook_used", NULL, "the codes of the last steps of training"},
    {"colorize", NULL, "the colours that a program shows maps of classes in"},
    {"loss.discriminator.", NULL, "more of the discriminator than its layers"},
    {"loss.perceptual_loss.", NULL, "the network of the perceptual loss, which only training has"},
    {"loss.", NULL, "more of the loss, which only training has"},
    {"discriminator.main.", "critic.main.", NULL},
    {"discriminator.", NULL, "more of the discriminator than its layers"},
    {"perceptual_loss.", NULL, "the network of the perceptual loss, which only training has"},
    {NULL, "quantizer.", "state of the quantizer's training"},
    {NULL, "lecam.", "averages of the critic's training"},
    {NULL, NULL, NULL}};

/* ---- there to here ---- */

static const struct tess_entry *in_level(const struct tess_import_plan *p, const char *format, int64_t level, int64_t i)
{
    char of_level[TESS_ENTRY_NAME];
    (void)snprintf(of_level, sizeof of_level, format, (int)level);
    return name_find(p, of_level, i);
}

static int taming_autoencoder_read_levels(struct tess_context *ctx, const struct tess_import_plan *p, struct conv_layout *l)
{
    const struct tess_entry *first;
    for (int64_t level = 0; (first = in_level(p, "encoder.down.%d.block.%%d.conv1.weight", level, 0)); level++) {
        int64_t residual = 1, attention = 0;
        while (in_level(p, "encoder.down.%d.block.%%d.conv1.weight", level, residual))
            residual++;
        while (in_level(p, "encoder.down.%d.attn.%%d.q.weight", level, attention))
            attention++;
        TESS_TRY(conv_layout_level(ctx, l, residual, attention, first->rank ? first->dim[0] : 0));
    }
    return l->levels ? TESS_OK : conv_layout_odd(ctx, l, "there is no `encoder.down.0.block.0.conv1.weight`");
}

/* The decoder's levels, from the last to the first there, may be wider or narrower than the encoder's; there are as many. */
static int taming_autoencoder_read_decoder(struct tess_context *ctx, const struct tess_import_plan *p, struct conv_layout *l)
{
    const struct tess_entry *first;
    int64_t levels = 0, same = 1;
    for (; levels < l->levels && (first = in_level(p, "decoder.up.%d.block.%%d.conv1.weight", levels, 0)); levels++) {
        l->decoder_width[levels] = first->rank ? first->dim[0] : 0;
        same &= l->decoder_width[levels] == l->width[levels];
    }
    if (in_level(p, "decoder.up.%d.block.%%d.conv1.weight", l->levels, 0))
        return conv_layout_odd(ctx, l, "its decoder has more levels than the encoder, so that images come out larger than they went in");
    if (same || levels < l->levels)
        l->decoder_width[0] = 0;
    return TESS_OK;
}

/* Sums of a codebook that follows moving averages. */
static const struct tess_entry *taming_sums(const struct tess_import_plan *p)
{
    const struct tess_entry *sums = name_get(p, "quantize.embedding.embed_avg");
    return sums ? sums : name_get(p, "quantize.embed_avg");
}

static int taming_autoencoder_read_encoder(struct tess_context *ctx, const struct tess_import_plan *p, struct conv_layout *l)
{
    const struct tess_entry *in = name_find(p, "encoder.conv_in.weight", 0), *out = name_find(p, "encoder.conv_out.weight", 0);
    const struct tess_entry *mix = name_find(p, "quant_conv.weight", 0), *codebook = name_find(p, "quantize.embedding.weight", 0);
    TESS_TRY(taming_autoencoder_read_levels(ctx, p, l));
    TESS_TRY(taming_autoencoder_read_decoder(ctx, p, l));
    if (!in || !out || in->rank != 4 || out->rank != 4)
        return conv_layout_odd(ctx, l, "`encoder.conv_in.weight` or `encoder.conv_out.weight` is missing, or no kernel");
    if (!mix || mix->rank != 4)
        return conv_layout_odd(ctx, l, "there is no kernel `quant_conv.weight` between it and the codebook");
    const struct tess_entry *sums = taming_sums(p), *logits = name_get(p, "quantize.proj.weight");
    if (!codebook && logits) {
        codebook = name_get(p, "quantize.embed.weight");
        l->quantizer = "gumbel";
    } else if (codebook && sums && sums->rank == 2) {
        l->quantizer = "ema";
    }
    if (!codebook || codebook->rank != 2)
        return ctx->fail(ctx, TESS_E_DATA, "wanted the codebook `quantize.embedding.weight` (K, D), found %s",
                       codebook ? "one of another shape" : "none; one without a codebook is of no use here");
    if (out->dim[0] != mix->dim[1])
        return conv_layout_odd(ctx, l,
                               "it makes other channels than `quant_conv.weight` takes; one of means and variances is not known here");
    const struct tess_entry *made = name_get(p, "decoder.conv_out.weight");
    if (made && made->rank == 4 && made->dim[0] != in->dim[1])
        return conv_layout_odd(ctx, l, "its decoder makes images of other channels than the encoder reads, which no model here does");
    l->no_mid_attention = !name_get(p, "encoder.mid.attn_1.q.weight");
    l->pools = l->levels > 1 && !name_get(p, "encoder.down.0.downsample.conv.weight");
    l->channels = in->dim[0];
    l->image_channels = in->dim[1];
    l->z_channels = out->dim[0];
    l->code_dim = mix->dim[0];
    l->codebook_size = codebook->dim[0];
    return TESS_OK;
}

int taming_is_there(const struct tess_import_plan *p)
{
    return name_find(p, "encoder.conv_in.weight", 0) != NULL;
}

int taming_import(struct tess_context *ctx, const char *who, const struct conv_untold *u, struct tess_import_plan *p)
{
    struct conv_layout l = {.who = who, .variant = "taming", .quantizer = "nearest", .asks_rule = 1};
    int retrained = name_get(p, "discriminator.main.0.weight") != NULL; /* refit's own files have no `loss.` in front */
    TESS_TRY(taming_autoencoder_read_encoder(ctx, p, &l));
    for (int64_t i = 0; i < p->entries; i++)
        name_import(names, p, i);
    TESS_TRY(critic_import(ctx, p, retrained ? "discriminator." : "loss.discriminator.", "signed", u->height, u->width));
    l.asks_rule = strcmp(l.quantizer, "nearest") == 0;
    return conv_layout_describe(ctx, u, &l, p);
}

/* ---- and back ---- */

int taming_export(struct tess_context *ctx, const char *who, int retrained, const struct conv_untold *u, struct tess_export_plan *p)
{
    return conv_layout_export(ctx, who, "taming", "signed", retrained ? names + 1 : names, u, p);
}
