/* See archive.h. SPDX-License-Identifier: MIT */
#include "tests/fuzz/archive.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void put(struct archive *a, const void *bytes, size_t count)
{
    if (a->count + count > a->capacity) {
        a->capacity = 2 * (a->count + count) + 1024;
        a->bytes = realloc(a->bytes, a->capacity);
        if (!a->bytes)
            abort();
    }
    if (count)
        memcpy(a->bytes + a->count, bytes, count);
    a->count += count;
}

static void number(struct archive *a, uint32_t value, size_t bytes)
{
    uint8_t b[4];
    for (size_t i = 0; i < bytes; i++)
        b[i] = (uint8_t)(value >> 8 * i);
    put(a, b, bytes);
}

/* Fields that a member's header and its entry in the list share. */
static void about(struct archive *a, int i)
{
    number(a, 20, 2);
    number(a, 0, 4);          /* no flags, stored */
    number(a, 0x00210000, 4); /* the first day of 1980 */
    number(a, a->sum[i], 4);
    number(a, a->size[i], 4);
    number(a, a->size[i], 4);
    number(a, (uint32_t)strlen(a->name[i]), 2);
    number(a, 0, 2);
}

void archive_add(struct archive *a, const char *name, const void *bytes, size_t count)
{
    int i = a->members++;
    a->name[i] = name;
    a->size[i] = (uint32_t)count;
    a->sum[i] = (uint32_t)crc32(0, bytes, (unsigned)count);
    a->offset[i] = a->count;
    number(a, 0x04034b50, 4);
    about(a, i);
    put(a, name, strlen(name));
    put(a, bytes, count);
}

void archive_end(struct archive *a)
{
    size_t start = a->count;
    for (int i = 0; i < a->members; i++) {
        number(a, 0x02014b50, 4);
        number(a, 20, 2);
        about(a, i);
        for (int k = 0; k < 5; k++)
            number(a, 0, 2);
        number(a, (uint32_t)a->offset[i], 4);
        put(a, a->name[i], strlen(a->name[i]));
    }
    size_t bytes = a->count - start;
    number(a, 0x06054b50, 4);
    number(a, 0, 4);
    number(a, (uint32_t)a->members, 2);
    number(a, (uint32_t)a->members, 2);
    number(a, (uint32_t)bytes, 4);
    number(a, (uint32_t)start, 4);
    number(a, 0, 2);
}

void archive_free(struct archive *a)
{
    free(a->bytes);
    a->bytes = NULL;
}
