/* A JSON document read into one block: first the values, then the characters of all texts, which are never longer than the document. There
 * is at most one value for each comma, colon and opening bracket, and one more. SPDX-License-Identifier: MIT */
#include "core/base/json_read.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

struct json_reader {
    const char *at, *end;
    struct tessi_json *free_node;
    char *free_text;
    const char *wrong; /* syntax wanted where reading ended; NULL: nothing is wrong */
};

static void json_skip_blanks(struct json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static int json_wrong(struct json_reader *r, const char *wanted)
{
    if (!r->wrong)
        r->wrong = wanted;
    return 0;
}

/* Takes the character, if it is next. */
static int json_take(struct json_reader *r, char c)
{
    json_skip_blanks(r);
    if (r->at == r->end || *r->at != c)
        return 0;
    r->at++;
    return 1;
}

/* Takes four hexadecimal digits. */
static int json_hex(struct json_reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : '\0';
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return json_wrong(r, "four hexadecimal digits");
        *out = *out << 4 | (uint32_t)digit;
    }
    return 1;
}

static void json_put_utf8(struct json_reader *r, uint32_t v)
{
    char *to = r->free_text;
    if (v < 0x80) {
        *to++ = (char)v;
    } else if (v < 0x800) {
        *to++ = (char)(0xc0 | v >> 6);
        *to++ = (char)(0x80 | (v & 0x3f));
    } else if (v < 0x10000) {
        *to++ = (char)(0xe0 | v >> 12);
        *to++ = (char)(0x80 | (v >> 6 & 0x3f));
        *to++ = (char)(0x80 | (v & 0x3f));
    } else {
        *to++ = (char)(0xf0 | v >> 18);
        *to++ = (char)(0x80 | (v >> 12 & 0x3f));
        *to++ = (char)(0x80 | (v >> 6 & 0x3f));
        *to++ = (char)(0x80 | (v & 0x3f));
    }
    r->free_text = to;
}

/* A character by its number, which beyond 0xffff is two escapes, a high surrogate and a low one. */
static int json_number_escape(struct json_reader *r)
{
    uint32_t v, low;
    if (!json_hex(r, &v))
        return 0;
    if (v >= 0xd800 && v < 0xdc00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return json_wrong(r, "the second half of a surrogate pair");
        r->at += 2;
        if (!json_hex(r, &low))
            return 0;
        if (low < 0xdc00 || low > 0xdfff)
            return json_wrong(r, "the second half of a surrogate pair");
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    } else if (v == 0 || (v >= 0xdc00 && v <= 0xdfff)) {
        return json_wrong(r, "a character");
    }
    json_put_utf8(r, v);
    return 1;
}

static int json_escape(struct json_reader *r)
{
    static const char names[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    const char *known = c ? strchr(names, c) : NULL;
    if (c == 'u')
        return json_number_escape(r);
    if (!known)
        return json_wrong(r, "an escape");
    *r->free_text++ = characters[known - names];
    return 1;
}

/* A text behind its opening quote. */
static int json_string(struct json_reader *r, const char **out)
{
    *out = r->free_text;
    while (r->at < r->end && *r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return json_wrong(r, "no control character in a text");
        if (*r->at == '\\') {
            r->at++;
            if (!json_escape(r))
                return 0;
        } else {
            *r->free_text++ = *r->at++;
        }
    }
    if (r->at == r->end)
        return json_wrong(r, "the end of a text");
    r->at++;
    *r->free_text++ = '\0';
    return 1;
}

static int json_number(struct json_reader *r, struct tessi_json *node)
{
    const char *start = r->at;
    char *end;
    while (r->at < r->end && strchr("+-.0123456789eE", *r->at) && *r->at)
        r->at++;
    node->type = TESSI_JSON_NUMBER;
    node->text = r->free_text;
    memcpy(r->free_text, start, (size_t)(r->at - start));
    r->free_text += r->at - start;
    *r->free_text++ = '\0';
    node->number = strtod(node->text, &end);
    if (end == node->text || *end || *node->text == '+') {
        r->at = start;
        return json_wrong(r, "a value");
    }
    return 1;
}

static int json_word(struct json_reader *r, struct tessi_json *node)
{
    static const struct {
        const char *word;
        int32_t type, value;
    } words[] = {{"null", TESSI_JSON_NULL, 0}, {"true", TESSI_JSON_BOOL, 1}, {"false", TESSI_JSON_BOOL, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < length || memcmp(r->at, words[i].word, length) != 0)
            continue;
        r->at += length;
        node->type = words[i].type;
        node->number = words[i].value;
        return 1;
    }
    return json_wrong(r, "a value");
}

static int json_value(struct json_reader *r, int depth, const char *key, const struct tessi_json **out);

/* The members of a list or a map, behind its opening bracket. */
static int json_members(struct json_reader *r, int depth, struct tessi_json *node, char close)
{
    const struct tessi_json **last = &node->child;
    if (depth == DEPTH_MAX)
        return json_wrong(r, "no more than 64 lists and maps in one another");
    if (json_take(r, close))
        return 1;
    do {
        const char *key = NULL;
        if (close == '}' && (!json_take(r, '"') || !json_string(r, &key) || !json_take(r, ':')))
            return json_wrong(r, "a key and a colon");
        struct tessi_json *member = r->free_node;
        if (!json_value(r, depth + 1, key, last))
            return 0;
        last = &member->next;
    } while (json_take(r, ','));
    return json_take(r, close) ? 1 : json_wrong(r, close == '}' ? "`,` or `}`" : "`,` or `]`");
}

static int json_value(struct json_reader *r, int depth, const char *key, const struct tessi_json **out)
{
    struct tessi_json *node = r->free_node++;
    *node = (struct tessi_json){.key = key, .text = ""};
    *out = node;
    json_skip_blanks(r);
    char c = r->at < r->end ? *r->at : '\0';
    if (c == '{' || c == '[') {
        r->at++;
        node->type = c == '{' ? TESSI_JSON_MAP : TESSI_JSON_LIST;
        return json_members(r, depth, node, c == '{' ? '}' : ']');
    }
    if (c == '"') {
        r->at++;
        node->type = TESSI_JSON_TEXT;
        return json_string(r, &node->text);
    }
    return c == '-' || (c >= '0' && c <= '9') ? json_number(r, node) : json_word(r, node);
}

/* Upper bound of the number of values. */
static size_t json_count(const char *text, size_t bytes)
{
    size_t n = 1;
    for (size_t i = 0; i < bytes; i++)
        n += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return n;
}

int tessi_base_json_read(struct tess_context *ctx, const char *text, size_t bytes, const char *name, struct tessi_json **out)
{
    void *memory;
    const struct tessi_json *root;
    size_t nodes = json_count(text, bytes) * sizeof(struct tessi_json);
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, nodes + 2 * bytes + 2, "a JSON value", &memory));
    struct json_reader r = {.at = text, .end = text + bytes, .free_node = memory, .free_text = (char *)memory + nodes};
    int good = json_value(&r, 0, NULL, &root);
    json_skip_blanks(&r);
    if (good && r.at != r.end)
        good = json_wrong(&r, "the end");
    if (good) {
        *out = memory;
        return TESS_OK;
    }
    tess_free(memory);
    return ctx->fail(ctx, TESS_E_DATA, "%s: is no JSON: at byte %zu wanted %s", name, (size_t)(r.at - text) + 1, r.wrong);
}

const struct tessi_json *tessi_base_json_get(const struct tessi_json *map, const char *key)
{
    if (!map || map->type != TESSI_JSON_MAP)
        return NULL;
    for (const struct tessi_json *at = map->child; at; at = at->next)
        if (strcmp(at->key, key) == 0)
            return at;
    return NULL;
}

const char *tessi_base_json_get_text(const struct tessi_json *map, const char *key, const char *otherwise)
{
    const struct tessi_json *at = tessi_base_json_get(map, key);
    return at && at->type == TESSI_JSON_TEXT ? at->text : otherwise;
}

double tessi_base_json_get_f64(const struct tessi_json *map, const char *key, double otherwise)
{
    const struct tessi_json *at = tessi_base_json_get(map, key);
    return at && at->type == TESSI_JSON_NUMBER ? at->number : otherwise;
}
