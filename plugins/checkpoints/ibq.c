/* checkpoint/1 `ibq`: tokenizers of Shi et al., "Scalable Image Tokenization with Index Backpropagation Quantization" (docs/formats.md,
 * "Checkpoints of others"): taming's autoencoder and names, where a latent takes the code of the largest product.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/taming_autoencoder.h"

#include <string.h>

struct ibq {
    struct conv_untold images;
};

static const char who[] = "ibq";

static int ibq_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct ibq *i = self;
    if (taming_is_there(p))
        return taming_import(ctx, who, &i->images, p);
    return ctx->fail(ctx, TESS_E_DATA, "the file is no tokenizer of ibq (`encoder.conv_in.weight`)");
}

static int ibq_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct ibq *i = self;
    if (strcmp(p->kind, "autoencoder") == 0)
        return taming_export(ctx, who, 0, &i->images, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = ibq_plan_import, .plan_export = ibq_plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct ibq, images), CONV_ASSIGN_PARAM(struct ibq, images, 2), {.name = NULL}};

TESS_PLUGIN("tessera-ibq", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Shi et al., Scalable Image Tokenization with Index Backpropagation Quantization, 2024",
                                      "tessera import imagenet256_16384.ckpt -o tokenizer.h5 --as ibq", "ibq", "checkpoint/1",
                                      "tokenizers (IBQ) of Shi et al. 2024", sizeof(struct ibq), params, NULL, NULL, &ops));
