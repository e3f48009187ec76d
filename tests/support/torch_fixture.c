/* Zip files and pickles made by hand, see the header. SPDX-License-Identifier: MIT */
#include "tests/support/torch_fixture.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const float torch_four[4] = {1, 2, 3, 4};

struct builder {
    uint8_t bytes[1 << 16];
    size_t at;
};

static void number(struct builder *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        b->bytes[b->at++] = (uint8_t)(value >> 8 * i);
}

static void text(struct builder *b, const void *bytes, size_t count)
{
    ck_assert_uint_lt(b->at + count + 256, sizeof b->bytes);
    if (count)
        memcpy(b->bytes + b->at, bytes, count);
    b->at += count;
}

static void header(struct builder *b, const struct torch_member *m, int wide, int central, size_t offset)
{
    uint32_t sum = m->spoilt == 2 ? 0 : (uint32_t)crc32(0, m->bytes, (unsigned)m->count) ^ (m->spoilt ? 1u : 0u);
    wide = wide && central;
    number(b, central ? 0x02014b50 : 0x04034b50, 4);
    if (central)
        number(b, 20, 2);
    number(b, 20, 2);
    number(b, 0, 2);
    number(b, (uint64_t)m->method, 2);
    number(b, 0x00210000, 4); /* the first day of 1980 */
    number(b, sum, 4);
    number(b, wide ? UINT32_MAX : m->count, 4);
    number(b, wide ? UINT32_MAX : m->count, 4);
    number(b, strlen(m->name), 2);
    number(b, wide ? 9 + 28 : 0, 2);
    if (central) {
        number(b, 0, 8);
        number(b, 0, 2);
        number(b, wide ? UINT32_MAX : offset, 4);
    }
    text(b, m->name, strlen(m->name));
    if (wide) {
        number(b, 0x00055455, 4); /* a time of five bytes */
        number(b, 0, 5);
        number(b, 0x00180001, 4);
        number(b, m->count, 8);
        number(b, m->count, 8);
        number(b, offset, 8);
    }
}

/* The long record and the pointer to it. */
static void end_wide(struct builder *b, int n, size_t start, struct torch_places *p)
{
    p->end64 = b->at;
    number(b, 0x06064b50, 4);
    number(b, 44, 8);
    number(b, 0x002d002d, 4);
    number(b, 0, 8);
    number(b, (uint64_t)n, 8);
    number(b, (uint64_t)n, 8);
    number(b, p->end64 - start, 8);
    number(b, start, 8);
    p->pointer = b->at;
    number(b, 0x07064b50, 4);
    number(b, 0, 4);
    number(b, p->end64, 8);
    number(b, 1, 4);
}

void torch_zip(const char *path, const struct torch_member *m, int n, int wide, size_t cut, struct torch_places *places)
{
    struct builder *b = calloc(1, sizeof *b);
    struct torch_places own, *p = places ? places : &own;
    ck_assert_ptr_nonnull(b);
    for (int i = 0; i < n; i++) {
        p->local[i] = b->at;
        header(b, &m[i], wide, 0, 0);
        text(b, m[i].bytes, m[i].count);
    }
    size_t start = b->at;
    for (int i = 0; i < n; i++) {
        p->entry[i] = b->at;
        header(b, &m[i], wide, 1, p->local[i]);
    }
    size_t end = b->at;
    if (wide)
        end_wide(b, n, start, p);
    p->end = b->at;
    number(b, 0x06054b50, 4);
    number(b, 0, 4);
    number(b, wide ? UINT16_MAX : (uint64_t)n, 2);
    number(b, wide ? UINT16_MAX : (uint64_t)n, 2);
    number(b, wide ? UINT32_MAX : end - start, 4);
    number(b, wide ? UINT32_MAX : start, 4);
    number(b, 0, 2);
    p->bytes = b->at;
    checkpoint_write(path, b->bytes, b->at - cut);
    free(b);
}

void torch_make(const char *path, const char *pickle, size_t count)
{
    const struct torch_member m[] = {{"m/data.pkl", pickle, count, 0, 0}, {"m/data/0", torch_four, sizeof torch_four, 0, 0}};
    torch_zip(path, m, 2, 0, 0, NULL);
}

void torch_reads(const char *path, const char *key, const float *values, int64_t n)
{
    struct tess_instance *i;
    float value[16];
    int64_t count = 1;
    fixture_ok(&fixture, tessi_exchange_format_read(C, path, key, &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    const struct tess_entry *e = f->entry(tess_instance_self(i), 0);
    for (int32_t d = 0; d < e->rank; d++)
        count *= e->dim[d];
    ck_assert_int_eq(count, n);
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 0, value));
    ck_assert_int_eq(memcmp(value, values, (size_t)n * sizeof *values), 0);
    tess_instance_close(i);
}
