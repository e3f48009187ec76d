/* Adding a file to the registry: it is examined, tried where it is not of the release, opened and checked, and its names must not be taken.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/plug/blame.h"
#include "core/plug/kinds.h"
#include "core/plug/object_file.h"
#include "core/plug/registry_private.h"
#include "core/plug/shipped.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* File that has the id of p, or a component of the same kind and name; NULL: there is none. `what` says which it is. */
static const struct tessi_registry_file *holder_of(const struct tessi_registry *r, const struct tess_plugin *p, char *what, size_t capacity)
{
    const struct tess_component *k;
    for (int64_t i = 0; i < r->files; i++)
        if (r->file[i].found.plugin && strcmp(r->file[i].found.plugin->id, p->id) == 0) {
            snprintf(what, capacity, "the id %s", p->id);
            return &r->file[i];
        }
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++) {
        const struct tessi_registry_entry *taken = tessi_plug_registry_entry(r, k->kind, k->name);
        snprintf(what, capacity, "%.*s/%s", tessi_plug_kind_length(k->kind), k->kind, k->name);
        if (taken)
            return &r->file[taken->file];
    }
    return NULL;
}

/* 1 when no component of p has a name that is taken, by another file or earlier in its own table. */
static int names_are_free(const struct tessi_registry *r, const struct tess_plugin *p, char *why, size_t capacity)
{
    char what[200];
    const struct tess_component *k, *other;
    const struct tessi_registry_file *holder = holder_of(r, p, what, sizeof what);
    if (holder) {
        snprintf(why, capacity, "wanted names of its own, found %s, which %s already brings", what, holder->found.path);
        return 0;
    }
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++)
        for (int64_t before = 0; before < i && (other = tessi_plug_component_at(p, before)); before++)
            if (strcmp(k->kind, other->kind) == 0 && strcmp(k->name, other->name) == 0) {
                snprintf(why, capacity, "wanted names of its own, found %.*s/%s twice", tessi_plug_kind_length(k->kind), k->kind, k->name);
                return 0;
            }
    return 1;
}

/* 1 where the file belongs to this program's release: in its folder, under a name that was built with it ("quantizers/ema"). Where they
 * were built, libtool's folder is between the two. */
static int is_shipped_as(const char *own, const char *path)
{
    static const char *const names[] = {TESSI_SHIPPED_NAMES NULL};
    char name[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t folder = strlen(own);
    if (strncmp(path, own, folder) != 0 || path[folder] != '/')
        return 0;
    int kind = (int)strcspn(path + folder + 1, "/"), base = (int)strlen(slash) - (int)strlen(".so");
    snprintf(name, sizeof name, "%.*s%.*s", kind, path + folder + 1, base, slash);
    for (const char *const *known = names; *known; known++)
        if (strcmp(name, *known) == 0)
            return 1;
    return 0;
}

/* 1 where the file belongs to this program's release, also under another path to it. */
static int is_shipped(const char *own, const char *path)
{
    char file[PATH_MAX], folder[PATH_MAX];
    return is_shipped_as(own, path) || (realpath(path, file) && realpath(own, folder) && is_shipped_as(folder, file));
}

/* 1 for a file of the registry, which the list of passed files leaves out. */
static int is_listed(void *user, const char *path)
{
    const struct tessi_registry *r = user;
    for (int64_t i = 0; i < r->files; i++)
        if (strcmp(r->file[i].found.path, path) == 0)
            return 1;
    return 0;
}

/* TESS_E_IO where the process can open no file: what a file was refused for then says nothing about it. */
static int need_descriptors(struct tess_context *ctx, const char *path)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be looked at, and what it brings is not known: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return TESS_OK;
}

int tessi_plug_registry_open_file(struct tess_context *ctx, const struct tessi_registry *r, const char *path, int shipped,
                                  char digest[TESS_DIGEST_TEXT], const struct tess_plugin **out, char *why, size_t capacity)
{
    int good = 1, known = 1;
    *out = NULL;
    *digest = '\0';
    if (!tessi_plug_object_check(path, shipped ? TESSI_LOADABLE : TESSI_EXPORTING, why, capacity))
        return need_descriptors(ctx, path);
    if (!shipped && !tessi_plug_file_digest(path, digest, why, capacity))
        return need_descriptors(ctx, path);
    if (!shipped)
        known = tessi_plug_passed_has(r->passed, digest);
    if (!known)
        TESS_TRY(tessi_plug_trial(ctx, path, r->host, r->seconds, &good, why, capacity));
    *out = good ? tessi_plug_plugin_open(path, r->host, why, capacity) : NULL;
    if (!known && *out)
        tessi_plug_passed_add(r->passed, digest, is_listed, (void *)(uintptr_t)r);
    return *out ? TESS_OK : need_descriptors(ctx, path);
}

/* Makes the remark for those who plan and run: a file is not used, or a user's is used in place of this program's own. */
static int registry_remark(struct tess_context *ctx, struct tessi_found *f, const struct tessi_registry_file *holder, const char *what)
{
    char *text = NULL;
    if (holder && f->shipped && !holder->found.shipped)
        TESS_TRY(tessi_base_format(ctx, &text, "%s is used in the place of tessera's own: it has %s, as %s", holder->found.path, what,
                                   f->path));
    else if (f->refusal)
        TESS_TRY(tessi_base_format(ctx, &text, "a plugin is not used: %s", f->refusal));
    f->remark = text;
    return TESS_OK;
}

static int registry_add_components(struct tess_context *ctx, struct tessi_registry *r, int64_t index)
{
    const struct tess_plugin *p = r->file[index].found.plugin;
    const struct tess_component *k;
    char path[PATH_MAX], why[200];
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++) {
        TESS_TRY(tess_reserve(ctx, &r->entry, &r->entry_capacity, r->entries + 1, sizeof *r->entry, TESSI_PLUGIN_LIST));
        struct tessi_registry_entry *e = &r->entry[r->entries++];
        *e = (struct tessi_registry_entry){.component = k, .plugin = p, .file = index};
        if (!r->file[index].found.shipped && tessi_plug_module_path(r->file[index].found.path, p, k, path, sizeof path))
            (void)tessi_plug_file_digest(path, e->module_digest, why, sizeof why); /* "": whoever loads it says what is wrong */
    }
    return TESS_OK;
}

/* Appends a file to the list, without an outcome yet. */
static int registry_record(struct tess_context *ctx, struct tessi_registry *r, const char *path, const struct stat *st, int shipped)
{
    TESS_TRY(tess_reserve(ctx, &r->file, &r->file_capacity, r->files + 1, sizeof *r->file, TESSI_PLUGIN_LIST));
    struct tessi_registry_file *f = &r->file[r->files];
    *f = (struct tessi_registry_file){.device = st->st_dev, .inode = st->st_ino, .found.shipped = shipped};
    TESS_TRY(tess_copy_text(ctx, path, &f->found.path));
    r->files++;
    return TESS_OK;
}

/* Sets the outcome of the last file in the list: adds the components of p, or keeps why p is refused, `why` where p is NULL. */
static int registry_decide(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *p, char *why, size_t capacity)
{
    char what[200] = "", refusal[PATH_MAX + 1026];
    struct tessi_found *f = &r->file[r->files - 1].found;
    const struct tessi_registry_file *holder = p ? holder_of(r, p, what, sizeof what) : NULL;
    if (p && names_are_free(r, p, why, capacity)) {
        f->plugin = p;
        tessi_plug_blame_add(p, f->shipped);
        return registry_add_components(ctx, r, r->files - 1);
    }
    snprintf(refusal, sizeof refusal, "%s: %s", f->path, why);
    TESS_TRY(tess_copy_text(ctx, refusal, &f->refusal));
    return registry_remark(ctx, f, holder, what);
}

int tessi_plug_registry_add(struct tess_context *ctx, struct tessi_registry *r, const char *path)
{
    char why[1024] = "";
    const struct tess_plugin *p = NULL;
    struct stat st = {0};
    int known = stat(path, &st) == 0;
    for (int64_t i = 0; known && i < r->files; i++)
        if (r->file[i].device == st.st_dev && r->file[i].inode == st.st_ino)
            return TESS_OK;
    TESS_TRY(registry_record(ctx, r, path, &st, is_shipped(r->own, path)));
    struct tessi_found *f = &r->file[r->files - 1].found;
    TESS_TRY(tessi_plug_registry_open_file(ctx, r, path, f->shipped, f->digest, &p, why, sizeof why));
    return registry_decide(ctx, r, p, why, sizeof why);
}

int tessi_plug_registry_take(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *p)
{
    char why[1024] = "";
    struct stat st = {0};
    TESS_TRY(registry_record(ctx, r, "compiled in", &st, 1));
    int fine = tessi_plug_plugin_check(p, r->host, why, sizeof why);
    return registry_decide(ctx, r, fine ? p : NULL, why, sizeof why);
}

/* ---- kinds ----------------------------------------------------------------------------------------------------------- */

/* 1 where some component has a parameter of this kind: plugins may have kinds among themselves. */
static int is_taken(const struct tessi_registry *r, const char *id)
{
    const struct tess_param *p;
    char kind[80], like[80];
    for (int64_t i = 0; i < r->entries; i++)
        for (int64_t row = 0; (p = tessi_plug_param_at(r->entry[i].component, row)); row++)
            if ((p->type == TESS_COMPONENT || p->type == TESS_LIST_COMPONENT) &&
                tessi_plug_component_text(p, kind, sizeof kind, like, sizeof like) && strcmp(kind, id) == 0)
                return 1;
    return 0;
}

void tessi_plug_kind_words(const struct tess_component *k, char *text, size_t capacity)
{
    char nearest[64];
    const char *other = tessi_plug_kind_other(k->kind);
    int word = tessi_plug_kind_length(k->kind);
    if (other)
        tessi_base_add(text, capacity, "there is %s %.*s `%s` of kind %s, this program knows %s",
                       strchr("aeiou", *k->kind) ? "an" : "a", word, k->kind, k->name, k->kind, other);
    else if (tessi_plug_kind_nearest(k->kind, nearest, sizeof nearest))
        tessi_base_add(text, capacity, "`%s` is of kind %s, which nothing takes; did you mean %s/1?", k->name, k->kind, nearest);
    else
        tessi_base_add(text, capacity, "`%s` is of kind %s, which nothing takes", k->name, k->kind);
}

int tessi_plug_registry_judge_kinds(struct tess_context *ctx, struct tessi_registry *r)
{
    for (int64_t i = 0; i < r->entries; i++) {
        const struct tess_component *k = r->entry[i].component;
        struct tessi_found *f = &r->file[r->entry[i].file].found;
        char words[400] = "";
        if (f->remark || tessi_plug_kind_find(k->kind) || is_taken(r, k->kind))
            continue;
        tessi_plug_kind_words(k, words, sizeof words);
        TESS_TRY(tessi_base_format(ctx, &f->remark, "%s: %s", f->path, words));
    }
    return TESS_OK;
}
