/* Declarations shared by the YAML reader (yaml.c) and its error messages (yaml_trouble.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_YAML_PRIVATE_H
#define TESSI_YAML_PRIVATE_H

#include "core/config/config.h"

#include <yaml.h>

struct tessi_yaml_anchor;

struct tessi_yaml_reader {
    struct tess_context *ctx;
    yaml_parser_t parser;
    const char *text, *name;
    size_t bytes;
    int32_t line, column; /* place where the text begins, for a value on the command line; 0: the text is a file of its own */
    int64_t nodes;
    struct tessi_yaml_anchor *anchors; /* anchors, latest first: a name may be defined again */
};

/* Line and column of a mark, from 1. A line of the command line is a whole argument, however many lines it has itself. */
int32_t tessi_config_yaml_line(const struct tessi_yaml_reader *r, yaml_mark_t at);
int32_t tessi_config_yaml_column(const struct tessi_yaml_reader *r, yaml_mark_t at);
/* Fails with the message "NAME:LINE:COLUMN: ...". */
int tessi_config_yaml_wrong(struct tessi_yaml_reader *r, yaml_mark_t at, const char *format, ...) TESS_PRINTF(3, 4);
/* Fails with the error of libyaml, in words about the text where the cause is known. */
int tessi_config_yaml_trouble(struct tessi_yaml_reader *r);
/* Checks the encoding: TESS_E_USAGE for UTF-16 and UTF-32, which begin with a mark or have zero bytes among the first. */
int tessi_config_yaml_encoding(struct tessi_yaml_reader *r) TESS_CHECKED;
/* Checks that a key, or a text without quotes, has no character that looks like another or is invisible. */
int tessi_config_yaml_plain(struct tessi_yaml_reader *r, const yaml_event_t *e, int is_key) TESS_CHECKED;

#endif
