/* checkpoint/1 `open-magvit2`: tokenizers of images of Luo et al., "Open-MAGVIT2" (docs/formats.md, "Checkpoints of others"): encoder and
 * decoder `magvit2` and quantizer `lfq`, which has no weights. A file's moving averages are taken, as that program's own transformer does.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/conv_layout.h"
#include "kit/checkpoint/critic_names.h"
#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <string.h>

struct open_magvit2 {
    struct conv_untold images;
};

static const char who[] = "open-magvit2";

static const struct name_row names[] = {{"encoder.", "encoder.", NULL},
                                        {"decoder.", "decoder.", NULL},
                                        {"loss.discriminator.main.", "critic.main.", NULL},
                                        {"loss.discriminator.", NULL, "more of the discriminator than its layers"},
                                        {"loss.perceptual_loss.", NULL, "the network of the perceptual loss, which only training has"},
                                        {"loss.", NULL, "more of the loss, which only training has"},
                                        {"colorize", NULL, "the colours that a program shows maps of classes in"},
                                        {NULL, "lecam.", "averages of the critic's training"},
                                        {NULL, NULL, NULL}};

struct network {
    int64_t channels, mult[TESS_LIST_MAX], levels, res_blocks, image_channels, bits;
};

static int open_magvit2_odd(struct tess_context *ctx, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "this is no autoencoder of open-magvit2: %s", what);
}

static int open_magvit2_read_levels(struct tess_context *ctx, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *e;
    while (name_find(p, "encoder.down.0.block.%d.conv1.weight", n->res_blocks))
        n->res_blocks++;
    for (; (e = name_find(p, "encoder.down.%d.block.0.conv1.weight", n->levels)); n->levels++) {
        if (n->levels == TESS_LIST_MAX)
            return open_magvit2_odd(ctx, "it has more than 16 levels");
        if (e->rank != 4 || e->dim[0] < 1 || e->dim[0] % n->channels)
            return open_magvit2_odd(ctx, "the width of a level is no multiple of the first convolution's");
        n->mult[n->levels] = e->dim[0] / n->channels;
    }
    return n->levels && n->res_blocks ? TESS_OK : open_magvit2_odd(ctx, "there is no `encoder.down.0.block.0.conv1.weight`");
}

static int open_magvit2_read(struct tess_context *ctx, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *in = name_get(p, "encoder.conv_in.weight"), *out = name_get(p, "encoder.conv_out.weight");
    if (in && in->rank == 5)
        return open_magvit2_odd(ctx, "its kernels are of three dimensions, which are for videos");
    if (!in || !out || in->rank != 4 || out->rank != 4 || in->dim[0] < 1)
        return open_magvit2_odd(ctx, "`encoder.conv_in.weight` or `encoder.conv_out.weight` is missing, or no kernel");
    n->channels = in->dim[0];
    n->image_channels = in->dim[1];
    n->bits = out->dim[0];
    if (n->bits < 1 || n->bits > 30)
        return open_magvit2_odd(ctx, "a code is of 1 to 30 bits");
    return open_magvit2_read_levels(ctx, p, n);
}

static int open_magvit2_describe(struct tess_context *ctx, const struct conv_untold *u, const struct network *n, struct tess_import_plan *p)
{
    char mult[160] = "", network[320], quantizer[64];
    size_t at = 0;
    int64_t factor = (int64_t)1 << (n->levels - 1);
    if (u->height % factor || u->width % factor)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "its encoder halves images %lld times, which %lld x %lld cannot be; say height= and width= of the images",
                         (long long)(n->levels - 1), (long long)u->height, (long long)u->width);
    for (int64_t i = 0; i < n->levels && at < sizeof mult; i++)
        at += (size_t)snprintf(mult + at, sizeof mult - at, "%s%lld", i ? ", " : "", (long long)n->mult[i]);
    (void)snprintf(network, sizeof network, "{use: magvit2, channels: %lld, channel_mult: [%s], res_blocks: %lld, groups: %lld}",
                   (long long)n->channels, mult, (long long)n->res_blocks, (long long)u->groups);
    (void)snprintf(quantizer, sizeof quantizer, "{use: lfq, bits: %lld}", (long long)n->bits);
    (void)snprintf(p->assumed, sizeof p->assumed,
                   "images of %lld x %lld, norms of %lld groups: the file does not tell; set height=, width=, groups=",
                   (long long)u->height, (long long)u->width, (long long)u->groups);
    p->kind = "autoencoder";
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "height", u->height));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "width", u->width));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "channels", n->image_channels));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "latent_height", u->height / factor));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "latent_width", u->width / factor));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "codebook_size", (int64_t)1 << n->bits));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "code_dim", n->bits));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "encoder", network));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "quantizer", quantizer));
    return tess_attrs_set_text(ctx, p->attrs, "decoder", network);
}

static int open_magvit2_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct open_magvit2 *o = self;
    struct network n = {.levels = 0};
    if (!name_get(p, "encoder.mid_block.0.conv1.weight") || !name_get(p, "decoder.adaptive.0.gamma.weight"))
        return ctx->fail(
            ctx, TESS_E_DATA,
            "the file is no tokenizer of open-magvit2 (`encoder.mid_block.0.conv1.weight`, `decoder.adaptive.0.gamma.weight`)");
    TESS_TRY(open_magvit2_read(ctx, p, &n));
    for (int64_t i = 0; i < p->entries; i++)
        name_import(names, p, i);
    TESS_TRY(critic_import(ctx, p, "loss.discriminator.", "signed", o->images.height, o->images.width));
    return open_magvit2_describe(ctx, &o->images, &n, p);
}

/* ---- and back ---- */

static int open_magvit2_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    static const char *const part[] = {"encoder", "decoder"};
    const struct open_magvit2 *o = self;
    const char *config_text;
    if (TESS_HAS(p, within))
        p->within = "state_dict";
    if (strcmp(p->kind, "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder, found kind `%s`", p->kind);
    TESS_TRY(name_check_part(ctx, p, who, "quantizer", "lfq", &config_text));
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        TESS_TRY(name_check_part(ctx, p, who, part[i], "magvit2", &config_text));
        TESS_TRY(name_check_number(ctx, config_text, "groups", o->images.groups));
    }
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(names, w);
        TESS_TRY(critic_export(ctx, p, "signed", w));
        if (w->rank == 2 && !strstr(w->ours, "adaptive.")) {
            w->rank = 4; /* but for the layers of adaptive norms, a matrix is a convolution of 1 x 1 there */
            w->dim[2] = w->dim[3] = 1;
        }
    }
    return o->images.complete ? extras_running(ctx, p) : TESS_OK;
}

static const struct tess_checkpoint_1 ops = {
    .size = sizeof ops, .plan_import = open_magvit2_plan_import, .plan_export = open_magvit2_plan_export};

static const struct tess_param params[] = {CONV_UNTOLD_PARAMS(struct open_magvit2, images), {.name = NULL}};

TESS_PLUGIN("tessera-open-magvit2", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Luo et al., Open-MAGVIT2: An Open-Source Project Toward Democratizing Auto-Regressive Visual "
                                      "Generation, 2024",
                                      "tessera import imagenet_256_L.ckpt -o tokenizer.h5 --as open-magvit2", "open-magvit2",
                                      "checkpoint/1", "tokenizers of images (LFQ) of Luo et al. 2024", sizeof(struct open_magvit2), params,
                                      NULL, NULL, &ops));
