/* The stage that a command line of `tessera encode` means, as a tree and as a line of a pipeline. A source is told by what the file is.
 * SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/store/store.h"
#include "kit/format/packing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

int cli_encode_put(struct tess_context *ctx, struct tessi_config *map, const char *key, const char *text, int quoted)
{
    struct tessi_config *s = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, "command line", 1, 1, &s));
    s->quoted = quoted;
    int status = tessi_config_set_text(ctx, s, text);
    if (status == TESS_OK)
        status = tessi_config_set_key(ctx, s, key);
    if (status == TESS_OK)
        tessi_config_append(map, s);
    else
        tessi_config_free(s);
    return status;
}

int cli_encode_put_i64(struct tess_context *ctx, struct tessi_config *map, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return cli_encode_put(ctx, map, key, text, 0);
}

static int put_map(struct tess_context *ctx, struct tessi_config *map, const char *key, struct tessi_config **out)
{
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, out));
    int status = tessi_config_set_key(ctx, *out, key);
    if (status == TESS_OK)
        tessi_config_append(map, *out);
    else
        tessi_config_free(*out);
    return status;
}

static int put_path(struct tess_context *ctx, struct tessi_config *map, const char *key, const char *path)
{
    char *whole = NULL;
    TESS_TRY(tessi_base_path_absolute(ctx, path, &whole));
    int status = cli_encode_put(ctx, map, key, whole, 1);
    tess_free(whole);
    return status;
}

/* ---- sources ------------------------------------------------------------------------------------------------------------ */

static int ends_in(const char *path, const char *const *endings)
{
    size_t length = strlen(path);
    for (; *endings; endings++) {
        size_t n = strlen(*endings);
        if (length > n && strcasecmp(path + length - n, *endings) == 0)
            return 1;
    }
    return 0;
}

enum { HEAD = 512, TAR_MARK = 257 };

/* Name of the source that reads a file, by its first bytes, else by its name; "images" for an artefact. */
static const char *source_of(const char *path, const unsigned char *head, size_t n)
{
    static const char *const tars[] = {".tar", ".tar.gz",  ".tgz",  ".tar.zst", ".tzst",    ".tar.xz",
                                       ".txz", ".tar.bz2", ".tbz2", ".tbz",     ".tar.lz4", NULL};
    static const char *const lists[] = {".txt", ".csv", ".tsv", ".jsonl", ".lst", NULL}, *const gz[] = {".gz", NULL};
    if (n >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
        return "images";
    if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0)
        return "npy";
    if (n >= TAR_MARK + 5 && memcmp(head + TAR_MARK, "ustar", 5) == 0)
        return "tar";
    if (ends_in(path, tars))
        return "tar";
    int32_t packing = packing_of(head, n);
    if (packing != PACKING_NONE && packing != PACKING_GZIP) /* IDX files are gzip's */
        return "tar";
    if (n >= 4 && head[0] == 0 && head[1] == 0 && head[2] == 8 && (head[3] == 3 || head[3] == 4))
        return "idx";
    if (ends_in(path, gz))
        return "idx";
    return ends_in(path, lists) ? "list" : "folder";
}

static int find_source(struct tess_context *ctx, const char *path, const char **use)
{
    struct stat about;
    unsigned char head[HEAD];
    *use = strcmp(path, "-") == 0 ? "list" : "folder";
    if (strcmp(path, "-") == 0)
        return TESS_OK;
    if (stat(path, &about) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        return TESS_OK;
    FILE *f = fopen(path, "rbe");
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    size_t n = fread(head, 1, sizeof head, f);
    (void)fclose(f);
    *use = source_of(path, head, n);
    return TESS_OK;
}

/* 1 for an artefact, as against an HDF5 file of another program. */
static int is_artefact(const struct tess_context *ctx, const char *path)
{
    struct tessi_context own;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&own, ctx->host);
    int status = tessi_store_artefact_open(&own.context, path, &a);
    tessi_store_artefact_close(a);
    return status != TESS_E_DATA; /* a file that cannot be read is told by whoever reads it */
}

/* Adds the origin of the images: a source, or an artefact at the port `images`. */
static int put_source(struct tess_context *ctx, const struct cli_encode *o, struct tessi_config *stage, struct tessi_config *in)
{
    struct tessi_config *source = NULL;
    const char *use = o->use;
    if (!use)
        TESS_TRY(find_source(ctx, o->source, &use));
    if (strcmp(use, "images") == 0 && !is_artefact(ctx, o->source))
        use = "hdf5";
    if (strcmp(use, "images") == 0)
        return put_path(ctx, in, "images", o->source);
    TESS_TRY(put_map(ctx, stage, "source", &source));
    TESS_TRY(cli_encode_put(ctx, source, "use", use, 0));
    if (o->list) {
        TESS_TRY(put_path(ctx, source, "path", o->list));
        TESS_TRY(put_path(ctx, source, "root", "."));
    } else {
        TESS_TRY(put_path(ctx, source, strcmp(use, "idx") == 0 ? "images" : "path", o->source));
    }
    return o->labels ? cli_encode_put(ctx, source, "labels", o->labels, 1) : TESS_OK;
}

/* ---- the stage ------------------------------------------------------------------------------------------------------------ */

static int put_settings(struct tess_context *ctx, const struct cli_encode *o, struct tessi_config *stage)
{
    const struct {
        const char *key, *text;
    } word[] = {{"fit", o->fit}, {"resize", o->resize}, {"flip", o->flip}, {"crops", o->tiles ? "tiles" : o->crops}};
    const struct {
        const char *key;
        int64_t value, usual;
    } number[] = {
        {"size", o->size, 0},   {"crop", o->crop, 0},   {"pad", o->pad, 0},   {"fill", o->fill, 0}, {"crop_count", o->crop_count, 0},
        {"limit", o->limit, 0}, {"batch", o->batch, 0}, {"seed", o->seed, -1}};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (word[i].text)
            TESS_TRY(cli_encode_put(ctx, stage, word[i].key, word[i].text, 1));
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (number[i].value != number[i].usual)
            TESS_TRY(cli_encode_put_i64(ctx, stage, number[i].key, number[i].value));
    if (o->portable)
        TESS_TRY(cli_encode_put(ctx, stage, "portable", "true", 0));
    return o->skip_bad ? cli_encode_put(ctx, stage, "skip_bad", "true", 0) : TESS_OK;
}

static int fill_stage(struct tess_context *ctx, const struct cli_encode *o, struct tessi_config *root, struct tessi_config **out)
{
    struct tessi_config *stages = NULL, *stage = NULL, *in = NULL, *dropped = NULL;
    TESS_TRY(put_map(ctx, root, "stages", &stages));
    TESS_TRY(put_map(ctx, stages, "codes", &stage));
    TESS_TRY(cli_encode_put(ctx, stage, "use", "encode", 0));
    TESS_TRY(put_map(ctx, stage, "in", &in));
    TESS_TRY(put_path(ctx, in, "model", o->model));
    TESS_TRY(put_source(ctx, o, stage, in));
    if (o->crops_of)
        TESS_TRY(put_path(ctx, in, "crops", o->crops_of));
    TESS_TRY(put_settings(ctx, o, stage));
    TESS_TRY(tessi_config_new(ctx, TESSI_SEQUENCE, "command line", 1, 1, &dropped));
    int status = TESS_OK;
    for (int64_t i = 0; i < o->sets && status == TESS_OK; i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "codes.%s", o->set[i]);
        status = tessi_config_override(ctx, root, text, i + 1, dropped);
    }
    tessi_config_free(dropped);
    return status == TESS_OK ? tessi_config_copy(ctx, tessi_config_child(stages, "codes"), out) : status;
}

int cli_encode_stage(struct tess_context *ctx, const struct cli_encode *o, struct tessi_config **stage)
{
    struct tessi_config *root = NULL;
    *stage = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, &root));
    int status = fill_stage(ctx, o, root, stage);
    tessi_config_free(root);
    return status;
}

/* ---- as text --------------------------------------------------------------------------------------------------------------- */

int cli_encode_line(struct tess_context *ctx, const char *name, const struct tessi_config *stage, char **line)
{
    char *text = NULL;
    TESS_TRY(tessi_config_print(ctx, stage, &text));
    int status = tessi_base_format(ctx, line, "  %s: %s\n", name, text);
    tess_free(text);
    return status;
}

int cli_encode_put_line(struct tess_context *ctx, const char *name, const struct tessi_config *stage, FILE *to)
{
    char *line = NULL;
    TESS_TRY(cli_encode_line(ctx, name, stage, &line));
    fputs(line, to);
    tess_free(line);
    return TESS_OK;
}

int cli_encode_write(struct tess_context *ctx, const char *path, const char *name, const char *text)
{
    char *whole = NULL;
    TESS_TRY(tessi_base_format(ctx, &whole, "tessera: 1\nname: %s\nstages:\n%s", name, text));
    int status = tessi_base_write_text(ctx, path, whole, strlen(whole));
    tess_free(whole);
    return status;
}
