/* source/1 `folder`: the images of a folder, of any size, through libvips. Their order is that of the bytes of their paths, their names
 * those paths below the folder; a folder of folders may be a data set of classes. What counts for a result is names and content, not place
 * or times.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/folder/folder_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)1 << 30)
/* ---- classes ------------------------------------------------------------------------------------------------------- */

static int folder_by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first folder of a name, into memory of its own. */
static int class_of(struct tess_context *ctx, const struct folder *s, const char *name, char **out)
{
    const char *slash = strchr(name, '/');
    void *memory;
    if (!slash)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s/%s: lies in no folder of a class; with `labels: folders` each image is in the folder of its class", s->path,
                         name);
    TESS_TRY(tess_alloc(ctx, (size_t)(slash - name) + 1, "the name of a class", &memory));
    *out = memcpy(memory, name, (size_t)(slash - name));
    return TESS_OK;
}

/* Names lie in the order of their bytes, so those of one class lie together: a name is new when it is not that of the image before. */
static int find_classes(struct tess_context *ctx, struct folder *s)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->list.count * sizeof *s->class_name, "classes", &memory));
    s->class_name = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->list.count * sizeof *s->label, "labels", &memory));
    s->label = memory;
    for (int64_t i = 0; i < s->list.count; i++) {
        char *name = NULL;
        TESS_TRY(class_of(ctx, s, s->list.name[i], &name));
        if (s->classes && strcmp(name, s->class_name[s->classes - 1]) == 0)
            tess_free(name);
        else
            s->class_name[s->classes++] = name;
        s->label[i] = (int32_t)s->classes - 1; /* as they come; sorted below */
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
    for (int64_t i = 0; i < s->list.count; i++) {
        char **at = bsearch(&s->class_name[s->label[i]], sorted, (size_t)s->classes, sizeof *sorted, folder_by_bytes);
        s->label[i] = (int32_t)(at - sorted);
    }
    tess_free(s->class_name);
    s->class_name = sorted;
    return classes_as_text(ctx, s);
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
    TESS_TRY(vips_decode_start(ctx));
    TESS_TRY(folder_list_make(ctx, s->path, s->recursive, s->extensions, &s->list));
    make_remark(s);
    if (s->list.count == 0)
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
    tess_free(s->label);
    folder_list_free(&s->list);
}

static int64_t folder_count(void *self)
{
    return ((struct folder *)self)->list.count;
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

static int folder_item(struct tess_context *ctx, struct tess_image *out, const char *path, const char *why, int error)
{
    (void)snprintf(out->reason, sizeof out->reason, "%s%s", why, error ? strerror(error) : "");
    return ctx->fail(ctx, TESS_E_ITEM, "%s: %s", path, out->reason);
}

/* 1 for an error that keeps this file alone from being opened; want of descriptors or memory, or a failing disk, is none of it. */
static int is_of_the_file(int error)
{
    return error == ENOENT || error == EACCES || error == EPERM || error == ELOOP || error == ENOTDIR || error == ENAMETOOLONG ||
           error == ENXIO || error == ENODEV || error == EISDIR;
}

static int folder_fill(struct tess_context *ctx, const char *path, int fd, char *to, size_t bytes)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t got = read(fd, to + have, bytes - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; look at the disk, then run again", path, strerror(errno));
        if (got == 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: became shorter while it was read; run again when nothing writes there", path);
        have += (size_t)got;
    }
    return TESS_OK;
}

/* Reads all of an open file; gives its bytes, freed with tess_free, and their number. */
static int folder_read_whole(struct tess_context *ctx, const char *path, int fd, struct tess_image *im, void **out, size_t *bytes)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode) || about.st_size < 1 || about.st_size > FILE_MAX)
        return folder_item(ctx, im, path,
                    !S_ISREG(about.st_mode) ? "is no regular file"
                    : about.st_size < 1     ? "is empty"
                                            : "is larger than 1 GiB",
                    0);
    *bytes = (size_t)about.st_size;
    TESS_TRY(tess_alloc(ctx, *bytes, path, out));
    return folder_fill(ctx, path, fd, *out, *bytes);
}

/* Name of an image: its path below the folder. Of one that is too long the end, behind the beginning of its digest, so that two with the
 * same end differ. */
static void set_name(struct tess_image *out, const char *name)
{
    enum { KEPT = 16, CAPACITY = sizeof out->name };
    char text[4 * PATH_MAX], hex[TESS_DIGEST_TEXT];
    struct tess_digest d;
    size_t length = tess_utf8_text(name, text, sizeof text);
    if (length < CAPACITY) {
        memcpy(out->name, text, length + 1);
        return;
    }
    const char *tail = text + strlen(text) - (CAPACITY - 1 - KEPT - 3);
    while ((*tail & 0xc0) == 0x80)
        tail++;
    tess_digest_start(&d);
    tess_digest_add_text(&d, name);
    tess_digest_end(&d, hex);
    (void)snprintf(out->name, CAPACITY, "%.*s...%s", KEPT, hex, tail);
}

static int folder_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    struct folder *s = self;
    char *path;
    void *bytes = NULL;
    size_t size = 0;
    set_name(out, s->list.name[i]);
    out->label = s->label ? s->label[i] : -1;
    TESS_TRY(folder_list_path(ctx, s->path, &s->list, i, &path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = errno;
    int status = fd >= 0                 ? folder_read_whole(ctx, path, fd, out, &bytes, &size)
                 : is_of_the_file(error) ? folder_item(ctx, out, path, "cannot be opened: ", error)
                                         : ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(error));
    if (fd >= 0)
        close(fd);
    if (status == TESS_OK)
        status = vips_decode(ctx, path, bytes, size, &s->options, out);
    tess_free(bytes);
    tess_free(path);
    return status;
}

static int add_files(struct tess_context *ctx, const struct folder *s, struct tess_digest *d, char **path)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->list.count; i++) {
        tess_digest_add_text(d, s->list.name[i]);
        TESS_TRY(folder_list_path(ctx, s->path, &s->list, i, &path[n]));
        if (s->tolerant && access(path[n], R_OK) != 0 && is_of_the_file(errno)) {
            tess_digest_add_text(d, "cannot be opened");
            tess_free(path[n]);
            path[n] = NULL;
        } else {
            n++;
        }
    }
    return tess_digest_add_files(ctx, d, n, (const char *const *)path);
}

/* Names in their order, then what is in the files. */
static int folder_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct folder *s = self;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->list.count * sizeof(char *), "paths", &memory));
    char **path = memory;
    int status = add_files(ctx, s, d, path);
    for (int64_t i = 0; i < s->list.count; i++)
        tess_free(path[i]);
    tess_free(path);
    return status;
}

static int folder_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    const struct folder *s = self;
    char *path;
    TESS_TRY(folder_list_path(ctx, s->path, &s->list, i, &path));
    int error = access(path, R_OK) == 0 ? 0 : errno;
    int status = error && is_of_the_file(error) ? ctx->fail(ctx, TESS_E_ITEM, "%s: cannot be opened: %s", path, strerror(error))
                                                : tess_digest_add_files(ctx, d, 1, (const char *const *)&path);
    tess_free(path);
    return status;
}

/* Advises the system of files that will be read; reading finds those which cannot be opened. */
static void folder_soon(void *self, int64_t first, int64_t n)
{
    const struct folder *s = self;
    for (int64_t i = first; i < first + n; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s%s%s", s->path, s->list.single ? "" : "/", s->list.single ? "" : s->list.name[i]);
        int fd = length < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
        if (fd < 0)
            continue;
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
        close(fd);
    }
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
                                         .soon = folder_soon};

FOLDER_PLUGIN(open_folder, close_folder, NULL);
