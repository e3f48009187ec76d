/* Refusals and text checks that the checks of plugin, component and parameter tables have in common. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHECK_H
#define TESSI_CHECK_H

#include "core/plug/plug_private.h"

#define TESSI_TEXT_BYTES_MOST 2000 /* of a line of help */

struct tessi_check {
    const struct tess_plugin *plugin;
    char *why;
    size_t capacity;
    char at[200]; /* "conv: parameter `channels`" */
};

/* Keeps the reason, behind where; gives 0. */
int tessi_plug_check_refuse(struct tessi_check *k, const char *format, ...) TESS_PRINTF(2, 3);
/* Bare in YAML, and the same to every reader: a letter, then letters, digits, `_` and `-`. */
int tessi_plug_is_name(const char *name);
/* Text that goes to people: UTF-8 of one line, without controls; `most` bytes. */
int tessi_plug_is_line(const char *text, size_t most);
int tessi_plug_is_kind(const char *kind); /* "encoder/1" */
/* The row of a table, which is the component's. 1, or 0 with the reason kept. */
int tessi_plug_check_param(struct tessi_check *k, const struct tess_component *component, const struct tess_param *p, int64_t row);

#endif
