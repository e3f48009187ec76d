/* See tar_stream.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_stream.h"

#include <string.h>
#include <unistd.h>

void tar_stream_open(struct tar_stream *s)
{
    *s = (struct tar_stream){.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};
}

static void stream_drop(struct tar_stream *s, const struct tar_index *x, int64_t slot)
{
    if (s->kept[slot].item && x)
        s->kept_bytes -= x->size[s->kept[slot].item - 1];
    tess_free(s->kept[slot].bytes);
    s->kept[slot].bytes = NULL;
    s->kept[slot].item = 0;
}

static void stream_close_file(struct tar_stream *s)
{
    tar_unpack_close(s->unpack);
    s->unpack = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Closes the file, and forgets what was kept. */
static void stream_end(struct tar_stream *s)
{
    for (int64_t k = 0; k < TAR_KEPT; k++)
        stream_drop(s, NULL, k);
    s->kept_bytes = 0;
    stream_close_file(s);
}

void tar_stream_close(struct tar_stream *s)
{
    stream_end(s);
}

static int stream_begin(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t shard)
{
    const char *path = x->shards.path[shard];
    stream_close_file(s);
    s->shard = shard;
    s->next = x->place[shard].first;
    s->at = 0;
    TESS_TRY(steady_reopen(ctx, path, &x->place[shard].steady, &s->fd));
    return tar_unpack_open(ctx, path, s->fd, x->place[shard].packing, &s->unpack);
}

/* Reads item j, the next one or one behind it. */
static int stream_take(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t j, void *to)
{
    const char *path = x->shards.path[s->shard];
    size_t got, bytes = (size_t)x->size[j];
    TESS_TRY(tar_unpack_skip(ctx, s->unpack, x->offset[j] - s->at));
    s->at = x->offset[j];
    TESS_TRY(tar_unpack_read(ctx, s->unpack, to, bytes, &got));
    s->at += (int64_t)got;
    s->next = j + 1;
    TESS_TRY(steady_same(ctx, path, &x->place[s->shard].steady, s->fd));
    return got == bytes ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "%s: became shorter; run again when nothing writes there", path);
}

/* Keeps item j, which is passed by on the way to another. */
static int stream_keep(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t j)
{
    void *memory;
    stream_drop(s, x, j % TAR_KEPT);
    if (x->size[j] > TAR_IMAGE_MAX || s->kept_bytes + x->size[j] > TAR_KEPT_BYTES)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)x->size[j] + 1, "an image in an archive", &memory));
    s->kept[j % TAR_KEPT].bytes = memory;
    s->kept[j % TAR_KEPT].item = j + 1;
    s->kept_bytes += x->size[j];
    return stream_take(ctx, s, x, j, memory);
}

/* First item that is looked at on the way to item i: the next one of the open file, but no more than can be kept. */
static int64_t stream_from(const struct tar_stream *s, const struct tar_index *x, int64_t i)
{
    int64_t first = x->place[tar_index_shard(x, i)].first, from = s->next > i - TAR_KEPT + 1 ? s->next : i - TAR_KEPT + 1;
    if (!s->unpack || s->next > i || (from < first && tar_index_shard(x, from) != s->shard))
        from = first > i - TAR_KEPT + 1 ? first : i - TAR_KEPT + 1;
    return from;
}

static int stream_go(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t i, void *to)
{
    int64_t from = stream_from(s, x, i);
    if (s->next > i)
        stream_end(s);
    for (int64_t j = from; j <= i; j++) {
        int64_t shard = tar_index_shard(x, j);
        if (x->place[shard].packing == PACKING_NONE)
            continue;
        if (!s->unpack || s->shard != shard)
            TESS_TRY(stream_begin(ctx, s, x, shard));
        TESS_TRY(j < i ? stream_keep(ctx, s, x, j) : stream_take(ctx, s, x, i, to));
    }
    return TESS_OK;
}

int tar_stream_read(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t i, void *to)
{
    int64_t slot = i % TAR_KEPT;
    int status = TESS_OK;
    pthread_mutex_lock(&s->lock);
    if (s->kept[slot].item == i + 1) {
        memcpy(to, s->kept[slot].bytes, (size_t)x->size[i]);
        stream_drop(s, x, slot);
    } else {
        status = stream_go(ctx, s, x, i, to);
        if (status != TESS_OK)
            stream_end(s);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}
