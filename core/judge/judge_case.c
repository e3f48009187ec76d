/* Verdicts of tests, and their random numbers. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void judge_tell(struct judge *j, const char *format, va_list list)
{
    if (*j->verdict->text == '\0')
        (void)vsnprintf(j->verdict->text, sizeof j->verdict->text, format, list);
}

int judge_fail(struct judge *j, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    judge_tell(j, format, list);
    va_end(list);
    return TESS_E_FAILED;
}

int judge_skip(struct judge *j, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    judge_tell(j, format, list);
    va_end(list);
    return JUDGE_SKIP;
}

int judge_unfit(struct judge *j, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    judge_tell(j, format, list);
    va_end(list);
    return JUDGE_UNFIT;
}

int judge_status(struct judge *j, const struct tess_context *ctx, const char *function, int status)
{
    if (status > 0)
        return judge_fail(j, "%s returned %d; wanted 0, or a negative TESS_E_ code with a message", function, status);
    if (status < TESS_E_ITEM)
        return judge_fail(j, "%s returned %d; wanted one of the codes of tessera/base.h", function, status);
    if (status < 0 && *tess_message(ctx) == '\0')
        return judge_fail(j, "%s returned %d without a message; wanted one through the context's `fail`", function, status);
    return TESS_OK;
}

int judge_ok(struct judge *j, const struct tess_context *ctx, const char *function, int status)
{
    JUDGE_TRY(judge_status(j, ctx, function, status));
    return status == TESS_OK ? TESS_OK : judge_fail(j, "wanted %s to succeed, found: %s", function, tess_message(ctx));
}

double judge_draw(const struct judge *j, const char *purpose, int64_t a, int64_t b)
{
    const struct tess_stream s = {.seed = j->seed, .purpose = tess_purpose(purpose), .step = (uint32_t)a, .sample = (uint32_t)b};
    float u[2];
    tess_random_uniform(&s, 0, 2, u);
    return (double)u[0] + (double)u[1] * 0x1p-24;
}

int64_t judge_draw_below(const struct judge *j, const char *purpose, int64_t a, int64_t b, int64_t n)
{
    const struct tess_stream s = {.seed = j->seed, .purpose = tess_purpose(purpose), .step = (uint32_t)a, .sample = (uint32_t)b};
    return tess_random_below(&s, 0, n);
}

int judge_threads_open(struct judge *j, int threads, struct judge_threads *t)
{
    t->runtime = *j->runtime;
    t->runtime.workers = NULL;
    t->runtime.threads = threads;
    tessi_base_context_init(&t->context, &t->runtime.host);
    t->ctx = &t->context.context;
    int status = tessi_base_workers_new(j->ctx, threads, &t->runtime.workers);
    return status == TESS_OK ? TESS_OK : judge_fail(j, "%s", tess_message(j->ctx));
}

void judge_threads_close(struct judge_threads *t)
{
    tessi_base_workers_free(t->runtime.workers);
    t->runtime.workers = NULL;
}

int judge_differs(const struct tess_tensor *a, const struct tess_tensor *b, double absolute, double relative, char *text, size_t capacity)
{
    int64_t n = tess_tensor_count(a);
    for (int64_t i = 0; i < n; i++) {
        double x, y;
        if (a->dtype == TESS_F32) {
            x = (double)((const float *)a->data)[i];
            y = (double)((const float *)b->data)[i];
        } else {
            x = (double)((const int32_t *)a->data)[i];
            y = (double)((const int32_t *)b->data)[i];
        }
        if (x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= absolute + relative * fabs(y))
            continue;
        snprintf(text, capacity, "value %lld of %lld is %.9g and %.9g", (long long)i, (long long)n, x, y);
        return 1;
    }
    return 0;
}

int judge_not_finite(const struct tess_tensor *t, char *text, size_t capacity)
{
    int64_t n = t->dtype == TESS_F32 ? tess_tensor_count(t) : 0;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const float *)t->data)[i])) {
            snprintf(text, capacity, "value %lld of %lld is %g", (long long)i, (long long)n, (double)((const float *)t->data)[i]);
            return 1;
        }
    return 0;
}
