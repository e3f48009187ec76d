/* checkpoint/1 `llamagen`: tokenizers of Sun et al., "Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation"
 * (docs/formats.md, "Checkpoints of others"). They are taming's autoencoder under other names, whose codebook and latents are compared, and
 * looked up, at unit length.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/extras.h"
#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/renamed_names.h"

#include <string.h>

struct llamagen {
    struct conv_untold images;
};

static const char who[] = "llamagen";

static const struct renamed_row names[] = {{"encoder.conv_blocks.#.res.#.", "encoder.down.#.block.#.", 0, NULL},
                                           {"encoder.conv_blocks.#.attn.#.", "encoder.down.#.attn.#.", 0, NULL},
                                           {"encoder.conv_blocks.#.downsample.", "encoder.down.#.downsample.", 0, NULL},
                                           {"decoder.conv_blocks.#.res.#.", "decoder.up.#.block.#.", 1, NULL},
                                           {"decoder.conv_blocks.#.attn.#.", "decoder.up.#.attn.#.", 1, NULL},
                                           {"decoder.conv_blocks.#.upsample.", "decoder.up.#.upsample.", 1, NULL},
                                           {"encoder.mid.0.", "encoder.mid.block_1.", 0, NULL},
                                           {"encoder.mid.1.", "encoder.mid.attn_1.", 0, NULL},
                                           {"encoder.mid.2.", "encoder.mid.block_2.", 0, NULL},
                                           {"decoder.mid.0.", "decoder.mid.block_1.", 0, NULL},
                                           {"decoder.mid.1.", "decoder.mid.attn_1.", 0, NULL},
                                           {"decoder.mid.2.", "decoder.mid.block_2.", 0, NULL},
                                           {NULL, NULL, 0, NULL}};

static const struct renamed renamed = {who, "encoder.conv_blocks.#.res.0.conv1.weight", names};

static int llamagen_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct llamagen *l = self;
    if (!name_get(p, "encoder.conv_blocks.0.res.0.conv1.weight"))
        return ctx->fail(ctx, TESS_E_DATA, "the file is no tokenizer of llamagen (`encoder.conv_blocks.0.res.0.conv1.weight`)");
    return renamed_import(ctx, &renamed, &l->images, p);
}

static int llamagen_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct llamagen *l = self;
    const int64_t used = 65536; /* codes of the last steps of training, which the class keeps */
    if (strcmp(p->kind, "autoencoder") == 0) {
        TESS_TRY(renamed_export(ctx, &renamed, &l->images, p));
        return extras_constant(ctx, p, "f32", 0.0f, 1, &used, "quantize.codebook_used");
    }
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = llamagen_plan_import, .plan_export = llamagen_plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct llamagen, images), CONV_ASSIGN_PARAM(struct llamagen, images, 1), {.name = NULL}};

TESS_PLUGIN("tessera-llamagen", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Sun et al., Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation, 2024",
                                      "tessera import vq_ds16_c2i.pt -o tokenizer.h5 --as llamagen", "llamagen", "checkpoint/1",
                                      "tokenizers (VQ-8, VQ-16) of Sun et al. 2024", sizeof(struct llamagen), params, NULL, NULL, &ops));
