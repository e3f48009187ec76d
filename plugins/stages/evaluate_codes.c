/* stage/1 `evaluate-codes`: metrics of codes alone, of a set encoded or drawn, without the tokenizer or images (docs/metrics.md). All maps
 * of the artefact are counted, those kept for validation, too.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/common.h"
#include "kit/metric/measure.h"

#include <stdio.h>

struct stage {
    struct tess_list_component metrics;
    int64_t bootstrap;
};

struct work {
    const struct stage *s;
    struct code_maps maps;
    int64_t level_size[TESS_DEPTH_MAX], count;
    struct measure measure;
    struct tess_tensor codes; /* (TESS_METRIC_BLOCK, L) */
};

static int evaluate_codes_open(struct tess_context *ctx, struct work *k, const struct tess_attrs *codes, uint64_t seed)
{
    const struct stage *s = k->s;
    const struct bootstrap b = {s->bootstrap, seed};
    struct tess_metric_shape shape = {.size = sizeof shape};
    TESS_TRY(code_maps_of_attrs(ctx, codes, &k->maps, k->level_size));
    TESS_TRY(tess_attrs_i64(ctx, codes, "count", &k->count));
    if (!s->metrics.count || measure_wanted(s->metrics.item, s->metrics.count, TESS_METRIC_CODES) != s->metrics.count)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "metrics: here are codes alone; list metrics of codes, `metrics: [uniformity]`, and those of images in a stage "
                         "`evaluate`");
    shape.rows[TESS_METRIC_IMAGES] = k->count;
    shape.depth = k->maps.depth;
    for (int64_t l = 0; l < shape.depth; l++)
        shape.level_size[l] = k->level_size[l];
    return measure_open(ctx, &k->measure, s->metrics.item, s->metrics.count, TESS_METRIC_CODES, &shape, &b);
}

static int evaluate_codes_describe(struct tess_context *ctx, const struct work *k, const struct tess_attrs *codes, struct tess_attrs *f)
{
    TESS_TRY(tess_attrs_set_i64(ctx, f, "maps", k->count));
    if (*tess_attrs_text_or(codes, "tokenizer", ""))
        TESS_TRY(tess_attrs_set_text(ctx, f, "tokenizer", tess_attrs_text_or(codes, "tokenizer", "")));
    return measure_describe(ctx, &k->measure, f);
}

static int evaluate_codes_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work k = {.s = self};
    int status = evaluate_codes_open(ctx, &k, p->in[0], p->seed);
    if (status == TESS_OK)
        status = tess_attrs_set_i64(ctx, p->out, "maps", k.count);
    if (status == TESS_OK)
        status = measure_describe(ctx, &k.measure, p->out);
    if (status == TESS_OK)
        p->cost->total_bytes += measure_bytes(&k.measure) + 2 * TESS_METRIC_BLOCK * code_maps_tokens(&k.maps) * (int64_t)sizeof(int32_t);
    p->steps = k.count;
    measure_close(&k.measure);
    return status;
}

static int evaluate_codes(struct tess_context *ctx, struct work *k, struct tess_stage_run *r)
{
    const struct tess_artefact *codes = tess_stage_input(r, "codes");
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(evaluate_codes_open(ctx, k, tess_artefact_attrs(codes), tess_stage_seed(r)));
    TESS_TRY(code_maps_tensor(ctx, &k->maps, TESS_METRIC_BLOCK, &k->codes));
    for (int64_t i = 0; i < k->count; i += TESS_METRIC_BLOCK) {
        int64_t n = k->count - i < TESS_METRIC_BLOCK ? k->count - i : TESS_METRIC_BLOCK;
        TESS_TRY(stage_check_stop(ctx, r, i, k->count, "map"));
        k->codes.dim[0] = n;
        TESS_TRY(tess_artefact_read(ctx, codes, "codes", i, &k->codes));
        TESS_TRY(stage_check_codes(ctx, codes, &k->codes, &k->maps));
        const struct tess_tensor rows = tess_tensor_over(k->codes.data, TESS_I32, 2, (const int64_t[]){n, code_maps_tokens(&k->maps)});
        TESS_TRY(measure_feed(ctx, &k->measure, TESS_METRIC_IMAGES, 1, (const struct tess_tensor *const[]){&rows}));
        tess_stage_progress(r, i + n, k->count, "map", NULL, 0.0);
    }
    TESS_TRY(evaluate_codes_describe(ctx, k, tess_artefact_attrs(codes), tess_artefact_describe(a)));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "maps", (double)k->count, ""));
    return measure_finish(ctx, &k->measure, r, a);
}

static int evaluate_codes_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self};
    int status = evaluate_codes(ctx, &k, r);
    measure_close(&k.measure);
    tess_free(k.codes.data);
    return status;
}

/* Dependencies of the result: the seed where rows are drawn anew; nothing is computed by a backend. */
static uint64_t evaluate_codes_depends(void *self)
{
    return ((const struct stage *)self)->bootstrap ? TESS_DEPENDS_SEED : 0;
}

static const struct tess_port ports[] = {{.name = "codes", .kind = "codes|samples", .help = "codes of images, or samples"}, {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops,
                                        .ports = ports,
                                        .output = "metrics",
                                        .plan = evaluate_codes_plan,
                                        .run = evaluate_codes_run,
                                        .depends = evaluate_codes_depends};

static const struct tess_param params[] = {
    TESS_PARAM("metrics", struct stage, metrics, TESS_LIST_COMPONENT, 0, 0, 0, 0, "metric/1", "metrics of codes: [uniformity]"),
    TESS_PARAM("bootstrap", struct stage, bootstrap, TESS_I64, 0, 0, 1e5, 0, NULL,
               "resamples that the metrics have intervals of, 2.5 to 97.5 %; 0: no intervals"),
    TESS_PARAM_END};

TESS_PLUGIN("tessera-evaluate-codes", "0.1.0", "MIT", TESS_NEEDS("artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "use: {use: evaluate-codes, in: {codes: codes}, metrics: [uniformity]}", "evaluate-codes",
                                      "stage/1", "metrics of codes alone: how evenly they are used", sizeof(struct stage), params, NULL,
                                      NULL, &ops));
