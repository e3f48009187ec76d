/* See json_member.h. One pass over the text, with a stack of brackets in place of recursion. SPDX-License-Identifier: MIT */
#include "kit/format/json_member.h"

#include <stdint.h>
#include <string.h>

enum { DEPTH = 64, KEY_MAX = 256 };

struct json {
    const char *text;
    size_t bytes, at;
};

static int json_next(struct json *j)
{
    while (j->at < j->bytes && memchr(" \t\r\n", j->text[j->at], 4))
        j->at++;
    return j->at < j->bytes ? (unsigned char)j->text[j->at] : -1;
}

static int json_take(struct json *j, char sign)
{
    if (json_next(j) != (unsigned char)sign)
        return 0;
    j->at++;
    return 1;
}

/* ---- strings ------------------------------------------------------------------------------------------------------- */

static int json_hex(struct json *j, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        int c = j->at < j->bytes ? (unsigned char)j->text[j->at] : 0;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return 0;
        *out = *out << 4 | (uint32_t)digit;
    }
    return 1;
}

static size_t json_utf8(uint32_t u, char *to)
{
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    int more = u < 0x80 ? 0 : u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
    for (int i = more; i > 0; i--, u >>= 6)
        to[i] = (char)(0x80 | (u & 0x3f));
    to[0] = (char)(lead[more] | u);
    return (size_t)more + 1;
}

/* Reads the digits of \uXXXX, of two for a surrogate pair; the number of bytes, 0 where it is damaged. */
static size_t json_unicode(struct json *j, char to[4])
{
    uint32_t u, low;
    if (!json_hex(j, &u) || u == 0 || (u >= 0xdc00 && u < 0xe000))
        return 0;
    if (u >= 0xd800 && u < 0xdc00) {
        if (j->bytes - j->at < 6 || memcmp(j->text + j->at, "\\u", 2) != 0)
            return 0;
        j->at += 2;
        if (!json_hex(j, &low) || low < 0xdc00 || low > 0xdfff)
            return 0;
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
    }
    return json_utf8(u, to);
}

/* Reads one character of a string, escaped or not; the number of bytes, 0 where it is damaged. */
static size_t json_character(struct json *j, char to[4])
{
    static const char escaped[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    to[0] = j->text[j->at++];
    if ((unsigned char)to[0] < 0x20)
        return 0;
    if (to[0] != '\\')
        return 1;
    char sign = j->at < j->bytes ? j->text[j->at++] : '\0';
    if (sign == 'u')
        return json_unicode(j, to);
    const char *e = sign ? strchr(escaped, sign) : NULL;
    to[0] = e ? meant[e - escaped] : '\0';
    return e != NULL;
}

/* Reads a string into `to`; *fits 0: it is longer. Returns 0 where it is damaged. */
static int json_string(struct json *j, char *to, size_t capacity, int *fits)
{
    size_t used = 0;
    *fits = 1;
    if (!json_take(j, '"'))
        return 0;
    while (j->at < j->bytes && j->text[j->at] != '"') {
        char sign[4];
        size_t n = json_character(j, sign);
        if (n == 0)
            return 0;
        *fits = *fits && used + n < capacity;
        if (*fits)
            memcpy(to + used, sign, n);
        used += n;
    }
    if (capacity)
        to[*fits ? used : 0] = '\0';
    return json_take(j, '"');
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static size_t json_word_length(const struct json *j)
{
    size_t n = 0;
    while (j->at + n < j->bytes && j->text[j->at + n] && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", j->text[j->at + n]))
        n++;
    return n;
}

/* A number, true, false or null. */
static int json_word(struct json *j, char *to, size_t capacity)
{
    size_t n = json_word_length(j);
    const char *at = j->text + j->at;
    j->at += n;
    if ((n == 4 && (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0)) || (n == 5 && memcmp(at, "false", 5) == 0))
        return JSON_OTHER;
    if (n == 0 || !strchr("-0123456789", at[0]))
        return JSON_DAMAGED;
    if (n >= capacity)
        return JSON_TOO_LONG;
    memcpy(to, at, n);
    to[n] = '\0';
    return JSON_NUMBER;
}

/* Reads what comes before the next value in a bracket: a key and a colon in an object. Returns 0 where it is damaged. */
static int json_key(struct json *j, char open, char *key, int *fits)
{
    *fits = 0;
    return open == '[' || (json_string(j, key, KEY_MAX, fits) && json_take(j, ':'));
}

/* Skips a nested object or list, which begins at the next sign. Returns 0 where it is damaged. */
static int json_skip(struct json *j)
{
    char open[DEPTH], key[KEY_MAX], word[64];
    int depth = 0, fits, first = 1;
    do {
        int c = json_next(j);
        if (depth && (c == ']' || c == '}')) {
            if ((c == ']') != (open[depth - 1] == '['))
                return 0;
            j->at++;
            depth--;
            first = 0;
            continue;
        }
        if (depth && ((!first && !json_take(j, ',')) || !json_key(j, open[depth - 1], key, &fits)))
            return 0;
        c = json_next(j);
        first = c == '[' || c == '{';
        if (first && depth == DEPTH)
            return 0;
        if (first)
            open[depth++] = j->text[j->at++];
        else if (c == '"' ? !json_string(j, NULL, 0, &fits) : json_word(j, word, sizeof word) == JSON_DAMAGED)
            return 0;
    } while (depth);
    return 1;
}

/* Reads a value, writing a text or a number to `to`; returns its type. */
static int json_value(struct json *j, char *to, size_t capacity)
{
    int fits, c = json_next(j);
    if (c == '"')
        return !json_string(j, to, capacity, &fits) ? JSON_DAMAGED : fits ? JSON_TEXT : JSON_TOO_LONG;
    if (c == '[' || c == '{')
        return json_skip(j) ? JSON_OTHER : JSON_DAMAGED;
    return json_word(j, to, capacity);
}

int json_member(const char *text, size_t bytes, const char *key, char *to, size_t capacity)
{
    struct json j = {text, bytes, 0};
    char name[KEY_MAX], passed[64];
    int found = JSON_MISSING, fits, first = 1;
    if (!json_take(&j, '{'))
        return JSON_DAMAGED;
    for (; !json_take(&j, '}'); first = 0) {
        if ((!first && !json_take(&j, ',')) || !json_key(&j, '{', name, &fits))
            return JSON_DAMAGED;
        int wanted = found == JSON_MISSING && fits && strcmp(name, key) == 0;
        int type = wanted ? json_value(&j, to, capacity) : json_value(&j, passed, sizeof passed);
        if (type == JSON_DAMAGED)
            return JSON_DAMAGED;
        if (wanted)
            found = type;
    }
    return json_next(&j) < 0 ? found : JSON_DAMAGED;
}
