/* YAML text to a tree of configuration, from libyaml's events.
 *
 * Strict where YAML is generous: a key twice, a tag, a merge key, a second document, a text with a zero byte are errors with
 * their place. Anchors and aliases work as YAML says, an alias being a copy of what the anchor names; sizes are bounded, so
 * that aliases of aliases cannot grow without end.
 *
 * SPDX-License-Identifier: MIT */
#include "core/config/yaml.h"

#include "core/base/inject.h"
#include "core/config/yaml_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES (1 << 20)
#define MAX_DEPTH 32
#define MAX_NODES 10000
#define MAX_KEYS 1000 /* keys of a map, and anchors of a file: each is compared with those before it */
#define MAX_NAME 255  /* bytes of a key or an anchor's name */

struct tessi_yaml_anchor {
    char *name;
    const struct tessi_config *node; /* the anchored node, complete, in the tree being built */
    struct tessi_yaml_anchor *next;
};

static int yaml_next(struct tessi_yaml_reader *r, yaml_event_t *e)
{
    return yaml_parser_parse(&r->parser, e) ? TESS_OK : tessi_config_yaml_trouble(r);
}

static int count_node(struct tessi_yaml_reader *r, yaml_mark_t at, int64_t n)
{
    r->nodes += n;
    if (r->nodes > MAX_NODES)
        return tessi_config_yaml_wrong(r, at, "wanted at most %d values, aliases counted as what they stand for; found more", MAX_NODES);
    return TESS_OK;
}

static int64_t size_of(const struct tessi_config *s)
{
    int64_t n = 1;
    for (const struct tessi_config *child = s->child; child; child = child->next)
        n += size_of(child);
    return n;
}

static int depth_of(const struct tessi_config *s)
{
    int deepest = 0;
    for (const struct tessi_config *child = s->child; child; child = child->next) {
        int depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* ---- anchors ------------------------------------------------------------------------------------------------------- */

static int keep_anchor(struct tessi_yaml_reader *r, const char *name, const struct tessi_config *node)
{
    size_t bytes = strlen(name) + 1;
    void *memory;
    int n = 0;
    for (const struct tessi_yaml_anchor *a = r->anchors; a; a = a->next)
        n++;
    if (n == MAX_KEYS || bytes > MAX_NAME + 1)
        return tessi_config_yaml_wrong(r, (yaml_mark_t){0, (size_t)node->line - 1, (size_t)node->column - 1},
                                "wanted at most %d anchors, their names of at most %d bytes; found more", MAX_KEYS, MAX_NAME);
    TESS_TRY(tess_alloc(r->ctx, sizeof(struct tessi_yaml_anchor) + bytes, "an anchor", &memory));
    struct tessi_yaml_anchor *a = memory;
    a->name = memcpy(a + 1, name, bytes);
    a->node = node;
    a->next = r->anchors;
    r->anchors = a;
    return TESS_OK;
}

static int copy_anchored(struct tessi_yaml_reader *r, const yaml_event_t *e, int depth, struct tessi_config **out)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (const struct tessi_yaml_anchor *a = r->anchors; a; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        TESS_TRY(count_node(r, e->start_mark, size_of(a->node)));
        if (depth + depth_of(a->node) - 1 > MAX_DEPTH)
            return tessi_config_yaml_wrong(r, e->start_mark, "wanted values at most %d deep, found more", MAX_DEPTH);
        return tessi_config_copy(r->ctx, a->node, out);
    }
    return tessi_config_yaml_wrong(r, e->start_mark, "wanted an anchor `&%s` above and finished before its alias, found none", name);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static int read_node(struct tessi_yaml_reader *r, const yaml_event_t *e, int depth, struct tessi_config **out) TESS_CHECKED;

static int read_next(struct tessi_yaml_reader *r, int depth, yaml_event_t *e, struct tessi_config **out)
{
    TESS_TRY(yaml_next(r, e));
    if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT) {
        *out = NULL;
        return TESS_OK;
    }
    return read_node(r, e, depth, out);
}

static int start_node(struct tessi_yaml_reader *r, const yaml_event_t *e, int32_t kind, const yaml_char_t *tag, struct tessi_config **out)
{
    TESS_TRY(count_node(r, e->start_mark, 1));
    if (tag)
        return tessi_config_yaml_wrong(r, e->start_mark,
                                       "tags (`%s`) are not part of the pipeline language; a text that looks like a number goes in quotes",
                                       (const char *)tag);
    return tessi_config_new(r->ctx, kind, r->name, tessi_config_yaml_line(r, e->start_mark), tessi_config_yaml_column(r, e->start_mark),
                            out);
}

static int read_scalar(struct tessi_yaml_reader *r, const yaml_event_t *e, struct tessi_config **out)
{
    const char *value = (const char *)e->data.scalar.value;
    TESS_TRY(start_node(r, e, TESSI_SCALAR, e->data.scalar.tag, out));
    if (strlen(value) != e->data.scalar.length)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted a text without zero bytes, found one");
    (*out)->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!(*out)->quoted)
        TESS_TRY(tessi_config_yaml_plain(r, e, 0));
    return tessi_config_set_text(r->ctx, *out, value);
}

static int read_sequence(struct tessi_yaml_reader *r, const yaml_event_t *e, int depth, struct tessi_config **out)
{
    TESS_TRY(start_node(r, e, TESSI_SEQUENCE, e->data.sequence_start.tag, out));
    for (struct tessi_config **last = &(*out)->child;; last = &(*last)->next) {
        yaml_event_t item = {0};
        int status = read_next(r, depth + 1, &item, last);
        yaml_event_delete(&item);
        if (status != TESS_OK || !*last)
            return status;
    }
}

/* Checks that a name is short and printable, as messages show it. */
static int yaml_check_name(struct tessi_yaml_reader *r, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.scalar.value;
    if (e->data.scalar.length > MAX_NAME)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted a key of at most %d bytes, found %zu", MAX_NAME, e->data.scalar.length);
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return tessi_config_yaml_wrong(r, e->start_mark, "wanted a name as the key, found the control character U+%04X in it",
                                    (unsigned)(unsigned char)*at);
    return tessi_config_yaml_plain(r, e, 1);
}

/* Reads a key, which must be a name and none of the keys before it. */
static int read_key(struct tessi_yaml_reader *r, const struct tessi_config *map, const yaml_event_t *e)
{
    if (e->type != YAML_SCALAR_EVENT)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted a name as the key, found %s",
                                e->type == YAML_ALIAS_EVENT           ? "an alias"
                                : e->type == YAML_MAPPING_START_EVENT ? "a map"
                                                                      : "a list");
    const char *key = (const char *)e->data.scalar.value;
    if (*key == '\0' || strlen(key) != e->data.scalar.length)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted a name as the key, found an empty one");
    if (e->data.scalar.tag || e->data.scalar.anchor)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted a plain key, found one with a tag or an anchor");
    TESS_TRY(yaml_check_name(r, e));
    if (strcmp(key, "<<") == 0)
        return tessi_config_yaml_wrong(r, e->start_mark,
                                "merge keys (`<<`) are not part of the pipeline language; write the keys out, or use `extends`");
    int n = 0;
    for (const struct tessi_config *other = map->child; other; other = other->next, n++)
        if (strcmp(other->key, key) == 0)
            return tessi_config_yaml_wrong(r, e->start_mark, "the key `%s` is there twice; the first is at line %d", key,
                                           (int)other->key_line);
    if (n >= MAX_KEYS)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted at most %d keys in a map, found more", MAX_KEYS);
    return TESS_OK;
}

static int read_map(struct tessi_yaml_reader *r, const yaml_event_t *e, int depth, struct tessi_config **out)
{
    TESS_TRY(start_node(r, e, TESSI_MAP, e->data.mapping_start.tag, out));
    struct tessi_config **last = &(*out)->child;
    for (;;) {
        yaml_event_t key = {0}, value = {0};
        struct tessi_config *child = NULL;
        int status = yaml_next(r, &key);
        int ended = status == TESS_OK && key.type == YAML_MAPPING_END_EVENT;
        if (status == TESS_OK && !ended)
            status = read_key(r, *out, &key);
        if (status == TESS_OK && !ended)
            status = read_next(r, depth + 1, &value, &child);
        if (child) {
            /* The key is set first: the keys of finished children are what the next key is compared with. */
            if (status == TESS_OK)
                status = tessi_config_set_key(r->ctx, child, (const char *)key.data.scalar.value);
            child->key_line = tessi_config_yaml_line(r, key.start_mark);
            child->key_column = tessi_config_yaml_column(r, key.start_mark);
            *last = child;
            last = &child->next;
        }
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (status != TESS_OK || ended)
            return status;
    }
}

/* Reads a node. On failure *out may hold a part of it; whoever frees the tree frees it. */
static int read_node(struct tessi_yaml_reader *r, const yaml_event_t *e, int depth, struct tessi_config **out)
{
    const yaml_char_t *anchor = NULL;
    if (depth > MAX_DEPTH)
        return tessi_config_yaml_wrong(r, e->start_mark, "wanted values at most %d deep, found more", MAX_DEPTH);
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

/* Reads the document, skipping events that only mark the start of documents and of the stream. */
static int read_document(struct tessi_yaml_reader *r, struct tessi_config **out)
{
    int documents = 0;
    for (;;) {
        yaml_event_t e = {0};
        int status = yaml_next(r, &e);
        yaml_event_type_t type = e.type;
        if (status == TESS_OK && type == YAML_DOCUMENT_START_EVENT && documents++)
            status = tessi_config_yaml_wrong(r, e.start_mark, "wanted one document, found a second one");
        else if (status == TESS_OK && type == YAML_STREAM_END_EVENT && !documents)
            status = r->ctx->fail(r->ctx, TESS_E_USAGE, "%s: wanted YAML, found nothing but blank or comment", r->name);
        else if (status == TESS_OK && type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
            status = read_node(r, &e, 1, out);
        yaml_event_delete(&e);
        if (status != TESS_OK || type == YAML_STREAM_END_EVENT)
            return status;
    }
}

static int yaml_parse(struct tessi_yaml_reader r, struct tessi_config **out)
{
    struct tess_context *ctx = r.ctx;
    *out = NULL;
    if (r.bytes > MAX_BYTES)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: wanted YAML of at most %d KiB, found %zu KiB", r.name, MAX_BYTES / 1024, r.bytes / 1024);
    TESS_TRY(tessi_config_yaml_encoding(&r));
    if (!yaml_parser_initialize(&r.parser))
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read it", r.name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text, r.bytes);
    int status = read_document(&r, out);
    if (status != TESS_OK) {
        tessi_config_free(*out);
        *out = NULL;
    }
    while (r.anchors) {
        struct tessi_yaml_anchor *a = r.anchors;
        r.anchors = a->next;
        tess_free(a);
    }
    yaml_parser_delete(&r.parser);
    return status;
}

int tessi_config_yaml_parse(struct tess_context *ctx, const char *text, size_t bytes, const char *name, struct tessi_config **out)
{
    return yaml_parse((struct tessi_yaml_reader){.ctx = ctx, .text = text, .bytes = bytes, .name = name}, out);
}

int tessi_config_yaml_parse_at(struct tess_context *ctx, const char *text, const char *name, int32_t line, int32_t column,
                               struct tessi_config **out)
{
    return yaml_parse(
        (struct tessi_yaml_reader){.ctx = ctx, .text = text, .bytes = strlen(text), .name = name, .line = line, .column = column}, out);
}

int tessi_config_yaml_load(struct tess_context *ctx, const char *path, struct tessi_config **out)
{
    struct stat about;
    void *text = NULL;
    size_t bytes = 0;
    *out = NULL;
    FILE *f = tessi_base_inject(TESSI_AT_OPEN) ? NULL : fopen(path, "rbe");
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    int status = TESS_OK;
    if (fstat(fileno(f), &about) == 0 && S_ISDIR(about.st_mode))
        status = ctx->fail(ctx, TESS_E_IO, "%s: wanted a YAML file, found a folder", path);
    if (status == TESS_OK)
        status = tess_alloc(ctx, MAX_BYTES + 1, "a YAML file", &text);
    if (status == TESS_OK)
        bytes = fread(text, 1, MAX_BYTES + 1, f);
    if (status == TESS_OK && ferror(f))
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (status == TESS_OK && bytes > MAX_BYTES)
        status = ctx->fail(ctx, TESS_E_USAGE, "%s: wanted YAML of at most %d KiB, found more", path, MAX_BYTES / 1024);
    if (status == TESS_OK)
        status = tessi_config_yaml_parse(ctx, text, bytes, path, out);
    tess_free(text);
    fclose(f);
    return status;
}
