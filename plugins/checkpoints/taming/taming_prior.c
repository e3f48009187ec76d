/* The transformers over codes that the program of Esser et al. trains, of its class Net2NetTransformer: the network `transformer.`, beside
 * the autoencoder `first_stage_model.`. One code stands in front of the tokens, `sos_token` of a model without a condition or the class of
 * one that has classes, and it is embedded as any code is: `start_code` of denoiser/1 `transformer`. A condition of more than one code (a
 * depth map, coordinates, another image) has no place here; such a network has room for more tokens than the map has.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/taming/taming_prior.h"

#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/transformer_layout.h"

#include <stdio.h>
#include <string.h>

static const char inside[] = "transformer.";

static const struct name_row names[] = {{inside, "denoiser.", NULL},
                                        {"first_stage_model.", NULL, "the autoencoder, which an import without --tokenizer makes"},
                                        {NULL, NULL, NULL}};

int taming_prior_is_there(const struct tess_import_plan *p)
{
    return name_get(p, "transformer.tok_emb.weight") != NULL;
}

/* The first entry whose name begins so, or NULL. */
static const struct tess_entry *taming_prior_under(const struct tess_import_plan *p, const char *beginning)
{
    for (int64_t i = 0; i < p->entries; i++)
        if (strncmp(p->entry[i].name, beginning, strlen(beginning)) == 0)
            return &p->entry[i];
    return NULL;
}

static int taming_prior_check_condition(struct tess_context *ctx, const struct tess_import_plan *p)
{
    const struct tess_entry *e = taming_prior_under(p, "cond_stage_model.");
    if (e)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "it has a network for a condition (`%s`), whose codes stand in front of the tokens; a prior here is told labels at "
            "most. Take one trained with `__is_unconditional__` or with classes",
            e->name);
    if ((e = taming_prior_under(p, "permuter.")))
        return ctx->fail(ctx, TESS_E_DATA, "its tokens are in an order of their own (`%s`); here their order is that of rows", e->name);
    if (name_get(p, "transformer.tok_emb.bias"))
        return ctx->fail(ctx, TESS_E_DATA, "it is a CodeGPT, which reads vectors; a prior here reads codes");
    return TESS_OK;
}

/* Refuses places for many more tokens than the map has: a condition may have stood in front of them, which no file tells. */
static int taming_prior_check_places(struct tess_context *ctx, const struct taming_prior *t, const struct transformer_layout *l,
                                     int64_t positions)
{
    if (l->places < positions)
        return ctx->fail(ctx, TESS_E_DATA, "the prior is of %lld tokens at most, the tokenizer makes %lld: it is another's",
                         (long long)l->places, (long long)positions);
    if (l->places < 2 * positions || t->sos_token >= 0)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_DATA,
        "it has places for %lld tokens and the map %lld, as where coordinates or another condition stand in front, which is not "
        "known here; if it was trained without one, say sos_token= (0 in most settings)",
        (long long)l->places, (long long)positions);
}

static int taming_prior_describe(struct tess_context *ctx, const struct taming_prior *t, const struct transformer_layout *l,
                                 int64_t positions, struct tess_import_plan *p)
{
    char denoiser[240], context[48] = "";
    int64_t sos = t->sos_token < 0 ? 0 : t->sos_token;
    if (sos >= l->codebook_size)
        return ctx->fail(ctx, TESS_E_VALUE, "sos_token=%lld is none of the %lld codes", (long long)sos, (long long)l->codebook_size);
    if (l->places > positions)
        (void)snprintf(context, sizeof context, ", context: %lld", (long long)l->places);
    (void)snprintf(denoiser, sizeof denoiser,
                   "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld, mlp_ratio: %lld, init: small, start_code: %lld%s}",
                   (long long)l->embed_dim, (long long)l->layers, (long long)t->heads, (long long)l->mlp_ratio, (long long)sos, context);
    (void)snprintf(
        p->warning, sizeof p->warning,
        "%lld heads, code %lld in front (sos_token, or the class): the file does not tell, and others make other samples without an "
        "error; set heads=, sos_token=",
        (long long)t->heads, (long long)sos);
    p->kind = "prior";
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "noise", "{use: autoregressive}"));
    return tess_attrs_set_text(ctx, p->attrs, "denoiser", denoiser);
}

int taming_prior_import(struct tess_context *ctx, const struct taming_prior *t, struct tess_import_plan *p)
{
    struct transformer_layout l = {.inside = inside};
    TESS_TRY(taming_prior_check_condition(ctx, p));
    TESS_TRY(transformer_layout_read(ctx, p, &l));
    int64_t positions = l.places;
    if (p->tokenizer) {
        int64_t height, width;
        TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_height", &height));
        TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_width", &width));
        positions = height * width;
        TESS_TRY(taming_prior_check_places(ctx, t, &l, positions));
        TESS_TRY(transformer_layout_map(ctx, &l, positions, p));
    }
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(names, p, i);
        transformer_layout_leave_mask(p, i);
    }
    return taming_prior_describe(ctx, t, &l, positions, p);
}

/* ---- and back ------------------------------------------------------------------------------------------------------ */

int taming_prior_export(struct tess_context *ctx, const struct taming_prior *t, struct tess_export_plan *p)
{
    const char *config_text;
    int64_t start;
    TESS_TRY(name_check_part(ctx, p, "taming", "noise", "autoregressive", &config_text));
    TESS_TRY(name_check_part(ctx, p, "taming", "denoiser", "transformer", &config_text));
    TESS_TRY(name_check_number(ctx, config_text, "heads", t->heads));
    TESS_TRY(tess_config_text_i64(ctx, config_text, "start_code", -1, &start));
    if (start < 0)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "taming's transformers begin with a code, and the model with a vector of its own; train it with `start_code: 0`, or "
            "export it as unleashing-transformers");
    if (start != (t->sos_token < 0 ? 0 : t->sos_token))
        return ctx->fail(ctx, TESS_E_VALUE,
                         "`start_code` of the model is %lld, and the file would not tell; say sos_token=%lld here, and to whoever reads it",
                         (long long)start, (long long)start);
    for (int64_t i = 0; i < p->weights; i++) {
        name_export(names, &p->weight[i]);
        transformer_layout_raise(&p->weight[i]);
    }
    return t->complete ? transformer_layout_masks(ctx, p, inside) : TESS_OK;
}
