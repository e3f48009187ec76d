/* The weights of an import, from the file to the artefact. They are taken in the file's order, so that it is read from its beginning to its
 * end, just before or behind the thread that digests it (import_digest.c): what one of the two has read from the disk, the other finds in
 * memory. A large tensor passes in pieces of whole rows, laid out as here, so memory does not grow with it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/exchange/exchange_private.h"
#include "core/graph/finite.h"
#include "core/store/store.h"

#include <stdlib.h>

#define PIECE ((int64_t)512 << 10) /* bytes of a piece, at least one row: it stays in a cache from step to step */

/* A weight and the entry that its values are in. */
struct source {
    int64_t entry, weight;
};

static int import_weights_order(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static int import_weights_list(struct tess_context *ctx, const struct tessi_import *m, struct source **out)
{
    int64_t n = tess_weights_count(m->weights);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof **out, "an order of weights", &memory));
    *out = memory;
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = (struct source){tessi_exchange_import_entry(m, m->source[i]), i};
    qsort(*out, (size_t)n, sizeof **out, import_weights_order);
    return TESS_OK;
}

/* Rows of a piece of the entry; 0: it is read whole. */
static int64_t import_weights_rows(const struct tessi_import *m, int64_t entry, const struct tess_tensor *shape)
{
    int64_t bytes = (int64_t)tess_tensor_bytes(shape);
    if (bytes <= PIECE || shape->rank == 0 || shape->dim[0] < 2 || !tessi_exchange_weights_has_parts(&m->files, entry))
        return 0;
    int64_t rows = PIECE / (bytes / shape->dim[0]);
    return rows ? rows : 1;
}

/* Buffers for a piece as it is in the file, and as it is here. */
struct passage {
    float *there, *here;
};

static int import_weights_buffers(struct tess_context *ctx, const struct tessi_import *m, const struct source *source, struct passage *p)
{
    size_t max = 0;
    void *memory;
    for (int64_t i = 0; i < tess_weights_count(m->weights); i++) {
        struct tess_tensor shape;
        TESS_TRY(tess_weights_view(ctx, m->weights, source[i].weight, TESS_ROLE_VALUE, &shape));
        int64_t rows = import_weights_rows(m, source[i].entry, &shape);
        if (rows)
            shape.dim[0] = rows;
        max = tess_tensor_bytes(&shape) > max ? tess_tensor_bytes(&shape) : max;
    }
    TESS_TRY(tess_alloc(ctx, 2 * max + 1, "a weight", &memory));
    p->there = memory;
    p->here = p->there + max / sizeof(float);
    return TESS_OK;
}

/* Checks the values that were read, and lays them out as here, as the tensor `shape`. */
static int import_weights_take(struct tess_context *ctx, const struct tessi_import *m, int64_t i, const struct passage *p,
                               struct tess_tensor *shape)
{
    int32_t layout = m->plan.use[m->source[i]].layout;
    if (!tessi_graph_all_finite(tess_tensor_count(shape), p->there))
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: `%s` has a value that is not finite; the model diverged, or its numbers are too large for f32", m->x->from,
                         m->plan.entry[m->source[i]].name);
    shape->data = NULL;
    if (layout != TESS_LAYOUT_SAME)
        tessi_exchange_layout_move(layout, shape, 0, p->there, p->here);
    shape->data = layout != TESS_LAYOUT_SAME ? p->here : p->there;
    return TESS_OK;
}

static int import_weights_in_pieces(struct tess_context *ctx, const struct tessi_import *m, const struct source *s,
                                    const struct tess_tensor *shape, int64_t rows, const struct passage *p, struct tess_artefact *a,
                                    const char *path)
{
    int64_t row = tess_tensor_count(shape) / shape->dim[0];
    TESS_TRY(tess_artefact_begin(ctx, a, path, shape, NULL));
    for (int64_t done = 0; done < shape->dim[0]; done += rows) {
        struct tess_tensor piece = *shape;
        piece.dim[0] = shape->dim[0] - done < rows ? shape->dim[0] - done : rows;
        TESS_TRY(tessi_exchange_weights_read_part(ctx, &m->files, s->entry, done * row, piece.dim[0] * row, p->there));
        TESS_TRY(import_weights_take(ctx, m, s->weight, p, &piece));
        TESS_TRY(tess_artefact_append(ctx, a, path, &piece));
    }
    return TESS_OK;
}

static int import_weights_pass(struct tess_context *ctx, const struct tessi_import *m, const struct source *s, const struct passage *p,
                               struct tess_artefact *a)
{
    char path[TESS_WEIGHT_PATH];
    struct tess_tensor shape;
    TESS_TRY(tess_weights_view(ctx, m->weights, s->weight, TESS_ROLE_VALUE, &shape));
    tess_weights_path(tess_weights_name(m->weights, s->weight), path, sizeof path);
    int64_t rows = import_weights_rows(m, s->entry, &shape);
    if (rows)
        return import_weights_in_pieces(ctx, m, s, &shape, rows, p, a, path);
    TESS_TRY(tessi_exchange_weights_read(ctx, &m->files, s->entry, p->there));
    TESS_TRY(import_weights_take(ctx, m, s->weight, p, &shape));
    return tess_artefact_put(ctx, a, path, &shape, NULL);
}

int tessi_exchange_import_weights(struct tess_context *ctx, struct tessi_import *m, struct tess_artefact *a)
{
    struct source *source = NULL;
    struct passage p = {NULL, NULL};
    int status = import_weights_list(ctx, m, &source);
    if (status == TESS_OK)
        status = import_weights_buffers(ctx, m, source, &p);
    for (int64_t i = 0; i < tess_weights_count(m->weights) && status == TESS_OK; i++)
        status = import_weights_pass(ctx, m, &source[i], &p, a);
    tess_free(p.there);
    tess_free(source);
    return status == TESS_OK ? tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(m->weights), "") : status;
}
