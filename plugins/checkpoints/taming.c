/* checkpoint/1 `taming`: autoencoders that the program of Esser et al., "Taming Transformers for High-Resolution Image Synthesis", writes
 * (docs/formats.md, "Checkpoints of others"): VQGAN with its codebook and discriminator. Its transformers are not among what is read.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/taming_autoencoder.h"

#include <string.h>

struct taming {
    struct conv_untold images;
};

static const char who[] = "taming";

static int taming_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct taming *t = self;
    if (taming_is_there(p))
        return taming_import(ctx, who, &t->images, p);
    return ctx->fail(ctx, TESS_E_DATA, "the file is no autoencoder of taming (`encoder.conv_in.weight`)%s",
                   name_find(p, "transformer.tok_emb.weight", 0) ? ", but one of its transformers, which are not known here" : "");
}

static int taming_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct taming *t = self;
    if (TESS_HAS(p, within))
        p->within = "state_dict";
    if (strcmp(p->kind, "autoencoder") == 0)
        return taming_export(ctx, who, 0, &t->images, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = taming_plan_import, .plan_export = taming_plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct taming, images), CONV_ASSIGN_PARAM(struct taming, images, 0), {.name = NULL}};

TESS_PLUGIN("tessera-taming", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "tessera import last.ckpt -o tokenizer.h5 --as taming", "taming", "checkpoint/1",
                                      "autoencoders (VQGAN) of Esser et al. 2021", sizeof(struct taming), params, NULL, NULL, &ops));
