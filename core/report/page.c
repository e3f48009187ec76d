/* The frame of a page: head, navigation, the sections in order, foot. A policy in the head lets nothing be loaded and no script run but the
 * page's own, so that a text that got in unescaped could still do nothing. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <tessera/digest.h>

#include <stdlib.h>
#include <string.h>

/* ---- style and script ---- */

static void page_lines(FILE *to, const char *const *line)
{
    for (; *line; line++)
        fputs(*line, to);
}

/* SHA-256 of the script in base64, as the policy names it. */
static void page_script_digest(FILE *to)
{
    struct tess_digest d;
    char text[TESS_DIGEST_TEXT];
    unsigned char bytes[32];
    tess_digest_start(&d);
    for (const char *const *line = tessi_report_page_js; *line; line++)
        tess_digest_add(&d, *line, strlen(*line));
    tess_digest_end(&d, text);
    for (int i = 0; i < 32; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    tessi_report_html_base64(to, bytes, sizeof bytes);
}

/* ---- head and foot ---- */

static void page_title(const struct tessi_report_page *p, char *text, size_t capacity)
{
    const struct tessi_report_set *set = p->set;
    if (*p->table->title)
        (void)snprintf(text, capacity, "%s", p->table->title);
    else if (set->runs == 2)
        (void)snprintf(text, capacity, "%s and %s", set->run[0].name, set->run[1].name);
    else
        (void)snprintf(text, capacity, "%lld runs", (long long)set->runs);
}

static int page_unfinished(const struct tessi_report_page *p)
{
    for (int64_t i = 0; i < p->set->runs; i++)
        if (p->set->run[i].outcome == TESSI_REPORT_NOT_RUN)
            return 1;
    return 0;
}

static void page_head(struct tessi_report_page *p)
{
    char title[512];
    page_title(p, title, sizeof title);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, "
          "initial-scale=1\">"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
          "'sha256-",
          p->to);
    page_script_digest(p->to);
    fputs("'; base-uri 'none'; form-action 'none'\"><meta name=\"referrer\" content=\"no-referrer\">", p->to);
    if (p->o->refresh && page_unfinished(p))
        fprintf(p->to, "<meta http-equiv=\"refresh\" content=\"%lld\">", (long long)p->o->refresh);
    fputs("<link rel=\"icon\" href=\"data:,\"><title>", p->to);
    tessi_report_html_text(p->to, title);
    fputs(" \xE2\x80\x93 Tessera</title><style>\n", p->to);
    page_lines(p->to, tessi_report_page_css);
    fputs("</style></head>\n<body><a class=\"skip\" href=\"#table\">To the table</a>\n<header><p class=\"kind\">", p->to);
    fputs(p->set->sweeps ? "Tessera sweep" : p->set->runs == 1 ? "Tessera run" : "Tessera runs", p->to);
    fputs("</p><h1>", p->to);
    tessi_report_html_text(p->to, title);
    fputs("</h1>", p->to);
    if (p->o->made && !p->o->reproducible) {
        fputs("<p class=\"made\">", p->to);
        tessi_report_html_text(p->to, p->o->made);
        fputs("</p>", p->to);
    }
    fputs("</header>\n", p->to);
}

static void page_foot(struct tessi_report_page *p)
{
    fputs(
        "</main>\n<footer><p>This page is complete in itself: it loads nothing. Links to files lead into the folders that it was made of. "
        "docs/report.md of Tessera explains its parts.</p></footer>\n<script>",
        p->to);
    page_lines(p->to, tessi_report_page_js);
    fputs("</script></body></html>\n", p->to);
}

/* ---- sections ---- */

struct page_part {
    const char *id, *title;
    int (*write)(struct tessi_report_page *p);
};

static const struct page_part parts[] = {{"summary", "Summary", tessi_report_page_summary},
                                         {"table", "Table", tessi_report_page_table},
                                         {"pictures", "Pictures", tessi_report_page_pictures},
                                         {"against", "Settings", tessi_report_page_against},
                                         {"codes", "Codebooks", tessi_report_page_codes},
                                         {"curves", "Training", tessi_report_page_curves},
                                         {"bounds", "Bound", tessi_report_page_bounds},
                                         {"references", "References", tessi_report_page_references},
                                         {"protocols", "Protocols", tessi_report_page_protocols},
                                         {"stages", "Pipeline", tessi_report_page_stages},
                                         {"times", "Time", tessi_report_page_times},
                                         {"again", "Again", tessi_report_page_again}};
enum { PAGE_PARTS = sizeof parts / sizeof *parts };

/* Writes the sections to memory, so that the navigation, which comes before them, names those that there are. */
static int page_parts_write(struct tessi_report_page *p, char *text[PAGE_PARTS], size_t bytes[PAGE_PARTS])
{
    FILE *to = p->to;
    int status = TESS_OK;
    for (size_t i = 0; i < PAGE_PARTS && status == TESS_OK; i++) {
        p->to = open_memstream(&text[i], &bytes[i]);
        status = p->to ? parts[i].write(p) : p->ctx->fail(p->ctx, TESS_E_MEMORY, "no memory for a page");
        if (p->to && fclose(p->to) != 0 && status == TESS_OK)
            status = p->ctx->fail(p->ctx, TESS_E_MEMORY, "no memory for a page");
    }
    p->to = to;
    return status;
}

static int page_body(struct tessi_report_page *p)
{
    char *text[PAGE_PARTS] = {NULL};
    size_t bytes[PAGE_PARTS] = {0};
    int status = page_parts_write(p, text, bytes);
    fputs("<nav aria-label=\"Sections\">", p->to);
    for (size_t i = 0; i < PAGE_PARTS; i++)
        if (bytes[i])
            fprintf(p->to, "<a href=\"#%s\">%s</a>", parts[i].id, parts[i].title);
    fputs("</nav>\n<main>\n", p->to);
    for (size_t i = 0; i < PAGE_PARTS; i++) {
        if (bytes[i])
            (void)fwrite(text[i], 1, bytes[i], p->to);
        free(text[i]);
    }
    return status;
}

/* ---- styles of rows ---- */

/* A style of its own for each row, as long as there are enough; beyond, for the baseline, the best rows of the metrics, and the first. */
static void page_styles(struct tessi_report_page *p)
{
    const struct tessi_report_table *t = p->table;
    int32_t next = 0;
    for (int64_t i = 0; i < t->rows; i++)
        p->style[i] = TESSI_SVG_CROWD;
    for (int pass = t->rows <= TESSI_SVG_STYLES ? 2 : 0; pass < 3; pass++)
        for (int64_t i = 0; i < t->rows && next < TESSI_SVG_STYLES; i++) {
            int best = 0;
            for (int64_t k = 0; k < t->measures; k++)
                best |= t->measure[k].shown && t->row[i].cell[k].best;
            if (p->style[i] < 0 && (pass == 2 || (pass == 0 ? t->row[i].baseline : best)))
                p->style[i] = next++;
        }
}

int tessi_report_page(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_page_options *o, FILE *to)
{
    const struct tessi_report_table_options how = {.metrics = o->metrics, .sort = o->sort, .baseline = o->baseline};
    struct tessi_report_table table = {.title = ""};
    struct tessi_report_page p = {.ctx = ctx, .to = to, .set = set, .o = o, .table = &table};
    void *memory;
    TESS_TRY(tessi_report_table_make(ctx, set, &how, &table));
    TESS_TRY(tess_alloc(ctx, (size_t)(table.rows + 1) * sizeof *p.style, "a page", &memory));
    p.style = memory;
    page_styles(&p);
    int status = tessi_report_page_gather(&p);
    if (status == TESS_OK) {
        page_head(&p);
        status = page_body(&p);
        page_foot(&p);
    }
    tessi_report_page_gather_free(&p);
    tess_free(memory);
    return status;
}
