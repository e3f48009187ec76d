/* format/1 `torch`: what torch.save writes (docs/formats.md, "Checkpoints of others"): a pickle that says which tensor is a view of which
 * storage, and the storages' bytes. The containers are in torch_zip.c and torch_legacy.c; the pickle is read by pickle.c and runs nothing.
 *
 * A storage is read in pieces, and never held: of a view that is not one run of numbers, its own span is. The sum of a storage is that of
 * all of its bytes: where a tensor is all of it, the sum grows with the pieces; where it is only a part, the storage is read once more.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/format/numbers.h"
#include "plugins/formats/torch/storage_sum.h"
#include "plugins/formats/torch/torch_file.h"
#include "plugins/formats/torch/torch_write.h"

#include <tessera/plugin.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 18 };

struct torch {
    const char *key; /* parameter */
    char *path;
    struct torch_file file;
    struct tess_entry *entry;
    uint8_t *piece;
    uint8_t *checked; /* [storage of the pickle]: its sum was found right */
    struct {          /* the tensor that is read in pieces */
        int64_t entry, next; /* number of the entry, and of the value that is read next */
        uint32_t sum;        /* of the values before that */
        float *held;         /* all values of a view that is not one run; NULL: none is held */
    } part;
};

static int torch_recognises(const uint8_t *head, size_t bytes)
{
    return (bytes >= 4 && memcmp(head, "PK\3\4", 4) == 0) || torch_legacy_recognises(head, bytes);
}

static int torch_range_of(struct tess_context *ctx, const struct torch *t, const struct pickle_tensor *p, struct torch_range *out)
{
    return t->file.is_legacy ? torch_legacy_range(ctx, &t->file, p, out) : torch_zip_range(ctx, &t->file, p, out);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int torch_list_entries(struct tess_context *ctx, struct torch *t)
{
    const struct pickle *pickle = &t->file.pickle;
    struct torch_range range;
    void *memory;
    int64_t twice;
    TESS_TRY(tess_alloc(ctx, (size_t)(pickle->count + 1) * sizeof *t->entry, "tensors", &memory));
    t->entry = memory;
    for (int64_t i = 0; i < pickle->count; i++) {
        const struct pickle_tensor *p = &pickle->tensor[i];
        TESS_TRY(torch_range_of(ctx, t, p, &range));
        t->entry[i] = (struct tess_entry){
            .name = p->name, .dtype = number_name(p->type), .is_real = number_is_real(p->type), .rank = p->rank};
        memcpy(t->entry[i].dim, p->dim, sizeof p->dim);
    }
    TESS_TRY(number_twice(ctx, t->entry, pickle->count, &twice));
    if (twice >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is there twice", t->path, t->entry[twice].name);
    return TESS_OK;
}

static int torch_open_container(struct tess_context *ctx, struct torch *t)
{
    uint8_t head[64];
    struct torch_file *f = &t->file;
    size_t bytes = f->about.bytes < (int64_t)sizeof head ? (size_t)f->about.bytes : sizeof head;
    const char *key = t->key ? t->key : "";
    TESS_TRY(steady_read_at(ctx, t->path, f->fd, 0, bytes, head));
    f->is_legacy = torch_legacy_recognises(head, bytes);
    return f->is_legacy ? torch_legacy_open(ctx, f, key) : torch_zip_open(ctx, f, key);
}

static int torch_open_file(void *self, struct tess_context *ctx, const char *path)
{
    struct torch *t = self;
    void *memory;
    TESS_TRY(tess_copy_text(ctx, path, &t->path));
    t->file.path = t->path;
    TESS_TRY(steady_open(ctx, t->path, &t->file.about, &t->file.fd));
    t->file.is_open = 1;
    TESS_TRY(torch_open_container(ctx, t));
    TESS_TRY(tess_alloc(ctx, PIECE, "a piece of a tensor", &memory));
    t->piece = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)t->file.pickle.storages + 1, "storages", &memory));
    t->checked = memory;
    t->part.entry = -1;
    return torch_list_entries(ctx, t);
}

static void close_torch(void *self)
{
    struct torch *t = self;
    if (t->file.is_open)
        close(t->file.fd);
    pickle_free(&t->file.pickle);
    zip_members_free(&t->file.zip);
    tess_free(t->file.offset);
    tess_free(t->entry);
    tess_free(t->piece);
    tess_free(t->checked);
    tess_free(t->part.held);
    tess_free(t->path);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int64_t torch_count(void *self)
{
    return ((struct torch *)self)->file.pickle.count;
}

static const struct tess_entry *torch_entry(void *self, int64_t i)
{
    return &((struct torch *)self)->entry[i];
}

static const char *torch_remark(void *self)
{
    return ((struct torch *)self)->file.pickle.note;
}

static int torch_check_sum(struct tess_context *ctx, const struct torch *t, const struct pickle_tensor *p, const struct torch_range *r,
                           uint32_t sum)
{
    if (!r->has_sum || sum == r->sum)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: `%s/data/%s` in it cannot be read: its sum is not that of its bytes; fetch the file again",
                     t->path, t->file.folder, p->storage);
}

/* Bytes of a storage, from `begin` to `end`, in pieces: as f32 to `to`, where that is not NULL; *sum is theirs where it is not NULL. */
static int torch_stream(struct tess_context *ctx, const struct torch *t, const struct torch_range *r, int64_t begin, int64_t end, int type,
                        float *to, uint32_t *sum)
{
    for (int64_t at = begin, some; at < end; at += some) {
        some = end - at < PIECE ? end - at : PIECE;
        uint8_t *piece = to && number_is_native(type) ? (uint8_t *)to : t->piece;
        TESS_TRY(steady_read_at(ctx, t->path, t->file.fd, r->offset + at, (size_t)some, piece));
        if (sum)
            *sum = storage_sum(*sum, piece, (size_t)some);
        if (!to)
            continue;
        if (piece == t->piece)
            number_to_f32(type, piece, some / number_bytes(type), to);
        to += some / number_bytes(type);
    }
    return TESS_OK;
}

static uint8_t *torch_checked(const struct torch *t, const struct pickle_tensor *p)
{
    const struct pickle *pickle = &t->file.pickle;
    int64_t low = 0, high = pickle->storages;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        *(strcmp(pickle->storage[middle].key, p->storage) <= 0 ? &low : &high) = middle;
    }
    return &t->checked[low];
}

/* 1 where the view is one run of numbers. */
static int torch_is_run(const struct pickle_tensor *p)
{
    int64_t stride = 1;
    for (int32_t d = p->rank - 1; d >= 0; d--) {
        if (p->dim[d] != 1 && p->stride[d] != stride)
            return 0;
        stride *= p->dim[d];
    }
    return 1;
}

/* Copies a view row by row along the last dimension, the others counted up like an odometer; `storage` begins with the view's first
 * number. All of the view was found to be inside. */
static void torch_gather(const struct pickle_tensor *p, const uint8_t *storage, float *to)
{
    int64_t at[TESS_ENTRY_RANK] = {0}, bytes = number_bytes(p->type), place = 0;
    int32_t last = p->rank - 1;
    int64_t row = p->rank ? p->dim[last] : 1, stride = p->rank ? p->stride[last] : 1;
    for (;;) {
        if (stride == 1)
            number_to_f32(p->type, storage + place * bytes, row, to);
        else
            for (int64_t k = 0; k < row; k++)
                number_to_f32(p->type, storage + (place + k * stride) * bytes, 1, to + k);
        to += row;
        int32_t d = last - 1;
        for (; d >= 0; d--) {
            place += p->stride[d];
            if (++at[d] < p->dim[d])
                break;
            place -= p->dim[d] * p->stride[d];
            at[d] = 0;
        }
        if (d < 0)
            return;
    }
}

/* Reads the span of a view that is not one run, and copies it out of that. */
static int torch_read_span(struct tess_context *ctx, const struct torch *t, const struct pickle_tensor *p, const struct torch_range *r,
                           float *to)
{
    int64_t span = 1, width = number_bytes(p->type);
    void *memory;
    for (int32_t d = 0; d < p->rank; d++)
        span += (p->dim[d] - 1) * p->stride[d];
    TESS_TRY(tess_alloc(ctx, (size_t)(span * width), "a tensor's storage", &memory));
    int status = steady_read_at(ctx, t->path, t->file.fd, r->offset + p->offset * width, (size_t)(span * width), memory);
    if (status == TESS_OK)
        torch_gather(p, memory, to);
    tess_free(memory);
    return status;
}

/* Reads all of a storage for its sum, unless that was found right before. */
static int torch_check_storage(struct tess_context *ctx, const struct torch *t, const struct pickle_tensor *p, const struct torch_range *r)
{
    uint8_t *checked = torch_checked(t, p);
    uint32_t sum = 0;
    if (!r->has_sum || *checked)
        return TESS_OK;
    TESS_TRY(torch_stream(ctx, t, r, 0, r->bytes, p->type, NULL, &sum));
    TESS_TRY(torch_check_sum(ctx, t, p, r, sum));
    *checked = 1;
    return TESS_OK;
}

/* Reads values of a tensor that is all of its storage, whose sum grows with the pieces and is compared at the last. */
static int torch_read_summed(struct tess_context *ctx, struct torch *t, int64_t i, const struct torch_range *r, int64_t first,
                             int64_t count, float *to)
{
    const struct pickle_tensor *p = &t->file.pickle.tensor[i];
    int64_t width = number_bytes(p->type);
    if (first == 0) {
        t->part.entry = i;
        t->part.next = 0;
        t->part.sum = 0;
    }
    if (t->part.entry != i || t->part.next != first)
        TESS_TRY(torch_check_storage(ctx, t, p, r));
    TESS_TRY(torch_stream(ctx, t, r, first * width, (first + count) * width, p->type, to, &t->part.sum));
    t->part.next = first + count;
    if (*torch_checked(t, p) || t->part.next * width < r->bytes)
        return TESS_OK;
    TESS_TRY(torch_check_sum(ctx, t, p, r, t->part.sum));
    *torch_checked(t, p) = 1;
    return TESS_OK;
}

/* Reads values of a view that is not one run: all of it is read at its first value, and held up to its last. */
static int torch_read_held(struct tess_context *ctx, struct torch *t, int64_t i, const struct torch_range *r, int64_t first, int64_t count,
                           float *to)
{
    const struct pickle_tensor *p = &t->file.pickle.tensor[i];
    int64_t values = 1;
    void *memory;
    for (int32_t d = 0; d < p->rank; d++)
        values *= p->dim[d];
    if (!t->part.held || t->part.entry != i) {
        tess_free(t->part.held);
        t->part.held = NULL;
        t->part.entry = i;
        TESS_TRY(tess_alloc(ctx, (size_t)values * sizeof(float), "a tensor", &memory));
        t->part.held = memory;
        TESS_TRY(torch_read_span(ctx, t, p, r, t->part.held));
    }
    memcpy(to, t->part.held + first, (size_t)count * sizeof(float));
    if (first + count < values)
        return TESS_OK;
    tess_free(t->part.held);
    t->part.held = NULL;
    return TESS_OK;
}

static int torch_read_part(void *self, struct tess_context *ctx, int64_t i, int64_t first, int64_t count, float *to)
{
    struct torch *t = self;
    const struct pickle_tensor *p = &t->file.pickle.tensor[i];
    struct torch_range r = {0};
    int64_t bytes, width = number_bytes(p->type);
    if (!number_is_real(p->type))
        return number_refuse(ctx, t->path, &t->entry[i]);
    if (!number_capacity(p->type, p->rank, p->dim, &bytes) || bytes == 0)
        return TESS_OK;
    TESS_TRY(torch_range_of(ctx, t, p, &r));
    if (torch_is_run(p) && bytes == r.bytes && r.has_sum)
        return torch_read_summed(ctx, t, i, &r, first, count, to);
    TESS_TRY(torch_check_storage(ctx, t, p, &r));
    if (!torch_is_run(p))
        return torch_read_held(ctx, t, i, &r, first, count, to);
    return torch_stream(ctx, t, &r, (p->offset + first) * width, (p->offset + first + count) * width, p->type, to, NULL);
}

static int torch_read_tensor(void *self, struct tess_context *ctx, int64_t i, float *to)
{
    const struct pickle_tensor *p = &((const struct torch *)self)->file.pickle.tensor[i];
    int64_t bytes = 0;
    (void)number_capacity(p->type, p->rank, p->dim, &bytes);
    return torch_read_part(self, ctx, i, 0, bytes / number_bytes(p->type), to);
}

static int torch_place(void *self, struct tess_context *ctx, int64_t i, struct tess_place *out)
{
    const struct torch *t = self;
    const struct pickle_tensor *p = &t->file.pickle.tensor[i];
    struct torch_range r = {0};
    if (!torch_is_run(p))
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is a view whose numbers do not lie one behind the other; save it as contiguous()",
                         t->path, p->name);
    TESS_TRY(torch_range_of(ctx, t, p, &r));
    TESS_TRY(torch_check_storage(ctx, t, p, &r));
    out->offset = r.offset + p->offset * number_bytes(p->type);
    out->bytes = (int32_t)number_bytes(p->type);
    out->is_real = number_is_real(p->type);
    out->is_signed = number_name(p->type)[0] == 'i';
    return TESS_OK;
}

static const struct tess_format_1 ops = {.size = sizeof ops,
                                         .recognises = torch_recognises,
                                         .open_file = torch_open_file,
                                         .count = torch_count,
                                         .entry = torch_entry,
                                         .read = torch_read_tensor,
                                         .write = torch_write_file,
                                         .remark = torch_remark,
                                         .place = torch_place,
                                         .endings = "pt pth th ckpt",
                                         .read_part = torch_read_part};

static const struct tess_param params[] = {
    {.name = "key",
     .help =
         "name of the dictionary of weights in a file that has several, such as ema; empty: the usual names are tried; a dot: the file may "
         "be a tensor by itself",
     .type = TESS_STR,
     .offset = offsetof(struct torch, key),
     .text = ""},
    {.name = NULL}};

TESS_PLUGIN("tessera-torch", "0.2.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("PyTorch, torch.save: a ZIP archive with a pickle",
                                      "tessera export tokenizer.h5 -o last.ckpt --as taming", "torch", "format/1",
                                      "dictionaries of weights that torch.save wrote (.th, .pt, .pth, .ckpt); read and written",
                                      sizeof(struct torch), params, NULL, close_torch, &ops));
