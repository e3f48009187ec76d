/* Reason why a stage will run, found by comparing with the artefact that its last run left in the run's folder: the parameter, input, seed,
 * numeric mode, results' epoch or plugin that is not what it was.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/change.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reason, one line of any length; a failure is kept and ends it. */
struct reason {
    struct tess_context *ctx;
    char *text;
    int status;
    int64_t found;
};

static void TESS_PRINTF(2, 3) reason_add(struct reason *k, const char *format, ...)
{
    char *before = k->text;
    va_list list, again;
    void *memory = NULL;
    va_start(list, format);
    va_copy(again, list);
    size_t used = before ? strlen(before) : 0;
    int length = vsnprintf(NULL, 0, format, list);
    if (k->status == TESS_OK)
        k->status = length < 0 ? TESS_E_INTERNAL : tess_alloc(k->ctx, used + (size_t)length + 3, "a reason", &memory);
    if (k->status == TESS_OK) {
        k->text = memory;
        snprintf(k->text, used + 3, "%s%s", used ? before : "", used ? "; " : "");
        used = strlen(k->text);
        vsnprintf(k->text + used, (size_t)length + 1, format, again);
        tess_free(before);
    }
    k->found++;
    va_end(again);
    va_end(list);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

#define WHOLE 60 /* bytes of a value up to which it is shown whole */
#define AROUND 12

/* 1 for a byte that begins a character of UTF-8. */
static int reason_begins(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* Bytes to leave out at both ends of two texts: their common beginning and end, but for a little around the difference. */
static void reason_difference(const char *a, const char *b, size_t *head, size_t *tail)
{
    size_t na = strlen(a), nb = strlen(b), max = na < nb ? na : nb;
    for (*head = 0; *head < max && a[*head] == b[*head];)
        ++*head;
    for (*tail = 0; *tail < max - *head && a[na - *tail - 1] == b[nb - *tail - 1];)
        ++*tail;
    *head = *head > AROUND ? *head - AROUND : 0;
    *tail = *tail > AROUND ? *tail - AROUND : 0;
    while (*head > 0 && !reason_begins(a[*head]))
        --*head;
    while (*tail > 0 && !reason_begins(a[na - *tail]))
        --*tail;
}

/* Adds a change from `then` to `now`: both values whole, or of long ones the part that differs, which is never cut, with a little around
 * it. */
static void add_change(struct reason *k, const char *name, const char *then, const char *now)
{
    size_t head = 0, tail = 0, long_ones = strlen(then) > WHOLE || strlen(now) > WHOLE;
    if (long_ones)
        reason_difference(then, now, &head, &tail);
    const char *before = head ? "..." : "", *after = tail ? "..." : "";
    reason_add(k, "%s: %s%.*s%s -> %s%.*s%s", name, before, (int)(strlen(then) - head - tail), then + head, after, before,
        (int)(strlen(now) - head - tail), now + head, after);
}

static void reason_value(struct reason *k, const struct tessi_change *c, const char *name)
{
    if (!c->before)
        reason_add(k, "%s is new", name);
    else if (!c->now)
        reason_add(k, "%s is gone", name);
    else
        add_change(k, name, c->before, c->now);
}

static void reason_input(struct reason *k, const struct tessi_change *c)
{
    if (!c->now)
        reason_add(k, "input `%s` is gone", c->name);
    else if (!c->before)
        reason_add(k, "input `%s` is new", c->name);
    else if (*c->now)
        reason_add(k, "input `%s` changed: %.12s... -> %.12s...", c->name, c->before, c->now);
}

/* Tells the first of several files, and how many more there are: `tessera why` names all. */
static void reason_file(struct reason *k, const struct tessi_changes *all, const struct tessi_change *c)
{
    int64_t more = 0;
    if (c > all->item && c[-1].kind == TESSI_CHANGE_FILE)
        return;
    for (const struct tessi_change *at = c + 1; at < all->item + all->count; at++)
        more += at->kind == TESSI_CHANGE_FILE;
    if (!*c->name)
        reason_add(k, "the files it reads changed");
    else if (more)
        reason_add(k, "the file %s changed, and %lld more", c->name, (long long)more);
    else
        reason_add(k, "the file %s %s", c->name, !c->before ? "is new" : c->now ? "changed" : "is gone");
}

static void reason_core(struct reason *k, const struct tessi_change *c)
{
    if (strcmp(c->name, "epoch") == 0)
        reason_add(k, "the results' epoch was %s, now %s", c->before ? c->before : "not told", c->now);
    else
        reason_add(k, "the plugin boundary's major version was %s, now %s", c->before, c->now);
}

static void reason_plugin(struct reason *k, const struct tessi_change *c)
{
    if (c->detail)
        reason_add(k, "plugin %s was %s", c->now, c->detail);
    else
        reason_add(k, "plugin: %s -> %s", c->before ? c->before : "none", c->now ? c->now : "none");
}

static void reason_tell(struct reason *k, const struct tessi_changes *all, const struct tessi_change *c)
{
    switch (c->kind) {
    case TESSI_CHANGE_INPUT:
        reason_input(k, c);
        break;
    case TESSI_CHANGE_FILE:
        reason_file(k, all, c);
        break;
    case TESSI_CHANGE_SEED:
        reason_add(k, "seed: %s -> %s", c->before, c->now);
        break;
    case TESSI_CHANGE_MODE:
        add_change(k, "numeric mode", c->before, c->now);
        break;
    case TESSI_CHANGE_CORE:
        reason_core(k, c);
        break;
    case TESSI_CHANGE_PLUGIN:
        reason_plugin(k, c);
        break;
    default:
        reason_value(k, c, c->name);
    }
}

static const char *waits_for(const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].at && !*tessi_flow_input_digest(p, &s->input[i]))
            return s->input[i].port->name;
    return NULL;
}

/* Reads the progress of this key's checkpoint from its attributes alone; whether it is whole is found out when it is resumed from. */
static void look_for_checkpoint(const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    char *path = NULL;
    tessi_base_context_init(&own, &p->runtime->host);
    if (*s->key && tessi_base_format(&own.context, &path, "%s/%s.checkpoint.h5", p->cache, s->key) == TESS_OK && tessi_base_is_file(path) &&
        tessi_store_artefact_open(&own.context, path, &a) == TESS_OK) {
        const struct tess_attrs *f = tess_artefact_attrs(a);
        s->done = tess_attrs_i64_or(f, TESSI_PROGRESS_DONE, 0);
        s->total = tess_attrs_i64_or(f, TESSI_PROGRESS_TOTAL, 0);
        snprintf(s->unit, sizeof s->unit, "%s", tess_attrs_text_or(f, TESSI_PROGRESS_UNIT, "step"));
    }
    tessi_store_artefact_close(a);
    tess_free(path);
}

/* Names everything that is not as it was when the artefact in the run's folder was made; a file that cannot be read says nothing. */
static int compare_all(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, struct reason *k)
{
    struct tess_artefact *a = NULL;
    struct tessi_context own;
    struct tessi_changes all = {.item = NULL};
    tessi_base_context_init(&own, ctx->host);
    int status = tessi_store_artefact_open(&own.context, s->path, &a);
    if (status == TESS_OK)
        status = tessi_flow_changes_find(&own.context, p, s, a, &all);
    for (int64_t i = 0; i < all.count && status == TESS_OK; i++)
        reason_tell(k, &all, &all.item[i]);
    tessi_flow_changes_free(&all);
    tessi_store_artefact_close(a);
    return status;
}

int tessi_flow_stage_reason(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct reason k = {.ctx = ctx};
    const char *waiting = waits_for(p, s);
    tess_free(s->reason);
    s->reason = NULL;
    s->done = s->total = 0;
    if (s->forced) {
        look_for_checkpoint(p, s);
        s->state = TESSI_FORCED;
        return tessi_base_format(ctx, &s->reason, "--force");
    }
    look_for_checkpoint(p, s);
    if (s->total > 0)
        reason_add(&k, "resumes at %s %lld of %lld", s->unit, (long long)s->done, (long long)s->total);
    k.found = 0;
    int before = tessi_base_is_file(s->path), status = before ? compare_all(ctx, p, s, &k) : TESS_OK;
    s->state = waiting ? TESSI_INPUT_RUNS : k.found ? TESSI_CHANGED : TESSI_NEW;
    if (waiting)
        reason_add(&k, "input `%s` will be computed", waiting);
    else if (!k.found && s->total <= 0)
        reason_add(&k, "%s",
            !before  ? "not computed yet"
            : status ? "its artefact cannot be read"
                     : "its artefact is damaged or gone");
    s->reason = k.text;
    return k.status;
}
