/* Reading JSON (RFC 8259), as a log has it a value a line. SPDX-License-Identifier: MIT */
#ifndef TESSI_JSON_READ_H
#define TESSI_JSON_READ_H

#include <tessera/base.h>

enum { TESSI_JSON_NULL = 1, TESSI_JSON_BOOL = 2, TESSI_JSON_NUMBER = 3, TESSI_JSON_TEXT = 4, TESSI_JSON_LIST = 5, TESSI_JSON_MAP = 6 };

/* A value. All of a document lie in one block of memory, which the first of them begins. */
struct tessi_json {
    int32_t type;
    const char *key;  /* key, for a member of a map; NULL elsewhere */
    const char *text; /* TEXT: its characters, escapes replaced, UTF-8; NUMBER: its digits; else "" */
    double number;    /* NUMBER; of BOOL 1 or 0 */
    const struct tessi_json *child, *next;
};

/* Reads one value with blanks around it; tess_free(*out) frees all of it. TESS_E_DATA names the byte that was none of JSON; a text with a
 * NUL, and lists or maps deeper than 64, are refused, too. [any thread] */
int tessi_base_json_read(struct tess_context *ctx, const char *text, size_t bytes, const char *name, struct tessi_json **out) TESS_CHECKED;
/* The member of a map by key, the first of several; NULL where there is none, or `map` is NULL or no map. */
const struct tessi_json *tessi_base_json_get(const struct tessi_json *map, const char *key);
/* Text or number of a member; `otherwise` where there is none of that type. */
const char *tessi_base_json_get_text(const struct tessi_json *map, const char *key, const char *otherwise);
double tessi_base_json_get_f64(const struct tessi_json *map, const char *key, double otherwise);

#endif
