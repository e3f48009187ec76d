/* checkpoint/1 `diffusers`: autoencoders of the class VQModel in the package diffusers, alone or in a folder with config.json
 * (docs/formats.md, "Checkpoints of others"). They are taming's under other names; aMUSEd and others have one.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/renamed_names.h"

#include <string.h>

struct diffusers {
    struct conv_untold images;
};

static const char who[] = "diffusers";

static const struct renamed_row residual[] = {{"conv_shortcut.", "nin_shortcut.", 0, NULL}, {NULL, NULL, 0, NULL}};
/* Linear layers were called after what they project before 0.18; the names of today are written. */
static const struct renamed_row attention[] = {
    {"group_norm.", "norm.", 0, NULL},    {"to_q.", "q.", 0, NULL},  {"to_k.", "k.", 0, NULL}, {"to_v.", "v.", 0, NULL},
    {"to_out.0.", "proj_out.", 0, NULL},  {"query.", "q.", 0, NULL}, {"key.", "k.", 0, NULL},  {"value.", "v.", 0, NULL},
    {"proj_attn.", "proj_out.", 0, NULL}, {NULL, NULL, 0, NULL}};

static const struct renamed_row names[] = {{"encoder.conv_norm_out.", "encoder.norm_out.", 0, NULL},
                                           {"decoder.conv_norm_out.", "decoder.norm_out.", 0, NULL},
                                           {"encoder.down_blocks.#.resnets.#.", "encoder.down.#.block.#.", 0, residual},
                                           {"encoder.down_blocks.#.attentions.#.", "encoder.down.#.attn.#.", 0, attention},
                                           {"encoder.down_blocks.#.downsamplers.0.conv.", "encoder.down.#.downsample.conv.", 0, NULL},
                                           {"decoder.up_blocks.#.resnets.#.", "decoder.up.#.block.#.", 1, residual},
                                           {"decoder.up_blocks.#.attentions.#.", "decoder.up.#.attn.#.", 1, attention},
                                           {"decoder.up_blocks.#.upsamplers.0.conv.", "decoder.up.#.upsample.conv.", 1, NULL},
                                           {"encoder.mid_block.resnets.0.", "encoder.mid.block_1.", 0, residual},
                                           {"encoder.mid_block.resnets.1.", "encoder.mid.block_2.", 0, residual},
                                           {"encoder.mid_block.attentions.0.", "encoder.mid.attn_1.", 0, attention},
                                           {"decoder.mid_block.resnets.0.", "decoder.mid.block_1.", 0, residual},
                                           {"decoder.mid_block.resnets.1.", "decoder.mid.block_2.", 0, residual},
                                           {"decoder.mid_block.attentions.0.", "decoder.mid.attn_1.", 0, attention},
                                           {NULL, NULL, 0, NULL}};

static const struct renamed renamed = {who, "encoder.down_blocks.#.resnets.0.conv1.weight", names};

/* Settings of config.json, where it is there; those of the command line are equal or wrong. */
static int diffusers_settings(struct tess_context *ctx, const struct tess_attrs *s, struct conv_untold *u)
{
    if (!s)
        return TESS_OK;
    if (strcmp(tess_attrs_text_or(s, "norm_type", "group"), "group") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "config.json: norm_type is `%.40s`, whose decoder is another network; `group` is known here",
                         tess_attrs_text_or(s, "norm_type", ""));
    if (strcmp(tess_attrs_text_or(s, "act_fn", "silu"), "silu") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "config.json: act_fn is `%.40s`; `silu` is known here", tess_attrs_text_or(s, "act_fn", ""));
    u->groups = tess_attrs_i64_or(s, "norm_num_groups", u->groups);
    return TESS_OK;
}

static int diffusers_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    struct conv_untold u = ((const struct diffusers *)self)->images;
    if (!name_get(p, "encoder.down_blocks.0.resnets.0.conv1.weight") || !name_get(p, "quantize.embedding.weight"))
        return ctx->fail(
            ctx, TESS_E_DATA,
            "the file is no VQModel of diffusers (`encoder.down_blocks.0.resnets.0.conv1.weight`, `quantize.embedding.weight`)");
    TESS_TRY(diffusers_settings(ctx, p->settings, &u));
    return renamed_import(ctx, &renamed, &u, p);
}

static int diffusers_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct diffusers *d = self;
    if (strcmp(p->kind, "autoencoder") == 0)
        return renamed_export(ctx, &renamed, &d->images, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {
    .size = sizeof ops, .plan_import = diffusers_plan_import, .plan_export = diffusers_plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct diffusers, images), CONV_ASSIGN_PARAM(struct diffusers, images, 0), {.name = NULL}};

TESS_PLUGIN("tessera-diffusers", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("the package diffusers, class VQModel", "tessera import amused/vqvae -o tokenizer.h5 --as diffusers",
                                      "diffusers", "checkpoint/1", "autoencoders of the class VQModel of diffusers",
                                      sizeof(struct diffusers), params, NULL, NULL, &ops));
