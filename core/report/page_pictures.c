/* Pictures: the same images in aligned columns, a strip for each variant, the originals first; then pictures that are shown whole.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <string.h>

enum { PICTURES_NAMED = 3, PICTURES_LEAST = 2 };
#define PICTURES_STRIP_BYTES 1300000 /* estimated bytes of all strips of a page */
#define PICTURES_SHEET_BYTES 400000  /* bytes of all pictures that are shown whole */

/* The strips of one kind of line of one picture: one for each row that has a result of its own. */
struct pictures_group {
    const char *stage, *picture, *line;
    int64_t count;
    const struct tessi_report_page_strip **strip;
    int64_t *row;  /* first row that has the strip */
    int64_t *rows; /* and how many have it */
    int64_t *of;   /* by row of the table: number of its strip; -1: none */
    int same;      /* 1: all strips have the same pixels, as originals have */
};

/* ---- grouping ---- */

static const struct tessi_report_page_strip *pictures_find(const struct tessi_report_page_result *r, const char *picture, const char *line)
{
    for (int64_t i = 0; r && i < r->strips; i++)
        if (strcmp(r->strip[i].picture, picture) == 0 && strcmp(r->strip[i].row, line) == 0)
            return &r->strip[i];
    return NULL;
}

/* The strip of a row: of its first run that has one. */
static const struct tessi_report_page_strip *pictures_of_row(const struct tessi_report_page *p, const struct pictures_group *g, int64_t row)
{
    const struct tessi_report_page_strip *s = NULL;
    for (int64_t i = 0; i < p->table->row[row].runs && !s; i++)
        s = pictures_find(tessi_report_page_result_of(p, p->table->row[row].run[i], g->stage), g->picture, g->line);
    return s;
}

static int pictures_same(const struct tessi_report_page_strip *a, const struct tessi_report_page_strip *b)
{
    return tess_tensor_same_shape(&a->tiles, &b->tiles) && memcmp(a->tiles.data, b->tiles.data, tess_tensor_bytes(&a->tiles)) == 0;
}

static void pictures_add(struct pictures_group *g, int64_t row, const struct tessi_report_page_strip *s)
{
    int64_t i = 0;
    while (i < g->count && g->strip[i] != s)
        i++;
    if (i == g->count) {
        g->same &= i == 0 || pictures_same(g->strip[0], s);
        g->strip[g->count] = s;
        g->row[g->count] = row;
        g->rows[g->count++] = 0;
    }
    g->rows[i]++;
    g->of[row] = i;
}

static int pictures_open(struct tessi_report_page *p, struct pictures_group *g, const char *stage,
                         const struct tessi_report_page_strip *first)
{
    int64_t rows = p->table->rows;
    void *memory;
    *g = (struct pictures_group){.stage = stage, .picture = first->picture, .line = first->row, .same = 1};
    TESS_TRY(tess_alloc(p->ctx, (size_t)rows * (sizeof *g->strip + 3 * sizeof(int64_t)), "pictures of a page", &memory));
    g->strip = memory;
    g->row = (int64_t *)(g->strip + rows);
    g->rows = g->row + rows;
    g->of = g->rows + rows;
    for (int64_t i = 0; i < rows; i++) {
        const struct tessi_report_page_strip *s = i < TESSI_REPORT_PAGE_PICTURE_ROWS ? pictures_of_row(p, g, i) : NULL;
        g->of[i] = -1;
        if (s)
            pictures_add(g, i, s);
    }
    return TESS_OK;
}

/* ---- how many tiles ---- */

/* 1 for the first of several lines of a picture: the originals, which mostly are the same in all. */
static int pictures_is_original(const struct tessi_report_page_result *r, int64_t k)
{
    return *r->strip[k].row && (k == 0 || strcmp(r->strip[k].picture, r->strip[k - 1].picture) != 0);
}

/* Tiles a strip, so that all strips stay within their bytes. A pixel costs about a byte: an index, deflated, in base64. */
static int64_t pictures_tiles(const struct tessi_report_page *p)
{
    double cost = 1.0;
    for (int64_t i = 0; i < p->results; i++)
        for (int64_t k = 0; k < p->result[i].strips; k++)
            if (!pictures_is_original(&p->result[i], k))
                cost += (double)(p->result[i].strip[k].tiles.dim[1] * p->result[i].strip[k].tiles.dim[2]);
    double n = PICTURES_STRIP_BYTES / cost;
    return n < PICTURES_LEAST ? PICTURES_LEAST : n > TESSI_REPORT_PAGE_TILES ? TESSI_REPORT_PAGE_TILES : (int64_t)n;
}

/* ---- strips ---- */

static int pictures_image(struct tessi_report_page *p, const struct pictures_group *g, int64_t i, int64_t tiles, const char *who)
{
    const struct tess_tensor *t = &g->strip[i]->tiles;
    const int64_t n = t->dim[0] < tiles ? t->dim[0] : tiles, h = t->dim[1], line = t->dim[2] * t->dim[3];
    struct tess_tensor row = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){h, n * t->dim[2], t->dim[3]});
    char alt[200], id[24];
    TESS_TRY(tess_alloc(p->ctx, tess_tensor_bytes(&row), "a strip of pictures", &row.data));
    for (int64_t k = 0; k < n; k++)
        for (int64_t y = 0; y < h; y++)
            memcpy((uint8_t *)row.data + (y * n + k) * line, (uint8_t *)t->data + (k * h + y) * line, (size_t)line);
    (void)snprintf(alt, sizeof alt, ": %lld images of %.60s, %.60s%s%.40s", (long long)n, g->stage, g->picture, *g->line ? ", " : "",
                   g->line);
    fprintf(p->to, "<div class=\"strip%s\" style=\"--n:%lld\">", g->same && *g->line ? " original" : "", (long long)n);
    int status = tessi_report_page_image(p, &row, tessi_report_page_id(p, id), who, alt);
    fputs("</div>\n", p->to);
    tess_free(row.data);
    return status;
}

/* Prints the sampling parameters (steps, temperature, seed ...) from the attributes of an artefact of samples. */
static void pictures_drawn(struct tessi_report_page *p, const struct tessi_report_row *row, const char *stage)
{
    static const char *const told[] = {"steps", "temperature", "seed", "guidance", "sampler"};
    const struct tessi_report_stage *s = row->runs ? tessi_report_stage_named(row->run[0], stage) : NULL;
    int64_t n = 0;
    for (int64_t i = 0; s && strcmp(s->kind, "samples") == 0 && i < s->attributes; i++)
        for (size_t k = 0; k < sizeof told / sizeof *told; k++)
            if (strcmp(s->attribute[i].name, told[k]) == 0) {
                fprintf(p->to, "%s%s ", n++ ? ", " : "<span class=\"cap\">", told[k]);
                tessi_report_html_text(p->to, s->attribute[i].text);
            }
    fputs(n ? "</span>" : "", p->to);
}

/* The names of the rows that have a strip, and the file. */
static void pictures_who(struct tessi_report_page *p, const struct pictures_group *g, int64_t i)
{
    int64_t named = 0;
    fputs("<div class=\"who\">", p->to);
    for (int64_t k = 0; k < p->table->rows && named < PICTURES_NAMED; k++)
        if (g->of[k] == i) {
            fprintf(p->to, "%s<a href=\"#%s\">", named++ ? ", " : "", p->table->row[k].anchor);
            tessi_report_html_text(p->to, p->table->row[k].name);
            fputs("</a>", p->to);
        }
    if (g->rows[i] > PICTURES_NAMED)
        fprintf(p->to, " and %lld more", (long long)(g->rows[i] - PICTURES_NAMED));
    if (*g->line) {
        fputs("<span class=\"cap\">", p->to);
        tessi_report_html_text(p->to, g->line);
        fputs("</span>", p->to);
    }
    pictures_drawn(p, &p->table->row[g->row[i]], g->stage);
    fputs("</div>\n", p->to);
}

static int pictures_rows(struct tessi_report_page *p, const struct pictures_group *g, int64_t tiles)
{
    if (g->same && *g->line && g->count) { /* the same for all: once, first */
        fputs("<div class=\"who original\"><b>", p->to);
        tessi_report_html_text(p->to, g->line);
        fputs("</b></div>\n", p->to);
        return pictures_image(p, g, 0, tiles, "all variants");
    }
    for (int64_t i = 0; i < g->count; i++) {
        pictures_who(p, g, i);
        TESS_TRY(pictures_image(p, g, i, tiles, p->table->row[g->row[i]].name));
    }
    return TESS_OK;
}

/* The choice of the strip that is shown in the place of others; ids follow one another as the strips do. */
static void pictures_flip(struct tessi_report_page *p, const struct pictures_group *g, int64_t first_id)
{
    fputs("<div class=\"flip js\"><label>Pointing at a strip, or x on it, shows in its place <select>\n", p->to);
    for (int64_t i = 0; i < g->count; i++) {
        fprintf(p->to, "<option value=\"f%lld\">", (long long)(first_id + i));
        tessi_report_html_text(p->to, p->table->row[g->row[i]].name);
        if (*g->line) {
            fputs(", ", p->to);
            tessi_report_html_text(p->to, g->line);
        }
        fputs("</option>\n", p->to);
    }
    fputs("</select></label></div>\n", p->to);
}

static void pictures_strips_open(struct tessi_report_page *p, const char *stage, const char *picture)
{
    fputs("<div class=\"strips\" tabindex=\"0\" role=\"region\" aria-label=\"", p->to);
    tessi_report_html_text(p->to, stage);
    fputs(": ", p->to);
    tessi_report_html_text(p->to, picture);
    fputs("\">\n", p->to);
}

/* All lines of one picture of a stage, as result `r` has them. */
static int pictures_block(struct tessi_report_page *p, const char *stage, const struct tessi_report_page_result *r, int64_t first,
                          int64_t tiles)
{
    const char *picture = r->strip[first].picture;
    fputs("<div><h3>", p->to);
    tessi_report_html_text(p->to, stage);
    fputs(": ", p->to);
    tessi_report_html_text(p->to, picture);
    fputs("</h3>\n", p->to);
    for (int pass = 0; pass < 2; pass++) { /* first a choice for the line that differs the most, then the strips */
        int64_t at = p->id;
        if (pass)
            pictures_strips_open(p, stage, picture);
        for (int64_t i = first; i < r->strips && strcmp(r->strip[i].picture, picture) == 0; i++) {
            struct pictures_group g;
            TESS_TRY(pictures_open(p, &g, stage, &r->strip[i]));
            int once = g.same && *g.line;
            int status = pass ? pictures_rows(p, &g, tiles) : TESS_OK;
            int last = i + 1 == r->strips || strcmp(r->strip[i + 1].picture, picture) != 0;
            if (!pass && last && g.count > 1)
                pictures_flip(p, &g, at + 1);
            at += once ? 1 : g.count;
            tess_free(g.strip);
            TESS_TRY(status);
        }
    }
    fputs("</div></div>\n", p->to);
    return TESS_OK;
}

/* ---- pictures shown whole ---- */

static int pictures_sheets(struct tessi_report_page *p)
{
    int64_t shown = 0, left = 0, before = p->picture_bytes;
    for (int64_t i = 0; i < p->results; i++) {
        const struct tessi_report_page_result *r = &p->result[i];
        for (int64_t k = 0; k < r->sheets; k++) {
            if (p->picture_bytes - before > PICTURES_SHEET_BYTES) {
                left++;
                continue;
            }
            fputs(shown++ ? "" : "<h3>Other pictures</h3><div class=\"sheets\">\n", p->to);
            fputs("<figure>", p->to);
            TESS_TRY(tessi_report_page_image(p, &r->sheet[k].pixels, NULL, r->stage->name, r->sheet[k].picture));
            fputs("<figcaption><b>", p->to);
            tessi_report_html_text(p->to, r->stage->name);
            fputs("</b>: ", p->to);
            tessi_report_html_text(p->to, r->sheet[k].picture);
            fputs(", ", p->to);
            tessi_report_html_text(p->to, r->run->name);
            fputs("</figcaption></figure>\n", p->to);
        }
    }
    fputs(shown ? "</div>\n" : "", p->to);
    if (left)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld such pictures; the others are linked below.</p>\n", (long long)shown,
                (long long)(shown + left));
    return TESS_OK;
}

/* Links to the files of all pictures, which show every image. */
static void pictures_files(struct tessi_report_page *p)
{
    int64_t n = 0;
    fputs("<details class=\"box\"><summary>All pictures, as files beside this page</summary><ul>\n", p->to);
    for (int64_t i = 0; i < p->results && n < 400; i++)
        for (int64_t k = 0; k < p->result[i].stage->pictures; k++, n++) {
            const struct tessi_report_stage *s = p->result[i].stage;
            fputs("<li>", p->to);
            tessi_report_html_text(p->to, p->result[i].run->name);
            fputs(": ", p->to);
            tessi_report_page_link(p, s->picture_path[k], s->picture_path[k]);
            fputs("</li>\n", p->to);
        }
    fputs("</ul></details>\n", p->to);
}

/* 1 where a result before `at`, of the same stage, has a strip of this picture: its block has been written. */
static int pictures_before(const struct tessi_report_page *p, int64_t at, const char *stage, const char *picture)
{
    for (int64_t i = 0; i < at; i++)
        if (strcmp(p->result[i].stage->name, stage) == 0)
            for (int64_t k = 0; k < p->result[i].strips; k++)
                if (strcmp(p->result[i].strip[k].picture, picture) == 0)
                    return 1;
    return 0;
}

static int pictures_stage(struct tessi_report_page *p, const char *stage, int64_t tiles)
{
    for (int64_t i = 0; i < p->results; i++) {
        const struct tessi_report_page_result *r = &p->result[i];
        if (strcmp(r->stage->name, stage) != 0 || strcmp(r->stage->kind, "images") == 0)
            continue;
        for (int64_t k = 0; k < r->strips; k++)
            if ((k == 0 || strcmp(r->strip[k].picture, r->strip[k - 1].picture) != 0) && !pictures_before(p, i, stage, r->strip[k].picture))
                TESS_TRY(pictures_block(p, stage, r, k, tiles));
    }
    return TESS_OK;
}

int tessi_report_page_pictures(struct tessi_report_page *p)
{
    int64_t n = 0, tiles = pictures_tiles(p);
    for (int64_t i = 0; i < p->results; i++)
        n += p->result[i].strips + p->result[i].sheets;
    if (!n)
        return TESS_OK;
    tessi_report_page_section(p, "pictures", "Pictures");
    fputs("<p class=\"note\">The same images stand in the same column of every strip. ", p->to);
    if (p->table->rows > TESSI_REPORT_PAGE_PICTURE_ROWS)
        fprintf(p->to, "Showing the first %d of %lld rows. ", TESSI_REPORT_PAGE_PICTURE_ROWS, (long long)p->table->rows);
    fprintf(p->to,
            "A strip has the first %lld images at most, with at most 256 colours; of a row of several seeds those of the first.</p>\n",
            (long long)tiles);
    for (int64_t i = p->names; i-- > 0;) /* results of the last stages say the most */
        TESS_TRY(pictures_stage(p, p->name[i], tiles));
    TESS_TRY(pictures_sheets(p));
    pictures_files(p);
    fputs("</section>\n", p->to);
    return TESS_OK;
}
