/* Report of an import: parts, tensors that were taken and left, and what the file does not tell. SPDX-License-Identifier: MIT */
#include "core/exchange/exchange_private.h"

#include <stdio.h>
#include <string.h>

/* Tensors that are left, by reason, in the order of the file; of each reason their number and the first name. */
static void report_left(const struct tessi_import *m, FILE *to)
{
    const struct tess_import_use *use = m->plan.use;
    for (int64_t i = 0; i < m->plan.entries; i++) {
        int64_t n = 0, first = 0;
        if (*use[i].ours)
            continue;
        while (first < i && (*use[first].ours || strcmp(use[first].left, use[i].left) != 0))
            first++;
        if (first < i)
            continue;
        for (int64_t k = i; k < m->plan.entries; k++)
            n += !*use[k].ours && strcmp(use[k].left, use[i].left) == 0;
        fprintf(to, "  left      %lld: %s (%s%s)\n", (long long)n, use[i].left, m->plan.entry[i].name, n > 1 ? " ..." : "");
    }
}

static void report_rounded(const struct tessi_import *m, FILE *to)
{
    int64_t n = 0;
    for (int64_t i = 0; i < m->plan.entries; i++)
        n += *m->plan.use[i].ours && strcmp(m->plan.entry[i].dtype, "f64") == 0;
    if (n)
        fprintf(to, "  rounded   %lld, from f64 to f32\n", (long long)n);
}

/* Tensors of the file that are no part of the model's names. */
static void report_outside(const struct tessi_import *m, FILE *to)
{
    int64_t taken = 0, outside = m->files.entries - m->names.count - m->names.averages;
    for (int64_t i = 0; i < m->names.count; i++)
        taken += m->names.average[i] >= 0 && *m->plan.use[i].ours;
    if (*m->prefix)
        fprintf(to, "  prefix    names behind `%s`%s\n", m->prefix, m->x->prefix ? "" : ", by guess: set --prefix");
    if (outside)
        fprintf(to, "  left      %lld: outside of `%s`\n", (long long)outside, m->prefix);
    if (taken && !m->x->as_trained)
        fprintf(to, "  averages  %lld weights are their moving averages, `model_ema.`; --as-trained takes them without\n",
                (long long)taken);
    if (m->names.averages - (m->x->as_trained ? 0 : taken) > 0)
        fprintf(to, "  left      %lld: moving averages of other weights, and their counts%s\n",
                (long long)(m->names.averages - (m->x->as_trained ? 0 : taken)), m->x->as_trained ? ", or not wanted" : "");
}

/* Remarks of the formats, each once. */
static void report_remarks(const struct tessi_import *m, FILE *to)
{
    const char *before = "";
    for (int64_t i = 0; i < m->files.parts; i++) {
        const struct tess_instance *format = m->files.part[i].format;
        const struct tess_format_1 *ops = tess_instance_ops(format, "format/1");
        const char *text = TESS_HAS(ops, remark) && ops->remark ? ops->remark(tess_instance_self(format)) : NULL;
        if (text && *text && strcmp(text, before) != 0)
            fprintf(to, "  assumed   %s\n", text);
        before = text ? text : "";
    }
}

/* Tensors taken and left, and what the file does not tell. */
static void report_tensors(const struct tessi_import *m, FILE *to)
{
    fprintf(to, "  taken     %lld tensors, %lld parameters\n", (long long)tess_weights_count(m->weights),
            (long long)tess_weights_size(m->weights));
    report_outside(m, to);
    report_left(m, to);
    report_rounded(m, to);
    report_remarks(m, to);
    if (*m->plan.assumed)
        fprintf(to, "  assumed   %s\n", m->plan.assumed);
    if (*m->plan.warning)
        fprintf(to, "  warning   %s\n", m->plan.warning);
}

/* The lines without the two blanks that each begins with, and without the end of the last. */
static void report_unindent(char *text)
{
    char *to = text;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        memmove(to, line + 2, n - 2);
        to += n - 2;
        line += n + 1;
        *to++ = *line ? '\n' : '\0';
    }
}

int tessi_exchange_import_summary(struct tess_context *ctx, const struct tessi_import *m, char **out)
{
    size_t bytes = 0;
    const char *slash = strrchr(m->x->from, '/');
    *out = NULL;
    FILE *to = open_memstream(out, &bytes);
    if (to) {
        fprintf(to, "  file      %s, %lld tensors (%s)\n", slash && slash[1] ? slash + 1 : m->x->from, (long long)m->files.entries,
                tess_instance_name(m->files.part[0].format));
        report_tensors(m, to);
    }
    if (!to || fclose(to) != 0)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for a summary of the import");
    report_unindent(*out);
    return TESS_OK;
}

void tessi_exchange_import_report(const struct tessi_import *m, const char *digest, FILE *to)
{
    static const char *const part[] = {"encoder", "quantizer", "decoder", "critic", "noise", "denoiser"};
    const struct tess_attrs *f = m->plan.attrs;
    fprintf(to, "%s: %lld tensors (%s), SHA-256 %s\n", m->x->from, (long long)m->files.entries, tess_instance_name(m->files.part[0].format),
            m->digest);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (tess_attrs_text_or(f, part[i], NULL))
            fprintf(to, "  %-9s %s\n", part[i], tess_attrs_text_or(f, part[i], ""));
    report_tensors(m, to);
    fprintf(to, "%s: the model, of kind `%s`, content %.12s\n", m->x->to, m->plan.kind, digest);
}
