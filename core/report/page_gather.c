/* Reading of curves and code counts out of artefacts, for a page; page_gather_pictures.c reads the pictures, page_gather_atlas.c the codes
 * decoded alone. Variants of a sweep share results, so each is read once, by its content digest. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/report/page_private.h"
#include "core/store/store.h"

#include <tessera/levels.h>

#include <stdlib.h>
#include <string.h>

enum { GATHER_ROWS = 4096, GATHER_CODEBOOK = 1 << 20 };
#define GATHER_CODES 4000000 /* codes that are counted of one artefact */
#define GATHER_ALL 60000000  /* and of all of a page */

/* ---- curves ---- */

static int gather_curve(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_report_page_result *r)
{
    struct tess_tensor shape;
    void *memory;
    if (!tess_artefact_has(a, "curve"))
        return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, a, "curve", &shape));
    if (shape.rank != 2 || shape.dim[0] < 1 || shape.dim[0] > 1 << 16 || shape.dim[1] < 2 || shape.dim[1] > 64)
        return TESS_OK;
    TESS_TRY(tess_artefact_load(ctx, a, "curve", TESS_F32, &r->curve));
    r->points = shape.dim[0];
    r->series = shape.dim[1] - 1;
    TESS_TRY(tess_alloc(ctx, (size_t)shape.dim[1] * sizeof(char *), "names of a curve", &memory));
    r->curve_name = memory;
    if (!tess_artefact_has(a, "curve_names"))
        return TESS_OK;
    return tessi_store_artefact_strings(ctx, a, "curve_names", shape.dim[1], r->curve_name);
}

/* ---- bounds by time ---- */

/* Loads a dataset of `parts` values as f64: i32 or f32. */
static int gather_parts(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int32_t dtype, int64_t parts, double *to,
                        size_t stride)
{
    struct tess_tensor t;
    TESS_TRY(tess_artefact_load(ctx, a, name, dtype, &t));
    for (int64_t i = 0; t.rank == 1 && t.dim[0] == parts && i < parts; i++)
        to[(size_t)i * stride] = dtype == TESS_I32 ? (double)((const int32_t *)t.data)[i] : (double)((const float *)t.data)[i];
    tess_free(t.data);
    return TESS_OK;
}

static int gather_bound(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_report_page_result *r)
{
    static const char *const names[] = {"bound/first_time", "bound/bits", "bound/standard_error"};
    struct tess_tensor shape;
    void *memory;
    for (size_t i = 0; i < 3; i++)
        if (!tess_artefact_has(a, names[i]))
            return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, a, names[0], &shape));
    r->bound_times = (double)tess_attrs_i64_or(tess_artefact_attrs(a), "times", 0);
    if (shape.rank != 1 || shape.dim[0] < 1 || shape.dim[0] > GATHER_ROWS || r->bound_times < 1)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)shape.dim[0] * sizeof *r->bound, "a bound by time", &memory));
    r->bound = memory;
    const size_t stride = sizeof *r->bound / sizeof(double);
    TESS_TRY(gather_parts(ctx, a, names[0], TESS_I32, shape.dim[0], &r->bound->first_time, stride));
    TESS_TRY(gather_parts(ctx, a, names[1], TESS_F32, shape.dim[0], &r->bound->bits, stride));
    TESS_TRY(gather_parts(ctx, a, names[2], TESS_F32, shape.dim[0], &r->bound->standard_error, stride));
    r->bound_parts = shape.dim[0];
    return TESS_OK;
}

/* ---- codes ---- */

static int gather_falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Counts the codes of some positions, all levels of each one after the other, into uses of levels one after the other. */
static void gather_some(const struct tess_tensor *some, struct tessi_report_page_result *r)
{
    const int32_t *code = some->data;
    for (int64_t l = 0, first = 0; l < r->depth; first += r->level_size[l++])
        for (int64_t k = l; k < tess_tensor_count(some); k += r->depth)
            if (code[k] >= 0 && code[k] < r->level_size[l])
                r->use[first + code[k]]++;
}

static int gather_count(struct tess_context *ctx, const struct tess_artefact *a, const struct tess_tensor *shape, int64_t rows,
                        struct tessi_report_page_result *r)
{
    struct tess_tensor some = *shape;
    int status = TESS_OK;
    some.dtype = TESS_I32;
    some.dim[0] = rows < GATHER_ROWS ? rows : GATHER_ROWS;
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&some), "codes", &some.data));
    for (int64_t i = 0; i < rows && status == TESS_OK; i += some.dim[0]) {
        some.dim[0] = rows - i < some.dim[0] ? rows - i : some.dim[0];
        status = tess_artefact_read(ctx, a, "codes", i, &some);
        if (status == TESS_OK)
            gather_some(&some, r);
    }
    r->counted = rows * (tess_tensor_count(shape) / shape->dim[0] / r->depth);
    tess_free(some.data);
    return status;
}

/* Room for the uses of the codes of an artefact; depth stays 0 where they are not to be counted: too many, or attributes that do not fit.
 */
static int gather_levels(struct tess_context *ctx, const struct tess_artefact *a, const struct tess_tensor *shape,
                         struct tessi_report_page_result *r)
{
    const struct tess_attrs *attrs = tess_artefact_attrs(a);
    int64_t depth, all = 0, level_size[TESS_DEPTH_MAX], codebook_size = tess_attrs_i64_or(attrs, "codebook_size", 0);
    void *memory;
    if (codebook_size < 1)
        return TESS_OK;
    TESS_TRY(tess_levels_get(ctx, attrs, codebook_size, &depth, level_size));
    for (int64_t l = 0; l < depth; l++) {
        if (level_size[l] < 1 || level_size[l] > GATHER_CODEBOOK)
            return TESS_OK;
        all += level_size[l];
    }
    if (shape->rank != (depth > 1 ? 4 : 3) || (depth > 1 && shape->dim[3] != depth))
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(depth + all) * sizeof *r->use, "uses of codes", &memory));
    r->level_size = memory;
    memcpy(r->level_size, level_size, (size_t)depth * sizeof *level_size);
    r->use = r->level_size + depth;
    r->depth = depth;
    return TESS_OK;
}

/* Counts the codes of an artefact of codes, each level by itself. */
static int gather_codes(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_report_page_result *r, int64_t *budget)
{
    struct tess_tensor shape;
    if (strcmp(tess_artefact_kind(a), "codes") != 0)
        return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, a, "codes", &shape));
    int64_t one = shape.dim[0] < 1 ? 0 : tess_tensor_count(&shape) / shape.dim[0];
    int64_t most = *budget < GATHER_CODES ? *budget : GATHER_CODES;
    int64_t rows = one < 1 ? 0 : shape.dim[0] * one <= most ? shape.dim[0] : most / one;
    if (rows < 1)
        return TESS_OK;
    TESS_TRY(gather_levels(ctx, a, &shape, r));
    if (!r->depth)
        return TESS_OK;
    r->codes = tess_tensor_count(&shape) / r->depth;
    TESS_TRY(gather_count(ctx, a, &shape, rows, r));
    *budget -= r->counted * r->depth;
    for (int64_t l = 0, first = 0; l < r->depth; first += r->level_size[l++])
        qsort(r->use + first, (size_t)r->level_size[l], sizeof *r->use, gather_falling);
    return TESS_OK;
}

/* ---- all results ---- */

static void gather_result_free(struct tessi_report_page_result *r)
{
    tess_free(r->curve.data);
    for (int64_t i = 0; r->curve_name && i <= r->series; i++)
        tess_free(r->curve_name[i]);
    tess_free(r->curve_name);
    for (int64_t i = 0; i < r->strips; i++) {
        tess_free(r->strip[i].picture);
        tess_free(r->strip[i].row);
        tess_free(r->strip[i].tiles.data);
    }
    for (int64_t i = 0; i < r->sheets; i++) {
        tess_free(r->sheet[i].picture);
        tess_free(r->sheet[i].pixels.data);
    }
    tess_free(r->strip);
    tess_free(r->sheet);
    tess_free(r->level_size);
    tess_free(r->bound);
    tess_free(r->atlas_code);
    tess_free(r->atlas_uses);
    tess_free(r->atlas_tile.data);
}

void tessi_report_page_gather_free(struct tessi_report_page *p)
{
    for (int64_t i = 0; i < p->results; i++)
        gather_result_free(&p->result[i]);
    tess_free(p->result);
    tess_free(p->name);
}

/* Reads one artefact. One that is damaged was noted when it was collected, and shows nothing here. */
static int gather_read(struct tessi_report_page *p, struct tessi_report_page_result *r, int64_t *budget)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, p->ctx->host);
    int status = tessi_store_artefact_open(&own.context, r->stage->path, &a);
    if (status == TESS_OK)
        status = gather_curve(&own.context, a, r);
    if (status == TESS_OK)
        status = gather_bound(&own.context, a, r);
    if (status == TESS_OK)
        status = gather_codes(&own.context, a, r, budget);
    if (status == TESS_OK)
        status = tessi_report_page_gather_atlas(&own.context, a, r);
    if (status == TESS_OK)
        status = tessi_report_page_gather_pictures(&own.context, a, r);
    tessi_store_artefact_close(a);
    if (status == TESS_E_MEMORY)
        return tessi_base_context_pass(p->ctx, &own.context);
    return TESS_OK;
}

static int64_t gather_find(const struct tessi_report_page *p, const struct tessi_report_stage *s)
{
    for (int64_t i = 0; i < p->results; i++)
        if (strcmp(p->result[i].stage->digest, s->digest) == 0)
            return i;
    return -1;
}

struct tessi_report_page_result *tessi_report_page_result_of(const struct tessi_report_page *p, const struct tessi_report_run *run,
                                                             const char *stage)
{
    const struct tessi_report_stage *s = tessi_report_stage_named(run, stage);
    int64_t i = s && s->path && *s->digest ? gather_find(p, s) : -1;
    return i >= 0 ? &p->result[i] : NULL;
}

static int gather_name(struct tessi_report_page *p, const char *name, int64_t *capacity)
{
    for (int64_t i = 0; i < p->names; i++)
        if (strcmp(p->name[i], name) == 0)
            return TESS_OK;
    TESS_TRY(tess_reserve(p->ctx, &p->name, capacity, p->names + 1, sizeof *p->name, "names of stages"));
    p->name[p->names++] = name;
    return TESS_OK;
}

int tessi_report_page_gather(struct tessi_report_page *p)
{
    int64_t budget = GATHER_ALL, capacity = 0;
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_run *run = &p->set->run[i];
        for (int64_t k = 0; k < run->stages; k++) {
            const struct tessi_report_stage *s = &run->stage[k];
            TESS_TRY(gather_name(p, s->name, &capacity));
            if (!s->path || !*s->digest || gather_find(p, s) >= 0)
                continue;
            TESS_TRY(tess_reserve(p->ctx, &p->result, &p->result_capacity, p->results + 1, sizeof *p->result, "results of runs"));
            p->result[p->results] = (struct tessi_report_page_result){.stage = s, .run = run};
            TESS_TRY(gather_read(p, &p->result[p->results++], &budget));
        }
    }
    return TESS_OK;
}
