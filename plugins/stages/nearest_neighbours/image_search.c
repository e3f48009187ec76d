/* See image_search.h. A checkpoint holds what every query has found so far; queries that were done are not looked at again, and those at
 * work continue at the block of the pool that comes next. SPDX-License-Identifier: MIT */
#include "plugins/stages/nearest_neighbours/image_search.h"

#include <math.h>
#include <string.h>

enum { BLOCK_MAX = 1024 };

static int64_t at_most(int64_t n, int64_t max)
{
    return n < max ? n : max;
}

/* ---- queries ---- */

static int64_t queries_at_work(const struct image_search *s)
{
    return s->queries - s->first < s->at_once ? s->queries - s->first : s->at_once;
}

/* Makes the vectors of the queries in work, which may come from several lists. */
static int make_queries(struct tess_context *ctx, struct image_search *s)
{
    int64_t end = s->first + queries_at_work(s), at = s->first, before = 0; /* number of queries in the lists before */
    s->query_vectors.dim[0] = end - s->first;
    for (int i = 0; i < IMAGE_SEARCH_LISTS; i++) {
        const struct image_list *l = &s->query[i];
        int64_t n = at_most(end, before + l->count) - at;
        if (n > 0) {
            TESS_TRY(image_vectors_make(ctx, s->vectors, l, at - before, n,
                                        (float *)s->query_vectors.data + (at - s->first) * s->vectors->width));
            at += n;
        }
        before += l->count;
    }
    return TESS_OK;
}

/* ---- checkpoint ---- */

/* View of squared distances as i32 halves of their 64 bits, for the checkpoint. */
static struct tess_tensor image_search_halves(double *square, int64_t queries, int64_t neighbours)
{
    return tess_tensor_over(square, TESS_I32, 3, (const int64_t[]){queries, neighbours, 2});
}

static int image_search_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    struct image_search *s = user;
    struct tess_attrs *f = tess_artefact_describe(a);
    struct tess_tensor index = tess_tensor_over(s->index, TESS_I32, 2, (const int64_t[]){s->queries, s->neighbours});
    struct tess_tensor square = image_search_halves(s->square, s->queries, s->neighbours);
    TESS_TRY(tess_attrs_set_i64(ctx, f, "first", s->first));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "at_once", s->at_once));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "seen", s->done));
    TESS_TRY(tess_artefact_put(ctx, a, "index", &index, NULL));
    return tess_artefact_put(ctx, a, "square", &square, NULL);
}

/* Resumes at a checkpoint; the queries in work start over where memory now has another number of them at once. */
static int image_search_resume(struct tess_context *ctx, struct image_search *s)
{
    const struct tess_artefact *a = tess_stage_resume(s->run);
    struct tess_tensor index = tess_tensor_over(s->index, TESS_I32, 2, (const int64_t[]){s->queries, s->neighbours});
    struct tess_tensor square = image_search_halves(s->square, s->queries, s->neighbours);
    int64_t at_once;
    if (!a)
        return TESS_OK;
    const struct tess_attrs *f = tess_artefact_attrs(a);
    TESS_TRY(tess_attrs_i64(ctx, f, "first", &s->first));
    TESS_TRY(tess_attrs_i64(ctx, f, "at_once", &at_once));
    TESS_TRY(tess_attrs_i64(ctx, f, "seen", &s->done));
    if (s->first < 0 || s->first >= s->queries || s->done < 0 || s->done > s->pool.count)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a checkpoint of query %lld of %lld; delete it to search from the start",
                         tess_artefact_path(a), (long long)s->first, (long long)s->queries);
    TESS_TRY(tess_artefact_read(ctx, a, "index", 0, &index));
    TESS_TRY(tess_artefact_read(ctx, a, "square", 0, &square));
    if (at_once != s->at_once)
        s->done = 0;
    tess_stage_note(s->run, "resuming at image %lld of %lld", (long long)s->done, (long long)s->pool.count);
    return TESS_OK;
}

/* ---- search ---- */

static int64_t image_search_passes(const struct image_search *s)
{
    return (s->queries + s->at_once - 1) / s->at_once;
}

static int open_pass(struct tess_context *ctx, struct image_search *s)
{
    const struct tess_neighbours_options o = {.size = sizeof o,
                                              .goes_on = s->done > 0,
                                              .neighbours = s->neighbours,
                                              .block = s->block,
                                              .queries = &s->query_vectors,
                                              .index = s->index + s->first * s->neighbours,
                                              .square = s->square + s->first * s->neighbours};
    TESS_TRY(make_queries(ctx, s));
    return tess_neighbours_new(ctx, &o, &s->search);
}

static int search_pool(struct tess_context *ctx, struct image_search *s, int64_t pass)
{
    int64_t all = s->pool.count;
    while (s->done < all) {
        int64_t n = at_most(all - s->done, s->block), seen = pass * all + s->done;
        if (seen > 0 && (tess_stage_stopping(s->run) || tess_stage_checkpoint_due(s->run)))
            TESS_TRY(tess_stage_checkpoint(ctx, s->run, image_search_write_checkpoint, s));
        TESS_TRY(stage_check_stop(ctx, s->run, seen, image_search_passes(s) * all, "image"));
        TESS_TRY(image_vectors_make(ctx, s->vectors, &s->pool, s->done, n, s->block_vectors.data));
        TESS_TRY(tess_neighbours_add(ctx, s->search, s->done, n, s->block_vectors.data));
        s->done += n;
        tess_stage_progress(s->run, seen + n, image_search_passes(s) * all, "image", NULL, 0.0);
    }
    return TESS_OK;
}

void image_search_fit(int64_t queries, int64_t width, int64_t bytes, int64_t *block, int64_t *at_once)
{
    int64_t vector = width * (int64_t)sizeof(float), max = bytes / 8 / vector;
    *block = max < STAGE_MICROBATCH ? STAGE_MICROBATCH : at_most(max, BLOCK_MAX);
    max = (bytes - bytes / 8) / (vector + *block * (int64_t)sizeof(double));
    *at_once = at_most(max < 1 ? 1 : max, queries);
}

static int image_search_capacity(struct tess_context *ctx, struct image_search *s)
{
    void *index, *square;
    size_t n = (size_t)(s->queries * s->neighbours);
    TESS_TRY(tess_alloc(ctx, n * sizeof *s->index, "nearest images", &index));
    s->index = index;
    TESS_TRY(tess_alloc(ctx, n * sizeof *s->square, "nearest images", &square));
    s->square = square;
    memset(index, 0xff, n * sizeof *s->index);
    for (size_t i = 0; i < n; i++)
        s->square[i] = INFINITY;
    TESS_TRY(stage_tensor(ctx, &s->query_vectors, TESS_F32, 2, (const int64_t[]){s->at_once, s->vectors->width}));
    return stage_tensor(ctx, &s->block_vectors, TESS_F32, 2, (const int64_t[]){s->block, s->vectors->width});
}

int image_search_make(struct tess_context *ctx, struct image_search *s, int64_t bytes)
{
    for (int i = 0; i < IMAGE_SEARCH_LISTS; i++)
        s->queries += s->query[i].count;
    image_search_fit(s->queries, s->vectors->width, bytes, &s->block, &s->at_once);
    TESS_TRY(image_search_capacity(ctx, s));
    TESS_TRY(image_search_resume(ctx, s));
    for (int64_t pass = s->first / s->at_once; s->first < s->queries; pass++) {
        TESS_TRY(open_pass(ctx, s));
        TESS_TRY(search_pool(ctx, s, pass));
        tess_neighbours_free(s->search);
        s->search = NULL;
        s->first += queries_at_work(s);
        s->done = 0;
    }
    return TESS_OK;
}

void image_search_close(struct image_search *s)
{
    tess_neighbours_free(s->search);
    tess_free(s->index);
    tess_free(s->square);
    tess_free(s->query_vectors.data);
    tess_free(s->block_vectors.data);
    memset(s, 0, sizeof *s);
}
