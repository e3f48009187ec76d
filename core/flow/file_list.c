/* See file_list.h. SPDX-License-Identifier: MIT */
#include "core/flow/file_list.h"
#include "core/base/aside.h"
#include "core/base/files.h"
#include "core/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ATTRIBUTE_MAX (16 << 10) /* largest list, in bytes, that is an attribute */
#define TIME_TEXT 24

const char *tessi_flow_file_time(int64_t nanoseconds, char text[TIME_TEXT])
{
    time_t seconds = (time_t)(nanoseconds / INT64_C(1000000000));
    struct tm t;
    if (!gmtime_r(&seconds, &t) || strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        snprintf(text, TIME_TEXT, "?");
    return text;
}

/* Number of bytes, a `/` the last, that the paths of all files begin with. */
static int file_list_common(struct tess_context *ctx, const struct tessi_stage *s, size_t *common)
{
    struct tessi_witness_walk walk = {.w = &s->witness};
    char *first = NULL;
    int more = 1, status = TESS_OK;
    *common = 0;
    while (status == TESS_OK && more) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        if (status != TESS_OK || !more)
            continue;
        if (!first) {
            status = tess_copy_text(ctx, walk.seen.path, &first);
            *common = status == TESS_OK ? strlen(first) : 0;
        }
        for (size_t i = 0; i < *common; i++)
            if (first[i] != walk.seen.path[i])
                *common = i;
        while (*common && first[*common - 1] != '/')
            --*common;
    }
    tessi_host_witness_walk_close(&walk);
    tess_free(first);
    return status;
}

/* Calls `line` with each file's line. */
static int file_list_each(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                          int (*line)(void *user, struct tess_context *ctx, const char *text, size_t bytes), void *user)
{
    struct tessi_witness_walk walk = {.w = &s->witness};
    char time[TIME_TEXT] = "-", *text = NULL;
    size_t common = 0;
    int more = 1, status = p->anonymous ? file_list_common(ctx, s, &common) : TESS_OK;
    while (status == TESS_OK && more) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        if (status != TESS_OK || !more)
            continue;
        if (!p->anonymous)
            (void)tessi_flow_file_time(walk.seen.at.changed, time);
        status =
            tessi_base_format(ctx, &text, "%s %" PRId64 " %s %s\n", walk.seen.digest, walk.seen.at.size, time, walk.seen.path + common);
        if (status == TESS_OK)
            status = line(user, ctx, text, strlen(text));
        tess_free(text);
        text = NULL;
    }
    tessi_host_witness_walk_close(&walk);
    return status;
}

/* A list as text on its way: its bytes, and memory for them, ATTRIBUTE_MAX at most. */
struct file_list_text {
    char *text;
    int64_t bytes, capacity;
    int is_long;
};

static int file_list_to_text(void *user, struct tess_context *ctx, const char *text, size_t bytes)
{
    struct file_list_text *t = user;
    t->is_long = t->is_long || t->bytes + (int64_t)bytes > ATTRIBUTE_MAX;
    if (t->is_long)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &t->text, &t->capacity, t->bytes + (int64_t)bytes + 1, 1, "a list of files"));
    memcpy(t->text + t->bytes, text, bytes + 1);
    t->bytes += (int64_t)bytes;
    return TESS_OK;
}

int tessi_flow_file_list_text(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, char **out)
{
    struct file_list_text t = {.text = NULL};
    int status = s->witness.count > ATTRIBUTE_MAX / TESS_DIGEST_TEXT ? TESS_OK : file_list_each(ctx, p, s, file_list_to_text, &t);
    *out = status == TESS_OK && !t.is_long ? t.text : NULL;
    if (!*out)
        tess_free(t.text);
    return status;
}

/* A list on its way into a file: a block of lines at a time. */
struct file_list_file {
    struct tessi_aside *to;
    size_t used;
    char block[1 << 15];
};

static int file_list_to_file(void *user, struct tess_context *ctx, const char *text, size_t bytes)
{
    struct file_list_file *f = user;
    if (f->used + bytes > sizeof f->block) {
        TESS_TRY(tessi_base_aside_put(ctx, f->to, f->block, f->used));
        f->used = 0;
    }
    if (bytes > sizeof f->block)
        return tessi_base_aside_put(ctx, f->to, text, bytes);
    memcpy(f->block + f->used, text, bytes);
    f->used += bytes;
    return TESS_OK;
}

int tessi_flow_file_list_write(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s, const char *path)
{
    struct file_list_file f = {.to = NULL};
    int status = tessi_base_aside_open(ctx, path, 1, &f.to);
    if (status == TESS_OK)
        status = file_list_each(ctx, p, s, file_list_to_file, &f);
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, f.to, f.block, f.used);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(ctx, f.to);
    tessi_base_aside_close(f.to);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int file_list_by_path(const void *a, const void *b)
{
    return strcmp(((const struct tessi_listed *)a)->path, ((const struct tessi_listed *)b)->path);
}

/* Cuts a line into its fields; 0 where it has not all of them. */
static int file_list_line(char *line, struct tessi_listed *out)
{
    char *field[4] = {line};
    for (int i = 1; i < 4; i++) {
        if (!(field[i] = strchr(field[i - 1], ' ')))
            return 0;
        *field[i]++ = '\0';
    }
    *out = (struct tessi_listed){.digest = field[0], .time = field[2], .path = field[3], .size = strtoll(field[1], NULL, 10)};
    return strlen(field[0]) == TESS_DIGEST_TEXT - 1;
}

/* Reads KEY.files into l->text, where there is one. */
static int file_list_load(struct tess_context *ctx, const struct tessi_pipeline *p, const char *key, struct tessi_file_list *l)
{
    char *path = NULL;
    void *memory = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/%s.files", p->cache, key));
    FILE *f = fopen(path, "rbe");
    tess_free(path);
    if (!f)
        return TESS_OK;
    long bytes = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    int status = bytes > 0 ? tess_alloc(ctx, (size_t)bytes + 1, "a list of files", &memory) : TESS_OK;
    if (memory) {
        rewind(f);
        ((char *)memory)[fread(memory, 1, (size_t)bytes, f)] = '\0';
    }
    l->text = memory;
    (void)fclose(f);
    return status;
}

int tessi_flow_file_list_read(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                              const struct tess_artefact *a, struct tessi_file_list *out)
{
    const char *text = tessi_store_artefact_provenance(a, "files"), *key = tessi_store_artefact_provenance(a, "key");
    int64_t lines = 0;
    void *memory;
    *out = (struct tessi_file_list){.text = NULL};
    if (text)
        TESS_TRY(tess_copy_text(ctx, text, &out->text));
    else if (key && tessi_store_artefact_provenance(a, "input." TESSI_FILES_INPUT))
        TESS_TRY(file_list_load(ctx, p, key, out));
    for (const char *at = out->text; at && *at; at++)
        lines += *at == '\n';
    if (!lines)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)lines * sizeof *out->item, "a list of files", &memory));
    out->item = memory;
    for (char *line = out->text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        out->count += file_list_line(line, &out->item[out->count]);
    }
    qsort(out->item, (size_t)out->count, sizeof *out->item, file_list_by_path);
    return out->count && *out->item->path != '/' ? file_list_common(ctx, s, &out->common) : TESS_OK;
}

void tessi_flow_file_list_free(struct tessi_file_list *l)
{
    tess_free(l->text);
    tess_free(l->item);
    *l = (struct tessi_file_list){.text = NULL};
}

struct tessi_listed *tessi_flow_file_list_find(const struct tessi_file_list *l, const char *path)
{
    const struct tessi_listed wanted = {.path = *path == '/' && strlen(path) > l->common ? path + l->common : path};
    return l->count ? bsearch(&wanted, l->item, (size_t)l->count, sizeof *l->item, file_list_by_path) : NULL;
}
