/* Kinds critic/1 and features/1: networks that look at images. SPDX-License-Identifier: MIT */
#include "core/judge/judge_images.h"
#include "core/judge/judge_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- critic/1 ------------------------------------------------------------------------------------------------------ */

static int critic_record(struct judge_piece *p)
{
    const struct tess_critic_1 *ops = p->ops;
    struct tess_node *logits = NULL;
    int64_t side = image_side[p->size];
    struct tess_node *image =
        judge_input(p, "image", TESS_F32, 4, (const int64_t[]){p->rows, side, side, IMAGE_CHANNELS}, JUDGE_FILL_UNIT, 0);
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, image, &logits));
    judge_gives(p, "logits", logits, TESS_F32, 4, (const int64_t[]){p->rows, -1, -1, 1});
    return TESS_OK;
}

/* Workloads of a critic; `mixes`, as its statistics may be those of the microbatch. */
static const struct judge_workload critic_workloads[] = {
    {.name = "record", .training = 1, .smooth = 1, .mixes = 1, .sizes = IMAGE_SIDES, .record = critic_record}, {.name = NULL}};

/* Records a critic on images of side detail[0]. */
static int critic_small(struct judge_piece *p)
{
    const struct tess_critic_1 *ops = p->ops;
    struct tess_node *logits = NULL;
    struct tess_node *image =
        judge_input(p, "image", TESS_F32, 4, (const int64_t[]){p->rows, p->detail[0], p->detail[0], p->detail[1]}, JUDGE_FILL_UNIT, 0);
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, image, &logits));
    judge_gives(p, "logits", logits, TESS_F32, 4, (const int64_t[]){p->rows, -1, -1, 1});
    return TESS_OK;
}

static const struct judge_workload small = {.name = "record", .record = critic_small};

static int critic_sizes_body(struct judge *j, struct tess_instance *i)
{
    static const int64_t side[7] = {1, 2, 3, 7, 17, 33, 64}, channels[2] = {1, 3};
    for (int k = 0; k < 14; k++) {
        struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &small, .instance = i, .rows = 2, .microbatches = 1};
        p.detail[0] = side[k / 2];
        p.detail[1] = channels[k % 2];
        int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
        if (status == TESS_OK && p.fault == JUDGE_REFUSED && p.status != TESS_E_SHAPE)
            status = judge_fail(j, "wanted images that are too small refused with TESS_E_SHAPE (%d), found %d: %s", TESS_E_SHAPE, p.status,
                                p.why);
        else if (status == TESS_OK && p.fault != JUDGE_FINE && p.fault != JUDGE_REFUSED)
            status = judge_fail(j, "%s", p.why);
        judge_piece_close(&p);
        tess_forget(j->ctx);
        JUDGE_TRY(status);
    }
    return TESS_OK;
}

static int critic_sizes(struct judge *j)
{
    return judge_over(j, 1 + 4 * (int64_t)j->level, critic_sizes_body);
}

/* The gradient reaches the image: a tokenizer learns from a critic by nothing else. */
static int critic_gradient_body(struct judge *j, struct tess_instance *i)
{
    struct tess_tensor gradient;
    char name[64];
    double sum = 0.0;
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = j->kind->workload, .instance = i, .rows = 2, .microbatches = 1, .gradients = 1};
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "record", judge_piece_run(&p, 0));
    snprintf(name, sizeof name, "%.*s.judge.image", tessi_plug_kind_length(j->component->kind), j->component->kind);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the gradient of the image", tess_graph_gradient(j->ctx, p.graph, name, &gradient));
    for (int64_t n = status == TESS_OK ? tess_tensor_count(&gradient) : 0, k = 0; k < n; k++)
        sum += fabs((double)((const float *)gradient.data)[k]);
    if (status == TESS_OK && !(isfinite(sum) && sum > 0.0))
        status = judge_fail(j, "wanted a finite gradient of the image, other than 0, found a sum of %g", sum);
    judge_piece_close(&p);
    return status;
}

static int critic_gradient(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, critic_gradient_body);
}

static const struct judge_test critic_tests[] = {{"sizes", 1, "images of any size are taken, or refused with TESS_E_SHAPE", critic_sizes},
                                                 {"image-gradient", 1, "the image gets a finite gradient", critic_gradient},
                                                 {NULL, 0, NULL, NULL}};

const struct judge_kind judge_critic = {"critic/1", critic_tests, critic_workloads};

/* ---- features/1 ---------------------------------------------------------------------------------------------------- */

static const char *const feature_name[TESS_FEATURES_MAX] = {"map0", "map1", "map2", "map3", "map4", "map5", "map6"};

/* Records the features of a network that is trained here, so that no file is needed. */
static int features_record(struct judge_piece *p)
{
    const struct tess_features_1 *ops = p->ops;
    struct tess_features out = {.size = sizeof out, .trained = 1};
    int64_t side = image_side[p->size];
    struct tess_node *image =
        judge_input(p, "image", TESS_F32, 4, (const int64_t[]){p->rows, side, side, IMAGE_CHANNELS}, JUDGE_FILL_UNIT, 0);
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, image, &out));
    if (tess_graph_status(p->graph) == TESS_OK && (out.count < 1 || out.count > TESS_FEATURES_MAX))
        return p->ctx->fail(p->ctx, TESS_E_PLUGIN, "wanted 1 .. %d features, found %d", TESS_FEATURES_MAX, (int)out.count);
    for (int32_t k = 0; k < out.count && k < JUDGE_PORTS - 1; k++)
        judge_gives(p, feature_name[k], out.map[k], TESS_F32, 4, (const int64_t[]){p->rows, -1, -1, -1});
    return TESS_OK;
}

static const struct judge_workload features_workloads[] = {{.name = "record", .smooth = 1, .sizes = IMAGE_SIDES, .record = features_record},
                                                           {.name = NULL}};

static int features_place_body(struct judge *j, struct tess_instance *i)
{
    static const char *const unknown[5] = {"", "no.such.weight", "a name with blanks", ".", "module.module.module.weight"};
    const struct tess_features_1 *ops = tess_instance_ops(i, "features/1");
    for (int k = 0; k < 5; k++) {
        char ours[TESS_ENTRY_NAME + 64];
        int32_t layout = 0;
        memset(ours, 0x5a, sizeof ours);
        int placed = ops->place(tess_instance_self(i), unknown[k], ours, &layout);
        for (size_t at = TESS_ENTRY_NAME; at < sizeof ours; at++)
            if (ours[at] != 0x5a)
                return judge_fail(j, "place: wanted at most %d bytes of a name, found more written", TESS_ENTRY_NAME);
        if (placed)
            return judge_fail(j, "place: wanted 0 for a tensor called \"%s\", found %d", unknown[k], placed);
    }
    return TESS_OK;
}

static int features_place(struct judge *j)
{
    return judge_over(j, 1, features_place_body);
}

/* Records a network that is not trained here: all its weights are external. */
static int features_fixed_record(struct judge_piece *p)
{
    const struct tess_features_1 *ops = p->ops;
    struct tess_features out = {.size = sizeof out};
    int64_t side = image_side[p->size];
    struct tess_node *image =
        judge_input(p, "image", TESS_F32, 4, (const int64_t[]){p->rows, side, side, IMAGE_CHANNELS}, JUDGE_FILL_UNIT, 0);
    return ops->record(p->self, p->ctx, p->graph, image, &out);
}

static const struct judge_workload features_fixed = {.name = "record", .sizes = IMAGE_SIDES, .record = features_fixed_record};

static int features_external_body(struct judge *j, struct tess_instance *i)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &features_fixed, .instance = i, .rows = 1, .microbatches = 1};
    int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
    if (status == TESS_OK && p.fault != JUDGE_FINE)
        status = judge_skip(j, "%s", p.why);
    if (status == TESS_OK && tess_weights_size(p.weights) != 0)
        status = judge_fail(j, "wanted weights that are not trained here to be TESS_WEIGHT_EXTERNAL, found %lld trained numbers",
                            (long long)tess_weights_size(p.weights));
    judge_piece_close(&p);
    return status;
}

static int features_external(struct judge *j)
{
    return judge_over(j, 1, features_external_body);
}

static const struct judge_test features_tests[] = {{"image-gradient", 1, "the image gets a finite gradient", critic_gradient},
                                                   {"place-unknown", 1, "a tensor of an unknown name is left", features_place},
                                                   {"external", 1, "weights that are not trained here are external", features_external},
                                                   {NULL, 0, NULL, NULL}};

const struct judge_kind judge_features = {"features/1", features_tests, features_workloads};
