/* Reading rows without HDF5: chunks are taken from the file as they are (H5Dread_chunk), checked and unpacked by the thread that wants
 * them.
 *
 * HDF5 has one lock, under which it reads, checks and decodes a chunk at a time; its n-bit filter makes some 100 MB/s. Here HDF5 is asked
 * once for each chunk where it lies, and our own driver sees it being read there; from then on a chunk is one pread outside the lock.
 * Chunks that were read last are kept in a cache of SLOTS places, which all datasets of an artefact share, and all its parts; a chunk has
 * one place it is looked for in. A place is locked while its chunk is read or unpacked.
 *
 * Only datasets as tessera writes them are read so: little-endian, chunks of whole rows with a checksum. All else, and whatever is odd
 * about a chunk, is left to HDF5, which says what is wrong with it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 64
#define CACHE_BYTES ((size_t)32 << 20) /* larger chunks share fewer places */
#define MARGIN 16                      /* bytes behind a packed chunk that unpacking may read */

struct slot {
    pthread_mutex_t mutex;
    uint64_t owner; /* id of the dataset; 0: empty */
    int64_t chunk;
    size_t capacity;
    unsigned char *data;
};

struct tessi_chunk_cache {
    int slots; /* number of mutexes made */
    struct slot slot[SLOTS];
};

/* Place of a chunk in the file. `at` is set last; 0: not known yet. */
struct place {
    _Atomic uint64_t at;
    uint32_t bytes;
};

struct tessi_chunks {
    uint64_t id;
    int raw; /* 0: HDF5 reads this dataset */
    int nbit, shuffle, deflate;
    int64_t rows, count; /* rows of a chunk; number of chunks */
    size_t plain;        /* bytes of a chunk that is decoded */
    size_t packed;       /* bytes of a chunk at most before it is deflated, without the checksum */
    size_t stored;       /* bytes in the file at most */
    struct place *place;
};

/* ---- the cache ----------------------------------------------------------------------------------------------------- */

int tessi_store_chunk_cache_new(struct tess_context *ctx, struct tessi_chunk_cache **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_chunk_cache), "a cache of chunks", &memory));
    *out = memory;
    for (; (*out)->slots < SLOTS; (*out)->slots++)
        if (pthread_mutex_init(&(*out)->slot[(*out)->slots].mutex, NULL) != 0) {
            tessi_store_chunk_cache_free(*out);
            *out = NULL;
            return ctx->fail(ctx, TESS_E_MEMORY, "no mutex is available");
        }
    return TESS_OK;
}

void tessi_store_chunk_cache_free(struct tessi_chunk_cache *c)
{
    for (int i = 0; c && i < c->slots; i++) {
        (void)pthread_mutex_destroy(&c->slot[i].mutex);
        tess_free(c->slot[i].data);
    }
    tess_free(c);
}

static struct slot *slot_of(struct tessi_chunk_cache *c, const struct tessi_chunks *k, int64_t chunk)
{
    uint64_t places = CACHE_BYTES / (k->stored + 1);
    places = places < 4 ? 4 : places > SLOTS ? SLOTS : places;
    uint64_t mixed = (k->id * 0x9E3779B97F4A7C15u) ^ ((uint64_t)chunk * 0xC2B2AE3D27D4EB4Fu);
    return &c->slot[(mixed >> 32) % places];
}

void tessi_store_chunks_free(struct tessi_chunks *k)
{
    if (k)
        tess_free(k->place);
    tess_free(k);
}

int tessi_store_chunks_raw(const struct tessi_entry *e)
{
    return e->chunks && e->chunks->raw;
}

/* ---- the layout ---------------------------------------------------------------------------------------------------- */

/* 1 where the n-bit filter has the parameters that tessera's have: one integer of this precision from bit 0 on. */
static int is_our_nbit(const unsigned *value, size_t values, const struct tessi_chunks *k, const struct tessi_entry *e)
{
    size_t size = tessi_store_entry_size(e);
    return values >= 8 && value[1] == 0 && value[2] == k->plain / size && value[3] == 1 && value[4] == size && value[5] == 0 &&
           value[6] == (unsigned)e->precision && value[7] == 0;
}

/* Reads the filters; 1 where they are tessera's in tessera's order, the checksum last. */
static int read_filters(hid_t layout, struct tessi_chunks *k, const struct tessi_entry *e)
{
    int n = H5Pget_nfilters(layout), checksum = 0, known = 1;
    for (int i = 0; i < n && known; i++) {
        unsigned flags, config, value[20] = {0};
        size_t values = sizeof value / sizeof *value;
        H5Z_filter_t id = H5Pget_filter2(layout, (unsigned)i, &flags, &values, value, 0, NULL, &config);
        if (id == H5Z_FILTER_NBIT)
            known = i == 0 && (k->nbit = is_our_nbit(value, values, k, e));
        else if (id == H5Z_FILTER_SHUFFLE)
            known = i == 0 && (k->shuffle = values >= 1 && value[0] == tessi_store_entry_size(e));
        else if (id == H5Z_FILTER_DEFLATE)
            known = !checksum && !k->deflate && (k->deflate = 1);
        else
            known = id == H5Z_FILTER_FLETCHER32 && i == n - 1 && (checksum = 1);
    }
    return known && checksum;
}

static int is_little_endian(const struct tessi_entry *e, hid_t type)
{
    hid_t own = tessi_store_file_type(e);
    int same = own >= 0 && H5Tequal(own, type) > 0;
    tessi_store_close(own);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    same = 0;
#endif
    return same;
}

/* Finds whether the dataset is one to read so, and the sizes of its chunks. */
static void read_layout(struct tessi_chunks *k, const struct tessi_entry *e, hid_t dataset)
{
    hid_t layout = H5Dget_create_plist(dataset), type = H5Dget_type(dataset);
    hsize_t chunk[TESS_MAX_RANK];
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    int ours =
        layout >= 0 && type >= 0 && e->rank > 0 && H5Pget_chunk(layout, TESS_MAX_RANK, chunk) == e->rank && is_little_endian(e, type);
    for (int32_t i = 1; i < e->rank && ours; i++)
        ours = chunk[i] == (hsize_t)e->dim[i];
    if (ours && chunk[0] >= 1 && row >= 1 && chunk[0] <= UINT32_MAX / row / 2) {
        k->rows = (int64_t)chunk[0];
        k->count = (e->dim[0] + k->rows - 1) / k->rows;
        k->plain = chunk[0] * row;
        ours = read_filters(layout, k, e);
        k->raw = ours;
        k->packed = k->nbit ? k->plain / tessi_store_entry_size(e) * (size_t)e->precision / 8 + MARGIN : k->plain;
        k->stored = (k->deflate ? k->packed + k->packed / 1000 + 64 : k->packed) + 4;
    }
    tessi_store_close(type);
    tessi_store_close(layout);
}

/* Makes the table of an entry at its first use; the lock is held. */
static int make_chunks(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, hid_t dataset)
{
    static uint64_t ids; /* guarded by the lock around HDF5 */
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_chunks), "chunks", &memory));
    struct tessi_chunks *k = memory;
    k->id = ++ids;
    read_layout(k, e, dataset);
    int status = TESS_OK;
    if (k->raw)
        status = tess_alloc(ctx, (size_t)k->count * sizeof *k->place, "chunks", &memory);
    if (k->raw && status == TESS_OK)
        k->place = memory;
    if (k->raw && status == TESS_OK && !a->cache && !a->own_cache) /* an index has one already, for its parts */
        status = tessi_store_chunk_cache_new(ctx, &a->own_cache);
    if (status != TESS_OK) {
        tessi_store_chunks_free(k);
        return status;
    }
    if (!a->cache)
        a->cache = a->own_cache;
    if (k->raw) { /* HDF5 decodes none of its chunks, and needs no cache */
        tessi_store_close(e->dataset);
        e->dataset = -1;
    }
    tessi_store_forget(); /* drops HDF5's errors of the attempt */
    __atomic_store_n(&e->chunks, k, __ATOMIC_RELEASE);
    return TESS_OK;
}

static int chunks_of(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, struct tessi_chunks **out)
{
    int status = TESS_OK;
    *out = __atomic_load_n(&e->chunks, __ATOMIC_ACQUIRE);
    if (*out)
        return TESS_OK;
    tessi_store_lock();
    if (!e->chunks)
        status = tessi_store_keep_open(ctx, a, e);
    if (status == TESS_OK && !e->chunks)
        status = make_chunks(ctx, a, e, e->dataset);
    *out = e->chunks;
    tessi_store_unlock();
    return status;
}

/* ---- one chunk ----------------------------------------------------------------------------------------------------- */

static int read_at(const struct tess_artefact *a, uint64_t at, size_t bytes, unsigned char *to)
{
    while (bytes) {
        ssize_t got = tessi_base_inject(TESSI_AT_READ) ? -1 : pread(a->disk.fd, to, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        to += got;
        at += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return 1;
}

/* Reads a chunk through HDF5, whose driver notes where it was; 0 where HDF5 has none as expected. */
static size_t read_first(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const struct tessi_chunks *k,
                         int64_t chunk, unsigned char *to)
{
    hsize_t offset[TESS_MAX_RANK] = {(hsize_t)(chunk * k->rows)}, bytes = 0;
    uint32_t mask = 0;
    tessi_store_lock();
    int fine = tessi_store_keep_open(ctx, a, e) == TESS_OK && H5Dget_chunk_storage_size(e->dataset, offset, &bytes) >= 0 && bytes > 4 &&
               bytes <= k->stored;
    a->disk.last_bytes = 0;
    fine = fine && H5Dread_chunk(e->dataset, H5P_DEFAULT, offset, &mask, to) >= 0 && mask == 0;
    struct place *p = &k->place[chunk];
    if (fine && a->disk.last_bytes == bytes && p->at == 0) {
        p->bytes = (uint32_t)bytes;
        p->at = a->disk.last_at;
    }
    tessi_store_unlock();
    return fine ? (size_t)bytes : 0;
}

static int checksum_fits(const unsigned char *data, size_t bytes)
{
    const unsigned char *end = data + bytes - 4;
    uint32_t said = (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    return tessi_store_fletcher32(data, bytes - 4) == said;
}

/* Takes deflate and shuffle off, through `spare`; the bytes that are left, 0 where the stream is damaged. */
static size_t decode(const struct tessi_chunks *k, const struct tessi_entry *e, unsigned char *data, size_t bytes, unsigned char *spare)
{
    if (k->deflate) {
        size_t n = tessi_store_inflate(data, bytes, spare, k->packed);
        memcpy(data, spare, n);
        bytes = n;
    }
    if (k->shuffle) {
        tessi_store_unshuffle(data, bytes, tessi_store_entry_size(e), spare);
        memcpy(data, spare, bytes);
    }
    return bytes;
}

/* Puts a chunk into its slot, which is locked: 1 where it is there, 0 where HDF5 has to read it. */
static int load_chunk(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const struct tessi_chunks *k, int64_t chunk,
                      struct slot *s)
{
    size_t half = (k->stored > k->packed ? k->stored : k->packed) + MARGIN, wanted = k->deflate || k->shuffle ? 2 * half : half;
    size_t least = k->nbit ? (k->plain / tessi_store_entry_size(e) * (size_t)e->precision + 7) / 8 : k->plain;
    uint64_t at = k->place[chunk].at;
    struct tessi_context own; /* a failure here is none of the caller's: HDF5 may still read the chunk */
    void *memory;
    tessi_base_context_init(&own, ctx->host);
    s->owner = 0;
    if (s->capacity < wanted) {
        tess_free(s->data);
        s->data = NULL;
        s->capacity = 0;
        if (tess_alloc(&own.context, wanted, "a chunk", &memory) != TESS_OK)
            return 0;
        s->data = memory;
        s->capacity = wanted;
    }
    size_t bytes = at ? k->place[chunk].bytes : read_first(&own.context, a, e, k, chunk, s->data);
    if (bytes < 5 || (at && !read_at(a, at, bytes, s->data)) || !checksum_fits(s->data, bytes) ||
        decode(k, e, s->data, bytes - 4, s->data + half) < least)
        return 0;
    s->owner = k->id;
    s->chunk = chunk;
    return 1;
}

static int read_piece(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const struct tessi_chunks *k, int64_t first,
                      int64_t rows, struct slot *s, void *to)
{
    int64_t chunk = first / k->rows, row = tessi_store_entry_row(e), at = (first - chunk * k->rows) * row;
    size_t size = tessi_store_entry_size(e);
    pthread_mutex_lock(&s->mutex);
    int there = (s->owner == k->id && s->chunk == chunk) || load_chunk(ctx, a, e, k, chunk, s);
    if (there && k->nbit)
        tessi_store_unpack(s->data, at, rows * row, e->precision, size, to);
    else if (there)
        memcpy(to, s->data + (size_t)at * size, (size_t)(rows * row) * size);
    pthread_mutex_unlock(&s->mutex);
    return there;
}

/* Gives the memory of a place back. */
static void forget_chunk(struct slot *s)
{
    pthread_mutex_lock(&s->mutex);
    tess_free(s->data);
    s->data = NULL;
    s->capacity = 0;
    s->owner = 0;
    pthread_mutex_unlock(&s->mutex);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

/* A dataset that is read whole goes through one place, which is empty afterwards: its chunks are not wanted again. */
int tessi_store_chunks_read(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, int64_t first, int64_t rows, void *to,
                            int64_t *done)
{
    struct tessi_chunks *k;
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    *done = 0;
    if (!e->chunked || e->dtype == TESSI_TEXT || rows == 0)
        return TESS_OK;
    TESS_TRY(chunks_of(ctx, a, e, &k));
    struct slot *one = k->raw && rows == e->dim[0] ? &a->cache->slot[0] : NULL;
    while (k->raw && *done < rows) {
        int64_t n = k->rows - (first + *done) % k->rows;
        if (n > rows - *done)
            n = rows - *done;
        struct slot *s = one ? one : slot_of(a->cache, k, (first + *done) / k->rows);
        if (!read_piece(ctx, a, e, k, first + *done, n, s, (char *)to + (size_t)*done * row))
            break;
        *done += n;
    }
    if (one)
        forget_chunk(one);
    return TESS_OK;
}
