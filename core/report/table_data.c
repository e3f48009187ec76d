/* Tables for programs: CSV (RFC 4180) and JSON (RFC 8259), with all digits and full names. SPDX-License-Identifier: MIT */
#include "core/base/json.h"
#include "core/config/scalar.h"
#include "core/report/table_private.h"

#include <tessera/kind/metric.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- CSV ----------------------------------------------------------------------------------------------------------- */

/* A field: in quotes where it has a comma or a quote, or blanks at an end. Ends of lines and controls are \n and \xHH in it, as a terminal
 * has them: CSV is looked at as well. */
static void csv_text(const char *raw, FILE *to)
{
    char shown[4096];
    const char *text = shown;
    size_t length = tess_shown_text(raw, shown, sizeof shown);
    length = length < sizeof shown ? length : strlen(shown);
    if (!strpbrk(text, ",\"") && !(length && (text[0] == ' ' || text[length - 1] == ' '))) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

/* A number with the shortest digits that read back as the same; nothing where it is not known. */
static void csv_number(double value, int known, FILE *to)
{
    char text[40];
    if (known)
        fputs(isfinite(value) ? tessi_config_real_text(value, text, sizeof text) : value > 0 ? "inf" : "-inf", to);
}

static void csv_head(const struct tessi_report_table *t, FILE *to)
{
    static const char *const parts[] = {"", " (95 %)", " (n)", " (mark)"};
    fputs("run", to);
    for (int64_t k = 0; k < t->columns; k++) {
        fputc(',', to);
        csv_text(t->column[k].name, to);
    }
    fputs(",seeds,state,remark", to);
    for (int64_t i = 0; i < t->measures; i++)
        for (size_t p = 0; t->measure[i].shown && p < sizeof parts / sizeof *parts; p++) {
            char name[700], number[24] = "";
            const struct tessi_report_measure *m = &t->measure[i];
            if (m->of > 1)
                (void)snprintf(number, sizeof number, " [%" PRId64 "]", m->number);
            (void)snprintf(name, sizeof name, "%.300s.%.300s%s%s", m->stage, m->name, number, parts[p]);
            fputc(',', to);
            csv_text(name, to);
        }
    fputc('\n', to);
}

void tessi_report_print_csv(const struct tessi_report_table *t, FILE *to)
{
    csv_head(t, to);
    for (int64_t r = 0; r < t->rows; r++) {
        const struct tessi_report_row *row = &t->row[r];
        csv_text(row->name, to);
        for (int64_t k = 0; k < t->columns; k++) {
            fputc(',', to);
            csv_text(row->setting[k] ? row->setting[k] : "", to);
        }
        fprintf(to, ",%" PRId64 ",", row->done);
        csv_text(row->state, to);
        fputc(',', to);
        csv_text(row->remark, to);
        for (int64_t i = 0; i < t->measures; i++) {
            const struct tessi_report_cell *c = &row->cell[i];
            if (!t->measure[i].shown)
                continue;
            fputc(',', to);
            csv_number(c->mean.mean, c->mean.n > 0, to);
            fputc(',', to);
            csv_number(c->mean.half, c->mean.half >= 0, to);
            fprintf(to, ",%" PRId64 ",%s", c->mean.n, c->best ? "best" : c->within ? "within noise" : "");
        }
        fputc('\n', to);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_pair(const char *front, const char *name, const char *text, FILE *to)
{
    fprintf(to, "%s\"%s\":", front, name);
    tessi_base_json_text(to, text);
}

static void json_number(const char *name, double value, int known, FILE *to)
{
    fprintf(to, ",\"%s\":", name);
    tessi_base_json_f64(to, known ? value : NAN); /* null */
}

static void json_measures(const struct tessi_report_table *t, FILE *to)
{
    int64_t n = 0;
    fputs("],\n\"metrics\":[", to);
    for (int64_t i = 0; i < t->measures; i++) {
        const struct tessi_report_measure *m = &t->measure[i];
        if (!m->shown)
            continue;
        json_pair(n++ ? ",\n {" : "\n {", "title", m->title, to);
        json_pair(",", "stage", m->stage, to);
        json_pair(",", "use", m->use, to);
        json_pair(",", "name", m->name, to);
        json_pair(",", "unit", m->unit, to);
        json_pair(",", "better", m->better == TESS_METRIC_HIGHER ? "higher" : m->better == TESS_METRIC_LOWER ? "lower" : NULL, to);
        json_pair(",", "protocol", m->protocol, to);
        json_pair(",", "against", m->against, to);
        fputc('}', to);
    }
}

static void json_cell(const struct tessi_report_cell *c, FILE *to)
{
    fprintf(to, "{\"n\":%" PRId64, c->mean.n);
    json_number("mean", c->mean.mean, c->mean.n > 0, to);
    json_number("deviation", c->mean.deviation, c->mean.n > 1, to);
    json_number("standard_error", c->mean.error, c->mean.n > 0 && c->mean.error >= 0, to);
    json_number("interval", c->mean.half, c->mean.n > 0 && c->mean.half >= 0, to);
    fputs(",\"values\":[", to);
    for (int64_t k = 0; k < c->mean.n; k++) {
        fputs(k ? "," : "", to);
        tessi_base_json_f64(to, c->value[k]);
    }
    fprintf(to, "],\"best\":%s,\"within_noise\":%s", c->best ? "true" : "false", c->within ? "true" : "false");
    int compared = c->compared != TESSI_REPORT_UNKNOWN || c->difference < 0 || c->difference > 0;
    json_number("difference", c->difference, compared, to);
    json_number("difference_interval", c->half, compared && c->half >= 0, to);
    fputc('}', to);
}

static void json_runs(const struct tessi_report_row *row, FILE *to)
{
    static const char *const outcomes[] = {"not run", "done", "failed", "stopped"};
    fputs(",\n  \"runs\":[", to);
    for (int64_t i = 0; i < row->runs; i++) {
        json_pair(i ? ",{" : "{", "name", row->run[i]->name, to);
        json_pair(",", "folder", row->run[i]->folder, to);
        json_pair(",", "seed", row->run[i]->seed, to);
        json_pair(",", "outcome", outcomes[row->run[i]->outcome], to);
        json_pair(",", "stage", row->run[i]->failed_stage, to);
        json_pair(",", "reason", row->run[i]->reason, to);
        fputc('}', to);
    }
    fputs("]", to);
}

static void json_row(const struct tessi_report_table *t, const struct tessi_report_row *row, FILE *to)
{
    int64_t n = 0;
    json_pair("\n {", "name", row->name, to);
    json_pair(",", "state", row->state, to);
    json_pair(",", "remark", row->remark, to);
    fprintf(to, ",\"baseline\":%s,\"done\":%" PRId64 ",\n  \"settings\":[", row->baseline ? "true" : "false", row->done);
    for (int64_t k = 0; k < t->columns; k++) {
        fputs(k ? "," : "", to);
        tessi_base_json_text(to, row->setting[k]);
    }
    fputc(']', to);
    json_runs(row, to);
    fputs(",\n  \"metrics\":[", to);
    for (int64_t i = 0; i < t->measures; i++) {
        if (!t->measure[i].shown)
            continue;
        fputs(n++ ? ",\n   " : "\n   ", to);
        json_cell(&row->cell[i], to);
    }
    fputs("]}", to);
}

void tessi_report_print_json(const struct tessi_report_table *t, FILE *to)
{
    json_pair("{", "title", t->title, to);
    fputs(",\n\"settings\":[", to);
    for (int64_t k = 0; k < t->columns; k++) {
        fputs(k ? "," : "", to);
        tessi_base_json_text(to, t->column[k].name);
    }
    fputs("],\n\"constant\":{", to);
    for (int64_t k = 0; k < t->constants; k++) {
        fputs(k ? "," : "", to);
        tessi_base_json_text(to, t->constant[k].name);
        fputc(':', to);
        tessi_base_json_text(to, t->constant[k].text);
    }
    fprintf(to, "},\n\"same_settings\":%" PRId64 ",\n\"notes\":[", t->same);
    for (int64_t k = 0; k < t->notes; k++) {
        fputs(k ? "," : "", to);
        tessi_base_json_text(to, t->note[k]);
    }
    json_measures(t, to);
    fputs("],\n\"rows\":[", to);
    for (int64_t r = 0; r < t->rows; r++) {
        fputs(r ? "," : "", to);
        json_row(t, &t->row[r], to);
    }
    fputs("]}\n", to);
}
