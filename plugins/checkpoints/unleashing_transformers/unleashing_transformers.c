/* checkpoint/1 `unleashing-transformers`: the weights that Bond-Taylor et al., "Unleashing Transformers", released and that their program
 * writes (docs/formats.md, "Checkpoints of others"). Three kinds of file: the autoencoder with its codebook (`vqgan_*.th`), where the
 * discriminator comes along, as does the perceptual loss, which is left; the prior of absorbing diffusion (`absorbing_*.th`); and the
 * autoregressive one (`autoregressive_*.th`), the same network with its start in use.
 *
 * Both networks are flat lists of blocks, so the shapes of a list tell every parameter but what weights do not show: the images' size, the
 * groups of a normalisation, the heads of attention. Those are parameters, with the published values as defaults.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/name_table.h"
#include "plugins/checkpoints/unleashing_transformers/unleashing.h"

#include <tessera/plugin.h>

#include <string.h>

struct unleashing {
    struct conv_untold images;
    struct unleashing_untold prior;
};

static int unleashing_transformers_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct unleashing *u = self;
    if (name_find(p, "ae.encoder.blocks.%d.weight", 0))
        return unleashing_import_autoencoder(ctx, &u->images, p);
    if (name_find(p, "_denoise_fn.tok_emb.weight", 0))
        return unleashing_import_prior(ctx, &u->prior, p, 0);
    if (name_find(p, "net.tok_emb.weight", 0))
        return unleashing_import_prior(ctx, &u->prior, p, 1);
    return ctx->fail(ctx, TESS_E_DATA, "the file is neither an autoencoder (`ae.encoder.blocks.0.weight`) nor an absorbing prior "
                                   "(`_denoise_fn.tok_emb.weight`) nor an autoregressive one (`net.tok_emb.weight`) of "
                                   "unleashing-transformers");
}

static int unleashing_transformers_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct unleashing *u = self;
    if (strcmp(p->kind, "autoencoder") == 0)
        return unleashing_export_autoencoder(ctx, &u->images, p);
    if (strcmp(p->kind, "prior") == 0)
        return unleashing_export_prior(ctx, &(struct unleashing_untold){u->prior.heads, u->prior.steps, u->images.complete}, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder or prior, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {
    .size = sizeof ops, .plan_import = unleashing_transformers_plan_import, .plan_export = unleashing_transformers_plan_export};

static const struct tess_param params[] = {CONV_UNTOLD_PARAMS(struct unleashing, images),
                                           {.name = "heads",
                                            .help = "heads of the prior's attention",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct unleashing, prior.heads),
                                            .lo = 1,
                                            .hi = 1024,
                                            .def = 8},
                                           {.name = "steps",
                                            .help = "diffusion steps (T) of a prior whose file does not tell",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct unleashing, prior.steps),
                                            .lo = 1,
                                            .hi = 1e6,
                                            .def = 256},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-unleashing-transformers", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "tessera import vqgan_ema.th -o tokenizer.h5 --as unleashing-transformers", "unleashing-transformers",
                                      "checkpoint/1", "autoencoders (vqgan) and both priors of Bond-Taylor et al. 2022",
                                      sizeof(struct unleashing), params, NULL, NULL, &ops));
