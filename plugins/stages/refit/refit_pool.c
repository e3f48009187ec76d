/* See refit_pool.h. Draws are keyed by a vector's place in the pool, so nothing of the order of work shows in it; k-means is run some
 * iterations at a time, which changes nothing either, since each of them depends on the codes alone. SPDX-License-Identifier: MIT */
#include "plugins/stages/refit/refit_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Iterations between two looks for a checkpoint: twice as many each time, until they take so long. Each time begins with a search for every
 * vector, which many iterations in a row are spared. */
static const double SECONDS = 30.0;

/* ---- room ---- */

int refit_pool_size(struct tess_context *ctx, const struct refit_pool_params *p, int64_t images, int64_t positions, int64_t codebook_size,
                    int64_t *size)
{
    *size = p->pool;
    if (p->positions == REFIT_ALL && images * positions < p->pool)
        *size = images * positions;
    if (images < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "there are no images to train on, so there is no pool of latents; import with a larger split");
    if (*size >= codebook_size)
        return TESS_OK;
    if (*size < p->pool)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "%lld images of %lld latents each are a pool of %lld vectors, which cannot be made %lld codes; give more images or "
                       "a smaller codebook_size",
                       (long long)images, (long long)positions, (long long)*size, (long long)codebook_size);
    return ctx->fail(ctx, TESS_E_VALUE, "pool: %lld vectors cannot be made %lld codes; give a pool many times larger than the codebook",
                   (long long)*size, (long long)codebook_size);
}

int64_t refit_pool_images(const struct refit_pool_params *p, int64_t size, int64_t positions)
{
    return p->positions == REFIT_ONE ? size : (size + positions - 1) / positions;
}

/* A file whose name is gone: however the process ends, nothing is left of it. */
static int nameless_file(struct tess_context *ctx, const char *beside, size_t bytes, int *file)
{
    const char *slash = strrchr(beside, '/');
    int folder = slash ? (int)(slash - beside) + 1 : 0;
    char path[4096];
    if (snprintf(path, sizeof path, "%.*srefit-pool-XXXXXX", folder, beside) >= (int)sizeof path)
        return ctx->fail(ctx, TESS_E_CREATE, "%.60s...: the path is too long for a file beside it", beside);
    *file = mkstemp(path);
    if (*file < 0)
        return ctx->fail(ctx, TESS_E_CREATE, "%s: the pool's file cannot be created: %s", path, strerror(errno));
    (void)unlink(path);
    int error = posix_fallocate(*file, 0, (off_t)bytes); /* now, and not as a signal while the pool is filled */
    if (error)
        return ctx->fail(ctx, TESS_E_IO, "%s: no room for a pool of %zu MiB: %s; make room there, or choose a smaller pool", path,
                         bytes >> 20, strerror(error));
    return TESS_OK;
}

static int map_file(struct tess_context *ctx, struct refit_pool *k, const char *beside, size_t bytes)
{
    int file = -1;
    int status = nameless_file(ctx, beside, bytes, &file);
    if (status == TESS_OK) {
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) {
            status = ctx->fail(ctx, TESS_E_MEMORY, "the pool's file of %zu MiB cannot be mapped: %s", bytes >> 20, strerror(errno));
        } else {
            k->vectors.data = memory;
            k->mapped = bytes;
        }
    }
    if (file >= 0)
        close(file);
    return status;
}

int refit_pool_open(struct tess_context *ctx, struct refit_pool *k, int64_t size, int64_t width, const char *beside)
{
    k->vectors = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){size, width});
    k->objective = -1.0;
    size_t bytes = tess_tensor_bytes(&k->vectors);
    return bytes > (size_t)k->p->memory << 20 ? map_file(ctx, k, beside, bytes) : tess_alloc(ctx, bytes, "the pool", &k->vectors.data);
}

void refit_pool_close(struct refit_pool *k)
{
    if (k->mapped)
        (void)munmap(k->vectors.data, k->mapped);
    else
        tess_free(k->vectors.data);
    k->vectors.data = NULL;
    k->mapped = 0;
}

/* ---- checkpoint ---- */

static int refit_pool_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct refit_pool *k = user;
    struct tess_attrs *f = tess_artefact_describe(a);
    struct tess_tensor vectors = k->vectors;
    vectors.dim[0] = k->collected;
    TESS_TRY(tess_attrs_set_i64(ctx, f, "vectors", k->collected));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "iterations", k->iterations));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "converged", k->converged));
    TESS_TRY(tess_artefact_put(ctx, a, "pool", &vectors, NULL));
    if (!k->iterations)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_f64(ctx, f, "objective", k->objective));
    return tess_artefact_put(ctx, a, "codebook", k->codebook, NULL);
}

static int read_rows(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tess_tensor *to)
{
    struct tess_tensor found;
    char have[96], want[96];
    TESS_TRY(tess_artefact_shape(ctx, a, name, &found));
    found.data = to->data;
    if (!tess_tensor_same_shape(&found, to))
        return ctx->fail(ctx, TESS_E_DATA, "%s: %s is %s, %s is wanted; delete the file to start over", tess_artefact_path(a), name,
                         tess_tensor_text(&found, have, sizeof have), tess_tensor_text(to, want, sizeof want));
    return tess_artefact_read(ctx, a, name, 0, to);
}

static int refit_pool_resume(struct tess_context *ctx, struct refit_pool *k)
{
    const struct tess_artefact *a = tess_stage_resume(k->run);
    struct tess_tensor vectors = k->vectors;
    int64_t converged;
    if (!a)
        return TESS_OK;
    const struct tess_attrs *f = tess_artefact_attrs(a);
    TESS_TRY(tess_attrs_i64(ctx, f, "vectors", &k->collected));
    TESS_TRY(tess_attrs_i64(ctx, f, "iterations", &k->iterations));
    TESS_TRY(tess_attrs_i64(ctx, f, "converged", &converged));
    if (k->collected < 1 || k->collected > vectors.dim[0] || k->iterations < 0 || k->iterations > k->p->iterations)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a checkpoint of %lld vectors of %lld; delete it to start over", tess_artefact_path(a),
                         (long long)k->collected, (long long)vectors.dim[0]);
    vectors.dim[0] = k->collected;
    k->converged = converged != 0;
    TESS_TRY(read_rows(ctx, a, "pool", &vectors));
    if (k->iterations) {
        TESS_TRY(tess_attrs_f64(ctx, f, "objective", &k->objective));
        TESS_TRY(read_rows(ctx, a, "codebook", k->codebook));
    }
    tess_stage_note(k->run, "resuming at vector %lld of %lld, iteration %lld of k-means", (long long)k->collected,
                    (long long)k->vectors.dim[0], (long long)k->iterations);
    return TESS_OK;
}

/* ---- the pool ---- */

/* The image that vector i comes from, and its position there: (16.1), or all positions of images in a random order. */
static void refit_pool_source(const struct refit_pool *k, int64_t i, int64_t *image, int64_t *position)
{
    if (k->p->positions == REFIT_ONE) {
        struct tess_stream s = {.seed = k->seed, .purpose = tess_purpose("refit.pool"), .sample = (uint32_t)i};
        *image = tess_random_below(&s, 0, k->train_count);
        *position = tess_random_below(&s, 1, k->per_image);
    } else {
        struct tess_stream s = {.seed = k->seed, .purpose = tess_purpose("refit.images")};
        *image = tess_random_permute(&s, k->train_count, i / k->per_image);
        *position = i % k->per_image;
    }
}

/* The next vectors: one of each image of a batch, or all of them. */
static int refit_pool_collect(struct tess_context *ctx, struct refit_pool *k, struct tess_tensor *bytes, struct tess_tensor *latents)
{
    int64_t each = k->p->positions == REFIT_ONE ? 1 : k->per_image, max = k->encode->batch * each, width = k->vectors.dim[1];
    int64_t left = k->vectors.dim[0] - k->collected, n = left < max ? left : max, images = (n + each - 1) / each, image, position;
    bytes->dim[0] = latents->dim[0] = images;
    for (int64_t i = 0; i < images; i++) {
        refit_pool_source(k, k->collected + i * each, &image, &position);
        TESS_TRY(stage_images_get(ctx, k->images, image, (uint8_t *)bytes->data + (size_t)i * k->images->row));
    }
    TESS_TRY(stage_graph_run(ctx, k->encode, 0, 0, images, 1, bytes, 1, latents));
    for (int64_t i = 0; i < n; i++) {
        refit_pool_source(k, k->collected + i, &image, &position);
        memcpy((float *)k->vectors.data + (k->collected + i) * width,
               (const float *)latents->data + (i / each * k->per_image + position) * width, (size_t)width * sizeof(float));
    }
    k->collected += n;
    return TESS_OK;
}

static int collect_all(struct tess_context *ctx, struct refit_pool *k, struct tess_tensor *bytes, struct tess_tensor *latents)
{
    int64_t all = k->vectors.dim[0];
    while (k->collected < all) {
        if (k->collected > 0 && (tess_stage_stopping(k->run) || tess_stage_checkpoint_due(k->run)))
            TESS_TRY(tess_stage_checkpoint(ctx, k->run, refit_pool_write_checkpoint, k));
        TESS_TRY(stage_check_stop(ctx, k->run, k->collected, all, "vector"));
        TESS_TRY(refit_pool_collect(ctx, k, bytes, latents));
        tess_stage_progress(k->run, k->collected, all, "vector", NULL, 0.0);
    }
    return TESS_OK;
}

static int refit_pool_fill(struct tess_context *ctx, struct refit_pool *k)
{
    struct tess_tensor bytes = k->images->shape, latents;
    if (k->collected == k->vectors.dim[0])
        return TESS_OK;
    (void)tess_graph_output_at(k->encode->graph, 0, &latents);
    bytes.dim[0] = latents.dim[0] = k->encode->batch;
    int status = stage_tensor(ctx, &bytes, TESS_U8, 4, bytes.dim);
    if (status == TESS_OK)
        status = stage_tensor(ctx, &latents, TESS_F32, 4, latents.dim);
    if (status == TESS_OK)
        status = collect_all(ctx, k, &bytes, &latents);
    tess_free(bytes.data);
    tess_free(latents.data);
    return status;
}

/* ---- k-means ---- */

struct lloyd {
    struct refit_pool *k;
    struct tess_context *ctx;
};

/* After each iteration. The sentence is kept before k-means has one of its own. */
static int refit_pool_look_up(void *user, int64_t iteration, double objective)
{
    struct lloyd *l = user;
    int64_t done = l->k->iterations + iteration, max = l->k->p->iterations;
    tess_stage_progress(l->k->run, done, max, "iteration", "mean square", objective);
    return stage_check_stop(l->ctx, l->k->run, done, max, "iteration") != TESS_OK;
}

static double refit_pool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int refit_pool_iterate(struct tess_context *ctx, struct refit_pool *k, const struct tess_pool *pool, int64_t max)
{
    static const int32_t seeding[] = {TESS_SEED_AFKMC2, TESS_SEED_PLUSPLUS, TESS_SEED_RANDOM};
    int64_t left = k->p->iterations - k->iterations;
    struct lloyd l = {.k = k, .ctx = ctx};
    struct tess_kmeans_report report;
    const struct tess_kmeans_options o = {.size = sizeof o,
                                          .seeding = k->iterations ? TESS_SEED_GIVEN : seeding[k->p->seeding],
                                          .codebook_size = k->codebook->dim[0],
                                          .chain = k->p->chain,
                                          .iterations = left < max ? left : max,
                                          .tolerance = k->p->tolerance,
                                          .seed = k->seed,
                                          .user = &l,
                                          .stop = refit_pool_look_up};
    int status = tess_kmeans(ctx, pool, &o, k->codebook, &report);
    if (status == TESS_E_STOPPED) /* the codes are those of before */
        TESS_TRY(tess_stage_checkpoint(ctx, k->run, refit_pool_write_checkpoint, k));
    TESS_TRY(status);
    k->iterations += report.iterations;
    k->converged = report.converged;
    k->objective = report.objective;
    return TESS_OK;
}

int refit_pool_rebuild(struct tess_context *ctx, struct refit_pool *k)
{
    TESS_TRY(refit_pool_resume(ctx, k));
    TESS_TRY(refit_pool_fill(ctx, k));
    if (k->vectors.dim[0] < k->p->pool)
        tess_stage_note(k->run, "the pool is all %lld latents of the training images, fewer than the %lld asked for",
                        (long long)k->vectors.dim[0], (long long)k->p->pool);
    if (k->iterations == 0)
        TESS_TRY(rebuild_check_pool(ctx, &k->vectors, k->codebook->dim[0]));
    const struct tess_pool pool = tess_pool_of(&k->vectors);
    for (int64_t max = 1; !k->converged && k->iterations < k->p->iterations;) {
        double start = refit_pool_seconds();
        if (tess_stage_checkpoint_due(k->run))
            TESS_TRY(tess_stage_checkpoint(ctx, k->run, refit_pool_write_checkpoint, k));
        TESS_TRY(refit_pool_iterate(ctx, k, &pool, max));
        max *= refit_pool_seconds() - start < SECONDS ? 2 : 1;
    }
    TESS_TRY(rebuild_check_codebook(ctx, k->codebook));
    tess_stage_note(k->run, "%lld vectors made %lld codes in %lld iterations%s, mean squared distance %.5g",
                    (long long)k->vectors.dim[0], (long long)k->codebook->dim[0], (long long)k->iterations,
                    k->converged ? "" : ", which did not converge", k->objective);
    return TESS_OK;
}
