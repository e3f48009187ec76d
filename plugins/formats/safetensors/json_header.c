/* A strict reader of one kind of JSON (RFC 8259) and no other:
 *
 *     {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"KEY": "TEXT", ...}}
 *
 * Its depth is fixed, so nothing recurses. Any other key, a key twice, a sign, a fraction: refused with the place.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/safetensors/json_header.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    struct tess_call *c;
    const char *path, *text;
    size_t bytes, at;
    char *name; /* where the next name goes, in header.text; never behind `at` */
};

static const struct {
    const char *word;
    int type;
} dtypes[] = {{"F32", NUMBER_F32}, {"F64", NUMBER_F64}, {"F16", NUMBER_F16}, {"BF16", NUMBER_BF16}, {"I64", NUMBER_I64},
              {"I32", NUMBER_I32}, {"I16", NUMBER_I16}, {"I8", NUMBER_I8},   {"U64", NUMBER_U64},   {"U32", NUMBER_U32},
              {"U16", NUMBER_U16}, {"U8", NUMBER_U8},   {"BOOL", NUMBER_BOOL}};

static int TESS_PRINTF(2, 3) refuse(const struct reader *r, const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return r->c->fail(r->c, TESS_E_DATA, "%s: its header, byte %zu: %s", r->path, r->at, text);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------- */

/* The next sign that is no blank, which stays; 0 at the end. */
static char peek(struct reader *r)
{
    while (r->at < r->bytes && (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\r' || r->text[r->at] == '\t'))
        r->at++;
    return r->at < r->bytes ? r->text[r->at] : '\0';
}

static int want(struct reader *r, char sign)
{
    if (peek(r) != sign)
        return refuse(r, "wanted `%c`", sign);
    r->at++;
    return TESS_OK;
}

/* In a list or object of which `n` items were read: 1 when there is another, 0 behind its closing sign. */
static int another(struct reader *r, int64_t n, char close, int *out)
{
    *out = 0;
    if (peek(r) == close) {
        r->at++;
        return TESS_OK;
    }
    if (n)
        TESS_TRY(want(r, ','));
    *out = 1;
    return TESS_OK;
}

/* Four hexadecimal digits. */
static int escape(struct reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *d = r->at < r->bytes && r->text[r->at] ? strchr(digits, r->text[r->at]) : NULL;
        if (!d)
            return refuse(r, "wanted four hexadecimal digits");
        *out = *out * 16 + (uint32_t)(d - digits > 15 ? d - digits - 6 : d - digits);
    }
    return TESS_OK;
}

static size_t utf8(uint32_t u, char *to)
{
    if (u < 0x80) {
        to[0] = (char)u;
        return 1;
    }
    if (u < 0x800) {
        to[0] = (char)(0xC0 | u >> 6);
        to[1] = (char)(0x80 | (u & 0x3F));
        return 2;
    }
    to[0] = (char)(0xE0 | u >> 12);
    to[1] = (char)(0x80 | (u >> 6 & 0x3F));
    to[2] = (char)(0x80 | (u & 0x3F));
    return 3;
}

/* One sign of a string, escaped or not. No name of a weight needs the pairs of escapes of what is beyond 16 bits. */
static int sign_of(struct reader *r, char to[4], size_t *n)
{
    static const char escaped[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char sign = r->text[r->at++];
    *n = 1;
    to[0] = sign;
    if ((unsigned char)sign < 0x20)
        return refuse(r, "a control character in a string");
    if (sign != '\\')
        return TESS_OK;
    sign = r->at < r->bytes ? r->text[r->at++] : '\0';
    const char *e = sign ? strchr(escaped, sign) : NULL;
    if (e) {
        to[0] = meant[e - escaped];
        return TESS_OK;
    }
    uint32_t u;
    if (sign != 'u')
        return refuse(r, "an unknown escape in a string");
    TESS_TRY(escape(r, &u));
    if (u == 0 || (u >= 0xD800 && u < 0xE000))
        return refuse(r, "an escape for half a sign, or for none");
    *n = utf8(u, to);
    return TESS_OK;
}

/* A string into `to`, which has `room` for it and its end; to NULL: skipped. */
static int string(struct reader *r, char *to, size_t room, size_t *length)
{
    size_t used = 0, n;
    char sign[4];
    TESS_TRY(want(r, '"'));
    for (;;) {
        if (r->at >= r->bytes)
            return refuse(r, "ends inside a string");
        if (r->text[r->at] == '"')
            break;
        TESS_TRY(sign_of(r, sign, &n));
        if (to && used + n >= room)
            return refuse(r, "a string of more than %zu bytes", room - 1);
        if (to)
            memcpy(to + used, sign, n);
        used += n;
    }
    r->at++;
    if (to)
        to[used] = '\0';
    *length = used;
    return TESS_OK;
}

/* An integer from 0, without leading zeros, sign, fraction or exponent. */
static int integer(struct reader *r, int64_t *out)
{
    char first = peek(r);
    *out = 0;
    if (first < '0' || first > '9')
        return refuse(r, "wanted an integer from 0");
    for (size_t start = r->at; r->at < r->bytes && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++)
        if ((first == '0' && r->at > start) || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, r->text[r->at] - '0', out))
            return refuse(r, "an integer with a leading 0, or too large");
    return TESS_OK;
}

static int integers(struct reader *r, int32_t room, int64_t *out, int32_t *n)
{
    int more;
    *n = 0;
    TESS_TRY(want(r, '['));
    for (;;) {
        TESS_TRY(another(r, *n, ']', &more));
        if (!more)
            return TESS_OK;
        if (*n == room)
            return refuse(r, "more than %d numbers", room);
        TESS_TRY(integer(r, &out[(*n)++]));
    }
}

/* ---- the object ---------------------------------------------------------------------------------------------------- */

static int dtype(struct reader *r, int32_t *out)
{
    char word[16];
    size_t length;
    TESS_TRY(string(r, word, sizeof word, &length));
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strlen(dtypes[i].word) == length && strcmp(dtypes[i].word, word) == 0) {
            *out = dtypes[i].type;
            return TESS_OK;
        }
    return refuse(r, "an unknown dtype");
}

/* Keys and texts of the writer's, which say nothing of the tensors. */
static int metadata(struct reader *r)
{
    int more;
    size_t length;
    TESS_TRY(want(r, '{'));
    for (int64_t n = 0;; n++) {
        TESS_TRY(another(r, n, '}', &more));
        if (!more)
            return TESS_OK;
        TESS_TRY(string(r, NULL, 0, &length));
        TESS_TRY(want(r, ':'));
        TESS_TRY(string(r, NULL, 0, &length));
    }
}

static int tensor(struct reader *r, struct header *h, const char *name)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    struct tess_entry *e = &h->entry[h->count];
    int64_t offset[2] = {0};
    int32_t offsets = 0, seen = 0, type = 0;
    int more;
    e->name = name;
    TESS_TRY(want(r, '{'));
    for (int64_t n = 0;; n++) {
        char key[16];
        size_t length;
        int32_t which = 0;
        TESS_TRY(another(r, n, '}', &more));
        if (!more)
            break;
        TESS_TRY(string(r, key, sizeof key, &length));
        while (which < 3 && (strlen(keys[which]) != length || strcmp(keys[which], key) != 0))
            which++;
        if (which == 3 || seen & 1 << which)
            return refuse(r, "wanted dtype, shape and data_offsets, each once, found `%s`", which == 3 ? "something else" : key);
        seen |= 1 << which;
        TESS_TRY(want(r, ':'));
        TESS_TRY(which == 0 ? dtype(r, &type) : which == 1 ? integers(r, TESS_ENTRY_RANK, e->dim, &e->rank) : integers(r, 2, offset,
                                                                                                                       &offsets));
    }
    if (seen != 7 || offsets != 2)
        return refuse(r, "`%s` lacks its dtype, its shape or its two data_offsets", name);
    e->dtype = number_name(type);
    e->is_real = number_is_real(type);
    h->type[h->count] = type;
    h->begin[h->count] = offset[0];
    h->end[h->count++] = offset[1];
    return TESS_OK;
}

static int one_more(const struct reader *r, struct header *h)
{
    if (h->count < h->room)
        return TESS_OK;
    return refuse(r, "more than %lld tensors", (long long)h->room);
}

static int object(struct reader *r, struct header *h)
{
    int more, described = 0;
    TESS_TRY(want(r, '{'));
    for (int64_t n = 0;; n++) {
        size_t length;
        TESS_TRY(another(r, n, '}', &more));
        if (!more)
            break;
        char *name = r->name;
        TESS_TRY(string(r, name, TESS_ENTRY_NAME, &length));
        TESS_TRY(want(r, ':'));
        if (strcmp(name, "__metadata__") == 0) {
            if (described++)
                return refuse(r, "`__metadata__` is there twice");
            TESS_TRY(metadata(r));
            continue;
        }
        if (!number_name_fits(name, length))
            return refuse(r, "a name that is empty or has control characters");
        r->name += length + 1;
        TESS_TRY(one_more(r, h));
        TESS_TRY(tensor(r, h, name));
    }
    if (peek(r) != '\0' || r->at < r->bytes)
        return refuse(r, "goes on after its end");
    return TESS_OK;
}

/* Every tensor takes more bytes of the text than this, so their number is known before they are read. */
enum { TENSOR_BYTES = 40 };

int header_read(struct tess_call *c, const char *path, const char *text, size_t bytes, struct header *out)
{
    struct reader r = {.c = c, .path = path, .text = text, .bytes = bytes};
    void *memory;
    int64_t most = (int64_t)bytes / TENSOR_BYTES + 1;
    out->room = most < HEADER_TENSORS ? most : HEADER_TENSORS;
    TESS_TRY(tess_alloc(c, (size_t)out->room * sizeof *out->entry, "tensors", &memory));
    out->entry = memory;
    TESS_TRY(tess_alloc(c, (size_t)out->room * sizeof *out->type, "tensors", &memory));
    out->type = memory;
    TESS_TRY(tess_alloc(c, (size_t)out->room * 2 * sizeof *out->begin, "tensors", &memory));
    out->begin = memory;
    out->end = out->begin + out->room;
    TESS_TRY(tess_alloc(c, bytes + TESS_ENTRY_NAME + 1, "names", &memory));
    out->text = r.name = memory;
    return object(&r, out);
}

void header_free(struct header *h)
{
    tess_free(h->entry);
    tess_free(h->type);
    tess_free(h->begin);
    tess_free(h->text);
    memset(h, 0, sizeof *h);
}

void header_quote(const char *text, char *to, size_t room)
{
    size_t n = 0;
    to[n++] = '"';
    for (; *text && n + 8 < room; text++) {
        if (*text == '"' || *text == '\\')
            to[n++] = '\\';
        if ((unsigned char)*text < 0x20)
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            to[n++] = *text;
    }
    to[n++] = '"';
    to[n] = '\0';
}
