/* Export of a prior as vq-ddm: our names to theirs, and what that program's classes have besides. SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/vq_ddm/vq_ddm.h"

#include <math.h>
#include <string.h>

static const char inside[] = VQ_DDM_INSIDE, alone[] = VQ_DDM_ALONE;

/* A network that reads codes as numbers predicts a change of them, one that reads vectors the codes. */
static int vq_ddm_check_noise(struct tess_context *ctx, const char *noise, const char *denoiser, int64_t steps)
{
    int32_t same, embeds;
    TESS_TRY(tess_config_text_has(ctx, denoiser, "input", vq_ddm_input_name[BY_EMBEDDING], &embeds));
    const char *const published[][2] = {{"schedule", "cosine-root"}, {"offset", "0.008"},         {"clip", "0.001"},
                                        {"step", "plug-in"},         {"first_step", "published"}, {"residual", embeds ? "0" : "1"}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        TESS_TRY(tess_config_text_has(ctx, noise, published[i][0], published[i][1], &same));
        if (!same)
            return ctx->fail(ctx, TESS_E_VALUE, "vq-ddm has the noise uniform of `%s: %s`, the model %s", published[i][0], published[i][1],
                             noise);
    }
    return name_check_number(ctx, noise, "steps", steps);
}

static int check_denoiser(struct tess_context *ctx, const char *denoiser, const struct vq_ddm *v)
{
    int64_t groups;
    double offset;
    TESS_TRY(tess_config_text_i64(ctx, denoiser, "groups", v->norm_groups, &groups));
    TESS_TRY(tess_config_text_f64(ctx, denoiser, "time_offset", NAN, &offset));
    TESS_TRY(name_check_number(ctx, denoiser, "heads", v->heads));
    if (groups != v->norm_groups)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "`groups` of the model's denoiser is %lld, not %lld, and the file would not tell; say norm_groups=%lld here, and to "
            "whoever reads it",
            (long long)groups, (long long)v->norm_groups, (long long)groups);
    if (offset == vq_ddm_time_offset(v->steps))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE, "vq-ddm counts steps from 0, which is `time_offset: %.17g` for %lld steps, the model %s",
                     vq_ddm_time_offset(v->steps), (long long)v->steps, denoiser);
}

/* ln of what a step keeps and ln of what it does not: the schedule as the program computes it, sums in double. */
static int add_schedule(struct tess_context *ctx, const struct tess_export_plan *p, int64_t steps)
{
    static const char *const name[] = {"log_alpha", "log_1_min_alpha", "log_cumprod_alpha", "log_1_min_cumprod_alpha"};
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)steps * 4 * sizeof(float), "a schedule", &memory));
    float *value = memory;
    double sum = 0.0, before = pow(cos(0.008 / 1.008 * 1.57079632679489661923), 2.0);
    for (int64_t k = 0; k < steps; k++) {
        double after = pow(cos(((double)(k + 1) / (double)steps + 0.008) / 1.008 * 1.57079632679489661923), 2.0), kept = after / before;
        double log_kept = 0.5 * log(kept < 0.001 ? 0.001 : kept > 1.0 ? 1.0 : kept);
        before = after;
        sum += log_kept;
        value[k] = (float)log_kept;
        value[steps + k] = (float)log(1.0 - exp(log_kept) + 1e-40);
        value[2 * steps + k] = (float)sum;
        value[3 * steps + k] = (float)log(1.0 - exp(sum) + 1e-40);
    }
    int status = TESS_OK;
    for (int64_t i = 0; i < 4 && status == TESS_OK; i++)
        status = extras_values(ctx, p, 1, &steps, value + i * steps, "_denoising.%s", name[i]);
    tess_free(memory);
    return status;
}

/* Layers that the program's class has and never uses, under both names of the network: of `UnetX` its embedding and its first layer, of
 * `edit_unet` the layer for numbers. */
static int add_unused(struct tess_context *ctx, const struct tess_export_plan *p, const char *denoiser)
{
    static const char *const prefix[] = {inside, alone};
    int64_t channels, codes;
    int32_t plain;
    TESS_TRY(tess_config_text_i64(ctx, denoiser, "channels", 64, &channels));
    TESS_TRY(tess_attrs_i64(ctx, p->attrs, "codebook_size", &codes));
    TESS_TRY(tess_config_text_has(ctx, denoiser, "input", vq_ddm_input_name[BY_PLAIN], &plain));
    const char *layer = plain ? "begin_conv" : "input_conv";
    if (!plain && !tess_attrs_text_or(p->attrs, "condition", NULL))
        return TESS_OK;
    for (int i = 0; i < 2; i++) {
        const int64_t kernel[4] = {channels, 1, 1, 1}, table[2] = {codes, channels};
        if (plain)
            TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 2, table, "%sembedding.weight", prefix[i]));
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 4, kernel, "%s%s.weight", prefix[i], layer));
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &channels, "%s%s.bias", prefix[i], layer));
    }
    return TESS_OK;
}

/* The network under its second name, the schedule, and the statistics of training as they begin. */
static int add_extras(struct tess_context *ctx, const struct tess_export_plan *p, const char *denoiser, int64_t steps)
{
    for (int64_t i = 0; i < p->weights; i++)
        if (strncmp(p->weight[i].theirs, inside, strlen(inside)) == 0)
            TESS_TRY(extras_same(ctx, p, i, "%s%s", alone, p->weight[i].theirs + strlen(inside)));
    TESS_TRY(add_unused(ctx, p, denoiser));
    TESS_TRY(add_schedule(ctx, p, steps));
    TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "_denoising.Lt_history"));
    return extras_constant(ctx, p, "f32", 0.0f, 1, &steps, "_denoising.Lt_count");
}

int vq_ddm_export_prior(struct tess_context *ctx, const struct vq_ddm *v, struct tess_export_plan *p)
{
    const char *noise, *denoiser;
    TESS_TRY(name_check_part(ctx, p, "vq-ddm", "noise", "uniform", &noise));
    TESS_TRY(name_check_part(ctx, p, "vq-ddm", "denoiser", "unet", &denoiser));
    TESS_TRY(vq_ddm_check_noise(ctx, noise, denoiser, v->steps));
    TESS_TRY(check_denoiser(ctx, denoiser, v));
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(vq_ddm_names, w);
        if (w->rank == 2 && !strstr(w->ours, "embedding.weight") && strncmp(w->ours, "denoiser.mlp.", 13) != 0 &&
            !strstr(w->ours, ".mlp.1.")) {
            w->rank = 4; /* but for the embedding and the layers of the time a matrix is a convolution of 1 x 1 there */
            w->dim[2] = w->dim[3] = 1;
        }
    }
    return v->images.complete ? add_extras(ctx, p, denoiser, v->steps) : TESS_OK;
}
