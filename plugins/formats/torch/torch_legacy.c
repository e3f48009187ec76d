/* Files before PyTorch 1.6, which torch.save still writes when it is asked: five pickles one after the other, which are a magic number, a
 * version, notes on the machine, the object itself and the list of its storages' keys; then the storages in that order, each as a count of
 * eight bytes and its numbers. There are no sums. SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/torch_file.h"

#include "kit/format/numbers.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

/* The magic number is an integer of ten bytes, from protocol 4 on behind a frame's length. */
int torch_legacy_recognises(const uint8_t *head, size_t bytes)
{
    if (bytes < 16 || head[0] != 0x80)
        return 0;
    size_t at = head[2] == 0x95 && bytes >= 26 ? 11 : 2;
    return head[at] == 0x8a && head[at + 1] == sizeof magic && memcmp(head + at + 2, magic, sizeof magic) == 0;
}

struct keys { /* state of the walk over the storages */
    struct torch_file *f;
    int64_t at;
};

static int torch_legacy_by_key(const void *a, const void *b)
{
    return strcmp(((const struct pickle_storage *)a)->key, ((const struct pickle_storage *)b)->key);
}

static struct pickle_storage *torch_legacy_storage(const struct pickle *p, const char *key)
{
    struct pickle_storage wanted = {.key = key};
    return bsearch(&wanted, p->storage, (size_t)p->storages, sizeof *p->storage, torch_legacy_by_key);
}

/* The next storage: its place is where the one before ends. */
static int torch_legacy_next(void *user, struct tess_context *ctx, const char *text, size_t length)
{
    struct keys *k = user;
    struct torch_file *f = k->f;
    char key[TESS_ENTRY_NAME] = "";
    uint8_t count[8];
    int64_t bytes;
    if (number_name_fits(text, length))
        memcpy(key, text, length);
    const struct pickle_storage *s = torch_legacy_storage(&f->pickle, key);
    if (!s)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has a storage that no tensor is in; no such file comes from torch.save", f->path);
    int64_t *offset = &f->offset[s - f->pickle.storage];
    if (*offset >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has storage %s twice", f->path, key);
    if (k->at > f->about.bytes - 8)
        return ctx->fail(ctx, TESS_E_DATA, "%s: ends before its end; fetch it again", f->path);
    TESS_TRY(steady_read_at(ctx, f->path, f->fd, k->at, sizeof count, count));
    if (number_u64(count) != (uint64_t)s->numbers || __builtin_mul_overflow(s->numbers, s->width, &bytes) ||
        bytes > f->about.bytes - k->at - 8)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: storage %s has %lld numbers by the pickle and %llu in the file, or is not inside it; fetch it again", f->path,
                         key, (long long)s->numbers, (unsigned long long)number_u64(count));
    *offset = k->at + 8;
    k->at += 8 + bytes;
    return TESS_OK;
}

/* Magic number, version, machine. */
static int torch_legacy_notes(struct tess_context *ctx, const struct torch_file *f, const uint8_t *bytes, size_t count, size_t *at)
{
    for (int i = 0; i < 3; i++) {
        size_t used;
        int big;
        TESS_TRY(pickle_skip(ctx, f->path, bytes + *at, count - *at, &used, &big));
        *at += used;
        if (big)
            return ctx->fail(ctx, TESS_E_DATA, "%s: its numbers are not little-endian; save it again on another machine", f->path);
    }
    return TESS_OK;
}

static int torch_legacy_read(struct tess_context *ctx, struct torch_file *f, const uint8_t *bytes, size_t count, const char *key)
{
    size_t at = 0, used;
    void *memory;
    struct keys k = {.f = f};
    TESS_TRY(torch_legacy_notes(ctx, f, bytes, count, &at));
    TESS_TRY(pickle_read(ctx, f->path, bytes + at, count - at, key, &f->pickle, &used));
    at += used;
    TESS_TRY(tess_alloc(ctx, ((size_t)f->pickle.storages + 1) * sizeof *f->offset, "storages", &memory));
    f->offset = memory;
    for (int64_t i = 0; i < f->pickle.storages; i++)
        f->offset[i] = -1;
    /* The places follow from the sizes, which are known; where the list ends is known only when it has been read. */
    int big;
    TESS_TRY(pickle_skip(ctx, f->path, bytes + at, count - at, &used, &big));
    k.at = (int64_t)(at + used);
    return pickle_read_texts(ctx, f->path, bytes + at, count - at, torch_legacy_next, &k, &used);
}

int torch_legacy_open(struct tess_context *ctx, struct torch_file *f, const char *key)
{
    size_t count = (size_t)(f->about.bytes < PICKLE_MAX ? f->about.bytes : PICKLE_MAX);
    void *memory;
    TESS_TRY(tess_alloc(ctx, count + 1, "a pickle", &memory));
    int status = steady_read_at(ctx, f->path, f->fd, 0, count, memory);
    if (status == TESS_OK)
        status = torch_legacy_read(ctx, f, memory, count, key);
    tess_free(memory);
    return status;
}

int torch_legacy_range(struct tess_context *ctx, const struct torch_file *f, const struct pickle_tensor *p, struct torch_range *out)
{
    const struct pickle_storage *s = torch_legacy_storage(&f->pickle, p->storage);
    if (!s || f->offset[s - f->pickle.storage] < 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in storage %s, which the file has not", f->path, p->name, p->storage);
    *out = (struct torch_range){.offset = f->offset[s - f->pickle.storage], .bytes = p->storage_bytes};
    return TESS_OK;
}
