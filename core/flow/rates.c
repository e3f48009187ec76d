/* The table of rates, a sequence of maps in YAML, the latest last:
 *
 *     - {parts: "stage/1 encode; encoder/1 conv", mode: "f32, ...", processor: "...", threads: 2, step: 1e9, rate: 2e-11, overhead: 0.1,
 *        seconds: 4.5}
 *
 * step: FLOP in a unit of work; rate: seconds per FLOP (per unit of work where step is 0); seconds: length of what was measured. A run of
 * the same work is averaged with the ones before by their lengths, of which the former counts at most as much as the latest.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/rates.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/base/memory.h"
#include "core/config/merge.h"
#include "core/config/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RATES_MAX 500    /* entries kept; the oldest goes */
#define LIKE_FACTOR 16.0 /* a rate counts for work whose step is at most so many times larger or smaller */
#define SAME_FACTOR 1.01 /* steps within this factor are the same work */
#define LOCK_TRIES 100   /* tries, ten milliseconds apart */

struct rate {
    struct tessi_work work; /* `amount` unused */
    double rate, overhead, seconds;
};

struct tessi_rates {
    struct tessi_config *root; /* has the texts */
    struct rate *item;
    int64_t count, capacity;
};

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int rates_number(struct tess_context *ctx, const struct tessi_config *map, const char *key, double *out)
{
    const struct tessi_config *at = tessi_config_child(map, key);
    return at && tessi_config_f64(ctx, at, out) == TESS_OK && *out >= 0.0;
}

static const char *rates_text(const struct tessi_config *map, const char *key)
{
    const struct tessi_config *at = tessi_config_child(map, key);
    return at && at->kind == TESSI_SCALAR && at->text ? at->text : NULL;
}

/* 1 where the map is an entry. */
static int rates_entry(struct tess_context *ctx, const struct tessi_config *map, struct rate *r)
{
    double threads = 0.0;
    *r = (struct rate){
        .work = {.parts = rates_text(map, "parts"), .mode = rates_text(map, "mode"), .processor = rates_text(map, "processor")}};
    int fine = r->work.parts && r->work.mode && r->work.processor && rates_number(ctx, map, "threads", &threads) && threads <= 1e6 &&
               rates_number(ctx, map, "step", &r->work.step) && rates_number(ctx, map, "rate", &r->rate) &&
               rates_number(ctx, map, "overhead", &r->overhead) && rates_number(ctx, map, "seconds", &r->seconds);
    r->work.threads = (int64_t)threads;
    return fine;
}

int tessi_flow_rates_open(struct tess_context *ctx, const char *path, struct tessi_rates **out)
{
    struct tessi_context own;
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_rates), "rates of stages", &memory));
    struct tessi_rates *t = *out = memory;
    tessi_base_context_init(&own, ctx->host);
    if (!tessi_base_is_file(path) || tessi_config_yaml_load(&own.context, path, &t->root) != TESS_OK)
        return TESS_OK;
    for (const struct tessi_config *at = t->root->kind == TESSI_SEQUENCE ? t->root->child : NULL; at; at = at->next) {
        struct rate r;
        if (!rates_entry(&own.context, at, &r))
            continue;
        int status = tess_reserve(ctx, &t->item, &t->capacity, t->count + 1, sizeof *t->item, "rates of stages");
        if (status != TESS_OK) {
            tessi_flow_rates_close(t);
            *out = NULL;
            return status;
        }
        t->item[t->count++] = r;
    }
    return TESS_OK;
}

void tessi_flow_rates_close(struct tessi_rates *t)
{
    if (!t)
        return;
    tess_free(t->item);
    tessi_config_free(t->root);
    tess_free(t);
}

/* ---- predicting ---------------------------------------------------------------------------------------------------- */

/* Factor between the steps of two works of one kind, at least 1; infinite where a rate of one says nothing of the other. */
static double rates_factor(const struct tessi_work *a, const struct tessi_work *b)
{
    if (a->threads != b->threads || strcmp(a->parts, b->parts) != 0 || strcmp(a->mode, b->mode) != 0 ||
        strcmp(a->processor, b->processor) != 0 || (a->step > 0.0) != (b->step > 0.0))
        return INFINITY;
    if (a->step <= 0.0)
        return 1.0;
    return a->step > b->step ? a->step / b->step : b->step / a->step;
}

double tessi_flow_rates_predict(const struct tessi_rates *t, const struct tessi_work *w, double left)
{
    const struct rate *best = NULL;
    double nearest = LIKE_FACTOR;
    for (int64_t i = 0; i < t->count; i++) {
        double factor = rates_factor(&t->item[i].work, w);
        if (factor <= nearest) { /* the later of two as near */
            nearest = factor;
            best = &t->item[i];
        }
    }
    return best ? best->overhead + best->rate * w->amount * left : -1.0;
}

/* ---- learning ------------------------------------------------------------------------------------------------------ */

static void rates_print(FILE *to, const struct rate *r)
{
    fputs("- {parts: ", to);
    tessi_base_json_text(to, r->work.parts);
    fputs(", mode: ", to);
    tessi_base_json_text(to, r->work.mode);
    fputs(", processor: ", to);
    tessi_base_json_text(to, r->work.processor);
    fprintf(to, ", threads: %lld, step: %.6g, rate: %.6g, overhead: %.6g, seconds: %.6g}\n", (long long)r->work.threads, r->work.step,
            r->rate, r->overhead, r->seconds);
}

static int rates_write(struct tess_context *ctx, const char *path, const struct tessi_rates *t, const struct rate *fresh, int64_t replaced)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return TESS_E_MEMORY;
    fputs("# Rates of stages on this machine, by which `tessera plan` predicts times. Safe to delete.\n", to);
    for (int64_t i = t->count >= RATES_MAX ? t->count - RATES_MAX + 1 : 0; i < t->count; i++)
        if (i != replaced)
            rates_print(to, &t->item[i]);
    rates_print(to, fresh);
    int status = fclose(to) == 0 ? tessi_base_write_text(ctx, path, text, bytes) : TESS_E_MEMORY;
    free(text);
    return status;
}

static int rates_merge(struct tess_context *ctx, const char *path, struct rate *fresh)
{
    struct tessi_rates *t;
    int64_t same = -1;
    TESS_TRY(tessi_flow_rates_open(ctx, path, &t));
    for (int64_t i = 0; i < t->count; i++)
        if (rates_factor(&t->item[i].work, &fresh->work) <= SAME_FACTOR)
            same = i;
    if (same >= 0) {
        const struct rate *old = &t->item[same];
        double before = fmin(old->seconds, fresh->seconds), all = before + fresh->seconds;
        if (all > 0.0) {
            fresh->rate = (before * old->rate + fresh->seconds * fresh->rate) / all;
            fresh->overhead = (before * old->overhead + fresh->seconds * fresh->overhead) / all;
            fresh->seconds = fmax(old->seconds, fresh->seconds);
        }
    }
    int status = rates_write(ctx, path, t, fresh, same);
    tessi_flow_rates_close(t);
    return status;
}

/* Takes the table's lock, unless another holds it for a second. */
static int rates_lock(struct tess_context *ctx, const char *path, int *lock)
{
    char holder[256];
    for (int tries = 0, held = 1; held; tries++) {
        TESS_TRY(tessi_base_lock_try(ctx, path, lock, &held, holder, sizeof holder));
        if (held && tries == LOCK_TRIES)
            return TESS_E_CREATE;
        if (held)
            nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return TESS_OK;
}

void tessi_flow_rates_learn(const struct tess_context *ctx, const char *path, const struct tessi_work *w, double rate, double overhead,
                            double seconds)
{
    struct tessi_context own;
    char *locked = NULL;
    int lock = -1;
    if (!(rate >= 0.0) || !(overhead >= 0.0) || !(seconds > 0.0) || !isfinite(rate + overhead + seconds))
        return;
    struct rate fresh = {.work = *w, .rate = rate, .overhead = overhead, .seconds = seconds};
    tessi_base_context_init(&own, ctx->host);
    int status = tessi_base_format(&own.context, &locked, "%s.lock", path);
    if (status == TESS_OK)
        status = rates_lock(&own.context, locked, &lock);
    if (status == TESS_OK)
        (void)rates_merge(&own.context, path, &fresh);
    if (locked)
        tessi_base_lock_drop(locked, lock);
    tess_free(locked);
}
