/* Differences between a stage and an earlier result: the result's provenance keeps every part of its cache key, and each part is compared
 * with the stage's own.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/change.h"
#include "core/flow/file_list.h"
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/config/yaml.h"
#include "core/flow/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct found { /* the list that is being made; a failure is kept and ends it */
    struct tess_context *ctx;
    struct tessi_changes *to;
    int status;
};

/* Adds a change; texts may be NULL. Returns it, valid until the next one; NULL after a failure. */
static struct tessi_change *change_add(struct found *f, int32_t kind, const char *name, const char *before, const char *now)
{
    const char *const from[] = {name, before, now};
    struct tessi_change *c = NULL;
    if (f->status == TESS_OK)
        f->status = tess_reserve(f->ctx, &f->to->item, &f->to->capacity, f->to->count + 1, sizeof *f->to->item, "changes");
    if (f->status == TESS_OK) {
        c = &f->to->item[f->to->count++];
        *c = (struct tessi_change){.kind = kind};
    }
    for (int i = 0; i < 3 && f->status == TESS_OK; i++)
        if (from[i])
            f->status = tess_copy_text(f->ctx, from[i], i == 0 ? &c->name : i == 1 ? &c->before : &c->now);
    return f->status == TESS_OK ? c : NULL;
}

void tessi_flow_changes_free(struct tessi_changes *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        tess_free(c->item[i].name);
        tess_free(c->item[i].before);
        tess_free(c->item[i].now);
        tess_free(c->item[i].detail);
        tess_free(c->item[i].before_path);
    }
    tess_free(c->item);
    *c = (struct tessi_changes){0};
}

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

/* Adds a parameter whose values differ; either node may be NULL. */
static void change_values(struct found *f, const char *name, const struct tessi_config *then, const struct tessi_config *now)
{
    char *a = NULL, *b = NULL;
    if (f->status == TESS_OK && then)
        f->status = tessi_config_print(f->ctx, then, &a);
    if (f->status == TESS_OK && now)
        f->status = tessi_config_print(f->ctx, now, &b);
    if (f->status == TESS_OK && (!a || !b || strcmp(a, b) != 0))
        (void)change_add(f, TESSI_CHANGE_PARAMETER, name, a, b);
    tess_free(a);
    tess_free(b);
}

/* 1 for a parameter of `k` that is in no key while it has its default, and counts otherwise. */
static int is_at_default(const struct tess_component *k, const char *name)
{
    const struct tess_param *p = NULL;
    for (int64_t i = 0; k && (p = tessi_plug_param_at(k, i)) && strcmp(p->name, name) != 0;)
        i++;
    return p && (p->flags & TESS_LATER) && !(p->flags & (TESS_NEUTRAL | TESS_PATH));
}

/* Compares parameters: `k` is whose they are, where it is the stage itself; `then` has all of them, as `whole` has now; `now` those alone
 * that count for the key. */
static void change_parameters(struct found *f, const struct tess_component *k, const char *where, const struct tessi_config *then,
                              const struct tessi_config *now, const struct tessi_config *whole)
{
    for (const struct tessi_config *at = whole ? whole->child : NULL; at; at = at->next) {
        char name[512];
        const struct tessi_config *old = tessi_config_child(then, at->key), *counts = tessi_config_child(now, at->key);
        const struct tessi_config *use = tessi_config_child(at, "use"), *old_use = tessi_config_child(old, "use");
        snprintf(name, sizeof name, "%s%s%s", where, *where ? "." : "", at->key);
        if (use && old_use && strcmp(use->text, old_use->text) != 0) {
            snprintf(name + strlen(name), sizeof name - strlen(name), ".use");
            change_values(f, name, old_use, use);
        } else if (old && at->kind == TESSI_MAP && old->kind == TESSI_MAP) {
            change_parameters(f, NULL, name, old, counts, at);
        } else if (counts || (old && ((old->kind == TESSI_MAP) != (at->kind == TESSI_MAP) || is_at_default(k, at->key)))) {
            change_values(f, name, old, counts ? counts : at);
        }
    }
    for (const struct tessi_config *old = then ? then->child : NULL; old; old = old->next) {
        char name[512];
        snprintf(name, sizeof name, "%s%s%s", where, *where ? "." : "", old->key);
        if (!tessi_config_child(whole, old->key))
            change_values(f, name, old, NULL);
    }
}

static void change_configs(struct found *f, const struct tessi_stage *s, const char *then_text)
{
    struct tessi_config *then = NULL;
    if (f->status == TESS_OK)
        f->status = tessi_config_yaml_parse(f->ctx, then_text, strlen(then_text), s->name, &then);
    if (f->status == TESS_OK) {
        const struct tessi_config *old_use = tessi_config_child(then, "use");
        if (old_use && strcmp(old_use->text, s->component->name) != 0)
            (void)change_add(f, TESSI_CHANGE_PARAMETER, "use", old_use->text, s->component->name);
        else
            change_parameters(f, s->component, "", then, tessi_plug_instance_identity(s->instance),
                              tessi_plug_instance_values(s->instance));
    }
    tessi_config_free(then);
}

/* ---- inputs and files ---------------------------------------------------------------------------------------------- */

static void change_inputs(struct found *f, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char name[128];
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        const char *now = in->at ? tessi_flow_input_digest(p, in) : NULL;
        snprintf(name, sizeof name, "input.%s", in->port->name);
        const char *then = tessi_store_artefact_provenance(a, name);
        if ((now || then) && (!now || !then || strcmp(now, then) != 0))
            (void)change_add(f, TESSI_CHANGE_INPUT, in->port->name, then, now);
    }
}

/* Compares the files of both lists, and marks those of the earlier one that are still read; *same: their number. */
static void change_kept(struct found *f, const struct tessi_stage *s, const struct tessi_file_list *list, int64_t *same)
{
    struct tessi_witness_walk walk = {.w = &s->witness};
    int more = list->count > 0;
    *same = 0;
    while (f->status == TESS_OK && more) {
        f->status = tessi_host_witness_next(f->ctx, &walk, &more);
        struct tessi_listed *old = f->status == TESS_OK && more ? tessi_flow_file_list_find(list, walk.seen.path) : NULL;
        if (!old)
            continue;
        ++*same;
        old->kept = 1;
        if (strcmp(old->digest, walk.seen.digest) != 0)
            (void)change_add(f, TESSI_CHANGE_FILE, walk.seen.path, old->digest, walk.seen.digest);
    }
    tessi_host_witness_walk_close(&walk);
}

/* The next file of the earlier list that is not read any more; NULL: there is none. */
static const struct tessi_listed *change_gone(const struct tessi_file_list *list, int64_t *at)
{
    while (*at < list->count && list->item[*at].kept)
        ++*at;
    return *at < list->count ? &list->item[(*at)++] : NULL;
}

/* Adds files that are in one list alone: the k-th of those gone is taken for the former of the k-th that came. */
static void change_moved(struct found *f, const struct tessi_stage *s, const struct tessi_file_list *list)
{
    struct tessi_witness_walk walk = {.w = &s->witness};
    int64_t old = 0;
    int more = 1;
    while (f->status == TESS_OK && more) {
        f->status = tessi_host_witness_next(f->ctx, &walk, &more);
        if (f->status != TESS_OK || !more || tessi_flow_file_list_find(list, walk.seen.path))
            continue;
        const struct tessi_listed *before = change_gone(list, &old);
        if (before && strcmp(before->digest, walk.seen.digest) == 0)
            continue; /* equal bytes at another place */
        struct tessi_change *c = change_add(f, TESSI_CHANGE_FILE, walk.seen.path, before ? before->digest : NULL, walk.seen.digest);
        if (c && before)
            f->status = tess_copy_text(f->ctx, before->path, &c->before_path);
    }
    tessi_host_witness_walk_close(&walk);
    for (const struct tessi_listed *gone; (gone = change_gone(list, &old));)
        (void)change_add(f, TESSI_CHANGE_FILE, gone->path, gone->digest, NULL);
}

static void change_files(struct found *f, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tess_artefact *a)
{
    const char *then = tessi_store_artefact_provenance(a, "input." TESSI_FILES_INPUT);
    struct tessi_file_list list = {.text = NULL};
    int64_t before = f->to->count, same = 0;
    if (strcmp(then ? then : "", s->files) == 0 || f->status != TESS_OK)
        return;
    f->status = tessi_flow_file_list_read(f->ctx, p, s, a, &list);
    change_kept(f, s, &list, &same);
    if (list.count && (same < list.count || same < s->witness.count))
        change_moved(f, s, &list);
    if (f->to->count == before) /* not listed, or of the order alone */
        (void)change_add(f, TESSI_CHANGE_FILE, "", then, *s->files ? s->files : NULL);
    tessi_flow_file_list_free(&list);
}

/* ---- plugins and the rest ------------------------------------------------------------------------------------------ */

/* Length in bytes of "KIND NAME, PLUGIN VERSION", up to ", file DIGEST" behind it. */
static size_t change_named(const char *piece, size_t length)
{
    const char *file = strstr(piece, ", file ");
    return file && (size_t)(file - piece) < length ? (size_t)(file - piece) : length;
}

static void change_plugin(struct found *f, const char *then, size_t was, const char *now, size_t is, const char *detail)
{
    char *a = NULL, *b = NULL;
    if (f->status == TESS_OK)
        f->status = tessi_base_format(f->ctx, &a, "%.*s", (int)was, then);
    if (f->status == TESS_OK)
        f->status = tessi_base_format(f->ctx, &b, "%.*s", (int)is, now);
    struct tessi_change *c = f->status == TESS_OK ? change_add(f, TESSI_CHANGE_PLUGIN, "", was ? a : NULL, is ? b : NULL) : NULL;
    if (c && detail)
        f->status = tess_copy_text(f->ctx, detail, &c->detail);
    tess_free(a);
    tess_free(b);
}

/* The plugin of the same kind and name in a list; its length into *length. NULL: there is none. */
static const char *change_same_part(const char *list, const char *piece, size_t *length)
{
    size_t name = strcspn(piece, ",;");
    for (; *list; list += *length + (list[*length] ? strspn(list + *length, "; ") : 0)) {
        *length = strcspn(list, ";");
        if (strncmp(list, piece, name) == 0 && list[name] == ',')
            return list;
    }
    return NULL;
}

/* Compares two lists of plugins, "KIND NAME, PLUGIN VERSION; ...", part by part; parts of one list alone where `all`. */
static void change_plugins(struct found *f, const char *then, const char *now, int all)
{
    size_t old = 0;
    for (size_t new = 0; *now; now += new + (now[new] ? strspn(now + new, "; ") : 0)) {
        new = strcspn(now, ";");
        const char *before = change_same_part(then, now, &old);
        size_t was = before ? change_named(before, old) : 0, is = change_named(now, new);
        if (!before && all)
            change_plugin(f, "", 0, now, is, NULL);
        else if (before && (was != is || memcmp(before, now, is) != 0))
            change_plugin(f, before, was, now, is, NULL);
        else if (before && (old != new || memcmp(before, now, new) != 0))
            change_plugin(f, before, was, now, is, "rebuilt");
    }
}

static void change_rest(struct found *f, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char text[40];
    const char *then = tessi_store_artefact_provenance(a, "seed");
    snprintf(text, sizeof text, "%" PRIu64, s->seed);
    if (then && strcmp(then, text) != 0)
        (void)change_add(f, TESSI_CHANGE_SEED, "", then, text);
    then = tessi_store_artefact_provenance(a, "numeric_mode");
    if (then && strcmp(then, s->numeric_mode) != 0)
        (void)change_add(f, TESSI_CHANGE_MODE, "", then, s->numeric_mode);
    snprintf(text, sizeof text, "%d", TESS_EPOCH);
    then = tessi_store_artefact_provenance(a, "epoch");
    if (!then || strcmp(then, text) != 0)
        (void)change_add(f, TESSI_CHANGE_CORE, "epoch", then, text);
    snprintf(text, sizeof text, "%d", TESS_ABI_MAJOR);
    then = tessi_store_artefact_provenance(a, "abi");
    if (then && strcmp(then, text) != 0)
        (void)change_add(f, TESSI_CHANGE_CORE, "abi", then, text);
    /* A changed `use` changes the plugins too, and has been told. */
    then = tessi_store_artefact_provenance(a, "plugin");
    if (then && s->plugins)
        change_plugins(f, then, s->plugins, f->to->count == 0);
}

int tessi_flow_changes_find(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                            const struct tess_artefact *a, struct tessi_changes *out)
{
    struct found f = {.ctx = ctx, .to = out};
    const char *parameters = tessi_store_artefact_provenance(a, "parameters");
    if (parameters)
        change_configs(&f, s, parameters);
    change_inputs(&f, p, s, a);
    change_files(&f, p, s, a);
    change_rest(&f, s, a);
    return f.status;
}
