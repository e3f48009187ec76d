/* source/1 `folder`: the images of a folder, of any size, through libvips. Their order is that of the bytes of their paths, their names
 * those paths below the folder; a folder of folders may be a data set of classes. What counts for a result is names and content, not place
 * or times.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_table.h"
#include "plugins/sources/pictures/picture_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- classes ------------------------------------------------------------------------------------------------------- */

static int folder_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Length of the first folder of a name, which is that of its class. */
static int class_length(struct tess_context *ctx, const struct folder *s, const char *name, size_t *out)
{
    const char *slash = strchr(name, '/');
    *out = slash ? (size_t)(slash - name) : 0;
    return slash ? TESS_OK
                 : ctx->fail(ctx, TESS_E_DATA,
                             "%s/%s: lies in no folder of a class; with `labels: folders` each image is in the folder of its class",
                             s->path, name);
}

static int add_class(struct tess_context *ctx, struct folder *s, const char *name, size_t length, int64_t image)
{
    TESS_TRY(tess_reserve(ctx, &s->class_name, &s->name_capacity, s->classes + 1, sizeof *s->class_name, "classes"));
    TESS_TRY(tess_reserve(ctx, &s->run, &s->run_capacity, s->classes + 1, sizeof *s->run, "classes"));
    TESS_TRY(tess_copy_bytes(ctx, name, length, &s->class_name[s->classes]));
    s->run[s->classes] = (struct folder_run){image, s->classes}; /* classes as they come; sorted below */
    s->classes++;
    return TESS_OK;
}

/* Names lie in the order of their bytes, so those of one class lie together: a name is new when it is not that of the image before. */
static int find_classes(struct tess_context *ctx, struct folder *s)
{
    char text[NAME_TABLE_TEXT];
    for (int64_t i = 0; i < s->list.name.count; i++) {
        const char *name = name_table_get(&s->list.name, i, text), *last = s->classes ? s->class_name[s->classes - 1] : "";
        size_t length;
        TESS_TRY(class_length(ctx, s, name, &length));
        if (strlen(last) != length || memcmp(last, name, length) != 0)
            TESS_TRY(add_class(ctx, s, name, length, i));
    }
    return TESS_OK;
}

/* Writes the names of the classes as they are stored. */
static int classes_as_text(struct tess_context *ctx, struct folder *s)
{
    for (int64_t i = 0; i < s->classes; i++) {
        size_t bytes = tess_utf8_text(s->class_name[i], NULL, 0) + 1;
        void *memory;
        TESS_TRY(tess_alloc(ctx, bytes, "the name of a class", &memory));
        (void)tess_utf8_text(s->class_name[i], memory, bytes);
        tess_free(s->class_name[i]);
        s->class_name[i] = memory;
    }
    return TESS_OK;
}

/* `a-b/x` comes before `a/x`, and class `a` before `a-b`: the order of paths is not that of classes. */
static int sort_classes(struct tess_context *ctx, struct folder *s)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->classes * sizeof(char *), "classes", &memory));
    char **sorted = memcpy(memory, s->class_name, (size_t)s->classes * sizeof(char *));
    qsort(sorted, (size_t)s->classes, sizeof *sorted, folder_by_bytes);
    for (int64_t i = 0; i < s->classes; i++) {
        char **at = bsearch(&s->class_name[i], sorted, (size_t)s->classes, sizeof *sorted, folder_by_bytes);
        s->run[i].label = at - sorted;
    }
    tess_free(s->class_name);
    s->class_name = sorted;
    return classes_as_text(ctx, s);
}

static int64_t folder_label(const struct folder *s, int64_t image)
{
    int64_t low = 0, high = s->classes - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (s->run[middle].first <= image)
            low = middle;
        else
            high = middle - 1;
    }
    return s->classes ? s->run[low].label : -1;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int nothing_there(struct tess_context *ctx, const struct folder *s)
{
    const struct folder_passed *other = &s->list.passed[PASSED_OTHER];
    if (other->count)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has no images: of %lld files, %s among them, none ends in one of `%s`; set `extensions`",
                         s->path, (long long)other->count, other->name, s->extensions);
    return ctx->fail(ctx, TESS_E_DATA, "%s: has no images: there are no files in it%s; check the path", s->path,
                   s->recursive ? "" : " itself, and `recursive` is false");
}

static void make_remark(struct folder *s)
{
    static const char *const what[] = {"end in none of `extensions`", "are pipes, devices or sockets", "are links to a folder they lie in"};
    size_t n = 0, capacity = sizeof s->remark;
    for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
        const struct folder_passed *p = &s->list.passed[i];
        if (p->count && n < capacity)
            n += (size_t)snprintf(s->remark + n, capacity - n, "%s%lld %s (%s)", n ? "; " : "passed by: ", (long long)p->count, what[i],
                                  p->name);
    }
}

static int open_folder(void *self, struct tess_context *ctx)
{
    struct folder *s = self;
    TESS_TRY(picture_start(ctx));
    TESS_TRY(folder_list_make(ctx, s->path, s->recursive, s->extensions, &s->list));
    make_remark(s);
    if (s->list.name.count == 0)
        return nothing_there(ctx, s);
    if (s->labels != LABELS_FOLDERS)
        return TESS_OK;
    TESS_TRY(find_classes(ctx, s));
    return sort_classes(ctx, s);
}

static void close_folder(void *self)
{
    struct folder *s = self;
    for (int64_t i = 0; i < s->classes; i++)
        tess_free(s->class_name[i]);
    tess_free(s->class_name);
    tess_free(s->run);
    folder_list_free(&s->list);
}

static int64_t folder_count(void *self)
{
    return ((struct folder *)self)->list.name.count;
}

static void folder_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = *channels = 0;
}

static int64_t folder_labels(void *self)
{
    return ((struct folder *)self)->classes;
}

static const char *class_name(void *self, int64_t label)
{
    return ((struct folder *)self)->class_name[label];
}

static int32_t folder_names(void *self)
{
    (void)self;
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int folder_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    struct folder *s = self;
    char name[NAME_TABLE_TEXT], *path;
    picture_name(out, name_table_get(&s->list.name, i, name));
    out->label = folder_label(s, i);
    TESS_TRY(folder_list_path(ctx, s->path, &s->list, i, &path));
    int status = picture_read_file(ctx, path, &s->options, out);
    tess_free(path);
    return status;
}

static const char *folder_name(const void *user, int64_t i, char *text)
{
    return name_table_get(&((const struct folder *)user)->list.name, i, text);
}

static int folder_path(const void *user, struct tess_context *ctx, int64_t i, char **out)
{
    const struct folder *s = user;
    return folder_list_path(ctx, s->path, &s->list, i, out);
}

/* Names in their order, then what is in the files. */
static int folder_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct folder *s = self;
    const struct picture_files files = {
        .count = s->list.name.count, .name = folder_name, .path = folder_path, .user = s, .first = s->part_first, .part = s->part_count};
    return picture_files_fingerprint(ctx, d, &files, s->tolerant);
}

static int folder_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    const struct folder *s = self;
    char *path;
    TESS_TRY(folder_list_path(ctx, s->path, &s->list, i, &path));
    int status = picture_file_content(ctx, path, d);
    tess_free(path);
    return status;
}

static void folder_soon(void *self, int64_t first, int64_t n)
{
    const struct folder *s = self;
    for (int64_t i = first; i < first + n; i++) {
        char path[PATH_MAX], name[NAME_TABLE_TEXT];
        if (snprintf(path, sizeof path, "%s%s%s", s->path, s->list.single ? "" : "/",
                     s->list.single ? "" : name_table_get(&s->list.name, i, name)) < (int)sizeof path)
            picture_file_soon(path);
    }
}

static void folder_part(void *self, int64_t first, int64_t n)
{
    struct folder *s = self;
    s->part_first = first;
    s->part_count = n;
}

static void folder_tolerate(void *self, int32_t bad)
{
    ((struct folder *)self)->tolerant = bad;
}

static const char *folder_remark(void *self)
{
    const struct folder *s = self;
    return *s->remark ? s->remark : NULL;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = folder_count,
                                         .shape = folder_shape,
                                         .labels = folder_labels,
                                         .names = folder_names,
                                         .read = folder_read_image,
                                         .fingerprint = folder_fingerprint,
                                         .class_name = class_name,
                                         .tolerate = folder_tolerate,
                                         .remark = folder_remark,
                                         .content = folder_content,
                                         .soon = folder_soon,
                                         .part = folder_part};

FOLDER_PLUGIN(open_folder, close_folder, NULL);
