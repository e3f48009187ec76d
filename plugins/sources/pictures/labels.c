/* See labels.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/labels.h"

#include <stdlib.h>
#include <string.h>

/* An integer from 0 in decimal; -1: the text is none, or too large for a class. */
static int64_t number_of(const char *text)
{
    int64_t n = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || n > LABELS_MAX)
            return -1;
        n = 10 * n + *at - '0';
    }
    return *text ? n : -1;
}

static int labels_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int has_text(const char *text)
{
    return text && *text;
}

/* The number of texts, and *numbers: whether each is one. */
static int64_t labels_count(int64_t n, char *const *text, int *numbers)
{
    int64_t count = 0;
    *numbers = 1;
    for (int64_t i = 0; i < n; i++) {
        count += has_text(text[i]);
        *numbers = *numbers && (!has_text(text[i]) || number_of(text[i]) >= 0);
    }
    return count;
}

static int labels_too_many(struct tess_context *ctx, const char *path, int64_t found)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld classes; %d are possible: are the labels those of classes?", path, (long long)found,
                     LABELS_MAX);
}

/* Collects the different words of a sorted list at its front; returns their number. */
static int64_t labels_different(char **word, int64_t n)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(word[i], word[kept - 1]) != 0)
            word[kept++] = word[i];
    return kept;
}

static int labels_copy_names(struct tess_context *ctx, char *const *word, struct labels *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)out->classes * sizeof *out->name, "names of classes", &memory));
    out->name = memory;
    for (int64_t i = 0; i < out->classes; i++) {
        size_t bytes = tess_utf8_text(word[i], NULL, 0) + 1;
        TESS_TRY(tess_alloc(ctx, bytes, "the name of a class", &memory));
        (void)tess_utf8_text(word[i], memory, bytes);
        out->name[i] = memory;
    }
    return TESS_OK;
}

static int labels_of_words(struct tess_context *ctx, const char *path, int64_t n, char *const *text, char **word, struct labels *out)
{
    int64_t words = 0;
    for (int64_t i = 0; i < n; i++)
        if (has_text(text[i]))
            word[words++] = text[i];
    qsort(word, (size_t)words, sizeof *word, labels_by_bytes);
    words = labels_different(word, words);
    if (words > LABELS_MAX)
        return labels_too_many(ctx, path, words);
    for (int64_t i = 0; i < n; i++) {
        char **at = has_text(text[i]) ? bsearch(&text[i], word, (size_t)words, sizeof *word, labels_by_bytes) : NULL;
        out->label[i] = at ? (int32_t)(at - word) : -1;
    }
    out->classes = words;
    return labels_copy_names(ctx, word, out);
}

static int labels_of_numbers(struct tess_context *ctx, const char *path, int64_t n, char *const *text, struct labels *out)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t number = has_text(text[i]) ? number_of(text[i]) : -1;
        if (number >= LABELS_MAX)
            return labels_too_many(ctx, path, number + 1);
        out->label[i] = (int32_t)number;
        out->classes = number >= out->classes ? number + 1 : out->classes;
    }
    return TESS_OK;
}

int labels_make(struct tess_context *ctx, const char *path, int64_t n, char *const *text, struct labels *out)
{
    int numbers;
    int64_t count = labels_count(n, text, &numbers);
    void *memory;
    *out = (struct labels){0};
    if (count == 0)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof *out->label, "labels", &memory));
    out->label = memory;
    if (numbers)
        return labels_of_numbers(ctx, path, n, text, out);
    TESS_TRY(tess_alloc(ctx, (size_t)count * sizeof(char *), "words of labels", &memory));
    int status = labels_of_words(ctx, path, n, text, memory, out);
    tess_free(memory);
    return status;
}

void labels_free(struct labels *l)
{
    for (int64_t i = 0; l->name && i < l->classes; i++)
        tess_free(l->name[i]);
    tess_free(l->name);
    tess_free(l->label);
    *l = (struct labels){0};
}
