/* checkpoint/1 `template-name`: autoencoders of another trainer that has the parts of this program and puts `model.` before their weights'
 * names. The parts and the size of images, which a file does not tell, are parameters.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/exchange.h>
#include <tessera/kind/quantizer.h>
#include <tessera/plugin.h>

#include <stdio.h>
#include <string.h>

#define PREFIX "model."

struct template_name {
    int64_t height, width, channels, factor; /* parameters, filled by the host from the table below */
    struct tess_instance *encoder, *decoder, *quantizer;
};

/* ---- import: their names to ours ---- */

static int describe(const struct template_name *c, struct tess_context *ctx, struct tess_attrs *a)
{
    const struct tess_quantizer_1 *q = (const struct tess_quantizer_1 *)tess_instance_ops(c->quantizer, "quantizer/1");
    void *self = tess_instance_self(c->quantizer);
    TESS_TRY(tess_attrs_set_i64(ctx, a, "height", c->height));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "width", c->width));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "channels", c->channels));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "latent_height", c->height / c->factor));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "latent_width", c->width / c->factor));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "codebook_size", q->codebook_size(self)));
    TESS_TRY(tess_attrs_set_i64(ctx, a, "code_dim", q->code_dim(self)));
    TESS_TRY(tess_attrs_set_text(ctx, a, "encoder", tess_instance_config_text(c->encoder)));
    TESS_TRY(tess_attrs_set_text(ctx, a, "decoder", tess_instance_config_text(c->decoder)));
    return tess_attrs_set_text(ctx, a, "quantizer", tess_instance_config_text(c->quantizer));
}

/* Plan of an import: for each tensor of the file the weight it becomes, or the reason to leave it. The host checks with the parts
 * themselves that every weight is there, in its shape. */
static int template_name_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct template_name *c = (const struct template_name *)self;
    int64_t known = 0;
    for (int64_t i = 0; i < p->entries; i++) {
        const char *name = p->entry[i].name;
        const int ours = strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
        known += ours;
        p->use[i].layout = TESS_LAYOUT_SAME;
        if (ours)
            (void)snprintf(p->use[i].ours, sizeof p->use[i].ours, "%s", name + sizeof PREFIX - 1);
        else
            p->use[i].left = "not of the model";
    }
    if (!known)
        return ctx->fail(ctx, TESS_E_DATA, "wanted weights whose names begin with `" PREFIX "`, found none among %lld",
                         (long long)p->entries);
    p->kind = "autoencoder";
    (void)snprintf(p->assumed, sizeof p->assumed, "images of %lld x %lld x %lld and the parts that were given", (long long)c->height,
                   (long long)c->width, (long long)c->channels);
    return describe(c, ctx, p->attrs);
}

/* ---- export: our names to theirs ---- */

static int template_name_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    (void)self;
    if (strcmp(p->kind, "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_VALUE, "template-name: wanted a model of kind autoencoder, found kind `%s`", p->kind);
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        (void)snprintf(w->theirs, sizeof w->theirs, PREFIX "%.*s", (int)(sizeof w->theirs - sizeof PREFIX), w->ours);
        w->layout = TESS_LAYOUT_SAME;
        w->rank = w->shape.rank;
        for (int32_t k = 0; k < w->rank; k++)
            w->dim[k] = w->shape.dim[k];
    }
    return TESS_OK;
}

static const struct tess_checkpoint_1 ops = {sizeof(struct tess_checkpoint_1), template_name_plan_import, template_name_plan_export};

static int template_name_open(void *self, struct tess_context *ctx)
{
    const struct template_name *c = (const struct template_name *)self;
    if (c->height % c->factor == 0 && c->width % c->factor == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE, "images of %lld x %lld are no multiple of factor %lld", (long long)c->height, (long long)c->width,
                     (long long)c->factor);
}

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct template_name, height, 1, 65536, 28, "height of the images in pixels"),
    TESS_PARAM_I64(struct template_name, width, 1, 65536, 28, "width of the images in pixels"),
    TESS_PARAM_I64(struct template_name, channels, 1, 3, 1, "channels of the images"),
    TESS_PARAM_I64(struct template_name, factor, 1, 1024, 2, "pixels of the image to one of the latent, along a side"),
    TESS_PARAM_COMPONENT(struct template_name, encoder, TESS_REQUIRED, "encoder/1", "the model's encoder"),
    TESS_PARAM_COMPONENT(struct template_name, decoder, TESS_REQUIRED, "decoder/1 like encoder", "the model's decoder"),
    TESS_PARAM_COMPONENT(struct template_name, quantizer, TESS_REQUIRED, "quantizer/1", "the model's quantizer"),
    TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT("template-name", "checkpoint/1", "autoencoders of the parts given, names with a prefix",
                           sizeof(struct template_name), params, template_name_open, NULL, &ops));
