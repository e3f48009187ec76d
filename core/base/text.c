/* Text of strangers, the names of files above all, in places that are not made for every byte: an HDF5 string declared UTF-8, a terminal, a
 * log. SPDX-License-Identifier: MIT */
#include "core/base/text.h"

#include <stdarg.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Length in bytes of the well-formed UTF-8 character at `at` (Unicode, table 3-7), and its code point; 0: there is none. */
static size_t character_at(const unsigned char *at, uint32_t *number)
{
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    uint32_t v = n == 1 ? at[0] : n == 2 ? at[0] & 0x1f : n == 3 ? at[0] & 0x0f : at[0] & 0x07;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (at[i] & 0x3f);
    }
    if ((n == 3 && (v < 0x800 || (v >= 0xd800 && v <= 0xdfff))) || (n == 4 && (v < 0x10000 || v > 0x10ffff)))
        return 0;
    *number = v;
    return n;
}

/* Appends `text` whole or, like all text after it, not at all: a text that was cut ends at its first '\0'. Returns the length of the full
 * text. */
static size_t text_add(char *to, size_t capacity, size_t n, const char *text, size_t length)
{
    if (n + length < capacity)
        memcpy(to + n, text, length);
    else if (n < capacity)
        to[n] = '\0';
    return n + length;
}

static size_t add_byte(char *to, size_t capacity, size_t n, unsigned char byte)
{
    char text[8];
    (void)snprintf(text, sizeof text, "\\x%02x", byte);
    return text_add(to, capacity, n, text, 4);
}

static void text_end(char *to, size_t capacity, size_t n)
{
    if (n < capacity)
        to[n] = '\0';
}

/* 1 where `bytes` would be taken for an escaped text, or is not UTF-8. */
static int needs_escapes(const char *bytes)
{
    uint32_t number;
    for (const char *at = bytes; *at;) {
        size_t n = character_at((const unsigned char *)at, &number);
        if (n == 0 || (at[0] == '\\' && at[1] == 'x' && isxdigit((unsigned char)at[2]) && isxdigit((unsigned char)at[3])))
            return 1;
        at += n;
    }
    return 0;
}

size_t tess_utf8_text(const char *bytes, char *to, size_t capacity)
{
    size_t used = 0;
    uint32_t number;
    int escapes = needs_escapes(bytes);
    for (const char *at = bytes; *at;) {
        size_t n = character_at((const unsigned char *)at, &number);
        if (n == 0)
            used = add_byte(to, capacity, used, (unsigned char)*at);
        else if (escapes && *at == '\\')
            used = text_add(to, capacity, used, "\\\\", 2);
        else
            used = text_add(to, capacity, used, at, n);
        at += n ? n : 1;
    }
    text_end(to, capacity, used);
    return used;
}

/* 1 for controls, and for the characters that turn the direction of what follows or stand for a line's end. */
static int is_unseen(uint32_t v)
{
    return v < 0x20 || (v >= 0x7f && v < 0xa0) || (v >= 0x200e && v <= 0x200f) || (v >= 0x2028 && v <= 0x202e) ||
           (v >= 0x2066 && v <= 0x2069) || v == 0xfeff;
}

size_t tess_shown_text(const char *bytes, char *to, size_t capacity)
{
    size_t used = 0;
    uint32_t number;
    for (const char *at = bytes; *at;) {
        size_t n = character_at((const unsigned char *)at, &number);
        if (n && !is_unseen(number))
            used = text_add(to, capacity, used, at, n);
        else if (*at == '\n' || *at == '\t')
            used = text_add(to, capacity, used, *at == '\n' ? "\\n" : "\\t", 2);
        else
            for (size_t i = 0; i < (n ? n : 1); i++)
                used = add_byte(to, capacity, used, (unsigned char)at[i]);
        at += n ? n : 1;
    }
    text_end(to, capacity, used);
    return used;
}

void tessi_base_add(char *text, size_t capacity, const char *format, ...)
{
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, capacity - used, format, list);
    va_end(list);
}
