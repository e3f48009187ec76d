/* Finding plugins: folders, files, and the list of components they bring.
 *
 * No cache and no configuration file: a few dozen small files are looked at in milliseconds. Every folder and every file is
 * kept with what became of it, so that `tessera plugins --why` can answer "why is it not there". A file that was opened stays
 * open for the life of the process, refused or not.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/installed.h"
#include "core/plug/plug_private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TESSI_PLUGIN_DIR
#define TESSI_PLUGIN_DIR "/usr/local/lib/tessera/plugins-1"
#endif

struct folder {
    char *path;
    char note[160]; /* "": looked at */
};

struct file {
    struct tessi_found found;
    dev_t device; /* with inode: the same file by another path is looked at once */
    ino_t inode;
};

struct entry {
    const struct tess_component *component;
    const struct tess_plugin *plugin;
    int64_t file;
};

struct tessi_registry {
    const struct tess_host *host;
    struct folder *folder;
    struct file *file;
    struct entry *entry;
    int64_t folders, files, entries;
};

/* Makes room for one more after n; doubles at powers of two. */
static int registry_grow(struct tess_context *ctx, void *array, int64_t n, size_t size)
{
    void **at = array;
    if (n & (n - 1))
        return TESS_OK;
    void *larger = realloc(*at, (size_t)(n ? 2 * n : 1) * size);
    if (!larger)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for the list of plugins");
    *at = larger;
    return TESS_OK;
}

struct paths {
    char **path;
    int64_t count;
};

static void free_paths(struct paths *p)
{
    for (int64_t i = 0; i < p->count; i++)
        tess_free(p->path[i]);
    free(p->path);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the plugins of a folder, and of the folders in it as deep as `depth`. Hidden names are passed over but for `.libs`, where
 * libtool leaves what it has built, and the folder of what is loaded later. */
static int list_folder(struct tess_context *ctx, const char *folder, int depth, struct paths *out)
{
    DIR *d = opendir(folder);
    int status = TESS_OK;
    if (!d)
        return TESS_OK;
    for (struct dirent *e; status == TESS_OK && (e = readdir(d));) {
        char path[PATH_MAX];
        struct stat st;
        size_t length = strlen(e->d_name);
        int libs = strcmp(e->d_name, ".libs") == 0;
        if ((*e->d_name == '.' && !libs) || snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        int known = stat(path, &st) == 0;
        if (known && S_ISDIR(st.st_mode)) {
            if ((depth > 0 && strcmp(e->d_name, TESSI_LIBRARIES) != 0) || libs)
                status = list_folder(ctx, path, libs ? 0 : depth - 1, out);
        } else if (length > 3 && strcmp(e->d_name + length - 3, ".so") == 0) {
            if ((status = registry_grow(ctx, &out->path, out->count, sizeof *out->path)) == TESS_OK)
                status = tessi_base_text_copy(ctx, path, strlen(path), &out->path[out->count]);
            out->count += status == TESS_OK;
        }
    }
    closedir(d);
    return status;
}

static const struct entry *registry_find(const struct tessi_registry *r, const char *kind, const char *name)
{
    for (int64_t i = 0; i < r->entries; i++)
        if (strcmp(r->entry[i].component->kind, kind) == 0 && strcmp(r->entry[i].component->name, name) == 0)
            return &r->entry[i];
    return NULL;
}

/* 1 when no component of p has a name that is taken, by another file or earlier in its own table. */
static int names_are_free(const struct tessi_registry *r, const struct tess_plugin *p, const char *path, char *why, size_t capacity)
{
    const struct tess_component *k, *other;
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++) {
        const struct entry *taken = registry_find(r, k->kind, k->name);
        const char *holder = taken ? r->file[taken->file].found.path : NULL;
        for (int64_t before = 0; !holder && before < i && (other = tessi_plug_component_at(p, before)); before++)
            if (strcmp(k->kind, other->kind) == 0 && strcmp(k->name, other->name) == 0)
                holder = path;
        if (holder) {
            snprintf(why, capacity, "wanted names of its own, found %.*s/%s, which %s already brings", tessi_plug_kind_length(k->kind),
                     k->kind, k->name, holder);
            return 0;
        }
    }
    return 1;
}

/* The place of a file in the list, which nothing is known of yet; its index. */
static int add_record(struct tess_context *ctx, struct tessi_registry *r, const char *path, const struct stat *st, int64_t *index)
{
    TESS_TRY(registry_grow(ctx, &r->file, r->files, sizeof *r->file));
    struct file *f = &r->file[r->files];
    *f = (struct file){.device = st->st_dev, .inode = st->st_ino};
    TESS_TRY(tessi_base_text_copy(ctx, path, strlen(path), &f->found.path));
    *index = r->files++;
    return TESS_OK;
}

/* Takes in the components of p, or keeps why p is refused: `why`, where p is NULL. */
static int take_plugin(struct tess_context *ctx, struct tessi_registry *r, int64_t index, const struct tess_plugin *p, char *why,
                       size_t capacity)
{
    char refusal[PATH_MAX + 1026];
    const struct tess_component *k;
    struct file *f = &r->file[index];
    f->found.plugin = p && names_are_free(r, p, f->found.path, why, capacity) ? p : NULL;
    if (!f->found.plugin) {
        snprintf(refusal, sizeof refusal, "%s: %s", f->found.path, why);
        return tessi_base_text_copy(ctx, refusal, strlen(refusal), &f->found.refusal);
    }
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++) {
        TESS_TRY(registry_grow(ctx, &r->entry, r->entries, sizeof *r->entry));
        r->entry[r->entries++] = (struct entry){k, p, index};
    }
    return TESS_OK;
}

static int registry_add_file(struct tess_context *ctx, struct tessi_registry *r, const char *path)
{
    char why[1024] = "";
    struct stat st = {0};
    int64_t index;
    int known = stat(path, &st) == 0;
    for (int64_t i = 0; known && i < r->files; i++)
        if (r->file[i].device == st.st_dev && r->file[i].inode == st.st_ino)
            return TESS_OK;
    TESS_TRY(add_record(ctx, r, path, &st, &index));
    const struct tess_plugin *p = tessi_plug_plugin_open(path, r->host, why, sizeof why);
    return take_plugin(ctx, r, index, p, why, sizeof why);
}

static int registry_scan(struct tess_context *ctx, struct tessi_registry *r, const char *path, size_t length)
{
    struct paths files = {NULL, 0};
    struct stat st;
    while (length > 1 && path[length - 1] == '/')
        length--;
    TESS_TRY(registry_grow(ctx, &r->folder, r->folders, sizeof *r->folder));
    struct folder *f = &r->folder[r->folders];
    memset(f, 0, sizeof *f);
    TESS_TRY(tessi_base_text_copy(ctx, path, length, &f->path));
    r->folders++;
    if (stat(f->path, &st) != 0)
        snprintf(f->note, sizeof f->note, "%s", errno == ENOENT ? "no such folder" : strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        snprintf(f->note, sizeof f->note, "not a folder");
    else if (access(f->path, R_OK | X_OK) != 0)
        snprintf(f->note, sizeof f->note, "%s", strerror(errno));
    if (*f->note)
        return TESS_OK;
    int status = list_folder(ctx, f->path, 1, &files);
    if (files.count > 1)
        qsort(files.path, (size_t)files.count, sizeof *files.path, compare_paths);
    for (int64_t i = 0; status == TESS_OK && i < files.count; i++)
        status = registry_add_file(ctx, r, files.path[i]);
    free_paths(&files);
    return status;
}

/* Each folder of a colon-separated list. Empty entries are not the current folder: they are nothing. */
static int scan_list(struct tess_context *ctx, struct tessi_registry *r, const char *list)
{
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (length > 0)
            TESS_TRY(registry_scan(ctx, r, list, length));
        list += length + (list[length] == ':');
    }
    return TESS_OK;
}

/* 1 when a folder in `path` has a .libs: built by libtool, not installed. */
static int is_build_tree(const char *path)
{
    DIR *d = opendir(path);
    int found = 0;
    if (!d)
        return 0;
    for (struct dirent *e; !found && (e = readdir(d));) {
        char libs[PATH_MAX];
        struct stat st;
        if (*e->d_name != '.' && snprintf(libs, sizeof libs, "%s/%s/.libs", path, e->d_name) < (int)sizeof libs)
            found = stat(libs, &st) == 0 && S_ISDIR(st.st_mode);
    }
    closedir(d);
    return found;
}

int tessi_plug_tree_plugins(const char *exe, char *folder, size_t capacity)
{
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", exe);
    char *slash = strrchr(at, '/');
    if (!slash)
        return 0;
    *slash = '\0';
    if ((slash = strrchr(at, '/')) && strcmp(slash, "/.libs") == 0)
        *slash = '\0';
    /* The command stands in the tree's top folder, test programs one or two below. */
    for (int up = 0; up < 3; up++) {
        if (snprintf(folder, capacity, "%s/plugins", at) < (int)capacity && is_build_tree(folder))
            return 1;
        if (!(slash = strrchr(at, '/')))
            return 0;
        *slash = '\0';
    }
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int kinds = strcmp(x->component->kind, y->component->kind);
    return kinds ? kinds : strcmp(x->component->name, y->component->name);
}

static void registry_sort(struct tessi_registry *r)
{
    if (r->entries > 1)
        qsort(r->entry, (size_t)r->entries, sizeof *r->entry, compare_entries);
}

int tessi_plug_registry_new(struct tess_context *ctx, const char *extra, struct tessi_registry **out)
{
    char exe[PATH_MAX], last[PATH_MAX];
    int program;
    void *memory = NULL;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof **out, "the list of plugins", &memory));
    struct tessi_registry *r = memory;
    r->host = ctx->host;
    tessi_plug_offer_library();
    if (!tessi_plug_own_file(exe, sizeof exe, &program) || !tessi_plug_tree_plugins(exe, last, sizeof last))
        (void)tessi_plug_installed(TESSI_PLUGIN_DIR, last, sizeof last);
    int status = scan_list(ctx, r, getenv("TESSERA_PLUGIN_PATH"));
    if (status == TESS_OK)
        status = scan_list(ctx, r, extra);
    if (status == TESS_OK)
        status = registry_scan(ctx, r, last, strlen(last));
    registry_sort(r);
    if (status != TESS_OK) {
        tessi_plug_registry_free(r);
        r = NULL;
    }
    *out = r;
    return status;
}

/* Of what was added last: the refusal, as a failure. */
static int added(struct tess_context *ctx, struct tessi_registry *r, int status)
{
    const char *refusal = r->files ? r->file[r->files - 1].found.refusal : NULL;
    registry_sort(r);
    return status == TESS_OK && refusal ? ctx->fail(ctx, TESS_E_PLUGIN, "%s", refusal) : status;
}

int tessi_plug_registry_add_file(struct tess_context *ctx, struct tessi_registry *r, const char *path)
{
    int64_t before = r->files;
    int status = registry_add_file(ctx, r, path);
    return r->files > before ? added(ctx, r, status) : status;
}

int tessi_plug_registry_add_plugin(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *plugin)
{
    char why[1024] = "";
    struct stat st = {0};
    int64_t index;
    TESS_TRY(add_record(ctx, r, "compiled in", &st, &index));
    int fine = tessi_plug_plugin_check(plugin, r->host, why, sizeof why);
    return added(ctx, r, take_plugin(ctx, r, index, fine ? plugin : NULL, why, sizeof why));
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
    }
    free(r->folder);
    free(r->file);
    free(r->entry);
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

void tessi_plug_add_refused(const struct tessi_registry *r, const char *name, char *text, size_t capacity)
{
    char file[160];
    snprintf(file, sizeof file, "%s.so", name);
    for (int64_t i = 0; i < tessi_plug_registry_files(r); i++) {
        const struct tessi_found *found = tessi_plug_registry_file(r, i);
        const char *slash = strrchr(found->path, '/');
        if (found->refusal && strcmp(slash ? slash + 1 : found->path, file) == 0)
            tessi_base_add(text, capacity, "; refused: %s", found->refusal);
    }
}

const char *tessi_plug_registry_file_of(const struct tessi_registry *r, const struct tess_plugin *plugin)
{
    for (int64_t i = 0; i < r->files; i++)
        if (r->file[i].found.plugin == plugin)
            return r->file[i].found.path;
    return "";
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
    const struct entry *e = registry_find(r, kind, name);
    if (e && plugin)
        *plugin = e->plugin;
    return e ? e->component : NULL;
}
