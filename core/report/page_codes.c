/* Section "Codebooks": usage of codes. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <string.h>

enum { CODES_OFTEN = 10 };

struct codes_line {
    int64_t row, level;
    const struct tessi_report_page_result *result;
    int64_t codebook_size; /* number of codes of the level */
    const int64_t *use;
};

/* Adds a line for each level of a result; gives the number of lines there are then. */
static int64_t codes_add(struct codes_line *line, int64_t n, int64_t most, int64_t row, const struct tessi_report_page_result *r)
{
    const int64_t *use = r->use;
    for (int64_t l = 0; l < r->depth && n < most; use += r->level_size[l++])
        line[n++] = (struct codes_line){row, l, r, r->level_size[l], use};
    return n;
}

/* The results with counted codes, each with the first row that has it. */
static int64_t codes_list(const struct tessi_report_page *p, struct codes_line *line, int64_t most)
{
    int64_t n = 0;
    for (int64_t row = 0; row < p->table->rows; row++)
        for (int64_t i = 0; i < p->table->row[row].runs; i++)
            for (int64_t k = 0; k < p->table->row[row].run[i]->stages && n < most; k++) {
                const char *stage = p->table->row[row].run[i]->stage[k].name;
                const struct tessi_report_page_result *r = tessi_report_page_result_of(p, p->table->row[row].run[i], stage);
                int there = !r || !r->depth;
                for (int64_t j = 0; j < n && !there; j++)
                    there = line[j].result == r;
                if (!there)
                    n = codes_add(line, n, most, row, r);
            }
    return n;
}

/* ---- the chart ---- */

/* The use of each code over that of a uniform one, by its rank in per cent of the codebook. A rank at which nothing changes needs no point.
 */
static int64_t codes_points(const struct codes_line *line, double *x, double *y)
{
    int64_t n = 0;
    const int64_t *use = line->use, k = line->codebook_size;
    for (int64_t i = 0; i < k; i++) {
        int inner = i > 0 && i + 1 < k && use[i] == use[i - 1] && use[i] == use[i + 1];
        if (inner || !use[i])
            continue;
        x[n] = 100.0 * ((double)i + 0.5) / (double)k;
        y[n++] = (double)use[i] * (double)k / (double)line->result->counted;
    }
    return n;
}

static int codes_chart(struct tessi_report_page *p, int64_t n, const struct codes_line *line, struct tessi_svg_series *series)
{
    char id[24];
    int64_t all = 0, at = 0;
    void *memory;
    for (int64_t i = 0; i < n; i++)
        all += line[i].codebook_size;
    TESS_TRY(tess_alloc(p->ctx, (size_t)all * 2 * sizeof(double), "a chart of codes", &memory));
    double *x = memory, *y = x + all;
    for (int64_t i = 0; i < n; i++) {
        int64_t points = codes_points(&line[i], x + at, y + at);
        series[i] = (struct tessi_svg_series){
            .name = p->table->row[line[i].row].name, .points = points, .x = x + at, .y = y + at, .style = p->style[line[i].row]};
        at += points;
    }
    const struct tessi_svg_chart c = {
        .id = tessi_report_page_id(p, id),
        .title = "Use of codes, most used first",
        .description =
            "A line for each codebook, and for each level of several: the use of its codes relative to equal use, on a logarithmic "
            "axis. It ends where codes are never used. The dotted line is equal use.",
        .x = {"code, most used first", "% of the codebook", TESSI_SVG_LINEAR, 0, 100},
        .y = {.label = "use / equal use", .kind = TESSI_SVG_LOG},
        .count = n,
        .series = series,
        .joined = 1,
        .level = 1.0,
        .level_name = "equal use"};
    fputs("<figure>", p->to);
    int status = tessi_report_svg_chart(p->ctx, p->to, &c);
    fputs("<figcaption><b>Use of codes</b>, most used first. A line that ends before 100 % leaves the rest of its codebook "
          "unused.</figcaption>"
          "</figure>\n",
          p->to);
    tess_free(memory);
    return status;
}

/* ---- the table ---- */

static void codes_row(struct tessi_report_page *p, const struct codes_line *line)
{
    const struct tessi_report_page_result *r = line->result;
    const int64_t k = line->codebook_size;
    int64_t used = 0, often = 0;
    double entropy = 0.0, all = (double)r->counted;
    for (int64_t i = 0; i < k && line->use[i]; i++) {
        used++;
        often += line->use[i] >= CODES_OFTEN;
        entropy -= (double)line->use[i] / all * log2((double)line->use[i] / all);
    }
    fprintf(p->to, "<tr><th scope=\"row\">");
    tessi_report_svg_swatch(p->to, p->style[line->row]);
    fprintf(p->to, " <a href=\"#%s\">", p->table->row[line->row].anchor);
    tessi_report_html_text(p->to, p->table->row[line->row].name);
    fputs("</a> <span class=\"note\">", p->to);
    tessi_report_html_text(p->to, r->stage->name);
    if (r->depth > 1)
        fprintf(p->to, ", level %lld of %lld", (long long)line->level + 1, (long long)r->depth);
    if (p->table->row[line->row].runs > 1) {
        fputs(", seed ", p->to);
        tessi_report_html_text(p->to, r->run->seed);
    }
    fprintf(p->to, "</span></th><td class=\"n\" data-v=\"%.10g\">%lld of %lld (%.1f %%)</td>", (double)used / (double)k, (long long)used,
            (long long)k, 100.0 * (double)used / (double)k);
    fprintf(p->to, "<td class=\"n\" data-v=\"%lld\">%lld</td><td class=\"n\" data-v=\"%.10g\">%.1f (%.1f %%)</td>", (long long)often,
            (long long)often, exp2(entropy), exp2(entropy), 100.0 * exp2(entropy) / (double)k);
    fprintf(p->to, "<td class=\"n\" data-v=\"%.10g\">%.3f of %.3f</td><td class=\"n\" data-v=\"%.10g\">%.2f %%</td>", entropy, entropy,
            log2((double)k), (double)line->use[0] / all, 100.0 * (double)line->use[0] / all);
    if (r->counted < r->codes)
        fprintf(p->to, "<td class=\"n\">first %lld of %lld</td></tr>\n", (long long)r->counted, (long long)r->codes);
    else
        fprintf(p->to, "<td class=\"n\">%lld</td></tr>\n", (long long)r->counted);
}

static void codes_table(struct tessi_report_page *p, int64_t n, const struct codes_line *line)
{
    static const char *const heads[] = {"Used at least once", "Used 10 times or more", "Perplexity", "Entropy, bits",
                                        "Top code",           "Codes counted"};
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of codebooks\"><table class=\"sorts\"><thead><tr><th "
          "scope=\"col\"><button type=\"button\">Codebook</button></th>",
          p->to);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        fprintf(p->to, "<th scope=\"col\" class=\"n\"><button type=\"button\">%s</button></th>", heads[i]);
    fputs("</tr></thead><tbody>\n", p->to);
    for (int64_t i = 0; i < n; i++)
        codes_row(p, &line[i]);
    fputs("</tbody></table></div>\n", p->to);
}

/* ---- before and after ---- */

/* The metric that another one is the value before of: "codes used" of "codes used before". */
static const struct tessi_report_metric *codes_after(const struct tessi_report_run *run, const struct tessi_report_metric *before)
{
    size_t length = strlen(before->name), end = strlen(" before");
    if (length <= end || strcmp(before->name + length - end, " before") != 0)
        return NULL;
    for (int64_t i = 0; i < run->metrics; i++)
        if (strcmp(run->metric[i].stage, before->stage) == 0 && strlen(run->metric[i].name) == length - end &&
            strncmp(run->metric[i].name, before->name, length - end) == 0)
            return &run->metric[i];
    return NULL;
}

static void codes_before_after(struct tessi_report_page *p)
{
    int64_t n = 0;
    for (int64_t row = 0; row < p->table->rows && row < TESSI_REPORT_PAGE_ROWS; row++) {
        const struct tessi_report_run *run = p->table->row[row].runs ? p->table->row[row].run[0] : NULL;
        for (int64_t i = 0; run && i < run->metrics; i++) {
            const struct tessi_report_metric *before = &run->metric[i], *after = codes_after(run, before);
            if (!after)
                continue;
            fputs(n++ ? ""
                      : "<h3>Before and after</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Before and after\">"
                        "<table><thead><tr><th scope=\"col\">Row</th><th scope=\"col\">Stage</th><th scope=\"col\">Metric</th><th "
                        "scope=\"col\" class=\"n\">Before</th><th scope=\"col\" class=\"n\">After</th></tr></thead><tbody>\n",
                  p->to);
            fputs("<tr><th scope=\"row\">", p->to);
            tessi_report_html_text(p->to, p->table->row[row].name);
            fputs("</th><td>", p->to);
            tessi_report_html_text(p->to, after->stage);
            fputs("</td><td>", p->to);
            tessi_report_html_text(p->to, after->name);
            fprintf(p->to, "</td><td class=\"n\">%.5g</td><td class=\"n\">%.5g</td></tr>\n", before->value, after->value);
        }
    }
    fputs(n ? "</tbody></table></div>\n" : "", p->to);
}

/* ---- the whole ---- */

/* The chart and the table beside it. */
static int codes_counted(struct tessi_report_page *p, int64_t n, const struct codes_line *line, struct tessi_svg_series *series)
{
    fputs("<div class=\"pair\"><div>\n", p->to);
    TESS_TRY(codes_chart(p, n, line, series));
    tessi_report_page_legend(p);
    fputs("</div><div>\n", p->to);
    codes_table(p, n, line);
    fputs("</div></div>\n", p->to);
    return TESS_OK;
}

/* Codes counted in artefacts of codes. */
static int codes_uses(struct tessi_report_page *p)
{
    void *memory;
    int64_t most = TESSI_REPORT_PAGE_ROWS;
    TESS_TRY(tess_alloc(p->ctx, (size_t)most * (sizeof(struct codes_line) + sizeof(struct tessi_svg_series)), "codes of a page", &memory));
    struct tessi_svg_series *series = memory;
    struct codes_line *line = (struct codes_line *)(series + most);
    int64_t n = codes_list(p, line, most);
    int status = n ? codes_counted(p, n, line, series) : TESS_OK;
    tess_free(memory);
    return status;
}

int tessi_report_page_codes(struct tessi_report_page *p)
{
    int there = 0;
    for (int64_t i = 0; i < p->results; i++)
        there |= p->result[i].depth || p->result[i].atlas || tessi_report_page_has_usage(&p->result[i]);
    if (!there)
        return TESS_OK;
    tessi_report_page_section(p, "codes", "Codebooks");
    TESS_TRY(codes_uses(p));
    TESS_TRY(tessi_report_page_usage(p));
    codes_before_after(p);
    TESS_TRY(tessi_report_page_atlas(p));
    fputs("</section>\n", p->to);
    return TESS_OK;
}
