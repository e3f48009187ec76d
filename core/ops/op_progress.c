/* Training progress, the share of the steps done, as a graph value for annealing schedules. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"

static int progress_forward(const struct tess_op_run *r)
{
    int64_t steps = *(const int64_t *)r->attr;
    double share = steps > 0 ? (double)r->random.step / (double)steps : 1.0;
    *(float *)r->out[0].data = (float)(share < 1.0 ? share : 1.0);
    return TESS_OK;
}

static const struct tess_op op_progress = {.size = sizeof(struct tess_op), .name = "progress", .forward = progress_forward};

struct tess_node *tess_progress(struct tess_graph *g)
{
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 0, NULL);
    struct tess_node *out = NULL;
    if (!g)
        return NULL;
    tess_custom(g, &op_progress, &g->training_steps, sizeof g->training_steps, 0, NULL, 1, &shape, 0, 0.0, &out);
    return out;
}
