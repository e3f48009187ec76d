/* See weights_files.h. A list of shards, "weight_map", says which tensor is in which file; the files lie beside it, and each tensor must
 * be in one of them, once. SPDX-License-Identifier: MIT */
#include "core/exchange/weights_files.h"

#include "core/base/attributes_private.h"
#include "core/base/inject.h"
#include "core/base/json_read.h"
#include "core/exchange/exchange_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON_MAX = 32 << 20, PATH_BYTES = 4096, PARTS_MAX = 1024, SETTINGS_MAX = 1000 };

static int weights_files_ends(const char *text, const char *ending)
{
    size_t n = strlen(text), e = strlen(ending);
    return n > e && strcmp(text + n - e, ending) == 0;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

/* Reads a file of JSON; *out is to be freed. */
static int weights_files_json(struct tess_context *ctx, const char *path, struct tessi_json **out)
{
    struct stat st;
    void *memory;
    int fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, fd < 0 ? strerror(code) : "it is no file");
    }
    int status = st.st_size > JSON_MAX
                     ? ctx->fail(ctx, TESS_E_DATA, "%s: has %lld bytes, %d are the most", path, (long long)st.st_size, JSON_MAX)
                     : tess_alloc(ctx, (size_t)st.st_size + 1, "a file of JSON", &memory);
    if (status != TESS_OK) {
        close(fd);
        return status;
    }
    ssize_t got = tessi_base_inject(TESSI_AT_READ) ? -1 : read(fd, memory, (size_t)st.st_size);
    close(fd);
    status = got == (ssize_t)st.st_size ? tessi_base_json_read(ctx, memory, (size_t)got, path, out)
                                        : ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, got < 0 ? strerror(errno) : "it ends");
    tess_free(memory);
    return status;
}

/* A number, a truth value or a text is a setting; lists, maps and nulls are none here. */
static int weights_files_setting(struct tess_context *ctx, const struct tessi_json *m, struct tess_attrs *settings)
{
    int is_whole = fabs(m->number) < 9007199254740992.0 && m->number == (double)(int64_t)m->number; /* 2^53 */
    switch (m->type) {
    case TESSI_JSON_BOOL:
        return tess_attrs_set_i64(ctx, settings, m->key, m->number != 0);
    case TESSI_JSON_TEXT:
        return tess_attrs_set_text(ctx, settings, m->key, m->text);
    case TESSI_JSON_NUMBER:
        return is_whole ? tess_attrs_set_i64(ctx, settings, m->key, (int64_t)m->number)
                        : tess_attrs_set_f64(ctx, settings, m->key, m->number);
    default:
        return TESS_OK;
    }
}

static int weights_files_settings(struct tess_context *ctx, const char *path, struct tessi_weights_files *w)
{
    struct tessi_json *top = NULL;
    int64_t n = 0;
    TESS_TRY(weights_files_json(ctx, path, &top));
    int status = w->settings ? TESS_OK : tessi_base_attrs_new(ctx, &w->settings);
    for (const struct tessi_json *m = top->type == TESSI_JSON_MAP ? top->child : NULL; m && status == TESS_OK; m = m->next)
        status = n++ < SETTINGS_MAX ? weights_files_setting(ctx, m, w->settings)
                                    : ctx->fail(ctx, TESS_E_DATA, "%s: has more than %d settings", path, SETTINGS_MAX);
    tess_free(top);
    return status;
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static const struct tess_format_1 *weights_files_ops(const struct tessi_weights_part *p)
{
    return tess_instance_ops(p->format, "format/1");
}

static int weights_files_add(struct tess_context *ctx, const char *path, const char *key, struct tessi_weights_files *w)
{
    TESS_TRY(tess_reserve(ctx, &w->part, &w->capacity, w->parts + 1, sizeof *w->part, "files of weights"));
    struct tessi_weights_part *p = &w->part[w->parts];
    *p = (struct tessi_weights_part){.first = w->entries};
    TESS_TRY(tess_copy_text(ctx, path, &p->path));
    w->parts++;
    TESS_TRY(tessi_exchange_format_read(ctx, path, key, &p->format));
    int64_t n = weights_files_ops(p)->count(tess_instance_self(p->format));
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(w->entries + n + 1) * sizeof *w->entry, "a list of tensors", &memory));
    if (w->entries)
        memcpy(memory, w->entry, (size_t)w->entries * sizeof *w->entry);
    tess_free(w->entry);
    w->entry = memory;
    for (int64_t i = 0; i < n; i++)
        w->entry[w->entries++] = *weights_files_ops(p)->entry(tess_instance_self(p->format), i);
    return TESS_OK;
}

static int weights_files_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tess_entry *const *)a)->name, (*(const struct tess_entry *const *)b)->name);
}

/* Names of several files may clash; in one the format has seen to that. */
static int weights_files_check_names(struct tess_context *ctx, const struct tessi_weights_files *w)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(w->entries + 1) * sizeof(void *), "names", &memory));
    const struct tess_entry **order = memory;
    int64_t twice = -1;
    for (int64_t i = 0; i < w->entries; i++)
        order[i] = &w->entry[i];
    qsort(order, (size_t)w->entries, sizeof *order, weights_files_by_name);
    for (int64_t i = 1; i < w->entries && twice < 0; i++)
        if (strcmp(order[i - 1]->name, order[i]->name) == 0)
            twice = order[i] - w->entry;
    tess_free(memory);
    if (twice < 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in another of the files too; leave one of them out",
                     tessi_exchange_weights_part(w, twice)->path, w->entry[twice].name);
}

/* ---- shards -------------------------------------------------------------------------------------------------------- */

static int weights_files_has_part(const struct tessi_weights_files *w, const char *path)
{
    for (int64_t i = 0; i < w->parts; i++)
        if (strcmp(w->part[i].path, path) == 0)
            return 1;
    return 0;
}

/* Path of a shard beside the list. A name with a folder in it would lead out of there. */
static int weights_files_shard(struct tess_context *ctx, const char *index, const struct tessi_json *m, char *path)
{
    char shown[256];
    const char *slash = strrchr(index, '/');
    if (m->type != TESSI_JSON_TEXT || !*m->text || strchr(m->text, '/')) {
        (void)tess_shown_text(m->key, shown, sizeof shown);
        return ctx->fail(ctx, TESS_E_DATA, "%s: the file of `%s` is not the name of one beside it", index, shown);
    }
    int folder = slash ? (int)(slash - index + 1) : 0;
    if (snprintf(path, PATH_BYTES, "%.*s%s", folder, index, m->text) >= PATH_BYTES)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a file in it has too long a name", index);
    return TESS_OK;
}

static int weights_files_check_shards(struct tess_context *ctx, const char *index, const struct tessi_weights_files *w, int64_t named)
{
    if (named == w->entries)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: names %lld tensors, its %lld files have %lld; one of them is of another model, or a part",
                     index, (long long)named, (long long)w->parts, (long long)w->entries);
}

static int weights_files_add_shards(struct tess_context *ctx, const char *index, const struct tessi_json *top, const char *key,
                                    struct tessi_weights_files *w)
{
    const struct tessi_json *map = tessi_base_json_get(top, "weight_map");
    char path[PATH_BYTES];
    int64_t named = 0;
    if (!map || map->type != TESSI_JSON_MAP)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has no map `weight_map` of tensors to files", index);
    for (const struct tessi_json *m = map->child; m; m = m->next, named++) {
        TESS_TRY(weights_files_shard(ctx, index, m, path));
        if (w->parts && strcmp(w->part[w->parts - 1].path, path) == 0)
            continue;
        if (weights_files_has_part(w, path))
            continue;
        if (w->parts == PARTS_MAX)
            return ctx->fail(ctx, TESS_E_DATA, "%s: names more than %d files", index, PARTS_MAX);
        TESS_TRY(weights_files_add(ctx, path, key, w));
    }
    return weights_files_check_shards(ctx, index, w, named);
}

static int weights_files_open_index(struct tess_context *ctx, const char *path, const char *key, struct tessi_weights_files *w)
{
    struct tessi_json *top = NULL;
    TESS_TRY(tess_copy_text(ctx, path, &w->index));
    TESS_TRY(weights_files_json(ctx, path, &top));
    int status = weights_files_add_shards(ctx, path, top, key, w);
    tess_free(top);
    return status;
}

/* ---- folders ------------------------------------------------------------------------------------------------------- */

/* Rank of a file's name among those that hold a model's weights, 0: none. A list of shards is before the shards. */
static int weights_files_rank(const char *name)
{
    static const char *const endings[] = {".bin", ".pt", ".pth", ".ckpt", ".bin.index.json", ".safetensors", ".safetensors.index.json"};
    int rank = 0;
    for (int i = 0; i < (int)(sizeof endings / sizeof *endings); i++)
        if (weights_files_ends(name, endings[i]))
            rank = i + 1;
    return rank;
}

/* A checkpoint of torch.distributed: a folder of `.distcp` files, each of many small archives, and a pickle of the trainer's classes that
 * says where the pieces of each tensor are. PyTorch itself makes one file of it. */
static int weights_files_distributed(struct tess_context *ctx, const char *path, int length)
{
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: is a checkpoint that several processes wrote (.distcp); make one file of it, and import that: python3 -m "
                     "torch.distributed.checkpoint.format_utils dcp_to_torch %.*s weights.pt",
                     path, length, path);
}

/* The file of weights in a folder: that of the highest rank, of which there must be one. */
static int weights_files_in_folder(struct tess_context *ctx, const char *path, char *out, int *has_settings)
{
    DIR *d = opendir(path);
    int best = 0, count = 0, distributed = 0;
    *has_settings = 0;
    if (!d)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        int rank = weights_files_rank(e->d_name);
        *has_settings |= strcmp(e->d_name, "config.json") == 0;
        distributed |= weights_files_ends(e->d_name, ".distcp");
        if (rank == 0 || rank < best)
            continue;
        count = rank == best ? count + 1 : 1;
        best = rank;
        if (snprintf(out, PATH_BYTES, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", e->d_name) >= PATH_BYTES)
            count = PATH_BYTES;
    }
    closedir(d);
    if (count == 1)
        return TESS_OK;
    if (count == 0 && distributed)
        return weights_files_distributed(ctx, path, (int)strlen(path));
    return ctx->fail(ctx, TESS_E_DATA, "%s: is a folder with %s; name the file of weights", path,
                     count ? "several files of weights" : "no file of weights (.safetensors, .bin, .pt, .pth, .ckpt)");
}

static int weights_files_open_folder(struct tess_context *ctx, const char *path, const char *key, struct tessi_weights_files *w)
{
    char inside[PATH_BYTES], settings[PATH_BYTES];
    int has_settings;
    TESS_TRY(weights_files_in_folder(ctx, path, inside, &has_settings));
    if (has_settings) {
        (void)snprintf(settings, sizeof settings, "%.*s/config.json", (int)(strrchr(inside, '/') - inside), inside);
        TESS_TRY(weights_files_settings(ctx, settings, w));
    }
    return weights_files_ends(inside, ".index.json") ? weights_files_open_index(ctx, inside, key, w)
                                                     : weights_files_add(ctx, inside, key, w);
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

int tessi_exchange_weights_open(struct tess_context *ctx, const char *path, const char *key, struct tessi_weights_files *w)
{
    struct stat st;
    int is_folder = *path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    const char *slash = strrchr(path, '/');
    if (!is_folder && weights_files_ends(path, ".distcp"))
        return weights_files_distributed(ctx, slash ? path : ".", slash ? (int)(slash - path) : 1);
    if (is_folder)
        TESS_TRY(weights_files_open_folder(ctx, path, key, w));
    else if (weights_files_ends(path, ".index.json"))
        TESS_TRY(weights_files_open_index(ctx, path, key, w));
    else
        TESS_TRY(weights_files_add(ctx, path, key, w));
    return w->parts > 1 ? weights_files_check_names(ctx, w) : TESS_OK;
}

void tessi_exchange_weights_close(struct tessi_weights_files *w)
{
    for (int64_t i = 0; i < w->parts; i++) {
        tess_instance_close(w->part[i].format);
        tess_free(w->part[i].path);
    }
    tess_free(w->part);
    tess_free(w->entry);
    tess_free(w->index);
    tessi_base_attrs_free(w->settings);
    memset(w, 0, sizeof *w);
}

const struct tessi_weights_part *tessi_exchange_weights_part(const struct tessi_weights_files *w, int64_t i)
{
    int64_t p = w->parts - 1;
    while (p > 0 && w->part[p].first > i)
        p--;
    return &w->part[p];
}

int tessi_exchange_weights_read(struct tess_context *ctx, const struct tessi_weights_files *w, int64_t i, float *to)
{
    const struct tessi_weights_part *p = tessi_exchange_weights_part(w, i);
    return weights_files_ops(p)->read(tess_instance_self(p->format), ctx, i - p->first, to);
}

int tessi_exchange_weights_has_parts(const struct tessi_weights_files *w, int64_t i)
{
    const struct tess_format_1 *ops = weights_files_ops(tessi_exchange_weights_part(w, i));
    return TESS_HAS(ops, read_part) && ops->read_part;
}

int tessi_exchange_weights_read_part(struct tess_context *ctx, const struct tessi_weights_files *w, int64_t i, int64_t first, int64_t count,
                                     float *to)
{
    const struct tessi_weights_part *p = tessi_exchange_weights_part(w, i);
    return weights_files_ops(p)->read_part(tess_instance_self(p->format), ctx, i - p->first, first, count, to);
}
