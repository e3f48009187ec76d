/* SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"

#include <string.h>

int tessi_graph_tensor_fits(const struct tess_tensor *t)
{
    int64_t n = 1;
    if (t->rank < 0 || t->rank > TESS_MAX_RANK || !tess_dtype_size(t->dtype) || t->dtype == TESS_BF16)
        return 0;
    for (int32_t i = 0; i < t->rank; i++) {
        if (t->dim[i] < 1 || t->dim[i] > TESSI_VALUES_MAX / n)
            return 0;
        n *= t->dim[i];
    }
    return 1;
}

int tessi_graph_check_nodes(struct tess_graph *g, const char *operation, int32_t n, struct tess_node *const *x)
{
    if (!g)
        return 0;
    for (int32_t i = 0; i < n; i++)
        if (!x[i]) {
            tess_graph_fail(g, TESS_E_VALUE, "%s: input %d is NULL, not a node", operation, (int)i);
            return 0;
        }
    for (int32_t i = 0; i < n; i++)
        if (x[i]->graph != g) {
            tess_graph_fail(g, TESS_E_VALUE, "%s: input %d is a node of another graph", operation, (int)i);
            return 0;
        }
    return g->status == TESS_OK;
}

int tessi_graph_check_name(struct tess_graph *g, const char *what, const char *name)
{
    if (!g)
        return 0;
    if (!name || !*name)
        tess_graph_fail(g, TESS_E_VALUE, "%s: a name is wanted, not %s", what, name ? "an empty text" : "NULL");
    else if (!tessi_graph_is_line(name))
        tess_graph_fail(g, TESS_E_VALUE, "%s: a name is wanted, a line of UTF-8, found other text", what);
    return g->status == TESS_OK;
}

int tessi_graph_is_line(const char *text)
{
    char ignored[8];
    return tess_shown_text(text, ignored, sizeof ignored) == strlen(text); /* nothing is shown in other letters */
}

int tessi_graph_check_shape(struct tess_graph *g, const char *what, const char *name, int32_t dtype, int32_t rank, const int64_t *dim,
                            struct tess_tensor *out)
{
    char text[160];
    if (!g || g->status != TESS_OK)
        return 0;
    if (rank < 0 || rank > TESS_MAX_RANK || (rank > 0 && !dim)) {
        tess_graph_fail(g, TESS_E_SHAPE, "%s %s: %d dimensions are wanted%s; a tensor has 0 .. %d", what, name, (int)rank,
                        rank > 0 && !dim ? ", and their sizes are NULL" : "", TESS_MAX_RANK);
        return 0;
    }
    *out = tess_tensor_over(NULL, dtype, rank, dim);
    if (tessi_graph_tensor_fits(out))
        return 1;
    tess_graph_fail(g, TESS_E_SHAPE,
                    "%s %s would be %s: f32, i32, u16 or u8, dimensions of at least 1 and at most %lld values are possible", what, name,
                    tess_tensor_text(out, text, sizeof text), (long long)TESSI_VALUES_MAX);
    return 0;
}
