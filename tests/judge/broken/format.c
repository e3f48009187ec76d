/* Formats that each break one promise: four letters, the number of tensors, then each one's name, shape and values, all in words of four
 * bytes; the sum of all words before it at the end. SPDX-License-Identifier: MIT */
#define BROKEN_OPEN broken_open
#define BROKEN_CLOSE broken_close
#include "tests/judge/broken/broken.h"

#include <tessera/exchange.h>

#include <stdio.h>

enum {
    HONEST = 0,
    LOSES_ONE = 1,
    OTHER_NAME = 2,
    OTHER_VALUES = 3,
    OTHER_PIECES = 4,
    WRONG_STATUS = 5,
    NO_PATH = 6,
    NAMELESS = 7,
    POSITIVE = 9
};

enum { WORDS = 4096, NAME_WORDS = 8, TENSORS = 4 };

struct file {
    uint32_t word[WORDS];
    size_t words, value[TENSORS]; /* place of each tensor's values */
    struct tess_entry entry[TENSORS];
    int64_t count;
};

static int broken_open(void *self, struct tess_context *ctx)
{
    return tess_alloc(ctx, sizeof(struct file), "a file", &((struct broken *)self)->memory);
}

static void broken_close(void *self)
{
    tess_free(((struct broken *)self)->memory);
}

static struct file *file_of(void *self)
{
    return ((struct broken *)self)->memory;
}

static int recognises(const uint8_t *head, size_t bytes)
{
    return bytes >= 4 && memcmp(head, "WORD", 4) == 0;
}

static int recognises_nothing(const uint8_t *head, size_t bytes)
{
    (void)head;
    (void)bytes;
    return 0;
}

static uint32_t sum_of(const uint32_t *word, size_t words)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < words; i++)
        sum = (sum ^ word[i]) * 16777619u;
    return sum;
}

/* The tensors of words whose sum is right. */
static int list(struct file *f)
{
    size_t at = 2;
    for (int64_t k = 0; k < f->count; k++) {
        struct tess_entry *e = &f->entry[k];
        size_t n = 1;
        e->name = (const char *)&f->word[at];
        e->dtype = "f32";
        e->is_real = 1;
        e->rank = (int32_t)f->word[at + NAME_WORDS];
        at += NAME_WORDS + 1;
        for (int32_t d = 0; d < e->rank; d++)
            n *= (size_t)(e->dim[d] = f->word[at++]);
        f->value[k] = at;
        at += n;
    }
    return at + 1 == f->words;
}

static int open_file(void *self, struct tess_context *ctx, const char *path)
{
    struct file *f = file_of(self);
    int64_t how = broken_how(self);
    FILE *from = fopen(path, "rb");
    if (!from)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened", path);
    memset(f, 0, sizeof *f);
    size_t bytes = fread(f->word, 1, sizeof f->word, from);
    fclose(from);
    f->words = bytes / 4;
    f->count = f->words > 2 ? f->word[1] : 0;
    int whole = bytes % 4 == 0 && f->words > 2 && recognises((const uint8_t *)f->word, bytes) &&
                sum_of(f->word, f->words - 1) == f->word[f->words - 1] && list(f);
    if (whole)
        return TESS_OK;
    f->count = how == NAMELESS;
    if (how == NAMELESS || how == POSITIVE)
        return how == POSITIVE;
    return ctx->fail(ctx, how == WRONG_STATUS ? TESS_E_VALUE : TESS_E_DATA, "%s: is damaged", how == NO_PATH ? "it" : path);
}

static int64_t count(void *self)
{
    return file_of(self)->count - (broken_how(self) == LOSES_ONE && file_of(self)->count > 0);
}

static const struct tess_entry *entry(void *self, int64_t i)
{
    struct tess_entry *e = &file_of(self)->entry[i];
    if (broken_how(self) == OTHER_NAME)
        e->name = "other";
    return e;
}

static int read_values(void *self, struct tess_context *ctx, int64_t i, float *to)
{
    const struct file *f = file_of(self);
    int64_t n = 1;
    (void)ctx;
    for (int32_t d = 0; d < f->entry[i].rank; d++)
        n *= f->entry[i].dim[d];
    memcpy(to, &f->word[f->value[i]], (size_t)n * sizeof *to);
    if (broken_how(self) == OTHER_VALUES)
        to[n - 1] += 1.0f;
    return TESS_OK;
}

static int read_piece(void *self, struct tess_context *ctx, int64_t i, int64_t first, int64_t count, float *to)
{
    const struct file *f = file_of(self);
    (void)ctx;
    if (broken_how(self) == OTHER_PIECES)
        first = 0;
    memcpy(to, &f->word[f->value[i] + (size_t)first], (size_t)count * sizeof *to);
    return TESS_OK;
}

static int write_file(void *self, struct tess_context *ctx, const struct tess_format_file *f)
{
    struct file *to = file_of(self);
    size_t at = 2;
    memset(to, 0, sizeof *to);
    memcpy(to->word, "WORD", 4);
    to->word[1] = (uint32_t)f->entries;
    for (int64_t k = 0; k < f->entries; k++) {
        const struct tess_entry *e = &f->entry[k];
        const float *value;
        size_t n = 1;
        snprintf((char *)&to->word[at], (size_t)NAME_WORDS * 4, "%s", e->name);
        at += NAME_WORDS;
        to->word[at++] = (uint32_t)e->rank;
        for (int32_t d = 0; d < e->rank; d++)
            n *= (size_t)(to->word[at++] = (uint32_t)e->dim[d]);
        TESS_TRY(f->values(f->user, ctx, k, &value));
        memcpy(&to->word[at], value, n * sizeof *value);
        at += n;
    }
    to->word[at] = sum_of(to->word, at);
    return f->put(f->user, ctx, to->word, (at + 1) * 4);
}

#define FORMAT_OPS                                                                                                                         \
    .size = sizeof(struct tess_format_1), .open_file = open_file, .count = count, .entry = entry, .read = read_values,                     \
    .read_part = read_piece
static const struct tess_format_1 ops = {FORMAT_OPS, .recognises = recognises, .write = write_file},
                                  forgets = {FORMAT_OPS, .recognises = recognises_nothing, .write = write_file},
                                  only_reads = {FORMAT_OPS, .recognises = recognises};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "loses-one")                                                                                                                      \
    X(2, "other-name") X(3, "other-values") X(4, "other-pieces") X(5, "wrong-status") X(6, "no-path") X(7, "nameless") X(9, "positive")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "format/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW) BROKEN_ROW("unknown-to-itself", "format/1", 0, &forgets),
                                                   BROKEN_ROW("only-reads", "format/1", 0, &only_reads),
                                                   {.name = NULL}};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-formats", "1", "MIT", NULL, components);
