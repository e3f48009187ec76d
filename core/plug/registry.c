/* Finding plugins: folders, files, and the list of components they bring.
 *
 * There is no index of plugins on the disk: a few dozen small files are examined in milliseconds. The registry records every folder and
 * every file with its outcome, accepted or refused and why, for `tessera plugins --why`. A file that was opened stays open for the life of
 * the process, refused or not. A plugin that was not built with this program is tried in a process of its own before it is opened here
 * (trial.h).
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/installed.h"
#include "core/plug/registry_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TESSI_PLUGIN_DIR
#define TESSI_PLUGIN_DIR "/usr/local/lib/tessera/plugins-1"
#endif

const struct tessi_registry_entry *tessi_plug_registry_entry(const struct tessi_registry *r, const char *kind, const char *name)
{
    for (int64_t i = 0; i < r->entries; i++)
        if (strcmp(r->entry[i].component->kind, kind) == 0 && strcmp(r->entry[i].component->name, name) == 0)
            return &r->entry[i];
    return NULL;
}

static int compare_entries(const void *a, const void *b)
{
    const struct tessi_registry_entry *x = a, *y = b;
    int kinds = strcmp(x->component->kind, y->component->kind);
    return kinds ? kinds : strcmp(x->component->name, y->component->name);
}

static void registry_sort(struct tessi_registry *r)
{
    if (r->entries > 1)
        qsort(r->entry, (size_t)r->entries, sizeof *r->entry, compare_entries);
}

int tessi_plug_registry_new(struct tess_context *ctx, const char *extra, double seconds, struct tessi_registry **out)
{
    char exe[PATH_MAX], last[PATH_MAX];
    int program;
    void *memory = NULL;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof **out, "the list of plugins", &memory));
    struct tessi_registry *r = memory;
    r->host = ctx->host;
    r->seconds = seconds > 0 ? seconds : TESSI_TRIAL_SECONDS;
    tessi_plug_offer_library();
    if (!tessi_plug_own_file(exe, sizeof exe, &program) || !tessi_plug_tree_plugins(exe, last, sizeof last))
        (void)tessi_plug_installed(TESSI_PLUGIN_DIR, last, sizeof last);
    int status = tess_copy_text(ctx, last, &r->own);
    if (status == TESS_OK)
        status = tessi_plug_passed_open(ctx, &r->passed);
    if (status == TESS_OK)
        status = tessi_plug_registry_scan_list(ctx, r, getenv("TESSERA_PLUGIN_PATH"));
    if (status == TESS_OK)
        status = tessi_plug_registry_scan_list(ctx, r, extra);
    if (status == TESS_OK)
        status = tessi_plug_registry_scan(ctx, r, last, strlen(last));
    if (status == TESS_OK)
        status = tessi_plug_registry_judge_kinds(ctx, r);
    if (r->passed)
        tessi_plug_passed_save(r->passed);
    registry_sort(r);
    if (status != TESS_OK) {
        tessi_plug_registry_free(r);
        r = NULL;
    }
    *out = r;
    return status;
}

/* Fails with the refusal of the file that was added last, if it was refused. */
static int added(struct tess_context *ctx, struct tessi_registry *r, int status)
{
    const char *refusal = r->files ? r->file[r->files - 1].found.refusal : NULL;
    registry_sort(r);
    return status == TESS_OK && refusal ? ctx->fail(ctx, TESS_E_PLUGIN, "%s", refusal) : status;
}

int tessi_plug_registry_add_file(struct tess_context *ctx, struct tessi_registry *r, const char *path)
{
    int64_t before = r->files;
    int status = tessi_plug_registry_add(ctx, r, path);
    return r->files > before ? added(ctx, r, status) : status;
}

int tessi_plug_registry_add_plugin(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *plugin)
{
    return added(ctx, r, tessi_plug_registry_take(ctx, r, plugin));
}

void tessi_plug_registry_free(struct tessi_registry *r)
{
    if (!r)
        return;
    for (int64_t i = 0; i < r->folders; i++)
        tess_free(r->folder[i].path);
    for (int64_t i = 0; i < r->files; i++) {
        tess_free(r->file[i].found.path);
        tess_free(r->file[i].found.refusal);
        tess_free(r->file[i].found.remark);
    }
    tessi_plug_passed_close(r->passed);
    tess_free(r->own);
    tess_free(r->folder);
    tess_free(r->file);
    tess_free(r->entry);
    tess_free(r);
}

int64_t tessi_plug_registry_files(const struct tessi_registry *r)
{
    return r->files;
}

const struct tessi_found *tessi_plug_registry_file(const struct tessi_registry *r, int64_t i)
{
    return &r->file[i].found;
}

void tessi_plug_add_refused(const struct tessi_registry *r, const char *kind, const char *name, char *text, size_t capacity)
{
    char file[160];
    int word = tessi_plug_kind_length(kind);
    snprintf(file, sizeof file, "%s.so", name);
    for (int64_t i = 0; i < r->files; i++) {
        const struct tessi_found *found = &r->file[i].found;
        const char *slash = strrchr(found->path, '/');
        if (found->refusal && strcmp(slash ? slash + 1 : found->path, file) == 0)
            tessi_base_add(text, capacity, "; refused: %s", found->refusal);
    }
    for (int64_t i = 0; i < r->entries; i++) {
        const struct tess_component *k = r->entry[i].component;
        if (*kind && strcmp(k->name, name) == 0 && strcmp(k->kind, kind) != 0 && strncmp(k->kind, kind, (size_t)word + 1) == 0) {
            tessi_base_add(text, capacity, "; ");
            tessi_plug_kind_words(k, text, capacity);
        }
    }
}

const char *tessi_plug_registry_file_of(const struct tessi_registry *r, const struct tess_plugin *plugin)
{
    for (int64_t i = 0; i < r->files; i++)
        if (r->file[i].found.plugin == plugin)
            return r->file[i].found.path;
    return "";
}

const struct tessi_found *tessi_plug_registry_found(const struct tessi_registry *r, const char *id)
{
    for (int64_t i = 0; i < r->files; i++)
        if (r->file[i].found.plugin && strcmp(r->file[i].found.plugin->id, id) == 0)
            return &r->file[i].found;
    return NULL;
}

const char *tessi_plug_registry_bytes(const struct tessi_registry *r, const struct tess_component *k, const struct tess_plugin *plugin,
                                      char *text, size_t capacity)
{
    const struct tessi_found *f = tessi_plug_registry_found(r, plugin->id);
    const struct tessi_registry_entry *e = tessi_plug_registry_entry(r, k->kind, k->name);
    *text = '\0';
    if (f && *f->digest)
        tessi_base_add(text, capacity, "%s%s%s", f->digest, e && *e->module_digest ? " and " : "", e ? e->module_digest : "");
    return text;
}

const char *tessi_plug_registry_folder(const struct tessi_registry *r, int64_t i, const char **note)
{
    if (i < 0 || i >= r->folders)
        return NULL;
    if (note)
        *note = r->folder[i].note;
    return r->folder[i].path;
}

const struct tess_component *tessi_plug_registry_component(const struct tessi_registry *r, int64_t i, const struct tess_plugin **plugin)
{
    if (i < 0 || i >= r->entries)
        return NULL;
    if (plugin)
        *plugin = r->entry[i].plugin;
    return r->entry[i].component;
}

const struct tess_component *tessi_plug_registry_find(const struct tessi_registry *r, const char *kind, const char *name,
                                                 const struct tess_plugin **plugin)
{
    const struct tessi_registry_entry *e = tessi_plug_registry_entry(r, kind, name);
    if (e && plugin)
        *plugin = e->plugin;
    return e ? e->component : NULL;
}
