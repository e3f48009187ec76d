/* The first phase of an import: images are read on all threads, some at a time, and put in their order at the end of the list of rows. To
 * stop, or to write a checkpoint, no further image is begun; those before the first that was not are kept, so at most one image a thread is
 * read twice. Ranks share the pictures of a group where they have to be decoded; the list is rank 0's alone.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/import/import_work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct slot { /* one image of a group */
    int read;
    int64_t label;
    char name[sizeof((struct tess_image *)0)->name], reason[sizeof((struct tess_image *)0)->reason];
};

struct reading {
    struct import_work *k;
    struct tess_stage_run *run;
    struct image_fit_worker *worker_state; /* [worker] */
    struct slot *slot;                  /* images of a group, `max` at most */
    struct tess_tensor images;
    int64_t max;
    int shared;              /* 1: the pictures are dealt to the ranks */
    atomic_int pause;        /* set: no further image of this group is begun */
    atomic_llong finished;   /* number of images of this group that were read */
    pthread_mutex_t telling; /* lock: one thread at a time reports progress */
};

int64_t import_row_bytes(const struct import_work *k)
{
    return k->height * k->width * k->channels;
}

int import_read_image(struct tess_context *ctx, const struct import_work *k, int64_t i, struct tess_image *image)
{
    return image_read(ctx, k->source, k->self, i, k->classes, k->s->skip_bad, "`skip_bad: true`", image);
}

/* Number in the source of the image at place i: training images come first. */
static int64_t source_of(const struct import_work *k, int64_t i)
{
    struct tess_stream s = {.seed = k->seed, .purpose = tess_purpose("import.split")};
    return k->s->shuffle ? tess_random_permute(&s, k->count, i) : i;
}

/* ---- one image ----------------------------------------------------------------------------------------------------- */

static void tell_progress(struct reading *g)
{
    atomic_fetch_add(&g->finished, 1);
    if (pthread_mutex_trylock(&g->telling) != 0)
        return;
    tess_stage_progress(g->run, g->k->done + atomic_load(&g->finished), g->k->count, "image", NULL, 0.0);
    pthread_mutex_unlock(&g->telling);
}

/* 1 when image j of a group and those behind it are not to be begun. The first is read in any case, so that every group gets on. */
static int is_to_pause(struct reading *g, int64_t j)
{
    if (j > 0 && !atomic_load(&g->pause) && (tess_stage_stopping(g->run) || tess_stage_checkpoint_due(g->run)))
        atomic_store(&g->pause, 1);
    return j > 0 && atomic_load(&g->pause);
}

static int import_read_read_one(void *user, struct tess_context *ctx, int32_t worker, int64_t j)
{
    struct reading *g = user;
    const struct import_work *k = g->k;
    struct slot *slot = &g->slot[j];
    struct tess_image *image = &g->worker_state[worker].image;
    if (is_to_pause(g, j))
        return TESS_OK;
    TESS_TRY(import_read_image(ctx, k, source_of(k, k->done + j), image));
    if (!*image->reason) {
        const struct image_sizes z = image_fit_sizes(&k->s->to, image->height, image->width);
        TESS_TRY(image_fit_apply(ctx, &k->s->to, &z, &g->worker_state[worker], k->height, k->width, k->channels,
                                 (uint8_t *)g->images.data + j * import_row_bytes(k)));
    }
    slot->label = k->classes ? image->label : 0;
    memcpy(slot->name, image->name, sizeof slot->name);
    memcpy(slot->reason, image->reason, sizeof slot->reason);
    slot->read = 1;
    tell_progress(g);
    return TESS_OK;
}

/* ---- a group ------------------------------------------------------------------------------------------------------- */

static void count_skipped(struct tess_stage_run *r, struct import_work *k, const char *name, const char *reason)
{
    (void)snprintf(k->last_skipped, sizeof k->last_skipped, "%s: %s", name, reason);
    k->skipped_bytes += (int64_t)strlen(k->last_skipped) + 1;
    if (++k->bad <= IMPORT_NAMED)
        tess_stage_note(r, "skipped %s", k->last_skipped);
}

/* Appends image j of the group, which has been read, to the list. */
static int import_read_keep(struct tess_context *ctx, struct reading *g, int64_t j)
{
    struct import_work *k = g->k;
    const struct slot *slot = &g->slot[j];
    char index[32];
    int named = k->source->names(k->self);
    if (!tess_stage_leads(g->run)) {
        k->done++;
        return TESS_OK;
    }
    (void)snprintf(index, sizeof index, "%lld", (long long)source_of(k, k->done));
    const char *name = named ? slot->name : *slot->reason ? index : "";
    const struct archive_record record = {.name = name,
                                          .reason = slot->reason,
                                          .label = slot->label,
                                          .row_bytes = import_row_bytes(k),
                                          .row = (const uint8_t *)g->images.data + j * import_row_bytes(k)};
    TESS_TRY(archive_rows_add(ctx, &k->rows, &record));
    if (*slot->reason) {
        count_skipped(g->run, k, name, slot->reason);
    } else {
        k->name_bytes += (int64_t)strlen(name) + 1;
        k->kept_train += k->done < k->train;
        k->kept++;
    }
    k->done++;
    return TESS_OK;
}

static int import_read_read_group(struct tess_context *ctx, struct reading *g)
{
    struct import_work *k = g->k;
    int64_t n = k->count - k->done < g->max ? k->count - k->done : g->max;
    for (int64_t j = 0; j < n; j++)
        g->slot[j].read = 0;
    atomic_store(&g->pause, 0);
    atomic_store(&g->finished, 0);
    TESS_TRY((g->shared ? tess_stage_dealt : tess_stage_parallel)(ctx, g->run, n, import_read_read_one, g));
    if (g->shared) {
        TESS_TRY(tess_stage_gather(ctx, g->run, g->slot, n, sizeof *g->slot));
        TESS_TRY(tess_stage_gather(ctx, g->run, g->images.data, n, import_row_bytes(k)));
    }
    for (int64_t j = 0; j < n && g->slot[j].read; j++)
        TESS_TRY(import_read_keep(ctx, g, j));
    return TESS_OK;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

/* Writes the attributes of a checkpoint, beside the list of rows. */
static const struct {
    const char *name;
    size_t offset;
} kept_numbers[] = {{"step", offsetof(struct import_work, done)},
                    {"kept", offsetof(struct import_work, kept)},
                    {"kept_train", offsetof(struct import_work, kept_train)},
                    {"bad", offsetof(struct import_work, bad)},
                    {"name_bytes", offsetof(struct import_work, name_bytes)},
                    {"skipped_bytes", offsetof(struct import_work, skipped_bytes)}};
enum { NUMBERS = sizeof kept_numbers / sizeof *kept_numbers };

static int64_t *number_at(struct import_work *k, size_t i)
{
    return (int64_t *)(void *)((char *)k + kept_numbers[i].offset);
}

static int import_read_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    struct import_work *k = user;
    struct tess_attrs *f = tess_artefact_describe(a);
    TESS_TRY(archive_rows_sync(ctx, &k->rows));
    for (size_t i = 0; i < NUMBERS; i++)
        TESS_TRY(tess_attrs_set_i64(ctx, f, kept_numbers[i].name, *number_at(k, i)));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "rows_bytes", k->rows.written));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "rows_sum", (int64_t)k->rows.sum));
    return tess_attrs_set_text(ctx, f, "last_skipped", k->last_skipped);
}

int import_checkpoint(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    return tess_stage_checkpoint(ctx, r, import_read_write_checkpoint, k);
}

static int import_read_resume(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    const struct tess_attrs *f = a ? tess_artefact_attrs(a) : NULL;
    int64_t bytes, sum;
    int found;
    if (!a)
        return TESS_OK;
    TESS_TRY(tess_attrs_i64(ctx, f, "rows_bytes", &bytes));
    TESS_TRY(tess_attrs_i64(ctx, f, "rows_sum", &sum));
    TESS_TRY(archive_rows_resume(ctx, &k->rows, bytes, (uint64_t)sum, &found));
    if (!found) {
        tess_stage_note(r, "its checkpoint is there and %s is not, or is cut short: it starts over", k->rows.path);
        return TESS_OK;
    }
    for (size_t i = 0; i < NUMBERS; i++)
        TESS_TRY(tess_attrs_i64(ctx, f, kept_numbers[i].name, number_at(k, i)));
    (void)snprintf(k->last_skipped, sizeof k->last_skipped, "%s", tess_attrs_text_or(f, "last_skipped", ""));
    if (k->done < 1 || k->done > k->count || k->kept < 0 || k->kept + k->bad != k->done || k->kept_train > k->kept || k->bad < 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: a checkpoint of %lld images of %lld, %lld of them with rows; delete it to import from the start",
                         tess_artefact_path(a), (long long)k->done, (long long)k->count, (long long)k->kept);
    tess_stage_note(r, "resuming at image %lld of %lld", (long long)k->done, (long long)k->count);
    return TESS_OK;
}

/* ---- all groups ---- */

static int import_read_alloc_tensor(struct tess_context *ctx, struct reading *g)
{
    const struct import_work *k = g->k;
    int64_t row = import_row_bytes(k);
    void *memory;
    g->max = row > IMPORT_GROUP_BYTES / IMPORT_GROUP ? IMPORT_GROUP_BYTES / row : IMPORT_GROUP;
    g->max = g->max < 1 ? 1 : g->max;
    TESS_TRY(tess_alloc(ctx, (size_t)tess_stage_workers(g->run) * sizeof *g->worker_state, "the hands of import", &memory));
    g->worker_state = memory;
    for (int32_t i = 0; i < tess_stage_workers(g->run); i++)
        g->worker_state[i].image.size = sizeof g->worker_state[i].image;
    TESS_TRY(tess_alloc(ctx, (size_t)g->max * sizeof *g->slot, "images on their way", &memory));
    g->slot = memory;
    return stage_tensor(ctx, &g->images, TESS_U8, 4, (const int64_t[]){g->max, k->height, k->width, k->channels});
}

/* Reads all groups, with checkpoints. Once the list lies in a file its end is a checkpoint too, so that a kill while the artefact is
 * written loses none of it. */
static int import_read_read_all(struct tess_context *ctx, struct reading *g)
{
    struct import_work *k = g->k;
    if (g->shared && k->done < k->count)
        TESS_TRY(tess_stage_agree(ctx, g->run, &k->done, sizeof k->done));
    int64_t saved = k->done;
    while (k->done < k->count) {
        TESS_TRY(import_read_read_group(ctx, g));
        int paused = atomic_load(&g->pause), last = k->done == k->count && k->rows.written;
        if (k->done > saved && (paused || last || tess_stage_stopping(g->run) || tess_stage_checkpoint_due(g->run))) {
            TESS_TRY(import_checkpoint(ctx, g->run, k));
            saved = k->done;
        }
        TESS_TRY(stage_check_stop(ctx, g->run, k->done, k->count, "image"));
    }
    return TESS_OK;
}

int import_read(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    struct reading g = {.k = k, .run = r, .shared = tess_stage_ranks(r) > 1 && image_source_decodes(k->source, k->self)};
    pthread_mutex_init(&g.telling, NULL);
    int status = tess_stage_leads(r) ? import_read_resume(ctx, r, k) : TESS_OK;
    if (status == TESS_OK)
        status = import_read_alloc_tensor(ctx, &g);
    if (status == TESS_OK)
        status = import_read_read_all(ctx, &g);
    for (int32_t i = 0; g.worker_state && i < tess_stage_workers(r); i++)
        image_fit_worker_free(&g.worker_state[i]);
    tess_free(g.worker_state);
    tess_free(g.slot);
    tess_free(g.images.data);
    pthread_mutex_destroy(&g.telling);
    return status;
}
