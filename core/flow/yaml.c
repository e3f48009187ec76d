/* YAML text to a tree of configuration, from libyaml's events.
 *
 * Strict where YAML is generous: a key twice, a tag, a merge key, a second document, a text with a zero byte are errors with
 * their place. Anchors and aliases work as YAML says, an alias being a copy of what the anchor names; sizes are bounded, so
 * that aliases of aliases cannot grow without end.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/flow/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#define MAX_BYTES (1 << 20)
#define MAX_DEPTH 32
#define MAX_NODES 10000

struct anchor {
    char *name;
    const struct tessi_spec *node; /* a finished one, in the tree being made */
    struct anchor *next;
};

struct reader {
    struct tess_call *c;
    yaml_parser_t parser;
    const char *text, *name;
    size_t bytes;
    int32_t line, column; /* of the text's beginning: of a value on the command line; 0: it is a file of its own */
    int64_t nodes;
    struct anchor *anchors; /* latest first: a name may be given anew */
};

/* A line of the command line is a whole argument, however many lines it has itself. */
static int32_t line_of(const struct reader *r, yaml_mark_t at)
{
    return r->line ? r->line : (int32_t)at.line + 1;
}

static int32_t column_of(const struct reader *r, yaml_mark_t at)
{
    return (int32_t)at.column + (at.line == 0 && r->line ? r->column : 1);
}

static int TESS_PRINTF(3, 4) wrong(struct reader *r, yaml_mark_t at, const char *format, ...)
{
    char message[512];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return r->c->fail(r->c, TESS_E_USAGE, "%s:%d:%d: %s", r->name, line_of(r, at), column_of(r, at), message);
}

/* The line of the text, without its end. */
static const char *line_at(const struct reader *r, size_t line, size_t *length)
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

static int holds(const char *line, size_t length, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= length; i++)
        if (memcmp(line + i, word, n) == 0)
            return 1;
    return 0;
}

/* What libyaml stumbled over, in words about the text where we know them. */
static int not_yaml(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "this cannot be read";
    if (p->error == YAML_MEMORY_ERROR)
        return r->c->fail(r->c, TESS_E_MEMORY, "%s: no memory to read it", r->name);
    if (p->error == YAML_READER_ERROR) {
        yaml_mark_t at = {0, 0, 0};
        for (size_t i = 0; i < p->problem_offset && i < r->bytes; i++) {
            at.column = r->text[i] == '\n' ? 0 : at.column + 1;
            at.line += r->text[i] == '\n';
        }
        return wrong(r, at, "wanted text in UTF-8, found a byte or character that it does not allow (%s)", problem);
    }
    size_t length, indent = 0;
    const char *line = line_at(r, p->problem_mark.line, &length);
    for (; indent < length && (line[indent] == ' ' || line[indent] == '\t'); indent++)
        if (line[indent] == '\t')
            return wrong(r, (yaml_mark_t){0, p->problem_mark.line, indent}, "found a tab in the indentation; YAML wants spaces there");
    char context[160] = "";
    if (p->context)
        snprintf(context, sizeof context, " (%s that began at line %zu)", p->context, p->context_mark.line + 1);
    return wrong(r, p->problem_mark, "this is not YAML: %s%s%s", problem, context,
                 holds(line, length, "${") ? "; inside [ ] and { } write \"${name}\" with quotes" : "");
}

static int next(struct reader *r, yaml_event_t *e)
{
    return yaml_parser_parse(&r->parser, e) ? TESS_OK : not_yaml(r);
}

static int count_node(struct reader *r, yaml_mark_t at, int64_t n)
{
    r->nodes += n;
    if (r->nodes > MAX_NODES)
        return wrong(r, at, "wanted at most %d values, aliases counted as what they stand for; found more", MAX_NODES);
    return TESS_OK;
}

static int64_t size_of(const struct tessi_spec *s)
{
    int64_t n = 1;
    for (const struct tessi_spec *child = s->child; child; child = child->next)
        n += size_of(child);
    return n;
}

static int depth_of(const struct tessi_spec *s)
{
    int deepest = 0;
    for (const struct tessi_spec *child = s->child; child; child = child->next) {
        int depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* ---- anchors ------------------------------------------------------------------------------------------------------- */

static int keep_anchor(struct reader *r, const char *name, const struct tessi_spec *node)
{
    size_t bytes = strlen(name) + 1;
    void *memory;
    TESS_TRY(tess_alloc(r->c, sizeof(struct anchor) + bytes, "an anchor", &memory));
    struct anchor *a = memory;
    a->name = memcpy(a + 1, name, bytes);
    a->node = node;
    a->next = r->anchors;
    r->anchors = a;
    return TESS_OK;
}

static int copy_anchored(struct reader *r, const yaml_event_t *e, int depth, struct tessi_spec **out)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (const struct anchor *a = r->anchors; a; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        TESS_TRY(count_node(r, e->start_mark, size_of(a->node)));
        if (depth + depth_of(a->node) - 1 > MAX_DEPTH)
            return wrong(r, e->start_mark, "wanted values at most %d deep, found more", MAX_DEPTH);
        return tessi_spec_copy(r->c, a->node, out);
    }
    return wrong(r, e->start_mark, "wanted an anchor `&%s` above and finished before its alias, found none", name);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static int read_node(struct reader *r, const yaml_event_t *e, int depth, struct tessi_spec **out) TESS_CHECKED;

static int read_next(struct reader *r, int depth, yaml_event_t *e, struct tessi_spec **out)
{
    TESS_TRY(next(r, e));
    if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT) {
        *out = NULL;
        return TESS_OK;
    }
    return read_node(r, e, depth, out);
}

static int start_node(struct reader *r, const yaml_event_t *e, int32_t kind, const yaml_char_t *tag, struct tessi_spec **out)
{
    TESS_TRY(count_node(r, e->start_mark, 1));
    if (tag)
        return wrong(r, e->start_mark, "tags (`%s`) are not part of the pipeline language; a text that looks like a number goes in quotes",
                     (const char *)tag);
    return tessi_spec_new(r->c, kind, r->name, line_of(r, e->start_mark), column_of(r, e->start_mark), out);
}

static int read_scalar(struct reader *r, const yaml_event_t *e, struct tessi_spec **out)
{
    const char *value = (const char *)e->data.scalar.value;
    TESS_TRY(start_node(r, e, TESSI_SCALAR, e->data.scalar.tag, out));
    if (strlen(value) != e->data.scalar.length)
        return wrong(r, e->start_mark, "wanted a text without zero bytes, found one");
    (*out)->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return tessi_spec_set_text(r->c, *out, value);
}

static int read_sequence(struct reader *r, const yaml_event_t *e, int depth, struct tessi_spec **out)
{
    TESS_TRY(start_node(r, e, TESSI_SEQUENCE, e->data.sequence_start.tag, out));
    for (struct tessi_spec **last = &(*out)->child;; last = &(*last)->next) {
        yaml_event_t item = {0};
        int status = read_next(r, depth + 1, &item, last);
        yaml_event_delete(&item);
        if (status != TESS_OK || !*last)
            return status;
    }
}

/* The key's text into *key; it is checked against the keys before it. */
static int read_key(struct reader *r, const struct tessi_spec *map, const yaml_event_t *e)
{
    if (e->type != YAML_SCALAR_EVENT)
        return wrong(r, e->start_mark, "wanted a name as the key, found %s",
                     e->type == YAML_ALIAS_EVENT           ? "an alias"
                     : e->type == YAML_MAPPING_START_EVENT ? "a map"
                                                           : "a list");
    const char *key = (const char *)e->data.scalar.value;
    if (*key == '\0' || strlen(key) != e->data.scalar.length)
        return wrong(r, e->start_mark, "wanted a name as the key, found an empty one");
    if (e->data.scalar.tag || e->data.scalar.anchor)
        return wrong(r, e->start_mark, "wanted a plain key, found one with a tag or an anchor");
    if (strcmp(key, "<<") == 0)
        return wrong(r, e->start_mark, "merge keys (`<<`) are not part of the pipeline language; write the keys out, or use `extends`");
    for (const struct tessi_spec *other = map->child; other; other = other->next)
        if (strcmp(other->key, key) == 0)
            return wrong(r, e->start_mark, "the key `%s` is there twice; the first is at line %d", key, (int)other->key_line);
    return TESS_OK;
}

static int read_map(struct reader *r, const yaml_event_t *e, int depth, struct tessi_spec **out)
{
    TESS_TRY(start_node(r, e, TESSI_MAP, e->data.mapping_start.tag, out));
    struct tessi_spec **last = &(*out)->child;
    for (;;) {
        yaml_event_t key = {0}, value = {0};
        struct tessi_spec *child = NULL;
        int status = next(r, &key);
        int ended = status == TESS_OK && key.type == YAML_MAPPING_END_EVENT;
        if (status == TESS_OK && !ended)
            status = read_key(r, *out, &key);
        if (status == TESS_OK && !ended)
            status = read_next(r, depth + 1, &value, &child);
        if (child) {
            /* Its key first: the keys of finished children are what the next key is compared with. */
            if (status == TESS_OK)
                status = tessi_spec_set_key(r->c, child, (const char *)key.data.scalar.value);
            child->key_line = line_of(r, key.start_mark);
            child->key_column = column_of(r, key.start_mark);
            *last = child;
            last = &child->next;
        }
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (status != TESS_OK || ended)
            return status;
    }
}

/* On failure *out may hold a piece of the node; whoever frees the tree frees it. */
static int read_node(struct reader *r, const yaml_event_t *e, int depth, struct tessi_spec **out)
{
    const yaml_char_t *anchor = NULL;
    if (depth > MAX_DEPTH)
        return wrong(r, e->start_mark, "wanted values at most %d deep, found more", MAX_DEPTH);
    if (e->type == YAML_ALIAS_EVENT)
        return copy_anchored(r, e, depth, out);
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        TESS_TRY(read_scalar(r, e, out));
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        TESS_TRY(read_sequence(r, e, depth, out));
    } else {
        anchor = e->data.mapping_start.anchor;
        TESS_TRY(read_map(r, e, depth, out));
    }
    return anchor ? keep_anchor(r, (const char *)anchor, *out) : TESS_OK;
}

/* ---- documents ----------------------------------------------------------------------------------------------------- */

/* Events up to the one wanted or the stream's end: marks of documents and of the stream. */
static int read_document(struct reader *r, struct tessi_spec **out)
{
    int documents = 0;
    for (;;) {
        yaml_event_t e = {0};
        int status = next(r, &e);
        yaml_event_type_t type = e.type;
        if (status == TESS_OK && type == YAML_DOCUMENT_START_EVENT && documents++)
            status = wrong(r, e.start_mark, "wanted one document, found a second one");
        else if (status == TESS_OK && type == YAML_STREAM_END_EVENT && !documents)
            status = r->c->fail(r->c, TESS_E_USAGE, "%s: wanted YAML, found nothing but blank or comment", r->name);
        else if (status == TESS_OK && type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
            status = read_node(r, &e, 1, out);
        yaml_event_delete(&e);
        if (status != TESS_OK || type == YAML_STREAM_END_EVENT)
            return status;
    }
}

static int parse(struct reader r, struct tessi_spec **out)
{
    struct tess_call *c = r.c;
    const char *text = r.text, *name = r.name;
    size_t bytes = r.bytes;
    *out = NULL;
    if (bytes > MAX_BYTES)
        return c->fail(c, TESS_E_USAGE, "%s: wanted YAML of at most %d KiB, found %zu KiB", name, MAX_BYTES / 1024, bytes / 1024);
    if (!yaml_parser_initialize(&r.parser))
        return c->fail(c, TESS_E_MEMORY, "%s: no memory to read it", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, bytes);
    int status = read_document(&r, out);
    if (status != TESS_OK) {
        tessi_spec_free(*out);
        *out = NULL;
    }
    while (r.anchors) {
        struct anchor *a = r.anchors;
        r.anchors = a->next;
        tess_free(a);
    }
    yaml_parser_delete(&r.parser);
    return status;
}

int tessi_yaml_parse(struct tess_call *c, const char *text, size_t bytes, const char *name, struct tessi_spec **out)
{
    return parse((struct reader){.c = c, .text = text, .bytes = bytes, .name = name}, out);
}

int tessi_yaml_parse_at(struct tess_call *c, const char *text, const char *name, int32_t line, int32_t column, struct tessi_spec **out)
{
    return parse((struct reader){.c = c, .text = text, .bytes = strlen(text), .name = name, .line = line, .column = column}, out);
}

int tessi_yaml_load(struct tess_call *c, const char *path, struct tessi_spec **out)
{
    struct stat about;
    void *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    FILE *f = tessi_inject(TESSI_AT_OPEN) ? NULL : fopen(path, "rbe");
    if (!f)
        return c->fail(c, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    int status = TESS_OK;
    if (fstat(fileno(f), &about) == 0 && S_ISDIR(about.st_mode))
        status = c->fail(c, TESS_E_IO, "%s: wanted a YAML file, found a folder", path);
    if (status == TESS_OK)
        status = tess_alloc(c, MAX_BYTES + 1, "a YAML file", &text);
    if (status == TESS_OK)
        bytes = fread(text, 1, MAX_BYTES + 1, f);
    if (status == TESS_OK && ferror(f))
        status = c->fail(c, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (status == TESS_OK && bytes > MAX_BYTES)
        status = c->fail(c, TESS_E_USAGE, "%s: wanted YAML of at most %d KiB, found more", path, MAX_BYTES / 1024);
    if (status == TESS_OK)
        status = tessi_yaml_parse(c, text, bytes, path, out);
    tess_free(text);
    fclose(f);
    return status;
}
