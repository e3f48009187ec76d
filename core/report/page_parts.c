/* Small pieces that sections of a page are made of. SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/report/page_private.h"
#include "core/store/store.h"

#include <string.h>

void tessi_report_page_section(struct tessi_report_page *p, const char *id, const char *title)
{
    fprintf(p->to, "\n<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">%s</h2>\n", id, id, id, title);
}

const char *tessi_report_page_id(struct tessi_report_page *p, char text[24])
{
    (void)snprintf(text, 24, "f%lld", (long long)++p->id);
    return text;
}

void tessi_report_page_legend(struct tessi_report_page *p)
{
    int64_t crowd = 0;
    fputs("<ul class=\"legend\" aria-label=\"Lines and markers\">", p->to);
    for (int64_t i = 0; i < p->table->rows; i++) {
        if (p->style[i] < 0) {
            crowd++;
            continue;
        }
        fputs("<li>", p->to);
        tessi_report_svg_swatch(p->to, p->style[i]);
        tessi_report_html_text(p->to, p->table->row[i].name);
        fputs("</li>", p->to);
    }
    if (crowd) {
        fputs("<li>", p->to);
        tessi_report_svg_swatch(p->to, TESSI_SVG_CROWD);
        fprintf(p->to, "%lld others; pointing at a line names it</li>", (long long)crowd);
    }
    fputs("</ul>\n", p->to);
}

const char *tessi_report_page_seconds(double seconds, char *text, size_t capacity)
{
    if (seconds < 0)
        (void)snprintf(text, capacity, "\xE2\x80\x93");
    else if (seconds < 59.95)
        (void)snprintf(text, capacity, seconds < 0.95 ? "%.2f s" : "%.1f s", seconds);
    else if (seconds < 3600)
        (void)snprintf(text, capacity, "%d min %d s", (int)(seconds / 60), (int)(seconds - 60 * (double)(int)(seconds / 60)));
    else
        (void)snprintf(text, capacity, "%d h %d min", (int)(seconds / 3600), (int)((seconds - 3600 * (double)(int)(seconds / 3600)) / 60));
    return text;
}

const char *tessi_report_page_bytes(double bytes, char *text, size_t capacity)
{
    if (bytes < 0)
        (void)snprintf(text, capacity, "\xE2\x80\x93");
    else if (bytes < 1048576.0 * 1024)
        (void)snprintf(text, capacity, "%.0f MiB", bytes / 1048576);
    else
        (void)snprintf(text, capacity, "%.1f GiB", bytes / 1048576 / 1024);
    return text;
}

void tessi_report_page_digest(struct tessi_report_page *p, const char *digest)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.12s", digest);
    fputs("<code>", p->to);
    tessi_report_html_text(p->to, text);
    fputs("</code>", p->to);
}

int tessi_report_page_image(struct tessi_report_page *p, const struct tess_tensor *pixels, const char *id, const char *alt_first,
                            const char *alt_second)
{
    void *bytes;
    size_t count;
    TESS_TRY(tessi_store_png_indexed(p->ctx, pixels, 256, &bytes, &count));
    fprintf(p->to, "<img%s%s%s width=\"%lld\" height=\"%lld\" alt=\"", id ? " id=\"" : "", id ? id : "", id ? "\"" : "",
            (long long)pixels->dim[1], (long long)pixels->dim[0]);
    tessi_report_html_text(p->to, alt_first);
    tessi_report_html_text(p->to, alt_second);
    fputs("\" src=\"data:image/png;base64,", p->to);
    tessi_report_html_base64(p->to, bytes, count);
    p->picture_bytes += (int64_t)count * 4 / 3 + 160;
    fputs("\">", p->to);
    tess_free(bytes);
    return TESS_OK;
}

/* Number of bytes that two absolute paths have in common up to a `/`, without that. */
static size_t parts_common(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0;; i++) {
        if ((!a[i] || a[i] == '/') && (!b[i] || b[i] == '/'))
            common = i;
        if (!a[i] || a[i] != b[i])
            return common;
    }
}

/* Writes the relative path from the folder of `page` to `path`, both absolute, percent-encoded. */
static void parts_relative(FILE *to, const char *page, const char *path)
{
    char folder[4096];
    const char *slash = strrchr(page, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - page) : 0, page);
    size_t common = parts_common(folder, path);
    for (const char *at = folder + common; *at; at++)
        if (*at == '/' && at[1])
            fputs("../", to);
    tessi_report_html_path(to, path[common] == '/' ? path + common + 1 : path + common);
}

void tessi_report_page_link(struct tessi_report_page *p, const char *path, const char *text)
{
    char *page = NULL, *target = NULL;
    int there = tessi_base_is_file(path) && tessi_base_path_absolute(p->ctx, p->o->output ? p->o->output : "page.html", &page) == TESS_OK &&
                tessi_base_path_absolute(p->ctx, path, &target) == TESS_OK;
    if (there) {
        fputs("<a href=\"", p->to);
        parts_relative(p->to, page, target);
        fputs("\">", p->to);
    } else {
        fputs("<span class=\"gone\" title=\"this file is not there any more\">", p->to);
    }
    tessi_report_html_text(p->to, text);
    fputs(there ? "</a>" : "</span>", p->to);
    tess_free(page);
    tess_free(target);
}
