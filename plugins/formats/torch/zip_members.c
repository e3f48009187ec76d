/* See zip_members.h. The list is at the end of the file: an entry a member, then a record of where the list begins; in large files a longer
 * record and a pointer to it (ZIP64) in front of that. Nothing of it is believed before it is held against the file's size.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/zip_members.h"

#include "kit/format/numbers.h"
#include "kit/format/steady_file.h"

#include <stdlib.h>
#include <string.h>

enum { END_BYTES = 22, POINTER_BYTES = 20, END64_BYTES = 56, ENTRY_BYTES = 46, HEADER_BYTES = 30, TAIL_MAX = 65535 + END_BYTES };

struct list {
    int64_t offset, bytes, members;
};

static uint32_t number_u16(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static int zip_members_damaged(struct tess_context *ctx, const char *path, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: is no whole zip file (%s); a part of it may be missing: fetch it again", path, what);
}

/* ---- the end of the file ------------------------------------------------------------------------------------------- */

/* Place of the last record that a comment of its own length follows; -1: there is none. */
static int64_t zip_members_end(const uint8_t *tail, int64_t bytes)
{
    for (int64_t at = bytes - END_BYTES; at >= 0; at--)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 && at + END_BYTES + (int64_t)number_u16(tail + at + 20) == bytes)
            return at;
    return -1;
}

/* The longer record, of an archive with too many or too large members for the other. */
static int zip_members_end64(struct tess_context *ctx, const char *path, int fd, int64_t pointer, struct list *l)
{
    uint8_t b[END64_BYTES];
    TESS_TRY(steady_read_at(ctx, path, fd, pointer, POINTER_BYTES, b));
    uint64_t at = number_u64(b + 8);
    if (memcmp(b, "PK\6\7", 4) != 0 || at > (uint64_t)pointer || (uint64_t)pointer - at < END64_BYTES)
        return zip_members_damaged(ctx, path, "its ZIP64 record is not there");
    TESS_TRY(steady_read_at(ctx, path, fd, (int64_t)at, END64_BYTES, b));
    uint64_t members = number_u64(b + 32), bytes = number_u64(b + 40), offset = number_u64(b + 48);
    if (memcmp(b, "PK\6\6", 4) != 0 || members > ZIP_MEMBERS_MAX || bytes > at || offset > at - bytes)
        return members > ZIP_MEMBERS_MAX && memcmp(b, "PK\6\6", 4) == 0
                   ? ctx->fail(ctx, TESS_E_DATA, "%s: has %llu members, %d are the most", path, (unsigned long long)members,
                               ZIP_MEMBERS_MAX)
                   : zip_members_damaged(ctx, path, "its list of members is not inside it");
    *l = (struct list){(int64_t)offset, (int64_t)bytes, (int64_t)members};
    return TESS_OK;
}

static int zip_members_find_list(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes, struct list *l)
{
    int64_t bytes = file_bytes < TAIL_MAX ? file_bytes : TAIL_MAX, start = file_bytes - bytes;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)bytes + 1, "the end of an archive", &memory));
    const uint8_t *tail = memory;
    int status = steady_read_at(ctx, path, fd, start, (size_t)bytes, memory);
    int64_t at = status == TESS_OK ? zip_members_end(tail, bytes) : -1;
    if (status == TESS_OK && at < 0)
        status = zip_members_damaged(ctx, path, "its list of members is missing");
    int is_long = 0;
    if (status == TESS_OK) {
        const uint8_t *end = tail + at;
        *l = (struct list){number_u32(end + 16), number_u32(end + 12), number_u16(end + 10)};
        is_long = l->offset == UINT32_MAX || l->bytes == UINT32_MAX || l->members == UINT16_MAX;
        if (!is_long && (number_u32(end + 4) != 0 || l->offset > start + at || l->bytes > start + at - l->offset))
            status = zip_members_damaged(ctx, path, "its list of members is not inside it");
    }
    tess_free(memory);
    if (status == TESS_OK && is_long)
        status = start + at < POINTER_BYTES ? zip_members_damaged(ctx, path, "its ZIP64 record is not there")
                                            : zip_members_end64(ctx, path, fd, start + at - POINTER_BYTES, l);
    return status;
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

/* Numbers of an entry that are all ones stand in its ZIP64 field, in this order. */
static int zip_members_wide(const uint8_t *extra, int64_t bytes, uint64_t *size, uint64_t *stored, uint64_t *offset)
{
    uint64_t *const wanted[] = {size, stored, offset};
    for (int64_t at = 0; at + 4 <= bytes;) {
        int64_t length = number_u16(extra + at + 2), used = at + 4;
        if (length > bytes - at - 4)
            return 0;
        if (number_u16(extra + at) == 1) {
            for (int i = 0; i < 3; i++) {
                if (*wanted[i] != UINT32_MAX)
                    continue;
                if (used + 8 > at + 4 + length)
                    return 0;
                *wanted[i] = number_u64(extra + used);
                used += 8;
            }
            return 1;
        }
        at += 4 + length;
    }
    return *size != UINT32_MAX && *stored != UINT32_MAX && *offset != UINT32_MAX;
}

/* Reads the entry at `at`; *at becomes the place behind it. 0 where it is none. */
static int zip_members_entry(const uint8_t *list, int64_t bytes, int64_t *at, char **names, int64_t file_bytes, struct zip_member *m)
{
    const uint8_t *e = list + *at;
    if (bytes - *at < ENTRY_BYTES || memcmp(e, "PK\1\2", 4) != 0)
        return 0;
    int64_t name = number_u16(e + 28), extra = number_u16(e + 30), comment = number_u16(e + 32);
    uint64_t stored = number_u32(e + 20), size = number_u32(e + 24), offset = number_u32(e + 42);
    if (bytes - *at - ENTRY_BYTES < name + extra + comment || memchr(e + ENTRY_BYTES, '\0', (size_t)name) ||
        !zip_members_wide(e + ENTRY_BYTES + name, extra, &size, &stored, &offset) || offset > (uint64_t)file_bytes)
        return 0;
    *m = (struct zip_member){.name = *names, .offset = (int64_t)offset, .sum = number_u32(e + 16)};
    m->plain = number_u16(e + 10) == 0 && !(number_u16(e + 8) & 1) && size == stored && size <= (uint64_t)file_bytes;
    m->bytes = m->plain ? (int64_t)size : 0;
    memcpy(*names, e + ENTRY_BYTES, (size_t)name);
    (*names)[name] = '\0';
    *names += name + 1;
    *at += ENTRY_BYTES + name + extra + comment;
    return 1;
}

static int zip_members_by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_member *)a)->name, ((const struct zip_member *)b)->name);
}

static int zip_members_by_place(const void *a, const void *b)
{
    int64_t x = (*(const struct zip_member *const *)a)->offset, y = (*(const struct zip_member *const *)b)->offset;
    return x < y ? -1 : x > y;
}

/* No two members share a byte: what is read under one name is not under another. */
static int zip_members_check_places(struct tess_context *ctx, const char *path, const struct zip_members *z)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, ((size_t)z->count + 1) * sizeof(void *), "members", &memory));
    const struct zip_member **order = memory;
    int64_t end = 0, i = 0;
    for (; i < z->count; i++)
        order[i] = &z->member[i];
    qsort(order, (size_t)z->count, sizeof *order, zip_members_by_place);
    for (i = 0; i < z->count && order[i]->offset >= end; i++)
        end = order[i]->offset + HEADER_BYTES + (int64_t)strlen(order[i]->name) + order[i]->bytes;
    int status = i == z->count
                     ? TESS_OK
                     : ctx->fail(ctx, TESS_E_DATA, "%s: `%.200s` in it overlaps another member; no such file comes from torch.save", path,
                                 order[i]->name);
    tess_free(memory);
    return status;
}

static int zip_members_parse(struct tess_context *ctx, const char *path, const uint8_t *list, const struct list *l, int64_t file_bytes,
                             struct zip_members *out)
{
    char *names = out->names;
    int64_t at = 0;
    for (; out->count < l->members; out->count++) {
        struct zip_member *m = &out->member[out->count];
        if (!zip_members_entry(list, l->bytes, &at, &names, file_bytes, m))
            return zip_members_damaged(ctx, path, "an entry in its list of members is none");
        out->has_sums |= m->sum != 0;
    }
    /* Names in order, so that one that is there twice shows: readers differ in which of the two they take. */
    qsort(out->member, (size_t)out->count, sizeof *out->member, zip_members_by_name);
    for (int64_t i = 1; i < out->count; i++)
        if (strcmp(out->member[i - 1].name, out->member[i].name) == 0)
            return ctx->fail(ctx, TESS_E_DATA, "%s: has two members called `%.200s`; no such file comes from torch.save", path,
                             out->member[i].name);
    return zip_members_check_places(ctx, path, out);
}

int zip_members_read(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes, struct zip_members *out)
{
    struct list l = {0};
    void *memory;
    TESS_TRY(zip_members_find_list(ctx, path, fd, file_bytes, &l));
    if (l.members > l.bytes / ENTRY_BYTES || l.bytes > ZIP_LIST_MAX)
        return zip_members_damaged(ctx, path, "its list of members has other bytes than so many would");
    out->end = l.offset;
    TESS_TRY(tess_alloc(ctx, ((size_t)l.members + 1) * sizeof *out->member, "members", &memory));
    out->member = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(l.bytes + l.members) + 1, "names", &memory));
    out->names = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)l.bytes + 1, "a list of members", &memory));
    int status = steady_read_at(ctx, path, fd, l.offset, (size_t)l.bytes, memory);
    if (status == TESS_OK)
        status = zip_members_parse(ctx, path, memory, &l, file_bytes, out);
    tess_free(memory);
    return status;
}

void zip_members_free(struct zip_members *z)
{
    tess_free(z->member);
    tess_free(z->names);
    memset(z, 0, sizeof *z);
}

/* ---- members ------------------------------------------------------------------------------------------------------- */

const struct zip_member *zip_member_find(const struct zip_members *z, const char *name)
{
    const struct zip_member wanted = {.name = name};
    return bsearch(&wanted, z->member, (size_t)z->count, sizeof *z->member, zip_members_by_name);
}

int zip_member_place(struct tess_context *ctx, const char *path, int fd, const struct zip_members *z, const struct zip_member *m,
                     int64_t *offset)
{
    uint8_t b[HEADER_BYTES];
    if (!m->plain)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: `%.200s` in it is compressed, encrypted or larger than the file; torch.save writes plain "
                         "bytes",
                         path, m->name);
    if (z->end - m->offset < HEADER_BYTES)
        return zip_members_damaged(ctx, path, "a member is not inside it");
    TESS_TRY(steady_read_at(ctx, path, fd, m->offset, HEADER_BYTES, b));
    *offset = m->offset + HEADER_BYTES + (int64_t)number_u16(b + 26) + (int64_t)number_u16(b + 28);
    if (memcmp(b, "PK\3\4", 4) != 0 || *offset > z->end || m->bytes > z->end - *offset)
        return zip_members_damaged(ctx, path, "a member is not inside it");
    return TESS_OK;
}
