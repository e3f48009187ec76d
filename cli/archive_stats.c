/* `tessera archive stats`: how an archive uses its codebook, level by level, counted in one pass whose memory does not grow with the rows.
 * SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "core/base/aside.h"
#include "core/base/json.h"

#include <tessera/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BARS = 16, BAR_WIDTH = 40, PICTURE_WIDTH = 1024, PICTURE_HEIGHT = 192, GAP = 8, BLOCK = 1 << 20 };

struct stats_options {
    struct cli_archive_one one; /* first */
    const char *picture;
};

struct stats {
    const struct tess_artefact *a;
    int64_t rows, depth, level_size[TESS_DEPTH_MAX], codebook_size, *counts; /* (depth, codebook_size) */
    struct tess_code_health health[TESS_DEPTH_MAX];
    struct tessi_log *log;
};

/* ---- counting ------------------------------------------------------------------------------------------------------------- */

static int stats_count_block(struct tess_context *ctx, const struct stats *s, int64_t first, const struct tess_tensor *t)
{
    int64_t n = tess_tensor_count(t), row = n / t->dim[0];
    const int32_t *code = t->data;
    for (int64_t i = 0; i < n; i++) {
        int64_t level = i % s->depth;
        if (code[i] < 0 || code[i] >= s->level_size[level])
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: row %lld has code %d at level %lld, whose codes are below %lld; `tessera archive "
                             "verify` lists all faults",
                             tess_artefact_path(s->a), (long long)(first + i / row), code[i], (long long)level,
                             (long long)s->level_size[level]);
        s->counts[level * s->codebook_size + code[i]]++;
    }
    return TESS_OK;
}

static int stats_count(struct tess_context *ctx, struct stats *s)
{
    struct tess_tensor shape, t;
    TESS_TRY(tess_artefact_shape(ctx, s->a, "codes", &shape));
    int64_t row = shape.dim[0] ? tess_tensor_count(&shape) / shape.dim[0] : 1, step = BLOCK / row > 0 ? BLOCK / row : 1;
    if (shape.rank != (s->depth > 1 ? 4 : 3) || (s->depth > 1 && shape.dim[3] != s->depth))
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: its codes are of another shape than its attributes say; `tessera archive verify` tells more",
                         tess_artefact_path(s->a));
    t = shape;
    t.dtype = TESS_I32;
    t.dim[0] = step < shape.dim[0] ? step : shape.dim[0];
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&t), "codes", &t.data));
    int status = TESS_OK;
    for (int64_t i = 0; i < shape.dim[0] && status == TESS_OK; i += step) {
        t.dim[0] = shape.dim[0] - i < step ? shape.dim[0] - i : step;
        status = tess_artefact_read(ctx, s->a, "codes", i, &t);
        if (status == TESS_OK)
            status = stats_count_block(ctx, s, i, &t);
        tessi_base_progress(s->log, i + t.dim[0], shape.dim[0], "rows", NULL, 0);
    }
    tess_free(t.data);
    s->rows = shape.dim[0];
    for (int64_t l = 0; l < s->depth; l++)
        s->health[l] = tess_code_health_of(s->counts + l * s->codebook_size, s->level_size[l]);
    return status;
}

/* ---- the histogram -------------------------------------------------------------------------------------------------------- */

static int stats_by_count(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return one < other ? 1 : one > other ? -1 : 0;
}

/* Uses of a level, most used code first; the counts are sorted for good. */
static const int64_t *stats_ranked(const struct stats *s, int64_t level)
{
    int64_t *counts = s->counts + level * s->codebook_size;
    qsort(counts, (size_t)s->level_size[level], sizeof *counts, stats_by_count);
    return counts;
}

/* Bars of text: codes by rank in groups of equal size, and the share of all uses that each group has. */
static void stats_bars(const struct stats *s, int64_t level)
{
    const int64_t *ranked = stats_ranked(s, level);
    int64_t size = s->level_size[level], bars = size < BARS ? size : BARS;
    double max = 0, share[BARS] = {0};
    for (int64_t b = 0; b < bars; b++) {
        for (int64_t k = b * size / bars; k < (b + 1) * size / bars; k++)
            share[b] += (double)ranked[k];
        share[b] /= s->health[level].total ? (double)s->health[level].total : 1.0;
        max = share[b] > max ? share[b] : max;
    }
    for (int64_t b = 0; b < bars; b++) {
        int width = max > 0 ? (int)(share[b] / max * BAR_WIDTH + 0.5) : 0;
        printf("  rank %6lld to %6lld  %5.1f %%  ", (long long)(b * size / bars + 1), (long long)((b + 1) * size / bars), 100 * share[b]);
        while (width-- > 0)
            putchar('#');
        putchar('\n');
    }
}

/* Draws a level: the height of a column is the logarithm of the uses of its codes, by rank. */
static void stats_draw(const struct stats *s, int64_t level, uint8_t *to)
{
    const int64_t *ranked = stats_ranked(s, level);
    int64_t size = s->level_size[level];
    double top = log1p((double)ranked[0]);
    for (int64_t x = 0; x < PICTURE_WIDTH; x++) {
        double height = top > 0 ? log1p((double)ranked[x * size / PICTURE_WIDTH]) / top * PICTURE_HEIGHT : 0;
        for (int64_t y = 0; y < PICTURE_HEIGHT; y++)
            to[y * PICTURE_WIDTH + x] = (double)(PICTURE_HEIGHT - y) <= height ? 60 : 235;
    }
}

static int stats_picture(struct tess_context *ctx, const struct stats *s, const char *path)
{
    struct tess_tensor t = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){s->depth * (PICTURE_HEIGHT + GAP) - GAP, PICTURE_WIDTH, 1});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&t), "a picture", &t.data));
    memset(t.data, 255, tess_tensor_bytes(&t));
    for (int64_t l = 0; l < s->depth; l++)
        stats_draw(s, l, (uint8_t *)t.data + l * (PICTURE_HEIGHT + GAP) * PICTURE_WIDTH);
    int status = tessi_store_png_write(ctx, path, &t);
    tess_free(t.data);
    return status;
}

/* ---- printing ------------------------------------------------------------------------------------------------------------- */

static void stats_print(const struct stats *s, int bars)
{
    char total[32], text[32];
    printf("%s: %s rows\n", cli_shown(tess_artefact_path(s->a)), cli_archive_count(s->rows, text));
    for (int64_t l = 0; l < s->depth; l++) {
        const struct tess_code_health *h = &s->health[l];
        if (s->depth > 1)
            printf("level %lld\n", (long long)l);
        printf("  codes used     %lld of %lld (%.1f %%)\n", (long long)h->used, (long long)h->codebook_size,
               h->codebook_size ? 100 * (double)h->used / (double)h->codebook_size : 0);
        printf("  uses           %s\n", cli_archive_count(h->total, total));
        printf("  entropy        %.4f bits of %.4f\n", h->entropy, log2((double)h->codebook_size));
        printf("  perplexity     %.2f\n", h->perplexity);
        printf("  top code       %.3f %% of all uses\n", 100 * h->top_share);
        if (bars)
            stats_bars(s, l);
        if (2 * h->used < h->codebook_size)
            printf("  less than half of the codes are used; the stage `refit`, the quantizer `ema` or a smaller codebook help\n");
    }
}

static void stats_print_json(const struct stats *s)
{
    fputs("{\"path\":", stdout);
    tessi_base_json_text(stdout, tess_artefact_path(s->a));
    printf(",\"rows\":%lld,\"levels\":[", (long long)s->rows);
    for (int64_t l = 0; l < s->depth; l++) {
        const struct tess_code_health *h = &s->health[l];
        printf("%s{\"codebook_size\":%lld,\"used\":%lld,\"total\":%lld,\"entropy\":", l ? "," : "", (long long)h->codebook_size,
               (long long)h->used, (long long)h->total);
        tessi_base_json_f64(stdout, h->entropy);
        fputs(",\"perplexity\":", stdout);
        tessi_base_json_f64(stdout, h->perplexity);
        fputs(",\"top_share\":", stdout);
        tessi_base_json_f64(stdout, h->top_share);
        fputs(",\"counts\":[", stdout);
        for (int64_t k = 0; k < s->level_size[l]; k++)
            printf("%s%lld", k ? "," : "", (long long)s->counts[l * s->codebook_size + k]);
        fputs("]}", stdout);
    }
    puts("]}");
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static int stats_of(struct tess_context *ctx, struct stats *s, const struct stats_options *o)
{
    const struct tess_attrs *f = tess_artefact_attrs(s->a);
    void *memory;
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, s->a));
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &s->codebook_size));
    TESS_TRY(tess_levels_get(ctx, f, s->codebook_size, &s->depth, s->level_size));
    TESS_TRY(tess_alloc(ctx, (size_t)(s->depth * s->codebook_size) * sizeof *s->counts, "counts of codes", &memory));
    s->counts = memory;
    TESS_TRY(stats_count(ctx, s));
    tessi_base_progress_end(s->log);
    if (o->one.json)
        stats_print_json(s);
    else
        stats_print(s, !o->picture);
    return o->picture ? stats_picture(ctx, s, o->picture) : TESS_OK;
}

static int stats(struct cli_globals *g, int argc, char **argv)
{
    struct stats_options o = {.picture = NULL};
    struct tessi_context context;
    struct tess_artefact *a = NULL;
    struct stats s = {.depth = 0};
    int code = cli_archive_read(g, &cli_archive_stats, argc, argv, &o.one);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = tessi_base_not_over(&context.context, o.picture, o.one.path);
    if (status == TESS_OK)
        status = tessi_base_log_new(&context.context, stderr, g->level, g->colour, &s.log);
    if (status == TESS_OK)
        status = cli_archive_open(&context.context, o.one.path, &a);
    if (status == TESS_OK)
        status = tessi_store_artefact_check_bytes(&context.context, a);
    s.a = a;
    if (status == TESS_OK) {
        tessi_base_progress_start(s.log, "stats");
        status = stats_of(&context.context, &s, &o);
    }
    tess_free(s.counts);
    tessi_store_artefact_close(a);
    tessi_base_log_free(s.log);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {{.name = "--output",
                                         .brief = "-o",
                                         .value = "FILE",
                                         .help = "write the histogram as a PNG: uses of the codes by rank, most used left, logarithmic",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         .offset = offsetof(struct stats_options, picture)},
                                        {.name = "--json",
                                         .help = "the same as one JSON object, with the count of each code",
                                         .type = CLI_SWITCH,
                                         .offset = offsetof(struct cli_archive_one, json)},
                                        {.name = NULL}};

const struct cli_verb cli_archive_stats = {
    .name = "archive stats",
    .summary = "how the codebook is used, level by level",
    .arguments = "ARCHIVE|FILE.h5",
    .description = "Counts every code in one pass: codes used, entropy, perplexity and the share of the most used one, as `encode` prints\n"
                   "them, with a histogram of the uses by rank.\n",
    .flags = flags,
    .run = stats,
    .apart = 1,
};
