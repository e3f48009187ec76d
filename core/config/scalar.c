/* Scalars by the core schema of YAML 1.2 (section 10.3.2): what `0x10`, `1e-4`, `True` or `yes` is, and its value.
 *
 * `yes`, `no` and `on` are texts. A number written with a fraction or an exponent is an integer where it is whole, so that
 * `steps: 1e3` means a thousand steps. Infinities and not-a-number are refused wherever a number is wanted.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"
#include "core/base/text.h"
#include "core/config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(text, *names) == 0)
            return 1;
    return 0;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", NULL};
static const char *const falses[] = {"false", "False", "FALSE", NULL};
static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
static const char *const not_numbers[] = {".nan", ".NaN", ".NAN", NULL};

static const char digits[] = "0123456789";

/* Matches [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static int scalar_is_real(const char *text)
{
    if (*text == '-' || *text == '+')
        text++;
    size_t whole = strspn(text, digits), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = strspn(++text, digits);
        text += fraction;
    }
    if (whole + fraction == 0)
        return 0;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            text++;
        size_t exponent = strspn(text, digits);
        if (exponent == 0)
            return 0;
        text += exponent;
    }
    return *text == '\0';
}

static int is_int(const char *text)
{
    if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
        const char *allowed = text[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF";
        return text[2] != '\0' && text[2 + strspn(text + 2, allowed)] == '\0';
    }
    if (*text == '-' || *text == '+')
        text++;
    return *text != '\0' && text[strspn(text, digits)] == '\0';
}

int tessi_config_scalar_is(const char *text, int quoted)
{
    if (quoted)
        return TESSI_IS_TEXT;
    if (one_of(text, nulls))
        return TESSI_IS_NULL;
    if (one_of(text, trues) || one_of(text, falses))
        return TESSI_IS_BOOL;
    if (is_int(text))
        return TESSI_IS_INT;
    if (scalar_is_real(text))
        return TESSI_IS_REAL;
    if (one_of(text, not_numbers) || one_of(text + (*text == '-' || *text == '+'), infinite))
        return TESSI_IS_INFINITE;
    return TESSI_IS_TEXT;
}

static int scalar_is(const struct tessi_config *s)
{
    return s->kind == TESSI_SCALAR ? tessi_config_scalar_is(s->text ? s->text : "", s->quoted) : 0;
}

int tessi_config_is_null(const struct tessi_config *s)
{
    return scalar_is(s) == TESSI_IS_NULL;
}

int tessi_config_is_text(const struct tessi_config *s)
{
    return scalar_is(s) == TESSI_IS_TEXT;
}

static int int_value(const char *text, int64_t *out)
{
    errno = 0;
    if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
        unsigned long long value = strtoull(text + 2, NULL, text[1] == 'o' ? 8 : 16);
        *out = (int64_t)value;
        return errno == 0 && value <= INT64_MAX;
    }
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

int tessi_config_read_i64(const struct tessi_config *s, int64_t *out)
{
    int type = scalar_is(s);
    if (type == TESSI_IS_INT)
        return int_value(s->text, out);
    if (type != TESSI_IS_REAL)
        return 0;
    double value = strtod(s->text, NULL);
    if (!(fabs(value) <= 9007199254740992.0) || value != floor(value))
        return 0;
    *out = (int64_t)value;
    return 1;
}

/* 1 where all digits before an exponent are 0: a number that underflows is not taken for zero. */
static int is_zero(const char *text)
{
    return text[strcspn(text, "123456789eE")] < '1' || text[strcspn(text, "123456789eE")] > '9';
}

int tessi_config_is_i64(const struct tessi_config *s, int64_t *out)
{
    return tessi_config_read_i64(s, out);
}

int tessi_config_read_f64(const struct tessi_config *s, double *out)
{
    int type = scalar_is(s);
    int64_t whole;
    if (type == TESSI_IS_INT && s->text[0] == '0' && int_value(s->text, &whole)) {
        *out = (double)whole;
        return 1;
    }
    if (type != TESSI_IS_REAL && type != TESSI_IS_INT)
        return 0;
    *out = strtod(s->text, NULL);
    return isfinite(*out) && (*out != 0.0 || is_zero(s->text));
}

int tessi_config_read_bool(const struct tessi_config *s, int32_t *out)
{
    if (scalar_is(s) != TESSI_IS_BOOL)
        return 0;
    *out = one_of(s->text, trues);
    return 1;
}

int tessi_config_i64(struct tess_context *ctx, const struct tessi_config *s, int64_t *out)
{
    char found[80];
    if (tessi_config_read_i64(s, out))
        return TESS_OK;
    return tessi_config_fail(ctx, s, TESS_E_VALUE, "wanted an integer, found %s", tessi_config_found(s, found, sizeof found));
}

int tessi_config_f64(struct tess_context *ctx, const struct tessi_config *s, double *out)
{
    char found[80];
    if (tessi_config_read_f64(s, out))
        return TESS_OK;
    return tessi_config_fail(ctx, s, TESS_E_VALUE, "wanted a finite number, found %s", tessi_config_found(s, found, sizeof found));
}

int tessi_config_bool(struct tess_context *ctx, const struct tessi_config *s, int32_t *out)
{
    char found[80];
    if (tessi_config_read_bool(s, out))
        return TESS_OK;
    return tessi_config_fail(ctx, s, TESS_E_VALUE, "wanted true or false, found %s", tessi_config_found(s, found, sizeof found));
}

/* Beginning of a text, in whole characters, on one line. */
static const char *one_line(const char *text, char *start, size_t capacity)
{
    size_t n = 0;
    for (int length; text[n]; n += (size_t)length) {
        (void)tessi_base_code_point(text + n, &length);
        if (n + (size_t)length >= capacity)
            break;
        for (int i = 0; i < length; i++)
            start[n + (size_t)i] = (unsigned char)text[n + (size_t)i] < 0x20 || text[n + (size_t)i] == 0x7f ? ' ' : text[n + (size_t)i];
    }
    start[n] = '\0';
    return start;
}

const char *tessi_config_found(const struct tessi_config *s, char *text, size_t capacity)
{
    char words[100], start[49];
    switch (s->kind == TESSI_SCALAR ? scalar_is(s) : -s->kind) {
    case -TESSI_SEQUENCE:
        snprintf(text, capacity, "a list of %lld", (long long)tessi_config_count(s));
        break;
    case -TESSI_MAP:
        snprintf(text, capacity, "a map");
        break;
    case TESSI_IS_NULL:
        snprintf(text, capacity, "nothing");
        break;
    case TESSI_IS_TEXT:
        snprintf(text, capacity, "the text \"%s%s\"%s", one_line(s->text, start, sizeof start), strlen(s->text) > 48 ? "..." : "",
                 tessi_base_lookalike_words(s->text, words, sizeof words));
        break;
    default:
        snprintf(text, capacity, "%.48s%s", s->text, strlen(s->text) > 48 ? "..." : "");
    }
    return text;
}

const char *tessi_config_real_text(double value, char *text, size_t capacity)
{
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, capacity, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}
