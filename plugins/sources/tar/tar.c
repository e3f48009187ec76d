/* source/1 `tar`: the images in tar files, one after the other. Headers are read once, when the source is opened; an image of a plain file
 * is then read from its place, in any order and on any thread. A compressed file is read in order (tar_stream.h).
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_table.h"
#include "plugins/sources/pictures/picture_file.h"

#include <stdio.h>
#include <string.h>

static void make_remark(struct tar *s)
{
    static const char *const what[TAR_REMARKS] = {"samples have no image",
                                                  "members are links",
                                                  "members are devices, pipes or sparse",
                                                  "members have names that lead out of the archive",
                                                  "members stand twice in their sample, and the first counts",
                                                  "images have the name of one before",
                                                  "files have no mark of their end and may have been cut",
                                                  "files go on behind the mark of their end, which is not read: if they are "
                                                  "several that were joined, give them apart"};
    size_t n = 0, capacity = sizeof s->remark;
    for (size_t i = 0; i < TAR_REMARKS; i++) {
        const struct tar_remark *r = &s->index.remark[i];
        if (r->count && n < capacity)
            n += (size_t)snprintf(s->remark + n, capacity - n, "%s%lld %s (%s)", n ? "; " : "", (long long)r->count, what[i], r->name);
    }
}

/* Puts the labels' defects in the place of labels. Where no image has a label, and one has a defect, labels are not what was meant. */
static int label_defects(struct tess_context *ctx, struct tar *s)
{
    char name[NAME_TABLE_TEXT];
    for (int64_t i = 0; i < s->index.count; i++) {
        if (s->index.label[i] >= -1)
            continue;
        if (!s->classes.label)
            return ctx->fail(ctx, TESS_E_DATA, "%s: no image has a label, and %s %s; set `labels: none` to go without", s->path,
                             name_table_get(&s->index.name, i, name), tar_label_defect(s->index.label[i]));
        s->classes.label[i] = (int32_t)s->index.label[i];
    }
    return TESS_OK;
}

/* Makes labels of their texts, which are not kept. */
static int make_labels(struct tess_context *ctx, struct tar *s)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->index.count * sizeof(char *), "labels of an archive", &memory));
    char **text = memory;
    for (int64_t i = 0; i < s->index.count; i++)
        text[i] = s->index.label[i] < 0 ? NULL : s->index.text + s->index.label[i];
    int status = labels_make(ctx, s->path, s->index.count, text, &s->classes);
    tess_free(memory);
    if (status == TESS_OK)
        status = label_defects(ctx, s);
    tar_index_free_labels(&s->index);
    return status;
}

static int open_tar(void *self, struct tess_context *ctx)
{
    struct tar *s = self;
    tar_stream_open(&s->stream);
    TESS_TRY(picture_start(ctx));
    s->index.images = s->image;
    s->index.labels = s->labels;
    s->index.label_key = s->label;
    TESS_TRY(tar_index_make(ctx, s->path, &s->index));
    make_remark(s);
    if (s->index.count == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has no images: no member ends in one of `%s`; set `image`%s%s", s->path, s->image,
                         *s->remark ? "; " : "", s->remark);
    return make_labels(ctx, s);
}

static void close_tar(void *self)
{
    struct tar *s = self;
    tar_stream_close(&s->stream);
    labels_free(&s->classes);
    tar_index_free(&s->index);
}

static int64_t tar_count(void *self)
{
    return ((struct tar *)self)->index.count;
}

static void tar_shape(void *self, int64_t *height, int64_t *width, int64_t *channels)
{
    (void)self;
    *height = *width = *channels = 0;
}

static int64_t tar_labels(void *self)
{
    return ((struct tar *)self)->classes.classes;
}

static const char *tar_class_name(void *self, int64_t label)
{
    const struct tar *s = self;
    return s->classes.name ? s->classes.name[label] : NULL;
}

static int32_t tar_names(void *self)
{
    (void)self;
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Reads the bytes of item i, freed with tess_free. */
static int tar_bytes(struct tess_context *ctx, struct tar *s, int64_t i, void **out)
{
    size_t size = (size_t)s->index.size[i];
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, size + 1, "an image in an archive", out));
    int64_t k = tar_index_shard(&s->index, i);
    if (s->index.place[k].packing != PACKING_NONE)
        return tar_stream_read(ctx, &s->stream, &s->index, i, *out);
    return steady_read(ctx, s->index.shards.path[k], &s->index.place[k].steady, s->index.offset[i], size, *out);
}

static int tar_read_image(void *self, struct tess_context *ctx, int64_t i, struct tess_image *out)
{
    struct tar *s = self;
    int64_t size = s->index.size[i];
    char name[NAME_TABLE_TEXT];
    void *bytes = NULL;
    picture_name(out, name_table_get(&s->index.name, i, name));
    out->label = s->classes.label ? s->classes.label[i] : -1;
    if (out->label < -1)
        return picture_item(ctx, out, out->name, tar_label_defect(out->label), 0);
    if (size < 1 || size > TAR_IMAGE_MAX)
        return picture_item(ctx, out, out->name, size < 1 ? "is empty" : "is larger than 1 GiB", 0);
    int status = tar_bytes(ctx, s, i, &bytes);
    if (status == TESS_OK)
        status = picture_decode(ctx, out->name, bytes, (size_t)size, &s->options, out);
    tess_free(bytes);
    return status;
}

/* Digests labels and classes, names, then the files. */
static int tar_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct tar *s = self;
    for (int64_t i = 0; s->classes.name && i < s->classes.classes; i++)
        tess_digest_add_text(d, s->classes.name[i]);
    if (s->classes.label)
        tess_digest_add(d, s->classes.label, (size_t)s->index.count * sizeof *s->classes.label);
    char name[NAME_TABLE_TEXT];
    for (int64_t i = 0; i < s->index.count; i++)
        tess_digest_add_text(d, name_table_get(&s->index.name, i, name));
    return tess_digest_add_files(ctx, d, s->index.shards.count, (const char *const *)s->index.shards.path);
}

static int tar_content(void *self, struct tess_context *ctx, int64_t i, struct tess_digest *d)
{
    struct tar *s = self;
    char text[TESS_DIGEST_TEXT], name[NAME_TABLE_TEXT];
    struct tess_digest own;
    void *bytes = NULL;
    if (s->index.size[i] > TAR_IMAGE_MAX)
        return ctx->fail(ctx, TESS_E_ITEM, "%s: is larger than 1 GiB", name_table_get(&s->index.name, i, name));
    int status = tar_bytes(ctx, s, i, &bytes);
    if (status == TESS_OK) {
        tess_digest_start(&own);
        tess_digest_add(&own, bytes, (size_t)s->index.size[i]);
        tess_digest_end(&own, text);
        tess_digest_add_text(d, text);
    }
    tess_free(bytes);
    return status;
}

/* Advises the system, a shard at a time: what lies between two images of it is read as well. */
static void tar_soon(void *self, int64_t first, int64_t n)
{
    const struct tar *s = self;
    for (int64_t i = first, next; i < first + n; i = next) {
        int64_t shard = tar_index_shard(&s->index, i);
        next = s->index.place[shard + 1].first < first + n ? s->index.place[shard + 1].first : first + n;
        if (s->index.place[shard].packing != PACKING_NONE)
            continue;
        int64_t from = s->index.offset[i], to = s->index.offset[next - 1] + s->index.size[next - 1];
        steady_soon(s->index.shards.path[shard], from, to - from);
    }
}

static const char *tar_remark(void *self)
{
    const struct tar *s = self;
    return *s->remark ? s->remark : NULL;
}

static const struct tess_source_1 ops = {.size = sizeof ops,
                                         .count = tar_count,
                                         .shape = tar_shape,
                                         .labels = tar_labels,
                                         .names = tar_names,
                                         .read = tar_read_image,
                                         .fingerprint = tar_fingerprint,
                                         .class_name = tar_class_name,
                                         .remark = tar_remark,
                                         .content = tar_content,
                                         .soon = tar_soon};

TAR_PLUGIN(open_tar, close_tar, NULL);
