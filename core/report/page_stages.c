/* The pipeline as a drawing, a node for each stage, and a box for each with what it was given and made. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <string.h>

enum { STAGES_DRAWN = 120, STAGES_RESULTS = 24 };

/* A stage over all runs. */
struct stages_view {
    const struct tessi_report_stage *first; /* stage of the first run that has it, with a result if there is one */
    int64_t runs, results, computed, cached, failed, stopped, distinct;
    char text[64], target[300];
};

static int64_t stages_number(const struct tessi_report_page *p, const char *name)
{
    for (int64_t i = 0; i < p->names; i++)
        if (strcmp(p->name[i], name) == 0)
            return i;
    return -1;
}

static void stages_count(const struct tessi_report_page *p, const char *name, struct stages_view *v)
{
    for (int64_t i = 0; i < p->set->runs; i++) {
        const struct tessi_report_run *run = &p->set->run[i];
        const struct tessi_report_stage *s = tessi_report_stage_named(run, name);
        if (!s)
            continue;
        v->runs++;
        v->first = !v->first || (!v->first->path && s->path) ? s : v->first;
        v->results += s->path != NULL;
        v->computed += s->state == TESSI_REPORT_COMPUTED;
        v->cached += s->state == TESSI_REPORT_CACHED;
        v->failed += run->outcome == TESSI_REPORT_BROKEN && strcmp(run->failed_stage, name) == 0;
        v->stopped += run->outcome == TESSI_REPORT_HALTED && strcmp(run->failed_stage, name) == 0;
    }
    for (int64_t i = 0; i < p->results; i++)
        v->distinct += strcmp(p->result[i].stage->name, name) == 0;
}

/* "ran, 12.5 s"; of many runs "9 results of 27 runs". What the clock and the cache's state tell is no part of a reproducible page. */
static void stages_text(const struct tessi_report_page *p, struct stages_view *v)
{
    char time[32];
    const struct tessi_report_stage *s = v->first;
    if (v->failed || v->stopped)
        (void)snprintf(v->text, sizeof v->text, "%s in %lld of %lld", v->failed ? "failed" : "stopped",
                       (long long)(v->failed ? v->failed : v->stopped), (long long)v->runs);
    else if (!v->results)
        (void)snprintf(v->text, sizeof v->text, "not run");
    else if (v->runs > 1 && v->distinct == 1)
        (void)snprintf(v->text, sizeof v->text, "shared by %lld", (long long)v->results);
    else if (v->runs > 1)
        (void)snprintf(v->text, sizeof v->text, "%lld results", (long long)v->distinct);
    else if (p->o->reproducible)
        (void)snprintf(v->text, sizeof v->text, "%.12s", s->digest);
    else if (s->state == TESSI_REPORT_CACHED)
        (void)snprintf(v->text, sizeof v->text, "cached");
    else
        (void)snprintf(v->text, sizeof v->text, "ran, %s", tessi_report_page_seconds(s->seconds, time, sizeof time));
}

static int32_t stages_state(const struct tessi_report_page *p, const struct stages_view *v)
{
    if (v->failed || v->stopped)
        return v->failed ? TESSI_SVG_FAILED : TESSI_SVG_STOPPED;
    if (!v->results)
        return TESSI_SVG_OPEN;
    return !p->o->reproducible && v->runs == 1 && v->cached ? TESSI_SVG_CACHED : TESSI_SVG_RAN;
}

/* ---- the drawing ---- */

static int stages_edge(struct tessi_report_page *p, struct tessi_svg_edge **edge, int64_t *edges, int64_t *capacity,
                       const struct tessi_report_input *in, int64_t to)
{
    int64_t from = in->from ? stages_number(p, in->from) : -1;
    if (from < 0 || from >= STAGES_DRAWN || from == to)
        return TESS_OK;
    for (int64_t i = 0; i < *edges; i++)
        if ((*edge)[i].from == from && (*edge)[i].to == to)
            return TESS_OK;
    TESS_TRY(tess_reserve(p->ctx, edge, capacity, *edges + 1, sizeof **edge, "a drawing"));
    (*edge)[(*edges)++] = (struct tessi_svg_edge){from, to, in->port};
    return TESS_OK;
}

static int stages_edges(struct tessi_report_page *p, int64_t nodes, struct tessi_svg_edge **edge, int64_t *edges)
{
    int64_t capacity = 0;
    for (int64_t i = 0; i < p->set->runs; i++)
        for (int64_t k = 0; k < p->set->run[i].stages; k++) {
            const struct tessi_report_stage *s = &p->set->run[i].stage[k];
            int64_t to = stages_number(p, s->name);
            for (int64_t j = 0; to < nodes && j < s->inputs; j++)
                TESS_TRY(stages_edge(p, edge, edges, &capacity, &s->input[j], to));
        }
    return TESS_OK;
}

static int stages_draw(struct tessi_report_page *p, int64_t nodes, const struct stages_view *view, struct tessi_svg_node *node)
{
    struct tessi_svg_edge *edge = NULL;
    int64_t edges = 0;
    char id[24];
    for (int64_t i = 0; i < nodes; i++)
        node[i] = (struct tessi_svg_node){p->name[i], view[i].text, stages_state(p, &view[i]), view[i].target};
    int status = stages_edges(p, nodes, &edge, &edges);
    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Drawing of the pipeline\">", p->to);
    if (status == TESS_OK)
        status =
            tessi_report_svg_dag(p->ctx, p->to, tessi_report_page_id(p, id), "The pipeline's stages and what each reads",
                                 "A box for each stage with its state, below those it reads. Each leads to its details in the text below.",
                                 nodes, node, edges, edge);
    fputs("</div>\n", p->to);
    tess_free(edge);
    return status;
}

/* ---- the boxes ---- */

static void stages_pair(struct tessi_report_page *p, const char *term, const char *text)
{
    if (!text || !*text)
        return;
    fprintf(p->to, "<dt>%s</dt><dd>", term);
    tessi_report_html_text(p->to, text);
    fputs("</dd>\n", p->to);
}

static void stages_code(struct tessi_report_page *p, const char *term, const char *text)
{
    if (!text || !*text)
        return;
    fprintf(p->to, "<dt>%s</dt><dd><code>", term);
    tessi_report_html_text(p->to, text);
    fputs("</code></dd>\n", p->to);
}

static void stages_measured(struct tessi_report_page *p, const struct tessi_report_stage *s)
{
    char time[32], planned[32], peak[32];
    if (p->o->reproducible)
        return;
    if (s->seconds >= 0)
        fprintf(p->to, "<dt>Time</dt><dd>%s, planned %s</dd>\n", tessi_report_page_seconds(s->seconds, time, sizeof time),
                tessi_report_page_seconds(s->planned_seconds, planned, sizeof planned));
    if (s->peak_bytes >= 0 || s->planned_bytes >= 0)
        fprintf(p->to, "<dt>Memory</dt><dd>%s at most, planned %s</dd>\n", tessi_report_page_bytes(s->peak_bytes, peak, sizeof peak),
                tessi_report_page_bytes(s->planned_bytes, planned, sizeof planned));
}

static void stages_reason(struct tessi_report_page *p, const char *name)
{
    int64_t told = 0;
    for (int64_t i = 0; i < p->set->runs && told < STAGES_RESULTS; i++) {
        const struct tessi_report_run *run = &p->set->run[i];
        if (strcmp(run->failed_stage, name) != 0 || !*run->reason)
            continue;
        fputs(told++ ? "" : "<p>", p->to);
        fputs("<span class=\"bad\">", p->to);
        tessi_report_html_text(p->to, run->name);
        fputs("</span>: ", p->to);
        tessi_report_html_text(p->to, run->reason);
        fputs("<br>", p->to);
    }
    fputs(told ? "</p>\n" : "", p->to);
}

/* The distinct results of a stage, with the first run of each. */
static void stages_results(struct tessi_report_page *p, const char *name)
{
    char time[32];
    int64_t n = 0;
    fputs("<ul>\n", p->to);
    for (int64_t i = 0; i < p->results; i++) {
        const struct tessi_report_page_result *r = &p->result[i];
        if (strcmp(r->stage->name, name) != 0 || n++ >= STAGES_RESULTS)
            continue;
        fputs("<li>", p->to);
        tessi_report_page_digest(p, r->stage->digest);
        fputs(" first of ", p->to);
        tessi_report_html_text(p->to, r->run->name);
        if (!p->o->reproducible && r->stage->seconds >= 0)
            fprintf(p->to, ", %s", tessi_report_page_seconds(r->stage->seconds, time, sizeof time));
        fputs("</li>\n", p->to);
    }
    fputs("</ul>\n", p->to);
    if (n > STAGES_RESULTS)
        fprintf(p->to, "<p class=\"cap\">Showing %d of %lld results.</p>\n", STAGES_RESULTS, (long long)n);
}

static void stages_box(struct tessi_report_page *p, const char *name, const struct stages_view *v)
{
    const struct tessi_report_stage *s = v->first;
    fprintf(p->to, "<details class=\"box\" id=\"%s\"><summary><b>", v->target);
    tessi_report_html_text(p->to, name);
    fputs("</b> ", p->to);
    tessi_report_html_text(p->to, s->use);
    fprintf(p->to, ": <span class=\"%s\">", v->failed ? "bad" : "note");
    tessi_report_html_text(p->to, v->text);
    fputs("</span></summary>\n", p->to);
    stages_reason(p, name);
    fputs("<div class=\"card\"><dl>\n", p->to);
    stages_code(p, "Parameters", s->parameters);
    stages_pair(p, "Plugins", s->plugin);
    for (int64_t i = 0; i < s->inputs; i++) {
        fputs("<dt>Input ", p->to);
        tessi_report_html_text(p->to, s->input[i].port);
        fputs("</dt><dd>", p->to);
        tessi_report_html_text(p->to, s->input[i].from ? s->input[i].from : "");
        fputc(' ', p->to);
        tessi_report_page_digest(p, s->input[i].digest);
        fputs("</dd>\n", p->to);
    }
    if (v->runs == 1 || v->distinct == 1) {
        stages_code(p, "Digest", s->digest);
        stages_code(p, "Key", s->key);
        stages_measured(p, s);
    }
    stages_pair(p, "Numeric mode", s->numeric_mode);
    stages_pair(p, "Warning", s->warning);
    fputs("</dl></div>\n", p->to);
    if (v->runs > 1 && v->distinct > 1)
        stages_results(p, name);
    fputs("</details>\n", p->to);
}

static void stages_target(const char *name, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "stage-");
    for (; *name && used + 4 < capacity; name++)
        used += (size_t)snprintf(text + used, capacity - used,
                                 strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *name) ? "%c" : "-%02x",
                                 (unsigned char)*name);
}

int tessi_report_page_stages(struct tessi_report_page *p)
{
    int64_t nodes = p->names < STAGES_DRAWN ? p->names : STAGES_DRAWN;
    void *memory;
    if (!nodes)
        return TESS_OK;
    TESS_TRY(tess_alloc(p->ctx, (size_t)nodes * (sizeof(struct stages_view) + sizeof(struct tessi_svg_node)), "stages of a page", &memory));
    struct stages_view *view = memory;
    for (int64_t i = 0; i < nodes; i++) {
        stages_count(p, p->name[i], &view[i]);
        stages_text(p, &view[i]);
        stages_target(p->name[i], view[i].target, sizeof view[i].target);
    }
    tessi_report_page_section(p, "stages", "Pipeline");
    if (nodes < p->names)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld stages.</p>\n", (long long)nodes, (long long)p->names);
    fputs("<div class=\"pair\"><div>\n", p->to);
    int status = stages_draw(p, nodes, view, (struct tessi_svg_node *)(view + nodes));
    fputs("<p class=\"note\">Outline: solid ran, dashed was taken from the cache, dotted did not run, thick failed. A click opens the "
          "stage's "
          "details.</p></div><div>\n",
          p->to);
    for (int64_t i = 0; i < nodes; i++)
        stages_box(p, p->name[i], &view[i]);
    fputs("</div></div></section>\n", p->to);
    tess_free(memory);
    return status;
}
