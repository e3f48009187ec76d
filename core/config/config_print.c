/* The tree as flow-style YAML on one line: "{use: conv, channels: 32}". Reading the text back gives the same tree.
 *
 * A scalar stays bare when it is a number, a truth value, nothing, or a text of harmless characters that no reader takes for
 * one of those (nor a reader of YAML 1.1, for whom `on` is true and 1_000 a number); every other text stands in double
 * quotes. So equal values have equal text, however they were quoted.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"
#include "core/base/text.h"
#include "core/config/scalar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int is_harmless(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.+-";
    static const char *const old_booleans[] = {"y", "n", "yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof old_booleans / sizeof *old_booleans; i++)
        if (strcasecmp(text, old_booleans[i]) == 0)
            return 0;
    return *text != '\0' && !strchr(".+-0123456789", *text) && text[strspn(text, allowed)] == '\0' &&
           tessi_config_scalar_is(text, 0) == TESSI_IS_TEXT;
}

/* Prints a text in quotes, escaping quotes, backslashes and whatever a YAML reader refuses raw or folds as a line break: controls, U+0085,
 * U+2028, U+2029, the byte order mark and the two non-characters. */
static void print_quoted(FILE *f, const char *text)
{
    fputc('"', f);
    for (const char *at = text; *at;) {
        int length;
        uint32_t code = tessi_base_code_point(at, &length);
        if (code == '"' || code == '\\')
            fprintf(f, "\\%c", (int)code);
        else if (code == '\n')
            fputs("\\n", f);
        else if (code == '\t')
            fputs("\\t", f);
        else if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            fprintf(f, "\\x%02x", code);
        else if (code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe || code == 0xffff)
            fprintf(f, "\\u%04x", code);
        else
            fwrite(at, 1, (size_t)length, f);
        at += length;
    }
    fputc('"', f);
}

static void print_scalar(FILE *f, const char *text, int quoted)
{
    int type = tessi_config_scalar_is(text, quoted);
    if (type == TESSI_IS_NULL)
        fputs("null", f);
    else if (type != TESSI_IS_TEXT || is_harmless(text))
        fputs(text, f);
    else
        print_quoted(f, text);
}

static void print_key(FILE *f, const char *key)
{
    if (is_harmless(key))
        fputs(key, f);
    else
        print_quoted(f, key);
}

static void config_print_print(FILE *f, const struct tessi_config *s)
{
    if (s->kind == TESSI_SCALAR) {
        print_scalar(f, s->text ? s->text : "", s->quoted);
        return;
    }
    int map = s->kind == TESSI_MAP;
    fputc(map ? '{' : '[', f);
    for (const struct tessi_config *child = s->child; child; child = child->next) {
        if (map) {
            print_key(f, child->key ? child->key : "");
            fputs(": ", f);
        }
        config_print_print(f, child);
        if (child->next)
            fputs(", ", f);
    }
    fputc(map ? '}' : ']', f);
}

int tessi_config_print(struct tess_context *ctx, const struct tessi_config *s, char **out)
{
    char *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    FILE *f = open_memstream(&text, &bytes);
    if (f)
        config_print_print(f, s);
    int status = TESS_OK;
    if (!f || ferror(f) | fclose(f))
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the text of a configuration of %s", s->file);
    else
        status = tess_copy_bytes(ctx, text, bytes, out);
    free(text);
    return status;
}
