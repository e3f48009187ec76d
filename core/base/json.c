/* JSON strings and numbers (RFC 8259). File names may hold any bytes, so what is not UTF-8 is replaced, or a
 * reader would refuse the whole line. SPDX-License-Identifier: MIT */
#include "core/base/json.h"

#include <math.h>
#include <stdlib.h>

/* Length of the UTF-8 sequence at `s` (RFC 3629: no overlong forms, no surrogates), 0 when it is none. */
static int utf8_length(const uint8_t *s)
{
    if (s[0] < 0x80)
        return 1;
    int length = s[0] >= 0xC2 && s[0] <= 0xDF ? 2 : s[0] >= 0xE0 && s[0] <= 0xEF ? 3 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4 : 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

void tessi_base_json_text(FILE *to, const char *text)
{
    if (!text) {
        fputs("null", to);
        return;
    }
    putc('"', to);
    for (const uint8_t *s = (const uint8_t *)text; *s;) {
        int length = utf8_length(s);
        if (length == 0)
            fputs("\\ufffd", to);
        else if (*s == '"' || *s == '\\')
            fprintf(to, "\\%c", *s);
        else if (*s == '\n')
            fputs("\\n", to);
        else if (*s == '\t')
            fputs("\\t", to);
        else if (*s < 0x20 || *s == 0x7F)
            fprintf(to, "\\u%04x", (unsigned)*s);
        else
            fwrite(s, 1, (size_t)length, to);
        s += length ? length : 1;
    }
    putc('"', to);
}

void tessi_base_json_f64(FILE *to, double value)
{
    if (!isfinite(value)) {
        fputs("null", to);
        return;
    }
    char digits[40];
    for (int precision = 6; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        double back = strtod(digits, NULL);
        if (!(back < value) && !(back > value))
            break;
    }
    fputs(digits, to);
}
