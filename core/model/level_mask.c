/* See level_mask.h. SPDX-License-Identifier: MIT */
#include "core/model/level_mask.h"

#include <string.h>

#define NEVER -1e9f

struct level_mask {
    int64_t depth, size[TESS_DEPTH_MAX];
};

/* Forward: y = x, or `rest` for the codes that a level does not have. */
static void level_mask_copy(const struct tess_op_run *r, const struct tess_tensor *from, const struct tess_tensor *to, float rest)
{
    const struct level_mask *m = r->attr;
    const int32_t *position = r->inputs > 1 ? r->in[1].data : NULL;
    int64_t tokens = to->dim[1], k = to->dim[2];
    for (int64_t i = 0; i < to->dim[0] * tokens; i++) {
        int64_t level = (position ? position[i] : i % tokens) % m->depth, has = m->size[level < 0 ? 0 : level];
        float *row = (float *)to->data + i * k;
        memcpy(row, (const float *)from->data + i * k, (size_t)has * sizeof *row);
        for (int64_t j = has; j < k; j++)
            row[j] = rest;
    }
}

static int level_mask_forward(const struct tess_op_run *r)
{
    level_mask_copy(r, &r->in[0], &r->out[0], NEVER);
    return TESS_OK;
}

/* Backward: dx = dy where y is x, else 0. */
static int level_mask_backward(const struct tess_op_run *r)
{
    if (r->din[0].data)
        level_mask_copy(r, &r->dout[0], &r->din[0], 0.0f);
    return TESS_OK;
}

struct tess_node *tessi_model_level_mask(struct tess_graph *g, struct tess_node *logits, struct tess_node *positions, int64_t depth,
                                         const int64_t *level_size)
{
    static const struct tess_op all = {
        .size = sizeof all, .name = "level_mask", .forward = level_mask_forward, .backward = level_mask_backward};
    static const struct tess_op picked = {
        .size = sizeof picked, .name = "level_mask", .keep_in = 2, .forward = level_mask_forward, .backward = level_mask_backward};
    struct level_mask m = {.depth = depth};
    struct tess_tensor shape = tess_shape(logits);
    struct tess_node *in[2] = {logits, positions}, *out = NULL;
    int smaller = 0;
    if (!logits || shape.rank != 3)
        return logits;
    for (int64_t l = 0; l < depth; l++) {
        m.size[l] = level_size[l];
        smaller |= level_size[l] < shape.dim[2];
    }
    if (!smaller)
        return logits;
    tess_custom(g, positions ? &picked : &all, &m, sizeof m, positions ? 2 : 1, in, 1, &shape, 0, 0.0, &out);
    return out;
}
