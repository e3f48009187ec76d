/* Section "Again": commands that reproduce each row, differences between the variants' resolved.yaml, versions and inputs.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN_LISTED = 60, AGAIN_TEXTS = 40 };
#define AGAIN_RESOLVED (128 << 10) /* bytes of resolved.yaml that are shown */

/* ---- commands ---- */

/* A word as a POSIX shell reads it back. Control characters and marks of direction are shown escaped, as everywhere in a page. */
static void again_word(FILE *to, const char *word)
{
    char *text = NULL;
    size_t bytes, plain = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=,/:@%");
    FILE *quoted = *word && !word[plain] ? NULL : open_memstream(&text, &bytes);
    if (quoted) {
        fputc('\'', quoted);
        for (const char *at = word; *at; at++) {
            if (*at == '\'')
                fputs("'\\''", quoted);
            else
                fputc(*at, quoted);
        }
        fputc('\'', quoted);
        (void)fclose(quoted);
    }
    tessi_report_html_text(to, text ? text : word);
    free(text);
}

static void again_words(FILE *to, int64_t n, const char *const *word)
{
    for (int64_t i = 0; i < n; i++) {
        fputc(' ', to);
        again_word(to, word[i]);
    }
}

static void again_run(struct tessi_report_page *p, const struct tessi_report_run *run)
{
    const char *path = run->sweep >= 0 ? p->set->sweep[run->sweep].pipeline : run->pipeline;
    path = *path ? path : "PIPELINE.yaml";
    fputs("tessera run", p->to);
    again_words(p->to, 1, &path);
    if (run->sweep >= 0) {
        const struct tessi_report_sweep *s = &p->set->sweep[run->sweep];
        again_words(p->to, s->overrides, s->override);
        again_words(p->to, run->sets, run->set);
    } else {
        again_words(p->to, run->overrides, run->override);
    }
    fputc('\n', p->to);
}

static void again_sweep(struct tessi_report_page *p, const struct tessi_report_sweep *s)
{
    fputs("tessera sweep", p->to);
    again_words(p->to, 1, &s->pipeline);
    again_words(p->to, s->overrides, s->override);
    fputs("   # its axes are in ", p->to);
    tessi_report_html_text(p->to, s->folder);
    fputs("/sweep.yaml\n", p->to);
}

static void again_commands(struct tessi_report_page *p)
{
    fputs("<h3>Commands</h3><pre tabindex=\"0\" aria-label=\"commands\">", p->to);
    for (int64_t i = 0; i < p->set->sweeps; i++)
        again_sweep(p, &p->set->sweep[i]);
    for (int64_t i = 0; i < p->set->runs && i < TESSI_REPORT_PAGE_ROWS; i++)
        again_run(p, &p->set->run[i]);
    fputs("</pre>\n", p->to);
    if (p->set->runs > TESSI_REPORT_PAGE_ROWS)
        fprintf(p->to, "<p class=\"cap\">Showing %d of %lld.</p>\n", TESSI_REPORT_PAGE_ROWS, (long long)p->set->runs);
}

/* ---- differences of the resolved pipelines ---- */

static const struct tessi_report_run *again_base(const struct tessi_report_page *p)
{
    for (int64_t i = 0; i < p->table->rows; i++)
        if (p->table->row[i].baseline && p->table->row[i].runs)
            return p->table->row[i].run[0];
    return p->table->rows && p->table->row[0].runs ? p->table->row[0].run[0] : NULL;
}

static void again_change(struct tessi_report_page *p, int64_t n, const char *name, const char *was, const char *is)
{
    fputs(n ? "<br><code>" : "<td class=\"wrap\"><code>", p->to);
    tessi_report_html_text(p->to, name);
    fputs("</code>: ", p->to);
    tessi_report_html_text(p->to, was ? was : "(none)");
    fputs(" \xE2\x86\x92 ", p->to);
    tessi_report_html_text(p->to, is ? is : "(none)");
}

static void again_difference(struct tessi_report_page *p, const struct tessi_report_run *base, const struct tessi_report_run *run)
{
    int64_t n = 0;
    if (!run->settings) {
        fputs("<td class=\"note\">not run: there is no resolved.yaml</td></tr>\n", p->to);
        return;
    }
    for (int64_t i = 0; i < run->settings; i++) {
        const char *was = tessi_report_setting_text(base, run->setting[i].name);
        if (!was || strcmp(was, run->setting[i].text) != 0)
            again_change(p, n++, run->setting[i].name, was, run->setting[i].text);
    }
    for (int64_t i = 0; i < base->settings; i++)
        if (!tessi_report_setting_text(run, base->setting[i].name))
            again_change(p, n++, base->setting[i].name, base->setting[i].text, NULL);
    fputs(n ? "</td></tr>\n" : "<td class=\"note\">nothing</td></tr>\n", p->to);
}

static void again_differences(struct tessi_report_page *p)
{
    const struct tessi_report_run *base = again_base(p);
    if (!base || p->table->rows < 2)
        return;
    fputs("<h3>What resolved.yaml says otherwise</h3><p class=\"note\">Every setting with its default filled in, of the first seed of each "
          "row, "
          "against <b>",
          p->to);
    tessi_report_html_text(p->to, base->name);
    fputs("</b>.</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Differences of settings\"><table><thead><tr><th "
          "scope=\"col\">Row</th><th scope=\"col\">Setting: there \xE2\x86\x92 here</th></tr></thead><tbody>\n",
          p->to);
    int64_t listed = 0;
    for (int64_t i = 0; i < p->table->rows && listed < AGAIN_LISTED; i++) {
        const struct tessi_report_row *row = &p->table->row[i];
        if (!row->runs || row->run[0] == base)
            continue;
        fprintf(p->to, "<tr><th scope=\"row\"><a href=\"#%s\">", row->anchor);
        tessi_report_html_text(p->to, row->name);
        fputs("</a></th>", p->to);
        again_difference(p, base, row->run[0]);
        listed++;
    }
    fputs("</tbody></table></div>\n", p->to);
    if (listed + 1 < p->table->rows)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld.</p>\n", (long long)listed, (long long)(p->table->rows - 1));
}

/* The resolved pipeline of the baseline, as its folder has it. */
static void again_resolved(struct tessi_report_page *p)
{
    const struct tessi_report_run *base = again_base(p);
    char path[4096];
    if (!base)
        return;
    (void)snprintf(path, sizeof path, "%s/resolved.yaml", base->folder);
    FILE *file = fopen(path, "re");
    char *text = file ? calloc(1, AGAIN_RESOLVED + 1) : NULL;
    size_t bytes = text ? fread(text, 1, AGAIN_RESOLVED, file) : 0;
    if (bytes) {
        fputs("<details class=\"box\"><summary>resolved.yaml of ", p->to);
        tessi_report_html_text(p->to, base->name);
        fputs("</summary><pre tabindex=\"0\" aria-label=\"resolved.yaml\">", p->to);
        tessi_report_html_lines(p->to, text);
        fprintf(p->to, "%s</pre></details>\n", bytes == AGAIN_RESOLVED ? "\n(cut here)" : "");
    }
    free(text);
    if (file)
        (void)fclose(file);
}

/* ---- versions ---- */

/* Different texts of one kind over all results. */
struct again_texts {
    int64_t n, all;
    const char *text[AGAIN_TEXTS];
    size_t length[AGAIN_TEXTS];
};

static void again_add(struct again_texts *t, const char *text, size_t length)
{
    for (int64_t i = 0; i < t->n; i++)
        if (t->length[i] == length && strncmp(t->text[i], text, length) == 0)
            return;
    t->all++;
    if (t->n == AGAIN_TEXTS || !length)
        return;
    t->text[t->n] = text;
    t->length[t->n++] = length;
}

/* Adds the parts of a text between separators, without blanks around them. */
static void again_parts(struct again_texts *t, const char *text, const char *separators)
{
    while (*text) {
        size_t length = strcspn(text, separators), lead = strspn(text, " ");
        if (length > lead)
            again_add(t, text + lead, length - lead);
        text += length + (text[length] != '\0');
    }
}

static void again_list(struct tessi_report_page *p, const char *term, const struct again_texts *t)
{
    if (!t->n)
        return;
    fprintf(p->to, "<dt>%s</dt><dd>", term);
    for (int64_t i = 0; i < t->n; i++) {
        char *one = strndup(t->text[i], t->length[i]);
        fputs(i ? "<br>" : "", p->to);
        tessi_report_html_text(p->to, one);
        free(one);
    }
    if (t->all > t->n)
        fprintf(p->to, "<br>and %lld more", (long long)(t->all - t->n));
    fputs("</dd>\n", p->to);
}

static void again_versions(struct tessi_report_page *p)
{
    struct again_texts tool = {0}, plugins = {0}, modes = {0}, files = {0};
    for (int64_t i = 0; i < p->results; i++) {
        const struct tessi_report_stage *s = p->result[i].stage;
        again_parts(&tool, s->tool, "\n");
        again_parts(&plugins, s->plugin, ";");
        again_parts(&modes, s->numeric_mode, "\n");
        again_parts(&files, s->files, "\n");
    }
    if (!tool.n)
        return;
    fputs("<h3>Made by</h3><div class=\"card\"><dl>\n", p->to);
    again_list(p, "Program", &tool);
    again_list(p, "Numeric mode", &modes);
    again_list(p, "Files read", &files);
    again_list(p, "Plugins", &plugins);
    fputs("</dl></div>\n", p->to);
}

int tessi_report_page_again(struct tessi_report_page *p)
{
    if (!p->set->runs)
        return TESS_OK;
    tessi_report_page_section(p, "again", "Do it again");
    again_commands(p);
    again_differences(p);
    again_resolved(p);
    again_versions(p);
    fputs("</section>\n", p->to);
    return TESS_OK;
}
