/* Atlas of codes in section "Codebooks": a grid of each result's codes decoded alone, most used first. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <string.h>

enum { ATLAS_ACROSS = 16, ATLAS_LEAST = 16, ATLAS_NAMED = 6, ATLAS_GROUND = 128 };
#define ATLAS_BYTES 300000 /* estimated bytes of all grids of a page */

/* ---- how many tiles ---- */

static int atlas_same(const struct tessi_report_page_result *a, const struct tessi_report_page_result *b)
{
    const size_t bytes = (size_t)a->atlas * sizeof *a->atlas_code;
    return a->atlas == b->atlas && tess_tensor_same_shape(&a->atlas_tile, &b->atlas_tile) &&
           memcmp(a->atlas_code, b->atlas_code, bytes) == 0 && memcmp(a->atlas_uses, b->atlas_uses, bytes) == 0 &&
           memcmp(a->atlas_tile.data, b->atlas_tile.data, tess_tensor_bytes(&a->atlas_tile)) == 0;
}

/* 1 where result i has an atlas that no earlier one has: rows that share a tokenizer have one between them. */
static int atlas_is_new(const struct tessi_report_page *p, int64_t i)
{
    int is_new = p->result[i].atlas > 0;
    for (int64_t k = 0; k < i && is_new; k++)
        is_new = !p->result[k].atlas || !atlas_same(&p->result[k], &p->result[i]);
    return is_new;
}

/* Tiles a grid, so that all grids stay within their bytes. A pixel costs about a byte: an index, deflated, in base64. */
static int64_t atlas_tiles(const struct tessi_report_page *p)
{
    double cost = 1.0;
    for (int64_t i = 0; i < p->results; i++)
        if (atlas_is_new(p, i))
            cost += (double)(p->result[i].atlas_tile.dim[1] * p->result[i].atlas_tile.dim[2]);
    double n = ATLAS_BYTES / cost;
    return n < ATLAS_LEAST ? ATLAS_LEAST : n > INT32_MAX ? INT32_MAX : (int64_t)n;
}

/* Number of the tile at place `at` of a grid of n: the last quarter of a grid that has not all is the end of the list, as that has the
 * least used codes. */
static int64_t atlas_at(const struct tessi_report_page_result *r, int64_t n, int64_t at)
{
    int64_t last = n < r->atlas ? n / 4 : 0;
    return at < n - last ? at : r->atlas - n + at;
}

/* ---- one grid ---- */

static int atlas_image(struct tessi_report_page *p, const struct tessi_report_page_result *r, int64_t n, const char *who)
{
    const struct tess_tensor *t = &r->atlas_tile;
    const int64_t across = n < ATLAS_ACROSS ? n : ATLAS_ACROSS, down = (n + across - 1) / across, channels = t->dim[3];
    const int64_t high = t->dim[1] + 1, wide = t->dim[2] + 1, line = t->dim[2] * channels;
    struct tess_tensor grid = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){down * high - 1, across * wide - 1, channels});
    char alt[120];
    TESS_TRY(tess_alloc(p->ctx, tess_tensor_bytes(&grid), "an atlas", &grid.data));
    memset(grid.data, ATLAS_GROUND, tess_tensor_bytes(&grid));
    for (int64_t i = 0; i < n; i++)
        for (int64_t y = 0; y < t->dim[1]; y++)
            memcpy((uint8_t *)grid.data + ((i / across * high + y) * grid.dim[1] + i % across * wide) * channels,
                   (const uint8_t *)t->data + (atlas_at(r, n, i) * t->dim[1] + y) * line, (size_t)line);
    (void)snprintf(alt, sizeof alt, ": %lld codes decoded alone, most used first", (long long)n);
    int status = tessi_report_page_image(p, &grid, NULL, who, alt);
    tess_free(grid.data);
    return status;
}

/* The most used codes by number and uses, and how many are never used. */
static void atlas_caption(struct tessi_report_page *p, const struct tessi_report_page_result *r, int64_t n,
                          const struct tessi_report_row *row)
{
    int64_t unused = 0;
    for (int64_t i = 0; i < r->atlas; i++)
        unused += r->atlas_uses[i] == 0;
    fprintf(p->to, "<figcaption><b><a href=\"#%s\">", row->anchor);
    tessi_report_html_text(p->to, row->name);
    fputs("</a></b> ", p->to);
    tessi_report_html_text(p->to, r->stage->name);
    fputs("; most used: code", p->to);
    for (int64_t i = 0; i < r->atlas && i < ATLAS_NAMED && r->atlas_uses[i]; i++)
        fprintf(p->to, "%s %d (%d times)", i ? "," : "", (int)r->atlas_code[i], (int)r->atlas_uses[i]);
    if (unused)
        fprintf(p->to, "; the last %lld are never used", (long long)unused);
    if (n < r->atlas)
        fprintf(p->to, "; showing %lld of %lld, the last %lld of them the least used", (long long)n, (long long)r->atlas, (long long)n / 4);
    fputs("</figcaption>", p->to);
}

static int atlas_figure(struct tessi_report_page *p, const struct tessi_report_page_result *r, int64_t tiles,
                        const struct tessi_report_row *row)
{
    int64_t n = r->atlas < tiles ? r->atlas : tiles;
    fputs("<figure class=\"atlas\">", p->to);
    TESS_TRY(atlas_image(p, r, n, row->name));
    atlas_caption(p, r, n, row);
    fputs("</figure>\n", p->to);
    return TESS_OK;
}

/* ---- all ---- */

/* 1 where `row` is the first that has result r. */
static int atlas_is_first(const struct tessi_report_page *p, const struct tessi_report_page_result *r, int64_t row)
{
    for (int64_t i = 0; i <= row; i++)
        for (int64_t k = 0; k < p->table->row[i].runs; k++)
            if (tessi_report_page_result_of(p, p->table->row[i].run[k], r->stage->name) == r)
                return i == row;
    return 0;
}

int tessi_report_page_atlas(struct tessi_report_page *p)
{
    int64_t n = 0, tiles = atlas_tiles(p), rows = p->table->rows;
    rows = rows < TESSI_REPORT_PAGE_PICTURE_ROWS ? rows : TESSI_REPORT_PAGE_PICTURE_ROWS;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < p->results; i++) {
            const struct tessi_report_page_result *r = &p->result[i];
            if (!atlas_is_new(p, i) || !atlas_is_first(p, r, row))
                continue;
            fputs(n++ ? ""
                      : "<h3>Atlas of codes</h3><p class=\"note\">Each code decoded alone: the middle of the image of a map that has this "
                        "code "
                        "everywhere. Most used first, in the images that were measured on.</p><div class=\"sheets\">\n",
                  p->to);
            TESS_TRY(atlas_figure(p, r, tiles, &p->table->row[row]));
            break; /* the first run stands for a row of several seeds */
        }
    fputs(n ? "</div>\n" : "", p->to);
    return TESS_OK;
}
