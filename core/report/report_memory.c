/* The memory of a set: blocks that texts and lists are cut from, one after the other, and that are freed together.
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/report/collect_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES (64 * 1024)
#define ALIGNMENT 16

struct tessi_report_memory {
    struct tessi_report_memory *next;
    size_t used, bytes; /* bytes behind the header */
};

static size_t memory_rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

int tessi_report_alloc(struct tess_context *ctx, struct tessi_report_set *set, size_t bytes, void **out)
{
    struct tessi_report_memory *m = set->memory;
    size_t head = memory_rounded(sizeof *m), wanted = memory_rounded(bytes ? bytes : 1);
    if (!m || m->bytes - m->used < wanted) {
        void *block;
        size_t capacity = wanted > BLOCK_BYTES ? wanted : BLOCK_BYTES;
        TESS_TRY(tess_alloc(ctx, head + capacity, "results of runs", &block));
        m = block;
        m->bytes = capacity;
        m->next = set->memory;
        set->memory = m;
    }
    *out = (char *)m + head + m->used;
    m->used += wanted;
    return TESS_OK;
}

void tessi_report_memory_free(struct tessi_report_memory *memory)
{
    while (memory) {
        struct tessi_report_memory *next = memory->next;
        tess_free(memory);
        memory = next;
    }
}

int tessi_report_text(struct tess_context *ctx, struct tessi_report_set *set, const char *text, const char **out)
{
    void *memory;
    size_t bytes = strlen(text) + 1;
    *out = "";
    if (bytes == 1)
        return TESS_OK;
    TESS_TRY(tessi_report_alloc(ctx, set, bytes, &memory));
    memcpy(memory, text, bytes);
    *out = memory;
    return TESS_OK;
}

static int memory_format(struct tess_context *ctx, struct tessi_report_set *set, const char **out, const char *format, va_list list)
{
    va_list again;
    void *memory;
    *out = "";
    va_copy(again, list);
    int bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (bytes < 0)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a text cannot be printed");
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)bytes + 1, &memory));
    (void)vsnprintf(memory, (size_t)bytes + 1, format, list);
    *out = memory;
    return TESS_OK;
}

int tessi_report_format(struct tess_context *ctx, struct tessi_report_set *set, const char **out, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int status = memory_format(ctx, set, out, format, list);
    va_end(list);
    return status;
}

int tessi_report_grow(struct tess_context *ctx, struct tessi_report_set *set, void *list, int64_t *capacity, int64_t wanted, size_t size)
{
    void *memory, *from;
    int64_t n = *capacity ? *capacity : 8;
    if (wanted <= *capacity)
        return TESS_OK;
    while (n < wanted)
        n *= 2;
    TESS_TRY(tessi_report_alloc(ctx, set, (size_t)n * size, &memory));
    memcpy(&from, list, sizeof from); /* a pointer to whatever the list has */
    if (from)
        memcpy(memory, from, (size_t)*capacity * size);
    memcpy(list, &memory, sizeof memory);
    *capacity = n;
    return TESS_OK;
}

int tessi_report_note(struct tess_context *ctx, struct tessi_report_set *set, const char *format, ...)
{
    va_list list;
    const char *text;
    va_start(list, format);
    int status = memory_format(ctx, set, &text, format, list);
    va_end(list);
    TESS_TRY(status);
    for (int64_t i = 0; i < set->notes; i++)
        if (strcmp(set->note[i], text) == 0)
            return TESS_OK;
    int64_t capacity = 0; /* notes are few: the list is made anew for each power of two */
    for (int64_t n = 8; n <= set->notes; n *= 2)
        capacity = n;
    capacity = set->notes == 0 ? 0 : capacity == 0 ? 8 : set->notes > capacity ? 2 * capacity : capacity;
    TESS_TRY(tessi_report_grow(ctx, set, &set->note, &capacity, set->notes + 1, sizeof *set->note));
    set->note[set->notes++] = text;
    return TESS_OK;
}
