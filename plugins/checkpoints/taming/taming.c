/* checkpoint/1 `taming`: what the program of Esser et al., "Taming Transformers for High-Resolution Image Synthesis", writes
 * (docs/formats.md, "Checkpoints of others"): VQGAN with its codebook and discriminator, and transformers over its codes. A file with both
 * is the transformer where the import is told a tokenizer, and else the autoencoder.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/taming_autoencoder.h"
#include "plugins/checkpoints/taming/taming_prior.h"

#include <string.h>

struct taming {
    struct conv_untold images;
    struct taming_prior prior;
};

static const char who[] = "taming";

static int taming_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct taming *t = self;
    if (taming_is_there(p))
        return taming_import(ctx, who, &t->images, p);
    if (taming_prior_is_there(p) && (p->tokenizer || !name_get(p, "first_stage_model.encoder.conv_in.weight")))
        return taming_prior_import(ctx, &t->prior, p);
    return ctx->fail(
        ctx, TESS_E_DATA,
        "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a transformer (`transformer.tok_emb.weight`) of taming");
}

static int taming_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct taming *t = self;
    if (TESS_HAS(p, within))
        p->within = "state_dict";
    if (strcmp(p->kind, "autoencoder") == 0)
        return taming_export(ctx, who, 0, &t->images, p);
    if (strcmp(p->kind, "prior") == 0)
        return taming_prior_export(ctx, &(struct taming_prior){t->prior.heads, t->prior.sos_token, t->images.complete}, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder or prior, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = taming_plan_import, .plan_export = taming_plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct taming, images),
    CONV_ASSIGN_PARAM(struct taming, images, 0),
    {.name = "heads",
     .help = "heads of the prior's attention",
     .type = TESS_I64,
     .offset = offsetof(struct taming, prior.heads),
     .lo = 1,
     .hi = 1024,
     .def = 16},
    {.name = "sos_token",
     .help = "the code in front of the prior's tokens, or the class it is of; -1: not said, which is 0",
     .type = TESS_I64,
     .offset = offsetof(struct taming, prior.sos_token),
     .lo = -1,
     .hi = 1e9,
     .def = -1},
    {.name = NULL}};

TESS_PLUGIN("tessera-taming", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "tessera import last.ckpt -o tokenizer.h5 --as taming", "taming", "checkpoint/1",
                                      "autoencoders (VQGAN) and priors (transformers) of Esser et al. 2021", sizeof(struct taming), params,
                                      NULL, NULL, &ops));
