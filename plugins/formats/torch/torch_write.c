/* Files as torch.save writes them: a zip file of members that are stored as they are, archive/data.pkl with a pickle of protocol 2, and
 * archive/data/N with the values of storage N, little-endian, each at a multiple of 64 bytes so that readers may map it. Sizes and sums
 * stand in front of each member; positions beyond 4 GiB are told by zip64 records.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/storage_sum.h"
#include "plugins/formats/torch/torch_write.h"

#include <tessera/tensor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED = 64, LOCAL_BYTES = 30, CENTRAL_BYTES = 46, MEMBER_NAME = 40 };
static const uint64_t FAR = 0xffffffffu;

struct member {
    char name[MEMBER_NAME];
    uint64_t at, bytes;
    uint32_t sum;
};

struct out {
    const struct tess_format_file *f;
    struct tess_context *ctx;
    struct member *member;
    int64_t members, capacity;
    uint64_t at; /* bytes put so far */
};

/* ---- bytes ---- */

static uint8_t *put_number(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (uint8_t)(value >> 8 * i);
    return to;
}

static int torch_write_put(struct out *o, const void *bytes, size_t count)
{
    o->at += count;
    return count ? o->f->put(o->f->user, o->ctx, bytes, count) : TESS_OK;
}

/* ---- the zip file ---- */

/* Head of a member: signature .. name, which local and central records have in common but for what is behind `attributes`. */
static uint8_t *put_head(uint8_t *to, const struct member *m, size_t extra)
{
    to = put_number(to, 0, 2);                     /* flags */
    to = put_number(to, 0, 2);                     /* stored */
    to = put_number(to, 0, 2);                     /* time */
    to = put_number(to, (0 << 9) | 1 << 5 | 1, 2); /* 1980-01-01 */
    to = put_number(to, m->sum, 4);
    to = put_number(to, m->bytes < FAR ? m->bytes : FAR, 4);
    to = put_number(to, m->bytes < FAR ? m->bytes : FAR, 4);
    to = put_number(to, strlen(m->name), 2);
    return put_number(to, extra, 2);
}

/* The sizes of a member of 4 GiB and more, and padding up to where its bytes are aligned. */
static size_t local_extra(const struct out *o, const struct member *m, uint8_t extra[ALIGNED + 32])
{
    uint8_t *at = extra;
    if (m->bytes >= FAR) {
        at = put_number(put_number(at, 1, 2), 16, 2);
        at = put_number(put_number(at, m->bytes, 8), m->bytes, 8);
    }
    uint64_t begin = o->at + LOCAL_BYTES + strlen(m->name) + (uint64_t)(at - extra) + 4;
    size_t padding = (size_t)((ALIGNED - begin % ALIGNED) % ALIGNED);
    at = put_number(put_number(at, 0x4246, 2), padding, 2);
    memset(at, 'Z', padding);
    return (size_t)(at - extra) + padding;
}

static int put_member(struct out *o, const char *name, const void *bytes, size_t count)
{
    uint8_t head[LOCAL_BYTES], extra[ALIGNED + 32];
    TESS_TRY(tess_reserve(o->ctx, &o->member, &o->capacity, o->members + 1, sizeof *o->member, "members of a file"));
    struct member *m = &o->member[o->members++];
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    m->at = o->at;
    m->bytes = count;
    m->sum = storage_sum(0, bytes, count);
    size_t more = local_extra(o, m, extra);
    (void)put_head(put_number(put_number(head, 0x04034b50, 4), m->bytes < FAR ? 20 : 45, 2), m, more);
    TESS_TRY(torch_write_put(o, head, sizeof head));
    TESS_TRY(torch_write_put(o, m->name, strlen(m->name)));
    TESS_TRY(torch_write_put(o, extra, more));
    return torch_write_put(o, bytes, count);
}

static int put_central(struct out *o, const struct member *m)
{
    uint8_t head[CENTRAL_BYTES], extra[32], *at = extra + 4;
    if (m->bytes >= FAR)
        at = put_number(put_number(at, m->bytes, 8), m->bytes, 8);
    if (m->at >= FAR)
        at = put_number(at, m->at, 8);
    size_t more = at > extra + 4 ? (size_t)(at - extra) : 0;
    (void)put_number(put_number(extra, 1, 2), more ? more - 4 : 0, 2);
    uint8_t *to = put_number(put_number(put_number(head, 0x02014b50, 4), more ? 45 : 20, 2), more ? 45 : 20, 2);
    to = put_head(to, m, more);
    to = put_number(put_number(put_number(put_number(to, 0, 2), 0, 2), 0, 2), 0, 4); /* comment, disk, attributes */
    (void)put_number(to, m->at < FAR ? m->at : FAR, 4);
    TESS_TRY(torch_write_put(o, head, sizeof head));
    TESS_TRY(torch_write_put(o, m->name, strlen(m->name)));
    return torch_write_put(o, extra, more);
}

static int put_end(struct out *o)
{
    uint8_t far[56 + 20], end[22], *to = far;
    uint64_t begin = o->at, n = (uint64_t)o->members, bytes;
    for (int64_t i = 0; i < o->members; i++)
        TESS_TRY(put_central(o, &o->member[i]));
    bytes = o->at - begin;
    if (begin >= FAR || n >= 0xffff) {
        to = put_number(put_number(put_number(put_number(to, 0x06064b50, 4), 44, 8), 45, 2), 45, 2);
        to = put_number(put_number(put_number(put_number(to, 0, 4), 0, 4), n, 8), n, 8);
        to = put_number(put_number(to, bytes, 8), begin, 8);
        to = put_number(put_number(put_number(put_number(to, 0x07064b50, 4), 0, 4), o->at, 8), 1, 4);
        TESS_TRY(torch_write_put(o, far, sizeof far));
    }
    to = put_number(put_number(put_number(end, 0x06054b50, 4), 0, 2), 0, 2);
    to = put_number(put_number(to, n < 0xffff ? n : 0xffff, 2), n < 0xffff ? n : 0xffff, 2);
    to = put_number(put_number(to, bytes < FAR ? bytes : FAR, 4), begin < FAR ? begin : FAR, 4);
    (void)put_number(to, 0, 2);
    return torch_write_put(o, end, sizeof end);
}

/* ---- the pickle ---- */

static int64_t torch_write_count(const struct tess_entry *e)
{
    int64_t n = 1;
    for (int32_t i = 0; i < e->rank; i++)
        n *= e->dim[i];
    return n;
}

static void pickle_number(FILE *to, int64_t value)
{
    uint8_t bytes[10];
    int wide = value > INT32_MAX;
    bytes[0] = wide ? 0x8a : 'J'; /* LONG1 of eight bytes, or BININT */
    bytes[1] = 8;
    (void)put_number(bytes + 1 + wide, (uint64_t)value, wide ? 8 : 4);
    fwrite(bytes, 1, wide ? 10 : 5, to);
}

static void pickle_text(FILE *to, const char *text)
{
    uint8_t length[5] = {'X'};
    (void)put_number(length + 1, strlen(text), 4);
    fwrite(length, 1, sizeof length, to);
    fputs(text, to);
}

/* Numbers as a tuple. */
static void pickle_numbers(FILE *to, const int64_t *value, int32_t n)
{
    putc('(', to);
    for (int32_t i = 0; i < n; i++)
        pickle_number(to, value[i]);
    putc('t', to);
}

/* torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict()), the storage by its persistent name. */
static void pickle_tensor_of(FILE *to, const struct tess_entry *e, int64_t storage)
{
    char key[24];
    int64_t stride[TESS_ENTRY_RANK], next = 1;
    for (int32_t i = e->rank - 1; i >= 0; i--) {
        stride[i] = next;
        next *= e->dim[i];
    }
    (void)snprintf(key, sizeof key, "%lld", (long long)storage);
    fputs("ctorch._utils\n_rebuild_tensor_v2\n((", to);
    pickle_text(to, "storage");
    fprintf(to, "ctorch\n%s\n", e->is_real ? "FloatStorage" : "LongStorage");
    pickle_text(to, key);
    pickle_text(to, "cpu");
    pickle_number(to, torch_write_count(e));
    fputs("tQ", to);
    pickle_number(to, 0);
    pickle_numbers(to, e->dim, e->rank);
    pickle_numbers(to, stride, e->rank);
    fputs("\x89"
          "ccollections\nOrderedDict\n)RtR",
          to);
}

static int64_t storage_of(const struct tess_format_file *f, int64_t i)
{
    return TESS_HAS(f, same) && f->same && f->same[i] >= 0 ? f->same[i] : i;
}

static int put_pickle(struct out *o)
{
    const struct tess_format_file *f = o->f;
    const char *within = TESS_HAS(f, within) ? f->within : NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return o->ctx->fail(o->ctx, TESS_E_MEMORY, "no memory for the names of a file");
    fputs("\x80\x02", to);
    if (within) {
        fputs("}(", to);
        pickle_text(to, within);
    }
    fputs("ccollections\nOrderedDict\n)R(", to);
    for (int64_t i = 0; i < f->entries; i++) {
        pickle_text(to, f->entry[i].name);
        pickle_tensor_of(to, &f->entry[i], storage_of(f, i));
    }
    fputs(within ? "uu." : "u.", to);
    int failed = fclose(to) != 0;
    int status =
        failed ? o->ctx->fail(o->ctx, TESS_E_MEMORY, "no memory for the names of a file") : put_member(o, "archive/data.pkl", text, bytes);
    free(text);
    return status;
}

/* ---- storages ---- */

/* Values of an entry as the file's bytes. */
static void torch_write_bytes(const struct tess_entry *e, const float *value, int64_t n, uint8_t *to)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &value[i], sizeof bits);
        to = e->is_real ? put_number(to, bits, 4) : put_number(to, (uint64_t)(int64_t)value[i], 8);
    }
}

static int put_storage(struct out *o, int64_t i)
{
    const struct tess_entry *e = &o->f->entry[i];
    int64_t n = torch_write_count(e);
    size_t bytes = (size_t)n * (e->is_real ? 4 : 8);
    char name[MEMBER_NAME];
    const float *value;
    void *memory;
    TESS_TRY(o->f->values(o->f->user, o->ctx, i, &value));
    TESS_TRY(tess_alloc(o->ctx, bytes + 1, "a tensor", &memory));
    torch_write_bytes(e, value, n, memory);
    (void)snprintf(name, sizeof name, "archive/data/%lld", (long long)i);
    int status = put_member(o, name, memory, bytes);
    tess_free(memory);
    return status;
}

static int torch_write_members(struct out *o)
{
    TESS_TRY(put_pickle(o));
    TESS_TRY(put_member(o, "archive/byteorder", "little", 6));
    for (int64_t i = 0; i < o->f->entries; i++)
        if (storage_of(o->f, i) == i)
            TESS_TRY(put_storage(o, i));
    TESS_TRY(put_member(o, "archive/version", "3\n", 2));
    return put_end(o);
}

int torch_write_file(void *self, struct tess_context *ctx, const struct tess_format_file *f)
{
    struct out o = {.f = f, .ctx = ctx};
    (void)self;
    int status = torch_write_members(&o);
    tess_free(o.member);
    return status;
}
