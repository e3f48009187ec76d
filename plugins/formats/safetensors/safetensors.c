/* format/1 `safetensors`: eight bytes with the header's length, the header as JSON (json_header.c), the tensors' bytes, little-endian. The
 * tensors fill what is behind the header from its first byte to its last: no two overlap, and there is nothing between them.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/safetensors/json_header.h"

#include <tessera/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

struct safetensors {
    char *path;
    int fd, is_open;
    int64_t data, bytes; /* place where the tensors begin, and the bytes they have */
    struct header header;
};

/* The length leaves its upper bytes zero, and the object begins behind it. */
static int safetensors_recognises(const uint8_t *head, size_t bytes)
{
    return bytes >= 9 && number_u64(head) < (uint64_t)1 << 40 && head[8] == '{';
}

static int read_at(struct tess_context *ctx, const struct safetensors *s, int64_t at, void *to, size_t bytes)
{
    for (char *here = to; bytes;) {
        ssize_t got = pread(s->fd, here, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", s->path, strerror(errno));
        if (got == 0)
            return ctx->fail(ctx, TESS_E_DATA, "%s: ends before its end; fetch it again", s->path);
        here += got;
        at += got;
        bytes -= (size_t)got;
    }
    return TESS_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int open_descriptor(struct tess_context *ctx, struct safetensors *s)
{
    struct stat st;
    uint8_t head[8];
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    s->is_open = s->fd >= 0;
    if (!s->is_open || fstat(s->fd, &st) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", s->path, strerror(errno));
    TESS_TRY(read_at(ctx, s, 0, head, sizeof head));
    uint64_t length = number_u64(head);
    if (length > HEADER_MAX || (int64_t)length > (int64_t)st.st_size - 8)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its header has %llu bytes by its own account, of a file of %lld; %d are the most", s->path,
                       (unsigned long long)length, (long long)st.st_size, HEADER_MAX);
    s->data = 8 + (int64_t)length;
    s->bytes = (int64_t)st.st_size - s->data;
    return TESS_OK;
}

struct place {
    int64_t begin, end;
};

static int safetensors_by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int safetensors_check_sizes(struct tess_context *ctx, const struct safetensors *s)
{
    const struct header *h = &s->header;
    for (int64_t i = 0; i < h->count; i++) {
        int64_t bytes;
        if (h->begin[i] > h->end[i] || h->end[i] > s->bytes)
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: `%s` lies in bytes %lld to %lld of %lld; a part of the file may be missing: fetch it again", s->path,
                             h->entry[i].name, (long long)h->begin[i], (long long)h->end[i], (long long)s->bytes);
        int packed = h->type[i] == NUMBER_OTHER; /* several numbers share a byte: it can only be left */
        if (!number_capacity(h->type[i], h->entry[i].rank, h->entry[i].dim, &bytes) || (!packed && bytes != h->end[i] - h->begin[i]))
            return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` has %lld bytes, which its shape and its type %s contradict", s->path,
                             h->entry[i].name, (long long)(h->end[i] - h->begin[i]), h->entry[i].dtype);
    }
    return TESS_OK;
}

static int check_places(struct tess_context *ctx, const struct safetensors *s)
{
    const struct header *h = &s->header;
    void *memory;
    int64_t at = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)(h->count + 1) * sizeof(struct place), "places", &memory));
    struct place *place = memory;
    for (int64_t i = 0; i < h->count; i++)
        place[i] = (struct place){h->begin[i], h->end[i]};
    qsort(place, (size_t)h->count, sizeof *place, safetensors_by_place);
    int64_t i = 0;
    for (; i < h->count && place[i].begin == at; i++)
        at = place[i].end;
    tess_free(memory);
    if (i < h->count || at != s->bytes)
        return ctx->fail(ctx, TESS_E_DATA, "%s: at byte %lld of its data tensors overlap, or there are bytes of none", s->path,
                         (long long)at);
    return TESS_OK;
}

static int safetensors_open_file(void *self, struct tess_context *ctx, const char *path)
{
    struct safetensors *s = self;
    void *memory;
    int64_t twice;
    TESS_TRY(tess_copy_text(ctx, path, &s->path));
    TESS_TRY(open_descriptor(ctx, s));
    TESS_TRY(tess_alloc(ctx, (size_t)s->data, "a header", &memory));
    int status = read_at(ctx, s, 8, memory, (size_t)s->data - 8);
    if (status == TESS_OK)
        status = header_read(ctx, s->path, memory, (size_t)s->data - 8, &s->header);
    tess_free(memory);
    TESS_TRY(status);
    TESS_TRY(number_twice(ctx, s->header.entry, s->header.count, &twice));
    if (twice >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is there twice", s->path, s->header.entry[twice].name);
    TESS_TRY(safetensors_check_sizes(ctx, s));
    return check_places(ctx, s);
}

static void close_safetensors(void *self)
{
    struct safetensors *s = self;
    if (s->is_open)
        close(s->fd);
    header_free(&s->header);
    tess_free(s->path);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int64_t safetensors_count(void *self)
{
    return ((struct safetensors *)self)->header.count;
}

static const struct tess_entry *safetensors_entry(void *self, int64_t i)
{
    return &((struct safetensors *)self)->header.entry[i];
}

static int safetensors_read_part(void *self, struct tess_context *ctx, int64_t i, int64_t first, int64_t count, float *to)
{
    const struct safetensors *s = self;
    const struct header *h = &s->header;
    uint8_t piece[PIECE];
    int type = h->type[i];
    int64_t width = number_bytes(type), at = s->data + h->begin[i] + first * width;
    if (!number_is_real(type))
        return number_refuse(ctx, s->path, &h->entry[i]);
    if (number_is_native(type))
        return read_at(ctx, s, at, to, (size_t)(count * width));
    while (count > 0) {
        int64_t n = count < PIECE / width ? count : PIECE / width;
        TESS_TRY(read_at(ctx, s, at, piece, (size_t)(n * width)));
        number_to_f32(type, piece, n, to);
        to += n;
        at += n * width;
        count -= n;
    }
    return TESS_OK;
}

static int safetensors_read_tensor(void *self, struct tess_context *ctx, int64_t i, float *to)
{
    const struct header *h = &((const struct safetensors *)self)->header;
    return safetensors_read_part(self, ctx, i, 0, (h->end[i] - h->begin[i]) / number_bytes(h->type[i]), to);
}

static int safetensors_place(void *self, struct tess_context *ctx, int64_t i, struct tess_place *out)
{
    const struct safetensors *s = self;
    (void)ctx;
    out->offset = s->data + s->header.begin[i];
    out->bytes = (int32_t)number_bytes(s->header.type[i]);
    out->is_real = number_is_real(s->header.type[i]);
    out->is_signed = number_name(s->header.type[i])[0] == 'i';
    return TESS_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static int64_t safetensors_numbers_of(const struct tess_entry *e)
{
    int64_t n = 1;
    for (int32_t i = 0; i < e->rank; i++)
        n *= e->dim[i];
    return n;
}

static void print_notes(FILE *to, const struct tess_format_file *f)
{
    char key[600], text[4096];
    fputs("{\"__metadata__\":{\"format\":\"pt\"", to);
    for (int32_t i = 0; i < f->notes; i++) {
        header_quote(f->note[2 * i], key, sizeof key);
        header_quote(f->note[2 * i + 1], text, sizeof text);
        fprintf(to, ",%s:%s", key, text);
    }
    putc('}', to);
}

/* The entries in the file's order: integers of eight bytes stand before numbers of four, so that all are aligned. */
static int safetensors_order(struct tess_context *ctx, const struct tess_format_file *f, int64_t **out)
{
    int64_t n = 0;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(f->entries + 1) * sizeof **out, "an order of tensors", &memory));
    *out = memory;
    for (int real = 0; real < 2; real++)
        for (int64_t i = 0; i < f->entries; i++)
            if (f->entry[i].is_real == real)
                (*out)[n++] = i;
    return TESS_OK;
}

static void print_entries(FILE *to, const struct tess_format_file *f, const int64_t *order)
{
    int64_t at = 0;
    for (int64_t i = 0; i < f->entries; i++) {
        char name[2 * TESS_ENTRY_NAME + 8];
        const struct tess_entry *e = &f->entry[order[i]];
        int64_t bytes = (e->is_real ? 4 : 8) * safetensors_numbers_of(e);
        header_quote(e->name, name, sizeof name);
        fprintf(to, ",%s:{\"dtype\":\"%s\",\"shape\":[", name, e->is_real ? "F32" : "I64");
        for (int32_t k = 0; k < e->rank; k++)
            fprintf(to, "%s%lld", k ? "," : "", (long long)e->dim[k]);
        fprintf(to, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + bytes));
        at += bytes;
    }
    putc('}', to);
}

/* Blanks behind it, so that the data begins at a multiple of eight. */
static int write_header(struct tess_context *ctx, const struct tess_format_file *f, const int64_t *order)
{
    char *text = NULL;
    size_t bytes = 0;
    uint8_t length[8];
    FILE *to = open_memstream(&text, &bytes);
    if (to) {
        print_notes(to, f);
        print_entries(to, f, order);
        fflush(to); /* this is what sets `bytes` */
        for (size_t blanks = (8 - bytes % 8) % 8; blanks; blanks--)
            putc(' ', to);
    }
    if (!to || fclose(to) != 0) {
        free(text);
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for the header of a file");
    }
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)bytes >> 8 * i);
    int status = f->put(f->user, ctx, length, sizeof length);
    if (status == TESS_OK)
        status = f->put(f->user, ctx, text, bytes);
    free(text);
    return status;
}

static int write_values(struct tess_context *ctx, const struct tess_format_file *f, const float *value, int64_t n)
{
    uint8_t piece[PIECE];
    for (int64_t done = 0; done < n;) {
        int64_t some = n - done < PIECE / 4 ? n - done : PIECE / 4;
        for (int64_t i = 0; i < some; i++) {
            uint32_t bits;
            memcpy(&bits, &value[done + i], sizeof bits);
            for (int k = 0; k < 4; k++)
                piece[4 * i + k] = (uint8_t)(bits >> 8 * k);
        }
        TESS_TRY(f->put(f->user, ctx, piece, (size_t)some * 4));
        done += some;
    }
    return TESS_OK;
}

static int write_integers(struct tess_context *ctx, const struct tess_format_file *f, const float *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint8_t bytes[8];
        for (int k = 0; k < 8; k++)
            bytes[k] = (uint8_t)((uint64_t)(int64_t)value[i] >> 8 * k);
        TESS_TRY(f->put(f->user, ctx, bytes, sizeof bytes));
    }
    return TESS_OK;
}

static int write_tensors(struct tess_context *ctx, const struct tess_format_file *f, const int64_t *order)
{
    TESS_TRY(write_header(ctx, f, order));
    for (int64_t i = 0; i < f->entries; i++) {
        const struct tess_entry *e = &f->entry[order[i]];
        const float *value;
        TESS_TRY(f->values(f->user, ctx, order[i], &value));
        TESS_TRY(e->is_real ? write_values(ctx, f, value, safetensors_numbers_of(e))
                            : write_integers(ctx, f, value, safetensors_numbers_of(e)));
    }
    return TESS_OK;
}

static int safetensors_write_file(void *self, struct tess_context *ctx, const struct tess_format_file *f)
{
    int64_t *order = NULL;
    (void)self;
    int status = safetensors_order(ctx, f, &order);
    if (status == TESS_OK)
        status = write_tensors(ctx, f, order);
    tess_free(order);
    return status;
}

static const struct tess_format_1 ops = {.size = sizeof ops,
                                         .recognises = safetensors_recognises,
                                         .open_file = safetensors_open_file,
                                         .count = safetensors_count,
                                         .entry = safetensors_entry,
                                         .read = safetensors_read_tensor,
                                         .write = safetensors_write_file,
                                         .place = safetensors_place,
                                         .read_part = safetensors_read_part};

TESS_PLUGIN("tessera-safetensors", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("the format's own description, github.com/huggingface/safetensors",
                                      "tessera export tokenizer.h5 -o tokenizer.safetensors --as taming", "safetensors", "format/1",
                                      "tensors by name behind a JSON header (.safetensors); read and written", sizeof(struct safetensors),
                                      NULL, NULL, close_safetensors, &ops));
