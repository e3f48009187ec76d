/* See extras.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/extras.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int extras_add(struct tess_context *ctx, const struct tess_export_plan *p, struct tess_export_extra *t, const char *name,
                      va_list arguments)
{
    char text[TESS_ENTRY_NAME];
    if (!TESS_HAS(p, within) || !p->add)
        return TESS_OK;
    (void)vsnprintf(text, sizeof text, name, arguments);
    t->size = sizeof *t;
    t->theirs = text;
    return p->add(p->host, ctx, t);
}

int extras_constant(struct tess_context *ctx, const struct tess_export_plan *p, const char *dtype, float value, int32_t rank,
                    const int64_t *dim, const char *name, ...)
{
    struct tess_export_extra t = {.dtype = dtype, .value = value, .rank = rank};
    va_list arguments;
    for (int32_t i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    va_start(arguments, name);
    int status = extras_add(ctx, p, &t, name, arguments);
    va_end(arguments);
    return status;
}

int extras_values(struct tess_context *ctx, const struct tess_export_plan *p, int32_t rank, const int64_t *dim, const float *values,
                  const char *name, ...)
{
    struct tess_export_extra t = {.dtype = "f32", .values = values, .rank = rank};
    va_list arguments;
    for (int32_t i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    va_start(arguments, name);
    int status = extras_add(ctx, p, &t, name, arguments);
    va_end(arguments);
    return status;
}

int extras_same(struct tess_context *ctx, const struct tess_export_plan *p, int64_t i, const char *name, ...)
{
    struct tess_export_extra t = {.dtype = "f32", .is_same = 1, .weight = i};
    va_list arguments;
    va_start(arguments, name);
    int status = extras_add(ctx, p, &t, name, arguments);
    va_end(arguments);
    return status;
}

int extras_stem(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);
    return n > e && strcmp(name + n - e, ending) == 0 ? (int)(n - e) : 0;
}

int extras_running(struct tess_context *ctx, const struct tess_export_plan *p)
{
    for (int64_t i = 0; i < p->weights; i++) {
        const struct tess_export_weight *w = &p->weight[i];
        int stem = extras_stem(w->theirs, ".weight");
        if (!stem || w->rank != 1 || !strstr(w->theirs, "main."))
            continue;
        TESS_TRY(extras_constant(ctx, p, "f32", 0.0f, 1, w->dim, "%.*s.running_mean", stem, w->theirs));
        TESS_TRY(extras_constant(ctx, p, "f32", 1.0f, 1, w->dim, "%.*s.running_var", stem, w->theirs));
        TESS_TRY(extras_constant(ctx, p, "i64", 0.0f, 0, NULL, "%.*s.num_batches_tracked", stem, w->theirs));
    }
    return TESS_OK;
}
