/* See lookalike.h. SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"

#include <stdio.h>
#include <string.h>

static const struct {
    uint32_t first, last;
    int kind;
    const char *name, *meant; /* meant NULL: the character looks like the one whose code point is lower by 0xfee0 */
} table[] = {
    {0x00a0, 0x00a0, TESSI_HIDDEN, "a no-break space", " "},
    {0x00ab, 0x00ab, TESSI_PUNCTUATION, "a quotation mark", "\""},
    {0x00ad, 0x00ad, TESSI_HIDDEN, "a soft hyphen", ""},
    {0x00bb, 0x00bb, TESSI_PUNCTUATION, "a quotation mark", "\""},
    {0x0370, 0x03ff, TESSI_LETTER, "a Greek letter", ""},
    {0x0400, 0x04ff, TESSI_LETTER, "a Cyrillic letter", ""},
    {0x061c, 0x061c, TESSI_HIDDEN, "a mark of the direction of writing", ""},
    {0x1680, 0x1680, TESSI_HIDDEN, "a space that is none of ASCII", " "},
    {0x180e, 0x180e, TESSI_HIDDEN, "a separator without width", ""},
    {0x2000, 0x200a, TESSI_HIDDEN, "a space of another width", " "},
    {0x200b, 0x200b, TESSI_HIDDEN, "a zero-width space", ""},
    {0x200c, 0x200d, TESSI_HIDDEN, "a joiner without width", ""},
    {0x200e, 0x200f, TESSI_HIDDEN, "a mark of the direction of writing", ""},
    {0x2010, 0x2015, TESSI_PUNCTUATION, "a dash", "-"},
    {0x2018, 0x201b, TESSI_PUNCTUATION, "a typographic quotation mark", "'"},
    {0x201c, 0x201f, TESSI_PUNCTUATION, "a typographic quotation mark", "\""},
    {0x2028, 0x2029, TESSI_HIDDEN, "a separator of lines", ""},
    {0x202a, 0x202e, TESSI_HIDDEN, "a mark of the direction of writing", ""},
    {0x202f, 0x202f, TESSI_HIDDEN, "a narrow no-break space", " "},
    {0x2032, 0x2032, TESSI_PUNCTUATION, "a prime", "'"},
    {0x2033, 0x2033, TESSI_PUNCTUATION, "a double prime", "\""},
    {0x205f, 0x205f, TESSI_HIDDEN, "a space of another width", " "},
    {0x2060, 0x2064, TESSI_HIDDEN, "a joiner without width", ""},
    {0x2066, 0x2069, TESSI_HIDDEN, "a mark of the direction of writing", ""},
    {0x2212, 0x2212, TESSI_PUNCTUATION, "a minus sign", "-"},
    {0x2236, 0x2236, TESSI_PUNCTUATION, "a sign of ratio", ":"},
    {0x3000, 0x3000, TESSI_HIDDEN, "an ideographic space", " "},
    {0x3001, 0x3001, TESSI_PUNCTUATION, "an ideographic comma", ","},
    {0xa789, 0xa789, TESSI_PUNCTUATION, "a raised colon", ":"},
    {0xfe13, 0xfe13, TESSI_PUNCTUATION, "a vertical colon", ":"},
    {0xfe55, 0xfe55, TESSI_PUNCTUATION, "a small colon", ":"},
    {0xfeff, 0xfeff, TESSI_HIDDEN, "a byte-order mark", ""},
    {0xff1a, 0xff1a, TESSI_PUNCTUATION, "a full-width colon", ":"},
    {0xff01, 0xff5e, TESSI_PUNCTUATION, "a full-width character", NULL},
};

uint32_t tessi_base_code_point(const char *text, int *length)
{
    const unsigned char *at = (const unsigned char *)text;
    int n = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc0 ? 2 : 1;
    uint32_t code = n == 1 ? *at : (uint32_t)*at & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            *length = 1;
            return *at;
        }
        code = code << 6 | (at[i] & 0x3fu);
    }
    *length = n;
    return code;
}

static int lookalike_look_up(uint32_t code, int kinds, struct tessi_base_lookalike *out)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (code < table[i].first || code > table[i].last || !(table[i].kind & kinds))
            continue;
        out->code = code;
        out->name = table[i].name;
        if (table[i].meant)
            snprintf(out->meant, sizeof out->meant, "%s", table[i].meant);
        else
            snprintf(out->meant, sizeof out->meant, "%c", (int)(code - 0xfee0));
        return 1;
    }
    return 0;
}

int tessi_base_lookalike(const char *text, size_t bytes, int kinds, struct tessi_base_lookalike *out)
{
    int length;
    for (size_t at = 0; at < bytes && text[at]; at += (size_t)length) {
        char one[5] = "";
        memcpy(one, text + at, bytes - at < 4 ? bytes - at : 4); /* no character is read past the end */
        if (lookalike_look_up(tessi_base_code_point(one, &length), kinds, out)) {
            out->at = at;
            return 1;
        }
    }
    return 0;
}

const char *tessi_base_lookalike_words(const char *text, char *words, size_t capacity)
{
    struct tessi_base_lookalike like;
    int number = 1;
    *words = '\0';
    if (!tessi_base_lookalike(text, strlen(text), TESSI_HIDDEN | TESSI_PUNCTUATION | TESSI_LETTER, &like))
        return words;
    for (size_t i = 0; i < like.at; i++)
        number += ((unsigned char)text[i] & 0xc0) != 0x80;
    snprintf(words, capacity, " (its character %d is U+%04X, %s)", number, (unsigned)like.code, like.name);
    return words;
}
