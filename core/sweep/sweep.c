/* Memory and look-ups of a sweep. SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct block {
    _Alignas(16) struct block *next;
};

int tessi_sweep_new(struct tess_context *ctx, struct tessi_sweep **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof **out, "a sweep", &memory));
    *out = memory;
    (*out)->seed_axis = -1;
    return TESS_OK;
}

void tessi_sweep_free(struct tessi_sweep *s)
{
    for (struct block *b = s ? s->memory : NULL, *next; b; b = next) {
        next = b->next;
        tess_free(b);
    }
    tess_free(s);
}

int tessi_sweep_alloc(struct tess_context *ctx, struct tessi_sweep *s, size_t bytes, void **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct block) + bytes, "a sweep", &memory));
    struct block *b = memory;
    b->next = s->memory;
    s->memory = b;
    *out = b + 1;
    return TESS_OK;
}

int tessi_sweep_text(struct tess_context *ctx, struct tessi_sweep *s, char **out, const char *format, ...)
{
    va_list list, again;
    void *memory = NULL;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    int status = length < 0 ? TESS_E_INTERNAL : tessi_sweep_alloc(ctx, s, (size_t)length + 1, &memory);
    if (status == TESS_OK)
        (void)vsnprintf(memory, (size_t)length + 1, format, again);
    *out = memory;
    va_end(again);
    va_end(list);
    return status;
}

int tessi_sweep_add(struct tess_context *ctx, struct tessi_sweep *s, int64_t *count, char ***list, const char *text)
{
    void *memory;
    if ((*count & (*count - 1)) == 0) { /* room for 1, 2, 4, 8 ... */
        TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(*count ? 2 * *count : 1) * sizeof **list, &memory));
        if (*count)
            memcpy(memory, *list, (size_t)*count * sizeof **list);
        *list = memory;
    }
    TESS_TRY(tessi_sweep_text(ctx, s, &(*list)[*count], "%s", text));
    ++*count;
    return TESS_OK;
}

int tessi_sweep_note(struct tess_context *ctx, struct tessi_sweep *s, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return tessi_sweep_add(ctx, s, &s->notes, &s->note, text);
}

int64_t tessi_sweep_axis_named(const struct tessi_sweep *s, const char *name)
{
    for (int64_t i = 0; i < s->axes; i++)
        if (strcmp(s->axis[i].name, name) == 0)
            return i;
    return -1;
}

int64_t tessi_sweep_value_called(const struct tessi_sweep_axis *a, const char *text)
{
    for (int64_t i = 0; i < a->count; i++)
        if (strcmp(a->value[i].text, text) == 0)
            return i;
    return -1;
}
