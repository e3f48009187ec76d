/* See conv_layout.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/conv_layout.h"

#include "kit/checkpoint/critic_names.h"

#include <stdio.h>
#include <string.h>

int conv_layout_odd(struct tess_context *ctx, const struct conv_layout *l, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "this is no encoder of %s: %s", l->who, what);
}

int conv_layout_level(struct tess_context *ctx, struct conv_layout *l, int64_t residual, int64_t attention, int64_t width)
{
    if (l->levels == TESS_LIST_MAX)
        return conv_layout_odd(ctx, l, "it has more than 16 levels");
    if (residual == 0 || (attention && attention != residual) || (l->levels && residual != l->res_blocks))
        return conv_layout_odd(ctx, l, "its levels differ in their number of residual blocks, or attention is behind some of them only");
    l->res_blocks = residual;
    l->width[l->levels] = width;
    l->attends[l->levels++] = attention > 0;
    return TESS_OK;
}

/* "[1, 2]": widths of levels as multiples */
static int list_widths(struct tess_context *ctx, const struct conv_layout *l, const int64_t *width, char *mult, size_t capacity)
{
    size_t m = (size_t)snprintf(mult, capacity, "[");
    for (int64_t i = 0; i < l->levels; i++) {
        if (l->channels < 1 || width[i] < l->channels || width[i] % l->channels)
            return conv_layout_odd(ctx, l, "the width of a level is no multiple of the first convolution's");
        m += (size_t)snprintf(mult + m, capacity - m, "%s%lld", i ? ", " : "", (long long)(width[i] / l->channels));
    }
    (void)snprintf(mult + m, capacity - m, "]");
    return TESS_OK;
}

/* "[16]": the heights of levels that attend */
static void list_attending(const struct conv_untold *u, const struct conv_layout *l, char *attention, size_t capacity)
{
    size_t a = (size_t)snprintf(attention, capacity, "[");
    for (int64_t i = 0; i < l->levels; i++)
        if (l->attends[i])
            a += (size_t)snprintf(attention + a, capacity - a, "%s%lld", a > 1 ? ", " : "", (long long)(u->height >> i));
    (void)snprintf(attention + a, capacity - a, "]");
}

/* The configuration of encoder or decoder whose levels are that wide. */
static int conv_layout_part(struct tess_context *ctx, const struct conv_untold *u, const struct conv_layout *l, const int64_t *width,
                            char *config_text, size_t capacity)
{
    char mult[512], attention[512];
    TESS_TRY(list_widths(ctx, l, width, mult, sizeof mult));
    list_attending(u, l, attention, sizeof attention);
    (void)snprintf(config_text, capacity,
                   "{use: conv, channels: %lld, channel_mult: %s, res_blocks: %lld, attn_resolutions: %s, groups: %lld, variant: %s, "
                   "z_channels: %lld%s%s}",
                   (long long)l->channels, mult, (long long)l->res_blocks, attention, (long long)u->groups, l->variant,
                   (long long)l->z_channels, l->no_mid_attention ? ", mid_attention: false" : "", l->pools ? ", resample: pool" : "");
    return TESS_OK;
}

static const char *const rule[] = {"nearest", "cosine", "dot"};

static int conv_layout_quantizer(struct tess_context *ctx, const struct conv_untold *u, const struct conv_layout *l, char *to,
                                 size_t capacity)
{
    int is_nearest = strcmp(l->quantizer, "nearest") == 0;
    if (u->assign && !is_nearest)
        return ctx->fail(ctx, TESS_E_VALUE, "its quantizer is `%s`, which has one rule of assignment; leave assign= out", l->quantizer);
    (void)snprintf(to, capacity, "{use: %s, codebook_size: %lld, code_dim: %lld%s%s%s}", l->quantizer, (long long)l->codebook_size,
                   (long long)l->code_dim, is_nearest ? ", beta: 0.25, beta_on: codebook" : "", u->assign ? ", assign: " : "",
                   u->assign ? rule[u->assign] : "");
    return TESS_OK;
}

int conv_layout_describe(struct tess_context *ctx, const struct conv_untold *u, const struct conv_layout *l, struct tess_import_plan *p)
{
    char encoder[1400], decoder[1400], quantizer[200];
    int64_t factor = (int64_t)1 << (l->levels - 1);
    TESS_TRY(conv_layout_part(ctx, u, l, l->width, encoder, sizeof encoder));
    TESS_TRY(conv_layout_part(ctx, u, l, l->decoder_width[0] ? l->decoder_width : l->width, decoder, sizeof decoder));
    if (u->height % factor || u->width % factor)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "its encoder halves images %lld times, which %lld x %lld cannot be; say height= and width= of the images",
                         (long long)(l->levels - 1), (long long)u->height, (long long)u->width);
    TESS_TRY(conv_layout_quantizer(ctx, u, l, quantizer, sizeof quantizer));
    p->kind = "autoencoder";
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "height", u->height));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "width", u->width));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "channels", l->image_channels));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "latent_height", u->height / factor));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "latent_width", u->width / factor));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "codebook_size", l->codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "code_dim", l->code_dim));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "encoder", encoder));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "quantizer", quantizer));
    (void)snprintf(p->assumed, sizeof p->assumed,
                   "images of %lld x %lld, norms of %lld groups%s%s: the file does not tell; set height=, width=, groups=%s",
                   (long long)u->height, (long long)u->width, (long long)u->groups, l->asks_rule ? ", codes by the rule " : "",
                   l->asks_rule ? rule[u->assign] : "", l->asks_rule ? ", assign=" : "");
    return tess_attrs_set_text(ctx, p->attrs, "decoder", decoder);
}

static int conv_layout_check_part(struct tess_context *ctx, const struct tess_export_plan *p, const char *who, const char *variant,
                                  const char *part, int64_t groups)
{
    const char *config_text;
    int32_t same;
    TESS_TRY(name_check_part(ctx, p, who, part, "conv", &config_text));
    TESS_TRY(tess_config_text_has(ctx, config_text, "variant", variant, &same));
    if (!same)
        return ctx->fail(ctx, TESS_E_VALUE, "%s has the %s conv of `variant: %s`, the model %s", who, part, variant, config_text);
    return name_check_number(ctx, config_text, "groups", groups);
}

/* The file does not tell the rule of assignment, and another makes other codes. */
static int conv_layout_check_rule(struct tess_context *ctx, const struct tess_export_plan *p, const struct conv_untold *u)
{
    const char *quantizer = tess_attrs_text_or(p->attrs, "quantizer", "");
    int32_t has_rule, same;
    TESS_TRY(tess_config_text_has(ctx, quantizer, "use", "nearest", &has_rule));
    for (int32_t i = 1; has_rule && i < 3; i++) {
        TESS_TRY(tess_config_text_has(ctx, quantizer, "assign", rule[i], &same));
        if (same && i != u->assign)
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "the model assigns codes by `assign: %s`, and the file would not tell; say assign=%s here, and to whoever reads it",
                rule[i], rule[i]);
    }
    return TESS_OK;
}

/* Gumbel's quantizer has its codebook under another name there, and a convolution of 1 x 1 for its logits. */
static void conv_layout_export_gumbel(const struct tess_export_plan *p, struct tess_export_weight *w)
{
    char *name = strstr(w->theirs, "quantize.embedding.weight");
    int is_gumbel = strncmp(tess_attrs_text_or(p->attrs, "quantizer", ""), "{use: gumbel,", 13) == 0;
    if (is_gumbel && name)
        (void)snprintf(name, sizeof w->theirs - (size_t)(name - w->theirs), "quantize.embed.weight");
    if (is_gumbel && strcmp(w->ours, "quantizer.logits.weight") == 0) {
        w->rank = 4;
        w->dim[2] = w->dim[3] = 1;
    }
}

int conv_layout_export(struct tess_context *ctx, const char *who, const char *variant, const char *range, const struct name_row *names,
                       const struct conv_untold *u, struct tess_export_plan *p)
{
    TESS_TRY(conv_layout_check_part(ctx, p, who, variant, "decoder", u->groups));
    TESS_TRY(conv_layout_check_part(ctx, p, who, variant, "encoder", u->groups));
    TESS_TRY(conv_layout_check_rule(ctx, p, u));
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(names, w);
        conv_layout_export_gumbel(p, w);
        TESS_TRY(critic_export(ctx, p, range, w));
        if (w->rank == 2 && strncmp(w->ours, "quantizer.", 10) != 0) {
            w->rank = 4; /* a matrix is a convolution of 1 x 1 there; dimensions beyond the rank are 1 */
            w->dim[2] = w->dim[3] = 1;
        }
    }
    return u->complete ? extras_running(ctx, p) : TESS_OK;
}
