/* See list_lines.h. The file is read whole, from a pipe too, and its paths and labels stay where they are: fields are unquoted and decoded
 * in place, which never makes them longer.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/list/list_lines.h"
#include "kit/format/json_member.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, LABEL_MAX = 1024 };
#define LIST_BYTES_MAX ((size_t)1 << 32)

struct parser {
    struct tess_context *ctx;
    const char *file, *path_key, *label_key;
    struct list_lines *l;
    int64_t line;
    char separator;
    int64_t columns, path_column, label_column; /* label_column -1: none */
};

static const char *const path_keys[] = {"path", "file_name", "filename", "file", "image", NULL};
static const char *const label_keys[] = {"label", "class", NULL};

static int list_refuse(const struct parser *p, const char *why, const char *next)
{
    return p->ctx->fail(p->ctx, TESS_E_DATA, "%s: line %lld %s; %s", p->file, (long long)p->line, why, next);
}

static int list_add(struct parser *p, char *path, char *label)
{
    struct list_lines *l = p->l;
    if (!*path)
        return list_refuse(p, "has no path", "each line needs the path of an image");
    TESS_TRY(tess_reserve(p->ctx, &l->path, &l->path_capacity, l->count + 1, sizeof *l->path, "the paths of a list"));
    TESS_TRY(tess_reserve(p->ctx, &l->label, &l->label_capacity, l->count + 1, sizeof *l->label, "the labels of a list"));
    l->path[l->count] = path;
    l->label[l->count++] = label;
    return TESS_OK;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static int list_text(struct parser *p)
{
    char *at = p->l->text, *end = at + p->l->bytes;
    int ended = memchr(at, '\0', p->l->bytes) != NULL; /* as `find -print0` writes */
    while (at < end) {
        char *stop = memchr(at, ended ? '\0' : '\n', (size_t)(end - at)), *label = NULL;
        stop = stop ? stop : end;
        p->line++;
        *stop = '\0';
        if (!ended && stop > at && stop[-1] == '\r')
            stop[-1] = '\0';
        label = ended ? NULL : strrchr(at, '\t');
        if (label)
            *label++ = '\0';
        if (*at || label)
            TESS_TRY(list_add(p, at, label));
        at = stop + 1;
    }
    return TESS_OK;
}

/* ---- CSV ----------------------------------------------------------------------------------------------------------- */

/* Reads a field in place; *at is behind its separator then. *last: it was the last of its line. */
static int csv_field(struct parser *p, char **at, const char *end, char **field, int *last)
{
    char *from = *at, *to = *at;
    int quoted = from < end && *from == '"';
    *field = to;
    from += quoted;
    while (from < end && (quoted || (*from != p->separator && *from != '\n'))) {
        if (quoted && *from == '"' && !(from + 1 < end && from[1] == '"'))
            break;
        from += quoted && *from == '"';
        if (*from == '\0')
            return list_refuse(p, "holds a zero byte", "a list in CSV is text");
        p->line += *from == '\n';
        *to++ = *from++;
    }
    if (quoted && from == end)
        return list_refuse(p, "ends within quotes", "is the list whole?");
    from += quoted;
    if (from < end && *from == '\r' && (from + 1 == end || from[1] == '\n'))
        from++;
    else if (!quoted && to > *field && to[-1] == '\r' && (from == end || *from == '\n'))
        to--;
    if (from < end && *from != p->separator && *from != '\n')
        return list_refuse(p, "goes on behind a quoted field", "double the quotes in it");
    *last = from == end || *from == '\n';
    *at = from + (from < end);
    *to = '\0';
    return TESS_OK;
}

static int csv_matches(const char *field, const char *key, const char *const *usual)
{
    if (key)
        return strcmp(field, key) == 0;
    for (; *usual; usual++)
        if (strcasecmp(field, *usual) == 0)
            return 1;
    return 0;
}

/* Reads the line of column names. */
static int csv_header(struct parser *p, char **at, const char *end)
{
    int last = 0;
    p->line = 1;
    p->path_column = p->label_column = -1;
    while (!last) {
        char *field;
        TESS_TRY(csv_field(p, at, end, &field, &last));
        if (p->path_column < 0 && csv_matches(field, p->path_key, path_keys))
            p->path_column = p->columns;
        else if (p->label_column < 0 && csv_matches(field, p->label_key, label_keys))
            p->label_column = p->columns;
        p->columns++;
    }
    if (p->path_column < 0)
        return list_refuse(p, "names no column of paths", "name it `path`, or say what it is called with `image`");
    if (p->label_key && p->label_column < 0)
        return list_refuse(p, "does not name the column of `label`", "check `label`");
    return TESS_OK;
}

static int list_csv(struct parser *p)
{
    char *at = p->l->text, *end = at + p->l->bytes;
    if (p->l->bytes >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    TESS_TRY(csv_header(p, &at, end));
    while (at < end) {
        char *path = NULL, *label = NULL, *field = NULL;
        int last = 0;
        int64_t n = 0;
        p->line++;
        for (; !last; n++) {
            TESS_TRY(csv_field(p, &at, end, &field, &last));
            path = n == p->path_column ? field : path;
            label = n == p->label_column ? field : label;
        }
        if (n == 1 && p->columns > 1 && !*field)
            continue;
        if (n != p->columns)
            return list_refuse(p, n < p->columns ? "has fewer fields than the first" : "has more fields than the first",
                               "put fields with separators in quotes");
        TESS_TRY(list_add(p, path, label));
    }
    return TESS_OK;
}

/* ---- JSON lines ---------------------------------------------------------------------------------------------------- */

static int jsonl_member(struct parser *p, const char *line, size_t bytes, const char *key, const char *const *usual, char *to,
                        size_t capacity)
{
    int type = JSON_MISSING;
    if (key)
        return json_member(line, bytes, key, to, capacity);
    for (; *usual && type == JSON_MISSING; usual++)
        type = json_member(line, bytes, *usual, to, capacity);
    (void)p;
    return type;
}

/* Reads one object and puts path and label, decoded, where it stood. */
static int jsonl_line(struct parser *p, char *line, size_t bytes)
{
    char path[PATH_MAX], label[LABEL_MAX];
    int type = jsonl_member(p, line, bytes, p->path_key, path_keys, path, sizeof path);
    if (type == JSON_DAMAGED)
        return list_refuse(p, "is no JSON object", "each line is one object; is the list whole?");
    if (type != JSON_TEXT)
        return list_refuse(p, "has no text with the path of an image", "name it `path`, or say what it is called with `image`");
    type = jsonl_member(p, line, bytes, p->label_key, label_keys, label, sizeof label);
    if (type == JSON_TOO_LONG)
        return list_refuse(p, "has a label of more than 1023 bytes", "a label is the name of a class");
    int has_label = type == JSON_TEXT || type == JSON_NUMBER;
    size_t length = strlen(path) + 1;
    memcpy(line, path, length); /* path and label were quoted in the line, so they fit */
    if (has_label)
        memcpy(line + length, label, strlen(label) + 1);
    return list_add(p, line, has_label ? line + length : NULL);
}

static int list_jsonl(struct parser *p)
{
    char *at = p->l->text, *end = at + p->l->bytes;
    while (at < end) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        p->line++;
        if (strspn(at, " \t\r") < (size_t)(stop - at))
            TESS_TRY(jsonl_line(p, at, (size_t)(stop - at)));
        at = stop + 1;
    }
    return TESS_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static int list_format(const char *file)
{
    static const struct {
        const char *ending;
        int format;
    } endings[] = {
        {".csv", FORMAT_CSV}, {".tsv", FORMAT_TSV}, {".jsonl", FORMAT_JSONL}, {".ndjson", FORMAT_JSONL}, {".json", FORMAT_JSONL}};
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i].ending) == 0)
            return endings[i].format;
    return FORMAT_TEXT;
}

int list_lines_parse(struct tess_context *ctx, const char *file, int32_t format, const char *path_key, const char *label_key,
                     struct list_lines *l)
{
    struct parser p = {.ctx = ctx, .file = file, .path_key = path_key, .label_key = label_key, .l = l};
    format = format == FORMAT_AUTO ? list_format(file) : format;
    p.separator = format == FORMAT_TSV ? '\t' : ',';
    return format == FORMAT_TEXT ? list_text(&p) : format == FORMAT_JSONL ? list_jsonl(&p) : list_csv(&p);
}

/* Reads all of an open file, of any size and kind, into memory with a byte to spare. */
static int list_read_all(struct tess_context *ctx, const char *file, int fd, struct list_lines *l)
{
    int64_t capacity = 0;
    for (;;) {
        if (l->bytes > LIST_BYTES_MAX)
            return ctx->fail(ctx, TESS_E_DATA, "%s: is a list of more than 4 GiB; split it", file);
        TESS_TRY(tess_reserve(ctx, &l->text, &capacity, (int64_t)l->bytes + PIECE + 1, 1, "a list of images"));
        ssize_t got = read(fd, l->text + l->bytes, PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path", file, strerror(errno));
        if (got == 0)
            return TESS_OK;
        l->bytes += (size_t)got;
    }
}

int list_lines_read(struct tess_context *ctx, const char *file, int32_t format, const char *path_key, const char *label_key,
                    struct list_lines *l)
{
    struct stat about;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path", file, strerror(errno));
    int status = list_read_all(ctx, file, fd, l);
    int piped = fstat(fd, &about) == 0 && !S_ISREG(about.st_mode);
    close(fd);
    TESS_TRY(status);
    if (piped && l->bytes && l->text[l->bytes - 1] != '\n' && l->text[l->bytes - 1] != '\0')
        return ctx->fail(ctx, TESS_E_DATA, "%s: breaks off within a line; did the program that writes it end as it should?", file);
    return list_lines_parse(ctx, file, format, path_key, label_key, l);
}

void list_lines_free(struct list_lines *l)
{
    tess_free(l->path);
    tess_free(l->label);
    tess_free(l->text);
    *l = (struct list_lines){0};
}
