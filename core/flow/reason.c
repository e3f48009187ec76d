/* Reason why a stage will run, found by comparing with the artefact that its last run left in the run's folder: the parameter, input, seed,
 * numeric mode, results' epoch or plugin that is not what it was.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/config/yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* List of changes, in one line of any length; a failure is kept and ends the list. */
struct changes {
    struct tess_context *ctx;
    char *text;
    int status;
    int64_t found;
};

static void TESS_PRINTF(2, 3) reason_add(struct changes *k, const char *format, ...)
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
static void add_change(struct changes *k, const char *name, const char *then, const char *now)
{
    size_t head = 0, tail = 0, long_ones = strlen(then) > WHOLE || strlen(now) > WHOLE;
    if (long_ones)
        reason_difference(then, now, &head, &tail);
    const char *before = head ? "..." : "", *after = tail ? "..." : "";
    reason_add(k, "%s: %s%.*s%s -> %s%.*s%s", name, before, (int)(strlen(then) - head - tail), then + head, after, before,
        (int)(strlen(now) - head - tail), now + head, after);
}

static void compare_values(struct tess_context *ctx, struct changes *k, const char *name, const struct tessi_config *then,
                           const struct tessi_config *now)
{
    char *a = NULL, *b = NULL;
    if (tessi_config_print(ctx, then, &a) == TESS_OK && tessi_config_print(ctx, now, &b) == TESS_OK && strcmp(a, b) != 0)
        add_change(k, name, a, b);
    tess_free(a);
    tess_free(b);
}

/* Compares parameters; `now` holds only what counts for the key, `then` may hold more. */
static void reason_compare(struct tess_context *ctx, struct changes *k, const char *where, const struct tessi_config *then,
                           const struct tessi_config *now)
{
    for (const struct tessi_config *child = now->child; child; child = child->next) {
        char name[256];
        const struct tessi_config *old = tessi_config_child(then, child->key), *use = tessi_config_child(child, "use");
        const struct tessi_config *old_use = tessi_config_child(old, "use");
        snprintf(name, sizeof name, "%s%s%s", where, *where ? "." : "", child->key);
        if (!old) {
            reason_add(k, "%s is new", name);
        } else if (use && old_use && strcmp(use->text, old_use->text) != 0) {
            snprintf(name + strlen(name), sizeof name - strlen(name), ".use");
            add_change(k, name, old_use->text, use->text);
        } else if (child->kind == TESSI_MAP && old->kind == TESSI_MAP) {
            reason_compare(ctx, k, name, old, child);
        } else {
            compare_values(ctx, k, name, old, child);
        }
    }
}

static void compare_parameters(struct tess_context *ctx, struct changes *k, const struct tessi_stage *s, const char *then_text)
{
    const struct tessi_config *now = tessi_plug_instance_identity(s->instance);
    struct tessi_config *then = NULL;
    if (then_text && tessi_config_yaml_parse(ctx, then_text, strlen(then_text), "then", &then) == TESS_OK) {
        const struct tessi_config *old_use = tessi_config_child(then, "use");
        if (old_use && strcmp(old_use->text, s->component->name) != 0)
            add_change(k, "use", old_use->text, s->component->name);
        else
            reason_compare(ctx, k, "", then, now);
    }
    tessi_config_free(then);
}

static void compare_inputs(struct changes *k, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char name[128];
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        const char *now = in->at ? tessi_flow_input_digest(p, in) : NULL;
        snprintf(name, sizeof name, "input/%s", in->port->name);
        const char *then = tessi_store_artefact_provenance(a, name);
        if (!now && then)
            reason_add(k, "input `%s` is gone", in->port->name);
        else if (now && !then)
            reason_add(k, "input `%s` is new", in->port->name);
        else if (now && *now && strcmp(now, then) != 0)
            reason_add(k, "input `%s` changed: %.12s... -> %.12s...", in->port->name, then, now);
    }
    const char *files = tessi_store_artefact_provenance(a, "input/" TESSI_FILES_INPUT);
    if (strcmp(files ? files : "", s->files) != 0) {
        const char *path = tessi_flow_sources_changed(s, tessi_store_artefact_provenance(a, "files"));
        reason_add(k, "%s%s changed", path ? "the file " : "the files it reads", path ? path : "");
    }
}

/* Length in bytes of "KIND NAME, PLUGIN VERSION", up to ", file DIGEST" behind it. */
static size_t reason_named(const char *piece, size_t length)
{
    const char *file = strstr(piece, ", file ");
    return file && (size_t)(file - piece) < length ? (size_t)(file - piece) : length;
}

/* Compares two lists of plugins, "KIND NAME, PLUGIN VERSION; ...": the parameters are the same, so the parts of both lists stand side by
 * side. */
static void compare_plugins(struct changes *k, const char *then, const char *now)
{
    while (*then || *now) {
        size_t old = strcspn(then, ";"), new = strcspn(now, ";");
        size_t was = reason_named(then, old), is = reason_named(now, new);
        if (was != is || memcmp(then, now, is) != 0)
            reason_add(k, "plugin: %.*s -> %.*s", (int)was, then, (int)is, now);
        else if (old != new || memcmp(then, now, new) != 0)
            reason_add(k, "plugin %.*s was rebuilt", (int)is, now);
        then += old + (then[old] ? strspn(then + old, "; ") : 0);
        now += new + (now[new] ? strspn(now + new, "; ") : 0);
    }
}

static void compare_rest(struct changes *k, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char seed[40];
    const char *then = tessi_store_artefact_provenance(a, "seed");
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    if (then && strcmp(then, seed) != 0)
        reason_add(k, "seed: %s -> %s", then, seed);
    then = tessi_store_artefact_provenance(a, "numeric_mode");
    if (then && strcmp(then, s->numeric_mode) != 0)
        add_change(k, "numeric mode", then, s->numeric_mode);
    char epoch[16];
    snprintf(epoch, sizeof epoch, "%d", TESS_EPOCH);
    then = tessi_store_artefact_provenance(a, "epoch");
    if (strcmp(then ? then : "", epoch) != 0)
        reason_add(k, "the results' epoch was %s, now %s", then ? then : "not told", epoch);
    /* A changed `use` changes the plugins too, and has been told. */
    then = tessi_store_artefact_provenance(a, "plugin");
    if (k->found == 0 && then)
        compare_plugins(k, then, s->plugins);
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
static int compare_all(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, struct changes *k)
{
    struct tess_artefact *a = NULL;
    struct tessi_context own;
    tessi_base_context_init(&own, ctx->host);
    int status = tessi_store_artefact_open(&own.context, s->path, &a);
    if (status == TESS_OK) {
        compare_parameters(&own.context, k, s, tessi_store_artefact_provenance(a, "parameters"));
        compare_inputs(k, p, s, a);
        compare_rest(k, s, a);
    }
    tessi_store_artefact_close(a);
    return status;
}

int tessi_flow_stage_reason(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct changes k = {.ctx = ctx};
    const char *waiting = waits_for(p, s);
    tess_free(s->reason);
    s->reason = NULL;
    s->done = s->total = 0;
    if (s->forced) {
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
