/* Error messages for a text that is not YAML, or not what it looks like: the character or construct at fault, at its place, by its name.
 *
 * A parser says where it could not go on, which is often a line after the cause. Causes that are known are looked for around there: tabs, a
 * `${` without quotes where braces mean something, blanks that are no space, a full-width colon. A character is blamed only where it
 * stands, and nothing is blamed that is not there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"
#include "core/config/yaml_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int32_t tessi_config_yaml_line(const struct tessi_yaml_reader *r, yaml_mark_t at)
{
    return r->line ? r->line : (int32_t)at.line + 1;
}

int32_t tessi_config_yaml_column(const struct tessi_yaml_reader *r, yaml_mark_t at)
{
    return (int32_t)at.column + (at.line == 0 && r->line ? r->column : 1);
}

int tessi_config_yaml_wrong(struct tessi_yaml_reader *r, yaml_mark_t at, const char *format, ...)
{
    char message[768];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return r->ctx->fail(r->ctx, TESS_E_USAGE, "%s:%d:%d: %s", r->name, tessi_config_yaml_line(r, at), tessi_config_yaml_column(r, at),
                        message);
}

/* The line of the text, without its end. */
static const char *line_at(const struct tessi_yaml_reader *r, size_t line, size_t *length)
{
    const char *at = r->text, *end = r->text + r->bytes;
    for (; line > 0 && at < end; line--) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    const char *next = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((next ? next : end) - at);
    return at;
}

/* Bytes of the first `characters` of a line. */
static size_t bytes_of(const char *line, size_t length, size_t characters)
{
    size_t at = 0;
    for (; at < length && characters > 0; characters--)
        for (at++; at < length && ((unsigned char)line[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

static size_t characters_of(const char *line, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

/* Length of a line up to its first quotes or comment, which may hold any character. */
static size_t bare_length(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] == '"' || line[i] == '\'' || (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')))
            return i;
    return length;
}

static int yaml_trouble_blame(struct tessi_yaml_reader *r, yaml_mark_t at, const struct tessi_base_lookalike *like, const char *where)
{
    if (*like->meant)
        return tessi_config_yaml_wrong(r, at, "found U+%04X, %s, %s; write `%s`, or put the text in quotes", (unsigned)like->code,
                                       like->name, where, like->meant);
    return tessi_config_yaml_wrong(r, at, "found U+%04X, %s, %s; take it out, or put the text in quotes", (unsigned)like->code, like->name,
                                   where);
}

/* Finds a look-alike character that YAML would have understood had it been what it looks like. */
static int find_lookalike(struct tessi_yaml_reader *r, size_t line, yaml_mark_t *at, struct tessi_base_lookalike *like)
{
    size_t length;
    const char *text = line_at(r, line, &length);
    size_t bare = bare_length(text, length);
    if (!tessi_base_lookalike(text, bare, TESSI_HIDDEN | TESSI_PUNCTUATION, like) || (*like->meant && !strchr(" :\"',[]{}-", *like->meant)))
        return 0;
    *at = (yaml_mark_t){0, line, characters_of(text, like->at)};
    return 1;
}

static int is_blank(const struct tessi_yaml_reader *r, size_t line)
{
    size_t length, at = 0;
    const char *text = line_at(r, line, &length); /* not ended by '\0' where the text is a caller's */
    while (at < length && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
        at++;
    return at == length;
}

/* Blames a look-alike character in the line where the parser stopped, the one before it, or the one where the failed construct began. */
static int blame_lookalike(struct tessi_yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = p->problem_mark.line, before = line;
    struct tessi_base_lookalike like;
    yaml_mark_t at;
    while (before > 0 && is_blank(r, --before))
        continue;
    if (!find_lookalike(r, line, &at, &like) && !find_lookalike(r, before, &at, &like) &&
        !(p->context && find_lookalike(r, p->context_mark.line, &at, &like)))
        return TESS_OK;
    return yaml_trouble_blame(r, at, &like, "so that this is not YAML");
}

/* Reports bytes that are no UTF-8, and characters that YAML does not allow. */
static int bad_character(struct tessi_yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t at = {0, 0, 0};
    for (size_t i = 0; i < p->problem_offset && i < r->bytes; i++) {
        int begins = ((unsigned char)r->text[i] & 0xc0) != 0x80;
        at.column = r->text[i] == '\n' ? 0 : at.column + (size_t)begins;
        at.line += r->text[i] == '\n';
    }
    const char *problem = p->problem ? p->problem : "this cannot be read";
    if (strstr(problem, "control"))
        return tessi_config_yaml_wrong(r, at, "wanted text, found the control character U+%04X; take it out", (unsigned)p->problem_value);
    return tessi_config_yaml_wrong(r, at, "wanted text in UTF-8, found the byte 0x%02x, which is none here (%s); save the file as UTF-8",
                            (unsigned)p->problem_value & 0xffu, problem);
}

/* Reports, by name, a character that cannot begin a plain text. */
static int bad_beginning(struct tessi_yaml_reader *r, const char *line, size_t length, size_t at)
{
    const yaml_parser_t *p = &r->parser;
    if (at >= length || !p->problem || strcmp(p->problem, "found character that cannot start any token") != 0)
        return TESS_OK;
    if (line[at] == '\t')
        return tessi_config_yaml_wrong(r, p->problem_mark, "found a tab before a value; YAML wants spaces there");
    return tessi_config_yaml_wrong(r, p->problem_mark, "found a text that begins with `%c`, which YAML keeps for itself; put it in quotes",
                            line[at]);
}

int tessi_config_yaml_trouble(struct tessi_yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return r->ctx->fail(r->ctx, TESS_E_MEMORY, "%s: no memory to read it", r->name);
    if (p->error == YAML_READER_ERROR)
        return bad_character(r);
    size_t length, indent = 0;
    const char *line = line_at(r, p->problem_mark.line, &length);
    for (; indent < length && (line[indent] == ' ' || line[indent] == '\t'); indent++)
        if (line[indent] == '\t')
            return tessi_config_yaml_wrong(r, (yaml_mark_t){0, p->problem_mark.line, indent},
                                    "found a tab in the indentation; YAML wants spaces there");
    size_t at = bytes_of(line, length, p->problem_mark.column);
    TESS_TRY(bad_beginning(r, line, length, at));
    TESS_TRY(blame_lookalike(r));
    char context[160] = "";
    if (p->context)
        snprintf(context, sizeof context, " (%s that began at line %zu)", p->context, p->context_mark.line + 1);
    int reference = at > 0 && at < length && line[at] == '{' && line[at - 1] == '$';
    return tessi_config_yaml_wrong(r, p->problem_mark, "this is not YAML: %s%s%s", p->problem ? p->problem : "this cannot be read", context,
                            reference ? "; inside [ ] and { } write \"${name}\" with quotes" : "");
}

int tessi_config_yaml_encoding(struct tessi_yaml_reader *r)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf};
    const unsigned char *text = (const unsigned char *)r->text;
    if (r->bytes >= sizeof mark && memcmp(text, mark, sizeof mark) == 0) {
        r->text += sizeof mark; /* libyaml would count it as a character of the first line */
        r->bytes -= sizeof mark;
        return TESS_OK;
    }
    int big = r->bytes >= 2 && ((text[0] == 0xfe && text[1] == 0xff) || (text[0] == 0 && text[1] != 0));
    int little = r->bytes >= 2 && ((text[0] == 0xff && text[1] == 0xfe) || (text[0] != 0 && text[1] == 0));
    int wide = r->bytes >= 4 && ((little && text[2] == 0 && text[3] == 0) || (text[0] == 0 && text[1] == 0));
    if (!big && !little && !wide)
        return TESS_OK;
    return tessi_config_yaml_wrong(r, (yaml_mark_t){0, 0, 0}, "wanted text in UTF-8, found UTF-%d; save the file as UTF-8", wide ? 32 : 16);
}

/* Finds the first character of a key, or of a text without quotes, that is not what it looks like. Keys are names; a text may be a path,
 * and paths have any character, but none that is invisible, and begin with no quotation mark of another kind. */
static int find_in(const char *text, size_t bytes, int is_key, struct tessi_base_lookalike *like)
{
    if (tessi_base_lookalike(text, bytes, TESSI_HIDDEN | (is_key ? TESSI_PUNCTUATION : 0), like))
        return 1;
    return !is_key && tessi_base_lookalike(text, bytes, TESSI_PUNCTUATION, like) && like->at == 0 && strchr("\"'", *like->meant);
}

int tessi_config_yaml_plain(struct tessi_yaml_reader *r, const yaml_event_t *e, int is_key)
{
    struct tessi_base_lookalike like;
    if (!find_in((const char *)e->data.scalar.value, e->data.scalar.length, is_key, &like))
        return TESS_OK;
    for (size_t line = e->start_mark.line; line <= e->end_mark.line; line++) {
        size_t length;
        const char *text = line_at(r, line, &length);
        size_t from = line == e->start_mark.line ? bytes_of(text, length, e->start_mark.column) : 0;
        size_t to = line == e->end_mark.line ? bytes_of(text, length, e->end_mark.column) : length;
        if (to > from && find_in(text + from, to - from, is_key, &like))
            return yaml_trouble_blame(r, (yaml_mark_t){0, line, characters_of(text, from + like.at)}, &like,
                         is_key ? "in a key" : "in a text without quotes");
    }
    return TESS_OK;
}
