/* Reads with HDF5 itself, so that a defect of core/store cannot hide one of the models. SPDX-License-Identifier: MIT */
#include "tests/support/golden.h"

#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    hid_t file;
    char path[600];
};

/* Rounding leaves this much of the largest gradient in one that is zero in exact arithmetic. */
double golden_rounding = 1e-6;
int golden_in_the_mean;

/* ---- reading ---- */

struct golden *golden_open(const char *name)
{
    const char *folder = getenv("TESSERA_GOLDEN");
    struct golden *g = calloc(1, sizeof *g);
    ck_assert_ptr_nonnull(g);
    snprintf(g->path, sizeof g->path, "%s/%s", folder ? folder : "tests/golden", name);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    g->file = H5Fopen(g->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    ck_assert_msg(g->file >= 0, "%s cannot be opened; set TESSERA_GOLDEN to the folder tests/golden", g->path);
    return g;
}

void golden_close(struct golden *g)
{
    H5Fclose(g->file);
    free(g);
}

static int64_t attribute(const struct golden *g, const char *name, hid_t type, size_t item, int64_t capacity, void *out)
{
    hid_t a = H5Aopen(g->file, name, H5P_DEFAULT);
    ck_assert_msg(a >= 0, "%s has no attribute %s", g->path, name);
    hid_t space = H5Aget_space(a);
    int64_t n = (int64_t)H5Sget_simple_extent_npoints(space);
    ck_assert_msg(n >= 0 && n <= capacity && item > 0, "%s: %s has %lld values", g->path, name, (long long)n);
    ck_assert_int_ge(H5Aread(a, type, out), 0);
    H5Sclose(space);
    H5Aclose(a);
    return n;
}

int64_t golden_size(const struct golden *g, const char *name)
{
    int64_t value;
    ck_assert_int_eq(attribute(g, name, H5T_NATIVE_INT64, sizeof value, 1, &value), 1);
    return value;
}

double golden_number(const struct golden *g, const char *name)
{
    double value;
    ck_assert_int_eq(attribute(g, name, H5T_NATIVE_DOUBLE, sizeof value, 1, &value), 1);
    return value;
}

const char *golden_list(const struct golden *g, const char *name, char *text, size_t capacity)
{
    int64_t value[32], n = attribute(g, name, H5T_NATIVE_INT64, sizeof *value, 32, value);
    size_t at = (size_t)snprintf(text, capacity, "[");
    for (int64_t i = 0; i < n && at < capacity; i++)
        at += (size_t)snprintf(text + at, capacity - at, "%s%lld", i ? ", " : "", (long long)value[i]);
    ck_assert_uint_lt(at + 1, capacity);
    strcat(text, "]");
    return text;
}

/* (A, B, C, D) -> (A, C, D, B) */
static void move_channels(struct tess_tensor *t)
{
    int64_t b = t->dim[1], area = t->dim[2] * t->dim[3], n = t->dim[0] * b * area;
    uint32_t *from = t->data, *to = malloc((size_t)n * sizeof *to);
    ck_assert_ptr_nonnull(to);
    for (int64_t i = 0; i < n; i++) {
        int64_t pixel = i % area, channel = i / area % b, outer = i / area / b;
        to[(outer * area + pixel) * b + channel] = from[i];
    }
    free(from);
    *t = tess_tensor_over(to, t->dtype, 4, DIMS(t->dim[0], t->dim[2], t->dim[3], b));
}

int golden_has(const struct golden *g, const char *path)
{
    return H5Lexists(g->file, path, H5P_DEFAULT) > 0;
}

struct tess_tensor golden_read(const struct golden *g, const char *path, int32_t dtype)
{
    hsize_t dim[TESS_MAX_RANK];
    int64_t size[TESS_MAX_RANK];
    hid_t data = H5Dopen2(g->file, path, H5P_DEFAULT);
    ck_assert_msg(data >= 0, "%s has no dataset %s", g->path, path);
    hid_t space = H5Dget_space(data);
    int rank = H5Sget_simple_extent_ndims(space);
    ck_assert_msg(rank >= 0 && rank <= TESS_MAX_RANK, "%s: %s has rank %d", g->path, path, rank);
    H5Sget_simple_extent_dims(space, dim, NULL);
    for (int i = 0; i < rank; i++)
        size[i] = (int64_t)dim[i];
    struct tess_tensor t = tess_tensor_over(NULL, dtype, rank, size);
    t.data = malloc(tess_tensor_bytes(&t) + 1);
    ck_assert_ptr_nonnull(t.data);
    ck_assert_int_ge(H5Dread(data, dtype == TESS_F32 ? H5T_NATIVE_FLOAT : H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, t.data), 0);
    H5Sclose(space);
    H5Dclose(data);
    if (rank == 4)
        move_channels(&t);
    return t;
}

double *golden_doubles(const struct golden *g, const char *path, int64_t count)
{
    hid_t data = H5Dopen2(g->file, path, H5P_DEFAULT);
    ck_assert_msg(data >= 0, "%s has no dataset %s", g->path, path);
    hid_t space = H5Dget_space(data);
    ck_assert_msg((int64_t)H5Sget_simple_extent_npoints(space) == count, "%s: %s has not %lld values", g->path, path, (long long)count);
    double *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    ck_assert_int_ge(H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
    H5Sclose(space);
    H5Dclose(data);
    return values;
}

double golden_scalar(const struct golden *g, const char *path)
{
    struct tess_tensor t = golden_read(g, path, TESS_F32);
    ck_assert_int_eq(tess_tensor_count(&t), 1);
    double value = (double)*(float *)t.data;
    free(t.data);
    return value;
}

/* ---- comparing ---- */

static double largest(const struct tess_tensor *t)
{
    const float *x = t->data;
    double max = 0.0;
    for (int64_t i = 0; i < tess_tensor_count(t); i++)
        max = fmax(max, fabs((double)x[i]));
    return max;
}

static void near_in_the_mean(const char *what, const float *got, const struct tess_tensor *want, double tolerance, double slack)
{
    const float *x = want->data;
    double off = 0.0, all = 0.0, n = (double)tess_tensor_count(want);
    for (int64_t i = 0; i < tess_tensor_count(want); i++) {
        off += ((double)got[i] - (double)x[i]) * ((double)got[i] - (double)x[i]);
        all += (double)x[i] * (double)x[i];
    }
    ck_assert_msg(sqrt(off / n) <= tolerance * sqrt(all / n) + slack, "%s: off by %.3g in the mean, golden values are %.3g, allowed %.3g",
                  what, sqrt(off / n), sqrt(all / n), tolerance * sqrt(all / n) + slack);
}

void golden_near(const char *what, const float *got, const struct tess_tensor *want, double tolerance, double slack)
{
    const float *x = want->data;
    if (golden_in_the_mean) {
        near_in_the_mean(what, got, want, tolerance, slack);
        return;
    }
    double limit = tolerance * largest(want) + slack;
    for (int64_t i = 0; i < tess_tensor_count(want); i++)
        ck_assert_msg(fabs((double)got[i] - (double)x[i]) <= limit, "%s: value %lld is %.9g, golden %.9g, allowed %.3g", what, (long long)i,
                      (double)got[i], (double)x[i], limit);
}

void golden_close_to(const char *what, double got, double want, double tolerance)
{
    ck_assert_msg(fabs(got - want) <= tolerance * fabs(want), "%s: %.9g, golden %.9g", what, got, want);
}

/* ---- weights and gradients ---- */

struct each {
    const struct golden *golden;
    struct fixture *fixture;
    const char *group;
    const struct golden_name *names;
    const char *const *unused;
    double tolerance, largest;
    int64_t count;
};

/* `name` with its prefix changed; 0 when no prefix of the table fits. */
static int translate(const struct golden_name *names, int to_ours, const char *name, char *out, size_t capacity)
{
    for (; names->ours; names++) {
        const char *from = to_ours ? names->theirs : names->ours, *to = to_ours ? names->ours : names->theirs;
        if (strncmp(name, from, strlen(from)) == 0) {
            snprintf(out, capacity, "%s%s", to, name + strlen(from));
            return 1;
        }
    }
    return 0;
}

static void for_each(struct each *e, herr_t (*visit)(hid_t, const char *, const H5L_info_t *, void *))
{
    hid_t group = H5Gopen2(e->golden->file, e->group, H5P_DEFAULT);
    ck_assert_msg(group >= 0, "%s has no group %s", e->golden->path, e->group);
    ck_assert_int_ge(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit, e), 0);
    H5Gclose(group);
}

static herr_t check_wanted(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    const struct each *e = user;
    char ours[256];
    (void)group;
    (void)info;
    for (const char *const *u = e->unused; *u; u++)
        if (strstr(name, *u))
            return 0;
    ck_assert_msg(translate(e->names, 1, name, ours, sizeof ours) && tess_weights_index(e->fixture->weights, ours) >= 0,
                  "%s: the model has no weight for %s", e->golden->path, name);
    return 0;
}

void golden_weights(const struct golden *g, struct fixture *b, const struct golden_name *names, const char *const *unused)
{
    struct each e = {.golden = g, .fixture = b, .group = "weights", .names = names, .unused = unused};
    fixture_ok(b, tess_weights_seal(&b->context.context, b->weights));
    for (int64_t i = 0; i < tess_weights_count(b->weights); i++) {
        const char *ours = tess_weights_name(b->weights, i);
        char theirs[256], path[300];
        struct tess_tensor view, given;
        ck_assert_msg(translate(names, 0, ours, theirs, sizeof theirs), "%s: no name for %s", g->path, ours);
        snprintf(path, sizeof path, "weights/%s", theirs);
        given = golden_read(g, path, TESS_F32);
        fixture_ok(b, tess_weights_view(&b->context.context, b->weights, i, TESS_ROLE_VALUE, &view));
        ck_assert_msg(tess_tensor_count(&given) == tess_tensor_count(&view), "%s: %s and %s differ in size", g->path, path, ours);
        memcpy(view.data, given.data, tess_tensor_bytes(&view));
        free(given.data);
    }
    tess_weights_touch(b->weights);
    for_each(&e, check_wanted);
}

static struct tess_tensor read_in(const struct each *e, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", e->group, name);
    return golden_read(e->golden, path, TESS_F32);
}

static herr_t find_largest(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    struct each *e = user;
    struct tess_tensor want = read_in(e, name);
    (void)group;
    (void)info;
    e->largest = fmax(e->largest, largest(&want));
    free(want.data);
    return 0;
}

static herr_t compare_gradient(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    struct each *e = user;
    struct tess_tensor want = read_in(e, name), got;
    char ours[256];
    (void)group;
    (void)info;
    ck_assert_msg(translate(e->names, 1, name, ours, sizeof ours), "%s: no name for %s", e->golden->path, name);
    fixture_ok(e->fixture, tess_graph_gradient(&e->fixture->context.context, e->fixture->graph, ours, &got));
    ck_assert_int_eq(tess_tensor_count(&got), tess_tensor_count(&want));
    golden_near(name, got.data, &want, e->tolerance, golden_rounding * e->largest);
    free(want.data);
    e->count++;
    return 0;
}

int64_t golden_gradients(const struct golden *g, struct fixture *b, const char *group, const struct golden_name *names, double tolerance)
{
    struct each e = {.golden = g, .fixture = b, .group = group, .names = names, .tolerance = tolerance};
    for_each(&e, find_largest);
    for_each(&e, compare_gradient);
    return e.count;
}
