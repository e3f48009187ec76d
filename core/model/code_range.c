/* See code_range.h. SPDX-License-Identifier: MIT */
#include "core/model/code_range.h"

#include <stdio.h>
#include <string.h>

struct code_range {
    char who[260];
    int64_t depth, size[TESS_DEPTH_MAX];
};

static int code_range_forward(const struct tess_op_run *r)
{
    const struct code_range *k = r->attr;
    const int32_t *code = r->in[0].data;
    int64_t n = tess_tensor_count(&r->in[0]);
    for (int64_t i = 0; i < n; i++)
        if (code[i] < 0 || code[i] >= k->size[i % k->depth])
            return r->context->fail(r->context, TESS_E_PLUGIN, "%s: wanted codes 0 .. %lld of level %lld, found %d", k->who,
                                    (long long)(k->size[i % k->depth] - 1), (long long)(i % k->depth) + 1, (int)code[i]);
    memcpy(r->out[0].data, code, (size_t)n * sizeof *code);
    return TESS_OK;
}

struct tess_node *tessi_model_code_range(const struct tessi_recording *r, struct tess_node *codes, const struct tess_code_layout *k)
{
    static const struct tess_op op = {.size = sizeof op, .name = "code_range", .forward = code_range_forward};
    struct code_range attr = {.depth = k->depth};
    struct tess_tensor shape = tess_shape(codes);
    struct tess_node *out = NULL;
    char who[200];
    if (!codes)
        return NULL;
    snprintf(attr.who, sizeof attr.who, "%s, %s", tessi_model_part_text(r->part, r->kind, who), r->function);
    memcpy(attr.size, k->level_size, sizeof attr.size);
    tess_custom(r->g, &op, &attr, sizeof attr, 1, &codes, 1, &shape, 0, 0.0, &out);
    return out;
}
