/* See edit_models.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/edit/edit_models.h"

#include "kit/infer/cost.h"

int edit_check_mask(struct tess_context *ctx, const struct tess_attrs *images, const struct tess_attrs *mask)
{
    int64_t h, w, n, mh, mw, mn;
    TESS_TRY(tess_attrs_i64(ctx, images, "height", &h));
    TESS_TRY(tess_attrs_i64(ctx, images, "width", &w));
    TESS_TRY(tess_attrs_i64(ctx, images, "count", &n));
    TESS_TRY(tess_attrs_i64(ctx, mask, "height", &mh));
    TESS_TRY(tess_attrs_i64(ctx, mask, "width", &mw));
    TESS_TRY(tess_attrs_i64(ctx, mask, "count", &mn));
    if (mh != h || mw != w)
        return ctx->fail(ctx, TESS_E_SHAPE,
                         "edit: the mask is %lld x %lld, the images are %lld x %lld; import it with the same size, crop and pad as them",
                         (long long)mh, (long long)mw, (long long)h, (long long)w);
    if (mn != 1 && mn != n)
        return ctx->fail(ctx, TESS_E_SHAPE,
                         "edit: %lld masks for %lld images; one for all is wanted, or one for each in their order (`limit: 1` of import "
                         "takes the first)",
                         (long long)mn, (long long)n);
    return TESS_OK;
}

static int edit_count_images(struct tess_context *ctx, const struct edit_params *s, const struct tess_attrs *images, struct edit_models *m)
{
    TESS_TRY(stage_held_out(ctx, images, 0, &m->first, &m->images));
    if (s->split == SPLIT_ALL) {
        m->images += m->first;
        m->first = 0;
    }
    if (s->limit && s->limit < m->images)
        m->images = s->limit;
    if (m->images > IMAGES_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "edit: %lld images, %d are possible; set `limit`", (long long)m->images, IMAGES_MAX);
    m->count = m->images * s->variants;
    return TESS_OK;
}

/* Images whose labels are not said have their own. */
static int edit_check_labels(struct tess_context *ctx, const struct edit_params *s, const struct tess_prior *p,
                             const struct tess_attrs *images)
{
    int64_t classes = tess_attrs_i64_or(images, "classes", 0);
    if (p->classes == 0 || s->choice.labels.count > 0 || classes == p->classes)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_VALUE,
        "edit: this prior is told labels of %lld classes, and the images have labels of %lld; say `labels`, of the variants in "
        "turn (-1: of none)",
        (long long)p->classes, (long long)classes);
}

/* The graph of picked tokens is made for one token a step where that is the rule, else for steps that draw the whole map. */
int edit_open_models(struct tess_context *ctx, const struct edit_params *s, uint64_t seed, const struct tess_attrs *images,
                     const struct tess_attrs *model, const struct tess_attrs *prior, const char *where, struct edit_models *m)
{
    const struct tess_prior *p = &m->p.prior;
    TESS_TRY(edit_count_images(ctx, s, images, m));
    TESS_TRY(sampling_open(ctx, &m->p, &s->choice, "edit", prior, where));
    TESS_TRY(edit_check_labels(ctx, s, p, images));
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    m->cells = p->height * p->width;
    m->tokens = tess_prior_tokens(p);
    m->steps = s->steps || sampling_tells(p) ? s->steps : noise->steps(tess_instance_self(p->noise));
    TESS_TRY(sampling_record(ctx, &m->p, m->steps ? m->steps : m->tokens, seed, s->batch));
    TESS_TRY(stage_codec_open(ctx, &m->codec, model, "model", NULL, seed, s->batch, CODEC_ENCODE | CODEC_DECODE));
    TESS_TRY(stage_check_images(ctx, &m->codec.tokenizer, images));
    const struct code_maps maps = code_maps_of_prior(p);
    return stage_check_map(ctx, &m->codec.tokenizer, "prior", &maps);
}

void edit_close_models(struct edit_models *m)
{
    sampling_close(&m->p);
    stage_codec_close(&m->codec);
}

int edit_describe(struct tess_context *ctx, const struct edit_params *s, const struct edit_models *m, const struct tess_attrs *prior,
                  uint64_t seed, struct tess_attrs *f)
{
    const struct tess_prior *p = &m->p.prior;
    const struct sampling_result made = {.count = m->count, .height = p->height, .width = p->width, .steps = m->steps, .seed = seed};
    TESS_TRY(sampling_describe(ctx, &m->p, &s->choice, prior, &made, f));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "images", m->images));
    return tess_attrs_set_i64(ctx, f, "variants", s->variants);
}

int edit_cost(struct tess_context *ctx, const struct edit_models *m, const struct tess_attrs *images, const struct tess_attrs *mask,
              struct tess_cost *cost)
{
    int64_t one = cost_of_tokenizer_images(&m->codec.tokenizer, 1), width = m->codec.tokenizer.width;
    /* cells and codes of images; fixed tokens and values of sequences */
    int64_t maps = m->images * (m->cells + 4 * m->tokens) + m->count * m->tokens * 5;
    cost->total_bytes += sampling_bytes(&m->p, m->count) + cost_of_reading(images) + cost_of_reading(mask) + maps +
                         m->codec.encode.batch * one + cost_of_picture(2 + m->count / m->images, m->images, one, width);
    TESS_TRY(sampling_cost(ctx, &m->p, (double)m->count * (double)(m->steps ? m->steps : m->tokens), cost));
    return cost_of_codec(ctx, &m->codec, (double)m->images, (double)m->count, cost);
}
