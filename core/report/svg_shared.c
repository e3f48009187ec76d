/* See svg_private.h. SPDX-License-Identifier: MIT */
#include "core/report/svg_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tessi_report_svg_open(FILE *to, const char *id, const char *kind, double width, double height, const char *title,
                           const char *description)
{
    /* a drawing with links is no picture: what is in it must be reached */
    fprintf(to, "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"%s\" aria-labelledby=\"%s-t %s-d\">",
            kind, width, height, width, height, strcmp(kind, "dag") == 0 ? "group" : "img", id, id);
    fprintf(to, "<title id=\"%s-t\">", id);
    tessi_report_html_text(to, title);
    fprintf(to, "</title><desc id=\"%s-d\">", id);
    tessi_report_html_text(to, description);
    fputs("</desc>\n", to);
}

void tessi_report_svg_pixel(FILE *to, double value)
{
    long tenths = lround(value * 10.0);
    if (tenths % 10 == 0)
        fprintf(to, "%ld", tenths / 10);
    else
        fprintf(to, "%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10, labs(tenths) % 10);
}

const char *tessi_report_svg_state(int32_t state)
{
    static const char *const words[] = {"ran", "cached", "failed", "stopped", "open", "planned", "waited"};
    return state >= 0 && state < (int32_t)(sizeof words / sizeof *words) ? words[state] : "";
}

int64_t tessi_report_svg_cut(const char *text, int64_t most, char *out, size_t capacity)
{
    char shown[256];
    int64_t characters = 0;
    size_t end = 0;
    (void)tess_shown_text(text ? text : "", shown, sizeof shown);
    for (size_t i = 0; shown[i]; i++)
        characters += ((unsigned char)shown[i] & 0xC0) != 0x80;
    if (characters <= most) {
        (void)snprintf(out, capacity, "%s", shown);
        return characters;
    }
    for (int64_t n = 0; n < most; end++)
        n += ((unsigned char)shown[end + 1] & 0xC0) != 0x80;
    while (end > 0 && ((unsigned char)shown[end] & 0xC0) == 0x80)
        end--;
    (void)snprintf(out, capacity, "%.*s\xE2\x80\xA6", (int)end, shown);
    return most + 1;
}
