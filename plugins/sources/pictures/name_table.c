/* See name_table.h. An entry is two numbers, the bytes shared with the name before and those that follow, and the latter; numbers are in
 * groups of seven bits, the lowest first. SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/name_table.h"

#include <string.h>

enum { GROUP = 16, NUMBER = 2 }; /* names of a group; bytes of a number, below 2^14 */

static int64_t name_table_put_number(uint8_t *to, size_t n)
{
    if (n < 128) {
        to[0] = (uint8_t)n;
        return 1;
    }
    to[0] = (uint8_t)(n | 128);
    to[1] = (uint8_t)(n >> 7);
    return NUMBER;
}

static size_t name_table_take_number(const uint8_t **at)
{
    size_t n = *(*at)++;
    return n < 128 ? n : (n & 127) | (size_t) * (*at)++ << 7;
}

static size_t name_table_shared(const char *a, const char *b, size_t max)
{
    size_t n = 0;
    while (n < max && a[n] && a[n] == b[n])
        n++;
    return n;
}

int name_table_add(struct tess_context *ctx, struct name_table *t, const char *name)
{
    size_t length = strnlen(name, NAME_TABLE_MAX), shared = 0;
    void *memory;
    if (!t->last) {
        TESS_TRY(tess_alloc(ctx, NAME_TABLE_TEXT, "the name of an image", &memory));
        t->last = memory;
    }
    TESS_TRY(tess_reserve(ctx, &t->bytes, &t->capacity, t->used + 2 * NUMBER + (int64_t)length, 1, "names of images"));
    if (t->count % GROUP == 0) {
        TESS_TRY(tess_reserve(ctx, &t->group, &t->groups, t->count / GROUP + 1, sizeof *t->group, "names of images"));
        t->group[t->count / GROUP] = t->used;
    } else {
        shared = name_table_shared(t->last, name, length);
    }
    t->used += name_table_put_number(t->bytes + t->used, shared);
    t->used += name_table_put_number(t->bytes + t->used, length - shared);
    memcpy(t->bytes + t->used, name + shared, length - shared);
    t->used += (int64_t)(length - shared);
    memcpy(t->last, name, length);
    t->last[length] = '\0';
    t->count++;
    return TESS_OK;
}

int name_table_end(struct tess_context *ctx, struct name_table *t)
{
    void *memory;
    tess_free(t->last);
    t->last = NULL;
    if (t->used == 0 || t->capacity - t->used < t->used / 16)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)t->used, "names of images", &memory));
    memcpy(memory, t->bytes, (size_t)t->used);
    tess_free(t->bytes);
    t->bytes = memory;
    t->capacity = t->used;
    return TESS_OK;
}

/* A reader that goes from the first name to the last. */
struct reader {
    const struct name_table *t;
    const uint8_t *at;
    int64_t next;
    char text[NAME_TABLE_TEXT];
};

/* Reads the next name; 0 behind the last. */
static int reader_next(struct reader *r)
{
    if (r->next == r->t->count)
        return 0;
    if (r->next++ == 0)
        r->at = r->t->bytes;
    size_t shared = name_table_take_number(&r->at), rest = name_table_take_number(&r->at);
    memcpy(r->text + shared, r->at, rest);
    r->at += rest;
    r->text[shared + rest] = '\0';
    return 1;
}

const char *name_table_get(const struct name_table *t, int64_t i, char *text)
{
    const uint8_t *at = t->bytes + t->group[i / GROUP];
    size_t length = 0;
    for (int64_t k = i / GROUP * GROUP; k <= i; k++) { /* the first of a group shares nothing */
        size_t shared = name_table_take_number(&at), rest = name_table_take_number(&at);
        memcpy(text + shared, at, rest);
        at += rest;
        length = shared + rest;
    }
    text[length] = '\0';
    return text;
}

void name_table_free(struct name_table *t)
{
    tess_free(t->bytes);
    tess_free(t->group);
    tess_free(t->last);
    *t = (struct name_table){0};
}

/* ---- merging --------------------------------------------------------------------------------------------------------- */

static int name_table_merge_readers(struct tess_context *ctx, struct reader *a, struct reader *b, struct name_table *out)
{
    int has_a = reader_next(a), has_b = reader_next(b);
    while (has_a || has_b) {
        int first = has_a && (!has_b || strcmp(a->text, b->text) <= 0);
        TESS_TRY(name_table_add(ctx, out, first ? a->text : b->text));
        if (first)
            has_a = reader_next(a);
        else
            has_b = reader_next(b);
    }
    return TESS_OK;
}

int name_table_merge(struct tess_context *ctx, struct name_table *a, struct name_table *b, struct name_table *out)
{
    struct reader from_a = {.t = a}, from_b = {.t = b};
    int status = name_table_merge_readers(ctx, &from_a, &from_b, out);
    name_table_free(a);
    name_table_free(b);
    return status == TESS_OK && out->count ? name_table_end(ctx, out) : status;
}
