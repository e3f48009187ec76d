/* source/1 `list`: the images that a file lists, in its order, with labels. Nothing outside of one folder is read: a path that leads out of
 * it, by `..` or from the root of the file system, is refused with its line. An image that stands twice is read twice.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/list/list_table.h"
#include "plugins/sources/pictures/picture_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int list_folder(struct tess_context *ctx, struct list *s)
{
    const char *slash = strrchr(s->path, '/');
    if (!s->root)
        return slash ? tess_copy_bytes(ctx, s->path, (size_t)(slash - s->path), &s->folder) : tess_copy_text(ctx, ".", &s->folder);
    size_t length = strlen(s->root);
    while (length && s->root[length - 1] == '/')
        length--;
    return tess_copy_bytes(ctx, s->root, length, &s->folder);
}

static int leads_out(const char *path)
{
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0'))
            return 1;
    }
    return 0;
}

/* The path below the folder, or NULL where it lies elsewhere. */
static char *list_below(const struct list *s, char *path)
{
    size_t front = strlen(s->folder);
    if (*path == '/') {
        if (strncmp(path, s->folder, front) != 0 || path[front] != '/')
            return NULL;
        path += front;
    }
    while (*path == '/' || (path[0] == '.' && path[1] == '/'))
        path += *path == '/' ? 1 : 2;
    return *path && !leads_out(path) ? path : NULL;
}

static int list_paths_below(struct tess_context *ctx, struct list *s)
{
    for (int64_t i = 0; i < s->lines.count; i++) {
        char *below = list_below(s, s->lines.path[i]);
        char shown[300];
        (void)tess_shown_text(s->lines.path[i], shown, sizeof shown);
        if (!below)
            return ctx->fail(ctx, TESS_E_DATA, "%s: entry %lld, `%s`, does not lie in %s/; set `root` to a folder that all of them are in",
                             s->path, (long long)i + 1, shown, s->folder);
        s->lines.path[i] = below;
    }
    return TESS_OK;
}

static uint64_t list_hash(const char *text)
{
    uint64_t h = 1469598103934665603ULL;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211ULL;
    return h ^ h >> 29;
}

/* Counts the paths that stand in the list before; *example is the first. */
static int list_twice(struct tess_context *ctx, const struct list *s, int64_t *count, const char **example)
{
    uint64_t capacity = 16;
    void *memory;
    while (capacity < 2 * (uint64_t)s->lines.count)
        capacity *= 2;
    TESS_TRY(tess_alloc(ctx, capacity * sizeof(char *), "paths that were seen", &memory));
    const char **seen = memory;
    *count = 0;
    for (int64_t i = 0; i < s->lines.count; i++) {
        const char *path = s->lines.path[i];
        uint64_t at = list_hash(path) & (capacity - 1);
        while (seen[at] && strcmp(seen[at], path) != 0)
            at = (at + 1) & (capacity - 1);
        if (seen[at] && (*count)++ == 0)
            *example = path;
        seen[at] = path;
    }
    tess_free(memory);
    return TESS_OK;
}

static int list_remark_twice(struct tess_context *ctx, struct list *s)
{
    const char *example = NULL;
    char shown[300];
    int64_t count;
    TESS_TRY(list_twice(ctx, s, &count, &example));
    if (!count)
        return TESS_OK;
    (void)tess_shown_text(example, shown, sizeof shown);
    (void)snprintf(s->remark, sizeof s->remark, "%lld entries stand in the list before, and are read again (%s)", (long long)count, shown);
    return TESS_OK;
}

static int open_list(void *self, struct tess_context *ctx)
{
    struct list *s = self;
    TESS_TRY(picture_start(ctx));
    TESS_TRY(list_folder(ctx, s));
    TESS_TRY(list_lines_read(ctx, s->path, s->format, s->image, s->label, &s->lines));
    if (s->lines.count == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: lists no images; check the path, and `format`", s->path);
    TESS_TRY(list_paths_below(ctx, s));
    TESS_TRY(list_remark_twice(ctx, s));
    TESS_TRY(labels_make(ctx, s->path, s->lines.count, s->lines.label, &s->labels));
    for (int64_t i = 0; i < s->lines.count; i++)
        TESS_TRY(name_table_add(ctx, &s->name, s->lines.path[i]));
    list_lines_free(&s->lines);
    return name_table_end(ctx, &s->name);
}

static void close_list(void *self)
{
    struct list *s = self;
    labels_free(&s->labels);
    list_lines_free(&s->lines);
    name_table_free(&s->name);
    tess_free(s->folder);
}

static int64_t list_count(void *self)
{
    return ((struct list *)self)->name.count;
}

static void list_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = *channels = 0;
}

static int64_t list_labels(void *self)
{
    return ((struct list *)self)->labels.classes;
}

static const char *list_class_name(void *self, int64_t label)
{
    const struct list *s = self;
    return s->labels.name ? s->labels.name[label] : NULL;
}

static int32_t list_names(void *self)
{
    (void)self;
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int list_path(const void *user, struct tess_context *ctx, int64_t i, char **out)
{
    const struct list *s = user;
    char name[NAME_TABLE_TEXT];
    (void)name_table_get(&s->name, i, name);
    size_t front = strlen(s->folder), length = strlen(name);
    void *memory;
    TESS_TRY(tess_alloc(ctx, front + length + 2, "the name of a file", &memory));
    char *path = memory;
    memcpy(path, s->folder, front);
    path[front] = '/';
    memcpy(path + front + 1, name, length + 1);
    *out = path;
    return TESS_OK;
}

static int list_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    const struct list *s = self;
    char name[NAME_TABLE_TEXT], *path;
    picture_name(out, name_table_get(&s->name, i, name));
    out->label = s->labels.label ? s->labels.label[i] : -1;
    TESS_TRY(list_path(s, ctx, i, &path));
    int status = picture_read_file(ctx, path, &s->options, out);
    tess_free(path);
    return status;
}

static const char *list_name(const void *user, int64_t i, char *text)
{
    return name_table_get(&((const struct list *)user)->name, i, text);
}

/* Digests labels and classes, names in their order, then the files. The list itself does not count: how it was written is no matter. */
static int list_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct list *s = self;
    const struct picture_files files = {
        .count = s->name.count, .name = list_name, .path = list_path, .user = s, .first = s->part_first, .part = s->part_count};
    for (int64_t i = 0; s->labels.name && i < s->labels.classes; i++)
        tess_digest_add_text(d, s->labels.name[i]);
    if (s->labels.label)
        tess_digest_add(d, s->labels.label, (size_t)s->name.count * sizeof *s->labels.label);
    return picture_files_fingerprint(ctx, d, &files, s->tolerant);
}

static int list_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    char *path;
    TESS_TRY(list_path(self, ctx, i, &path));
    int status = picture_file_content(ctx, path, d);
    tess_free(path);
    return status;
}

static void list_soon(void *self, int64_t first, int64_t n)
{
    const struct list *s = self;
    for (int64_t i = first; i < first + n; i++) {
        char path[PATH_MAX], name[NAME_TABLE_TEXT];
        if (snprintf(path, sizeof path, "%s/%s", s->folder, name_table_get(&s->name, i, name)) < (int)sizeof path)
            picture_file_soon(path);
    }
}

static void list_part(void *self, int64_t first, int64_t n)
{
    struct list *s = self;
    s->part_first = first;
    s->part_count = n;
}

static void list_tolerate(void *self, int32_t bad)
{
    ((struct list *)self)->tolerant = bad;
}

static const char *list_remark(void *self)
{
    const struct list *s = self;
    return *s->remark ? s->remark : NULL;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = list_count,
                                         .shape = list_shape,
                                         .labels = list_labels,
                                         .names = list_names,
                                         .read = list_read_image,
                                         .fingerprint = list_fingerprint,
                                         .class_name = list_class_name,
                                         .tolerate = list_tolerate,
                                         .remark = list_remark,
                                         .content = list_content,
                                         .soon = list_soon,
                                         .part = list_part};

LIST_PLUGIN(open_list, close_list, NULL);
