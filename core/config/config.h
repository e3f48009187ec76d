/* A parsed piece of configuration with its place in the text: what YAML gives and what parameter tables read.
 * Plain data; strings and children belong to the root and go with it. SPDX-License-Identifier: MIT */
#ifndef TESSI_CONFIG_H
#define TESSI_CONFIG_H

#include <tessera/plugin.h>

enum { TESSI_SCALAR = 1, TESSI_SEQUENCE = 2, TESSI_MAP = 3 };

struct tessi_config {
    int32_t kind;
    int32_t quoted;            /* 1: a scalar written in quotes, which is always a string */
    char *key;                 /* key, for a child of a map; NULL elsewhere */
    char *text;                /* text of a scalar, after interpolation */
    const char *file;          /* file that the node was written in, "pipelines/x.yaml", or "command line"; part of the node's own memory */
    char *beside;              /* file whose folder a relative path in `text` starts from; NULL: `file` */
    int32_t line, column;      /* place of the value, from 1 */
    int32_t key_line, key_column;
    int32_t used;              /* 1: the node was read; a node that nobody read is an unknown key */
    struct tessi_config *former; /* a component's map before a change put another component in its place; NULL: none did */
    char *path;                  /* component as the command line names it, "prior.noise", where there is a `former` */
    int32_t afresh;              /* 1: a bare name replaced the `former`, so none of its values stay */
    char *via;                 /* place of a text that was `${K}`, "`K`, command line:1:3"; NULL: `file` and `line` */
    struct tessi_config *child;  /* first child */
    struct tessi_config *next;   /* next sibling */
};

int tessi_config_new(struct tess_context *ctx, int32_t kind, const char *file, int32_t line, int32_t column,
                     struct tessi_config **out) TESS_CHECKED;
int tessi_config_set_text(struct tess_context *ctx, struct tessi_config *s, const char *text) TESS_CHECKED;
int tessi_config_set_beside(struct tess_context *ctx, struct tessi_config *s, const char *file) TESS_CHECKED;
const char *tessi_config_beside(const struct tessi_config *s); /* never NULL */
int tessi_config_set_via(struct tess_context *ctx, struct tessi_config *s, const char *via) TESS_CHECKED;
int tessi_config_set_key(struct tess_context *ctx, struct tessi_config *s, const char *key) TESS_CHECKED;
/* Keeps a copy of `former` with the component that takes its place. */
int tessi_config_set_former(struct tess_context *ctx, struct tessi_config *s, const struct tessi_config *former, const char *path,
                          int afresh) TESS_CHECKED;
/* 1 where the key stays in a component's map from the one before: `former` (may be NULL) has it at the same place. */
int tessi_config_stays(const struct tessi_config *former, const struct tessi_config *key);
void tessi_config_append(struct tessi_config *parent, struct tessi_config *child);
int tessi_config_copy(struct tess_context *ctx, const struct tessi_config *s, struct tessi_config **out) TESS_CHECKED;
void tessi_config_free(struct tessi_config *s); /* frees all children, too, but no siblings */
/* Child of a map by key, marked used; NULL when absent or not a map. */
struct tessi_config *tessi_config_get(struct tessi_config *map, const char *key);
int64_t tessi_config_count(const struct tessi_config *s);
/* Fails with the message "file:line:column: ...". */
int tessi_config_fail(struct tess_context *ctx, const struct tessi_config *s, int code, const char *format, ...) TESS_PRINTF(4, 5);
/* 1 for a null, written (`null`, `~`) or implied by a key without a value. */
int tessi_config_is_null(const struct tessi_config *s);
int tessi_config_is_i64(const struct tessi_config *s, int64_t *out); /* 1 for an integer, and its value */
int tessi_config_is_text(const struct tessi_config *s);
/* Words for a node in error messages: `1.5`, `the text "many"`, `a list of 3`, `a map`, `nothing`. */
const char *tessi_config_found(const struct tessi_config *s, char *text, size_t capacity);
/* Read a scalar by the YAML 1.2 core schema; failures name the place, what was wanted and what was found. */
int tessi_config_i64(struct tess_context *ctx, const struct tessi_config *s, int64_t *out) TESS_CHECKED;
int tessi_config_f64(struct tess_context *ctx, const struct tessi_config *s, double *out) TESS_CHECKED;
int tessi_config_bool(struct tess_context *ctx, const struct tessi_config *s, int32_t *out) TESS_CHECKED;
/* Flow-style text of a node, "{use: conv, channels: 32}", with strings quoted where a reader would take them for something else. */
int tessi_config_print(struct tess_context *ctx, const struct tessi_config *s, char **out) TESS_CHECKED; /* tess_free */

#endif
