/* SPDX-License-Identifier: MIT */
#include "kit/infer/classifier.h"

#include <math.h>
#include <string.h>

int classifier_record(struct tess_context *ctx, struct tess_instance *network, int64_t classes, const int64_t image[3],
                      struct tess_graph *g, struct tess_node **scores)
{
    const struct tess_features_1 *ops = tess_instance_ops(network, "features/1");
    struct tess_features made = {.size = sizeof made, .trained = 1};
    int64_t rows = tess_graph_microbatch(g);
    struct tess_node *bytes = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){rows, image[0], image[1], image[2]});
    tess_scope(g, TESS_FEATURES_SCOPE);
    TESS_TRY(tess_instance_returned(ctx, network, "features", "record",
                                    ops->record(tess_instance_self(network), ctx, g, tess_to_f32(g, bytes, 1.0f / 255.0f, 0.0f), &made)));
    tess_scope_end(g);
    if (made.count < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "`%s` gives no features, and classes are told by the last of them",
                         tess_instance_name(network));
    struct tess_node *last = made.map[made.count - 1];
    int64_t width = tess_shape(last).dim[3];
    const struct tess_init matrix = {
        .size = sizeof matrix, .kind = TESS_INIT_UNIFORM, .spread = 1.0 / sqrt((double)(width > 0 ? width : 1))};
    struct tess_node *mean = tess_reshape(g, tess_mean(g, last, 1u << 1 | 1u << 2), 2, (const int64_t[]){rows, width});
    tess_scope(g, CLASSIFIER_SCOPE);
    struct tess_node *w = tess_weight(g, "weight", 2, (const int64_t[]){classes, width}, &matrix);
    struct tess_node *b = tess_weight(g, "bias", 1, &classes, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(g);
    *scores = tess_linear(g, mean, w, b);
    return TESS_OK;
}

int64_t classifier_best(const float *scores, int64_t classes)
{
    int64_t best = 0;
    for (int64_t j = 1; j < classes; j++)
        best = scores[j] > scores[best] ? j : best;
    return best;
}

int classifier_open(struct tess_context *ctx, struct classifier *k, const struct tess_attrs *features, const char *where,
                    const int64_t image[3], uint64_t seed, int64_t batch)
{
    struct tess_node *scores = NULL;
    const char *network;
    int64_t channels;
    if (!tess_attrs_i64_or(features, CLASSIFIER_ATTR, 0))
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: it has features and no classifier; train it with `keep_classifier: true`, which keeps the layer that tells "
                         "classes apart",
                         where);
    TESS_TRY(tess_attrs_text(ctx, features, "network", &network));
    TESS_TRY(tess_attrs_i64(ctx, features, "classes", &k->classes));
    TESS_TRY(tess_attrs_i64(ctx, features, "channels", &channels));
    if (channels != image[2])
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: the classifier is of images of %lld channels, not %lld", where, (long long)channels,
                         (long long)image[2]);
    TESS_TRY(tess_instance_open(ctx, "features/1", network, where, &k->network));
    TESS_TRY(stage_graph_open(ctx, &k->scores, seed, batch));
    TESS_TRY(classifier_record(ctx, k->network, k->classes, image, k->scores.graph, &scores));
    tess_output(k->scores.graph, "scores", scores);
    return tess_graph_seal(ctx, k->scores.graph);
}

void classifier_close(struct classifier *k)
{
    stage_graph_close(&k->scores, 1);
    tess_instance_close(k->network);
    memset(k, 0, sizeof *k);
}
