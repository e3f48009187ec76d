/* See html.h. SPDX-License-Identifier: MIT */
#include "core/report/html.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void html_escape(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '>')
            fputs("&gt;", to);
        else if (*text == '"')
            fputs("&quot;", to);
        else if (*text == '\'')
            fputs("&#39;", to);
        else
            fputc(*text, to);
    }
}

void tessi_report_html_text(FILE *to, const char *text)
{
    char brief[512];
    if (!text)
        return;
    size_t bytes = tess_shown_text(text, brief, sizeof brief) + 1;
    char *all = bytes > sizeof brief ? malloc(bytes) : NULL;
    if (all)
        (void)tess_shown_text(text, all, bytes);
    html_escape(to, all ? all : brief); /* out of memory: the beginning of the text */
    free(all);
}

void tessi_report_html_lines(FILE *to, const char *text)
{
    while (text && *text) {
        size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);
        tessi_report_html_text(to, line);
        free(line);
        if (text[length] == '\n')
            fputc('\n', to);
        text += length + (text[length] == '\n');
    }
}

void tessi_report_html_path(FILE *to, const char *path)
{
    fputs("./", to);
    for (; *path; path++) {
        if (isalnum((unsigned char)*path) || strchr("/._-~,+=", *path))
            fputc(*path, to);
        else
            fprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    }
}

void tessi_report_html_id(FILE *to, const char *name)
{
    for (; *name; name++) {
        if (isalnum((unsigned char)*name))
            fputc(*name, to);
        else
            fprintf(to, "-%02x", (unsigned)(unsigned char)*name);
    }
}

void tessi_report_html_json(FILE *to, const char *json)
{
    for (; *json; json++) {
        if (*json == '<' || *json == '>' || *json == '&')
            fprintf(to, "\\u%04x", (unsigned)*json);
        else
            fputc(*json, to);
    }
}

void tessi_report_html_base64(FILE *to, const void *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = bytes;
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        unsigned long three = (unsigned long)b[i] << 16 | (left > 1 ? (unsigned long)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
        fputc(digits[three >> 18], to);
        fputc(digits[three >> 12 & 63], to);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', to);
        fputc(left > 2 ? digits[three & 63] : '=', to);
    }
}
