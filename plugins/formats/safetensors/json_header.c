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
    struct tess_context *ctx;
    const char *path, *text;
    size_t bytes, at;
    char *name; /* place of the next name, in header.text; never behind `at` */
};

static const struct {
    const char *word;
    int type;
} dtypes[] = {{"F32", NUMBER_F32},       {"F64", NUMBER_F64},        {"F16", NUMBER_F16},        {"BF16", NUMBER_BF16},
              {"I64", NUMBER_I64},       {"I32", NUMBER_I32},        {"I16", NUMBER_I16},        {"I8", NUMBER_I8},
              {"U64", NUMBER_U64},       {"U32", NUMBER_U32},        {"U16", NUMBER_U16},        {"U8", NUMBER_U8},
              {"BOOL", NUMBER_BOOL},     {"C64", NUMBER_C64},        {"F8_E4M3", NUMBER_F8},     {"F8_E5M2", NUMBER_F8},
              {"F8_E8M0", NUMBER_F8},    {"F8_E4M3FNUZ", NUMBER_F8}, {"F8_E5M2FNUZ", NUMBER_F8}, {"F6_E2M3", NUMBER_OTHER},
              {"F6_E3M2", NUMBER_OTHER}, {"F4", NUMBER_OTHER}};

static int TESS_PRINTF(2, 3) json_header_refuse(const struct reader *r, const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return r->ctx->fail(r->ctx, TESS_E_DATA, "%s: its header, byte %zu: %s", r->path, r->at, text);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------- */

/* Skips blanks and gives the next character without taking it; 0 at the end. */
static char json_header_peek(struct reader *r)
{
    while (r->at < r->bytes && (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\r' || r->text[r->at] == '\t'))
        r->at++;
    return r->at < r->bytes ? r->text[r->at] : '\0';
}

static int json_header_want(struct reader *r, char sign)
{
    if (json_header_peek(r) != sign)
        return json_header_refuse(r, "wanted `%c`", sign);
    r->at++;
    return TESS_OK;
}

/* Next item of a list or object of which `n` were read: *out is 1 when there is another, 0 behind its closing character. */
static int json_header_another(struct reader *r, int64_t n, char close, int *out)
{
    *out = 0;
    if (json_header_peek(r) == close) {
        r->at++;
        return TESS_OK;
    }
    if (n)
        TESS_TRY(json_header_want(r, ','));
    *out = 1;
    return TESS_OK;
}

/* Reads four hexadecimal digits. */
static int json_header_escape(struct reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *d = r->at < r->bytes && r->text[r->at] ? strchr(digits, r->text[r->at]) : NULL;
        if (!d)
            return json_header_refuse(r, "wanted four hexadecimal digits");
        *out = *out * 16 + (uint32_t)(d - digits > 15 ? d - digits - 6 : d - digits);
    }
    return TESS_OK;
}

static size_t json_header_utf8(uint32_t u, char *to)
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

/* Reads one character of a string, escaped or not. Surrogate pairs are refused: no name of a weight needs them. */
static int sign_of(struct reader *r, char to[4], size_t *n)
{
    static const char escaped[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char sign = r->text[r->at++];
    *n = 1;
    to[0] = sign;
    if ((unsigned char)sign < 0x20)
        return json_header_refuse(r, "a control character in a string");
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
        return json_header_refuse(r, "an unknown escape in a string");
    TESS_TRY(json_header_escape(r, &u));
    if (u == 0 || (u >= 0xD800 && u < 0xE000))
        return json_header_refuse(r, "an escape for half a sign, or for none");
    *n = json_header_utf8(u, to);
    return TESS_OK;
}

/* Reads a string into `to`, of `capacity` bytes with its end; `to` NULL: skipped. */
static int json_header_string(struct reader *r, char *to, size_t capacity, size_t *length)
{
    size_t used = 0, n;
    char sign[4];
    TESS_TRY(json_header_want(r, '"'));
    for (;;) {
        if (r->at >= r->bytes)
            return json_header_refuse(r, "ends inside a string");
        if (r->text[r->at] == '"')
            break;
        TESS_TRY(sign_of(r, sign, &n));
        if (to && used + n >= capacity)
            return json_header_refuse(r, "a string of more than %zu bytes", capacity - 1);
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

/* Reads an integer from 0, without leading zeros, sign, fraction or exponent. */
static int json_header_integer(struct reader *r, int64_t *out)
{
    char first = json_header_peek(r);
    *out = 0;
    if (first < '0' || first > '9')
        return json_header_refuse(r, "wanted an integer from 0");
    for (size_t start = r->at; r->at < r->bytes && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++)
        if ((first == '0' && r->at > start) || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, r->text[r->at] - '0', out))
            return json_header_refuse(r, "an integer with a leading 0, or too large");
    return TESS_OK;
}

static int json_header_integers(struct reader *r, int32_t capacity, int64_t *out, int32_t *n)
{
    int more;
    *n = 0;
    TESS_TRY(json_header_want(r, '['));
    for (;;) {
        TESS_TRY(json_header_another(r, *n, ']', &more));
        if (!more)
            return TESS_OK;
        if (*n == capacity)
            return json_header_refuse(r, "more than %d numbers", capacity);
        TESS_TRY(json_header_integer(r, &out[(*n)++]));
    }
}

/* ---- the object ---------------------------------------------------------------------------------------------------- */

static int json_header_dtype(struct reader *r, int32_t *out)
{
    char word[16];
    size_t length;
    TESS_TRY(json_header_string(r, word, sizeof word, &length));
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strlen(dtypes[i].word) == length && strcmp(dtypes[i].word, word) == 0) {
            *out = dtypes[i].type;
            return TESS_OK;
        }
    return json_header_refuse(r, "an unknown dtype");
}

/* Skips the writer's metadata, keys and texts that say nothing of the tensors. */
static int json_header_metadata(struct reader *r)
{
    int more;
    size_t length;
    TESS_TRY(json_header_want(r, '{'));
    for (int64_t n = 0;; n++) {
        TESS_TRY(json_header_another(r, n, '}', &more));
        if (!more)
            return TESS_OK;
        TESS_TRY(json_header_string(r, NULL, 0, &length));
        TESS_TRY(json_header_want(r, ':'));
        TESS_TRY(json_header_string(r, NULL, 0, &length));
    }
}

static int json_header_tensor(struct reader *r, struct header *h, const char *name)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    struct tess_entry *e = &h->entry[h->count];
    int64_t offset[2] = {0};
    int32_t offsets = 0, seen = 0, type = 0;
    int more;
    e->name = name;
    TESS_TRY(json_header_want(r, '{'));
    for (int64_t n = 0;; n++) {
        char key[16];
        size_t length;
        int32_t which = 0;
        TESS_TRY(json_header_another(r, n, '}', &more));
        if (!more)
            break;
        TESS_TRY(json_header_string(r, key, sizeof key, &length));
        while (which < 3 && (strlen(keys[which]) != length || strcmp(keys[which], key) != 0))
            which++;
        if (which == 3 || seen & 1 << which)
            return json_header_refuse(r, "wanted dtype, shape and data_offsets, each once, found `%s`",
                                      which == 3 ? "something else" : key);
        seen |= 1 << which;
        TESS_TRY(json_header_want(r, ':'));
        TESS_TRY(which == 0   ? json_header_dtype(r, &type)
                 : which == 1 ? json_header_integers(r, TESS_ENTRY_RANK, e->dim, &e->rank)
                              : json_header_integers(r, 2, offset, &offsets));
    }
    if (seen != 7 || offsets != 2)
        return json_header_refuse(r, "`%s` lacks its dtype, its shape or its two data_offsets", name);
    e->dtype = number_name(type);
    e->is_real = number_is_real(type);
    h->type[h->count] = type;
    h->begin[h->count] = offset[0];
    h->end[h->count++] = offset[1];
    return TESS_OK;
}

static int one_more(const struct reader *r, struct header *h)
{
    if (h->count < h->capacity)
        return TESS_OK;
    return json_header_refuse(r, "more than %lld tensors", (long long)h->capacity);
}

static int json_header_object(struct reader *r, struct header *h)
{
    int more, described = 0;
    TESS_TRY(json_header_want(r, '{'));
    for (int64_t n = 0;; n++) {
        size_t length;
        TESS_TRY(json_header_another(r, n, '}', &more));
        if (!more)
            break;
        char *name = r->name;
        TESS_TRY(json_header_string(r, name, TESS_ENTRY_NAME, &length));
        TESS_TRY(json_header_want(r, ':'));
        if (strcmp(name, "__metadata__") == 0) {
            if (described++)
                return json_header_refuse(r, "`__metadata__` is there twice");
            TESS_TRY(json_header_metadata(r));
            continue;
        }
        if (!number_name_fits(name, length))
            return json_header_refuse(r, "a name that is empty or has control characters");
        r->name += length + 1;
        TESS_TRY(one_more(r, h));
        TESS_TRY(json_header_tensor(r, h, name));
    }
    if (json_header_peek(r) != '\0' || r->at < r->bytes)
        return json_header_refuse(r, "goes on after its end");
    return TESS_OK;
}

/* Every tensor takes more bytes of the text than this, so their number is known before they are read. */
enum { TENSOR_BYTES = 40 };

int header_read(struct tess_context *ctx, const char *path, const char *text, size_t bytes, struct header *out)
{
    struct reader r = {.ctx = ctx, .path = path, .text = text, .bytes = bytes};
    void *memory;
    int64_t max = (int64_t)bytes / TENSOR_BYTES + 1;
    out->capacity = max < HEADER_TENSORS ? max : HEADER_TENSORS;
    TESS_TRY(tess_alloc(ctx, (size_t)out->capacity * sizeof *out->entry, "tensors", &memory));
    out->entry = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)out->capacity * sizeof *out->type, "tensors", &memory));
    out->type = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)out->capacity * 2 * sizeof *out->begin, "tensors", &memory));
    out->begin = memory;
    out->end = out->begin + out->capacity;
    TESS_TRY(tess_alloc(ctx, bytes + TESS_ENTRY_NAME + 1, "names", &memory));
    out->text = r.name = memory;
    return json_header_object(&r, out);
}

void header_free(struct header *h)
{
    tess_free(h->entry);
    tess_free(h->type);
    tess_free(h->begin);
    tess_free(h->text);
    memset(h, 0, sizeof *h);
}

void header_quote(const char *text, char *to, size_t capacity)
{
    size_t n = 0;
    to[n++] = '"';
    for (; *text && n + 8 < capacity; text++) {
        if (*text == '"' || *text == '\\')
            to[n++] = '\\';
        if ((unsigned char)*text < 0x20)
            n += (size_t)snprintf(to + n, capacity - n, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            to[n++] = *text;
    }
    to[n++] = '"';
    to[n] = '\0';
}
