/* See file_list.h. SPDX-License-Identifier: MIT */
#include "core/flow/file_list.h"
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

int tessi_flow_file_list_text(struct tess_context *ctx, const struct tessi_stage *s, char **out)
{
    size_t bytes = 0;
    void *memory;
    char time[TIME_TEXT];
    *out = NULL;
    for (int64_t i = 0; i < s->witness.count; i++)
        bytes += TESS_DIGEST_TEXT + 21 + TIME_TEXT + strlen(s->witness.file[i].path) + 1;
    if (bytes == 0)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, bytes + 1, "a list of files", &memory));
    char *at = *out = memory;
    for (int64_t i = 0; i < s->witness.count; i++) {
        const struct tessi_seen *seen = &s->witness.file[i];
        at += snprintf(at, bytes + 1 - (size_t)(at - *out), "%s %" PRId64 " %s %s\n", seen->digest, seen->at.size,
                       tessi_flow_file_time(seen->at.changed, time), seen->path);
    }
    return TESS_OK;
}

int tessi_flow_file_list_is_long(const char *text)
{
    return strlen(text) > ATTRIBUTE_MAX;
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

int tessi_flow_file_list_read(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tess_artefact *a,
                              struct tessi_file_list *out)
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
    return TESS_OK;
}

void tessi_flow_file_list_free(struct tessi_file_list *l)
{
    tess_free(l->text);
    tess_free(l->item);
    *l = (struct tessi_file_list){.text = NULL};
}

const struct tessi_listed *tessi_flow_file_list_find(const struct tessi_file_list *l, const char *path)
{
    const struct tessi_listed wanted = {.path = path};
    return l->count ? bsearch(&wanted, l->item, (size_t)l->count, sizeof *l->item, file_list_by_path) : NULL;
}
