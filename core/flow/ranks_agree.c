/* Whether all ranks are about to compute the same thing. Each describes itself in lines, NAME, a tab and a value; rank 0 compares the lines
 * of every rank with its own, and names the first that differs. A rank of another build, processor, library or data would compute other
 * bits, or wait for ever in another stage. SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/base/files.h"
#include "core/flow/flow_private.h"
#include "core/ranks/ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX ((int64_t)1 << 24)

/* ---- the description ----------------------------------------------------------------------------------------------- */

static int agree_file(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    tess_digest_start(&d);
    TESS_TRY(tess_digest_add_file(ctx, &d, path));
    tess_digest_end(&d, digest);
    return TESS_OK;
}

static int agree_by_id(const void *a, const void *b)
{
    const struct tessi_found *one = *(const struct tessi_found *const *)a, *other = *(const struct tessi_found *const *)b;
    return strcmp(one->plugin->id, other->plugin->id);
}

/* The plugins by their ids, as their order is that of the folders that they were found in. */
static int agree_plugins(struct tess_context *ctx, const struct tessi_pipeline *p, FILE *to)
{
    char digest[TESS_DIGEST_TEXT];
    void *memory;
    int64_t files = tessi_plug_registry_files(p->runtime->registry), n = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)(files + 1) * sizeof(struct tessi_found *), "plugins", &memory));
    const struct tessi_found **found = memory;
    for (int64_t i = 0; i < files; i++) {
        found[n] = tessi_plug_registry_file(p->runtime->registry, i);
        n += found[n]->plugin != NULL;
    }
    qsort(found, (size_t)n, sizeof *found, agree_by_id);
    int status = TESS_OK;
    for (int64_t i = 0; status == TESS_OK && i < n; i++) {
        status = agree_file(ctx, found[i]->path, digest);
        fprintf(to, "plugin %s\t%s, %.16s\n", found[i]->plugin->id, found[i]->plugin->version, digest);
    }
    tess_free(found);
    return status;
}

static int agree_describe(struct tess_context *ctx, const struct tessi_pipeline *p, FILE *to)
{
    char digest[TESS_DIGEST_TEXT], *text = NULL;
    size_t bytes = 0;
    struct tess_digest d;
    TESS_TRY(agree_file(ctx, "/proc/self/exe", digest));
    fprintf(to, "the program\ttessera " PACKAGE_VERSION ", %.16s\n", digest);
    fprintf(to, "processor and libraries\t%s\n", p->runtime->numeric_mode);
    TESS_TRY(agree_plugins(ctx, p, to));
    TESS_TRY(tessi_flow_resolved_text(ctx, p, &text, &bytes));
    tess_digest_start(&d);
    tess_digest_add(&d, text, bytes);
    tess_digest_end(&d, digest);
    free(text);
    fprintf(to, "the pipeline\t%s, %.16s\n", p->name, digest);
    for (int64_t i = 0; i < p->count; i++) {
        const struct tessi_stage *s = &p->stage[i];
        fprintf(to, "files of stage `%s`\t%.16s\n", s->name, *s->files ? s->files : "none");
        fprintf(to, "stage `%s`\t%.16s\n", s->name, s->wanted ? s->identity : "not wanted");
    }
    return TESS_OK;
}

/* ---- the comparison ------------------------------------------------------------------------------------------------ */

/* 1 where one of the lines has this name, up to its tab. */
static int agree_has(const char *lines, const char *name, int length)
{
    for (; *lines; lines += strcspn(lines, "\n") + (lines[strcspn(lines, "\n")] == '\n'))
        if (strncmp(lines, name, (size_t)length) == 0 && lines[length] == '\t')
            return 1;
    return 0;
}

/* Names what differs first; ours and theirs are the lines from there on. */
static int agree_differ(struct tess_context *ctx, int rank, const char *host, const char *ours, const char *theirs)
{
    int name = (int)strcspn(*ours ? ours : theirs, "\t"), us = (int)strcspn(ours, "\n"), them = (int)strcspn(theirs, "\n");
    int same = *ours && *theirs && (int)strcspn(theirs, "\t") == name && strncmp(ours, theirs, (size_t)name) == 0;
    if (same)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "rank %d (%s) differs from rank 0 in %.*s: wanted %.*s, found %.*s; all ranks must compute the same", rank, host,
                         name, ours, us - name - 1, ours + name + 1, them - name - 1, theirs + name + 1);
    if (*ours && !agree_has(theirs, ours, (int)strcspn(ours, "\t\n")))
        return ctx->fail(ctx, TESS_E_USAGE, "rank %d (%s) differs from rank 0: it has no %.*s; all ranks must compute the same", rank, host,
                         (int)strcspn(ours, "\t\n"), ours);
    return ctx->fail(ctx, TESS_E_USAGE, "rank %d (%s) differs from rank 0, which has no %.*s; all ranks must compute the same", rank, host,
                     (int)strcspn(theirs, "\t\n"), theirs);
}

static int agree_compare(struct tess_context *ctx, const char *all, int ranks, int64_t bytes, int64_t host)
{
    const char *ours = all + host;
    for (int k = 1; k < ranks; k++) {
        const char *theirs = all + k * bytes + host;
        for (size_t i = 0, line = 0; ours[i] || theirs[i]; i++) {
            if (ours[i] != theirs[i])
                return agree_differ(ctx, k, all + k * bytes, ours + line, theirs + line);
            line = ours[i] == '\n' ? i + 1 : line;
        }
    }
    return TESS_OK;
}

/* Rank 0's verdict on all ranks: fails alike on each. */
static int agree_verdict(struct tess_context *ctx, struct tessi_ranks *ranks, int status)
{
    struct verdict {
        int32_t status;
        char text[TESSI_MESSAGE_CAPACITY];
    } verdict = {.status = status};
    snprintf(verdict.text, sizeof verdict.text, "%s", tess_message(ctx));
    TESS_TRY(tessi_ranks_broadcast(ctx, ranks, &verdict, sizeof verdict));
    return verdict.status == TESS_OK ? TESS_OK : ctx->fail(ctx, verdict.status, "%s", verdict.text);
}

/* Sends `text` to rank 0, behind the name of this machine, in as many bytes as the longest of all has; rank 0 compares. */
static int agree_texts(struct tess_context *ctx, struct tessi_ranks *ranks, const char *text, int64_t length)
{
    const int64_t host = 64;
    int n = tessi_ranks_size(ranks), first = tessi_ranks_rank(ranks) == 0;
    void *sizes, *own, *all = NULL;
    int64_t bytes = length + 1, most = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof bytes, "ranks", &sizes));
    int status = tessi_ranks_collect(ctx, ranks, &bytes, sizeof bytes, first ? sizes : NULL);
    for (int k = 0; k < n && first; k++)
        most = ((int64_t *)sizes)[k] > most ? ((int64_t *)sizes)[k] : most;
    tess_free(sizes);
    TESS_TRY(status);
    TESS_TRY(tessi_ranks_broadcast(ctx, ranks, &most, sizeof most));
    if (most < bytes || most > TEXT_MAX)
        return ctx->fail(ctx, TESS_E_INTERNAL, "the longest description of a rank has %lld bytes", (long long)most);
    most += host;
    TESS_TRY(tess_alloc(ctx, (size_t)most, "ranks", &own));
    snprintf(own, (size_t)host, "%s", tessi_ranks_host(ranks));
    memcpy((char *)own + host, text, (size_t)length);
    status = first ? tess_alloc(ctx, (size_t)(n * most), "ranks", &all) : TESS_OK;
    if (status == TESS_OK)
        status = tessi_ranks_collect(ctx, ranks, own, most, all);
    if (status == TESS_OK)
        status = agree_verdict(ctx, ranks, first ? agree_compare(ctx, all, n, most, host) : TESS_OK);
    tess_free(own);
    tess_free(all);
    return status;
}

/* ---- the folder ---------------------------------------------------------------------------------------------------- */

/* Rank 0 writes a file whose name and text nobody knows before; the others must see it. */
static int agree_folder(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_ranks *ranks)
{
    char token[64] = "", *path = NULL, seen[64] = "", line[128] = "";
    int first = tessi_ranks_rank(ranks) == 0, status = TESS_OK;
    if (first) {
        snprintf(token, sizeof token, "%" PRIx64 "-%d", (uint64_t)(uintptr_t)&token ^ (uint64_t)time(NULL) << 20, (int)getpid());
        TESS_TRY(tessi_base_make_folder(ctx, p->cache));
    }
    TESS_TRY(tessi_ranks_broadcast(ctx, ranks, token, sizeof token));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/ranks-%s", p->cache, token));
    if (first)
        status = tessi_base_write_text(ctx, path, token, strlen(token));
    if (status == TESS_OK)
        status = tessi_ranks_barrier(ctx, ranks, 0.0);
    FILE *f = status == TESS_OK ? fopen(path, "rbe") : NULL;
    if (f) {
        seen[fread(seen, 1, sizeof seen - 1, f)] = '\0';
        (void)fclose(f);
    }
    snprintf(line, sizeof line, "the folder\t%s\n", strcmp(seen, token) == 0 ? "shared" : "not shared with rank 0");
    if (status == TESS_OK)
        status = agree_texts(ctx, ranks, line, (int64_t)strlen(line));
    if (first)
        (void)unlink(path);
    if (status == TESS_E_USAGE)
        tess_append_message(ctx, ", and see the same files under %s; put the run on a shared file system (--workdir)", p->cache);
    tess_free(path);
    return status;
}

int tessi_flow_ranks_agree(struct tess_context *ctx, const struct tessi_pipeline *p)
{
    struct tessi_ranks *ranks = p->runtime->ranks;
    char *text = NULL;
    size_t bytes = 0;
    if (tessi_ranks_size(ranks) == 1)
        return TESS_OK;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory to compare ranks");
    int status = agree_describe(ctx, p, to);
    if (fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory to compare ranks");
    if (status == TESS_OK)
        status = agree_texts(ctx, ranks, text, (int64_t)bytes);
    free(text);
    return status == TESS_OK ? agree_folder(ctx, p, ranks) : status;
}
