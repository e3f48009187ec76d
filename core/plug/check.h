/* Declarations shared by the checks of a plugin's tables. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHECK_H
#define TESSI_CHECK_H

#include "core/plug/plug_private.h"

#define TESSI_TEXT_BYTES_MAX 2000 /* largest size of a help line, in bytes */

struct tessi_check {
    const struct tess_plugin *plugin;
    char *why;
    size_t capacity;
    char at[200]; /* place of the check, for the message: "conv: parameter `channels`" */
};

/* Keeps the reason of a refusal, behind the place; returns 0. */
int tessi_plug_check_refuse(struct tessi_check *k, const char *format, ...) TESS_PRINTF(2, 3);
/* 1 for a name that stands bare in YAML and is the same to every reader: a letter, then letters, digits, `_` and `-`. */
int tessi_plug_is_name(const char *name);
/* 1 for a line of text for people: UTF-8 without controls, at most `most` bytes. */
int tessi_plug_is_line(const char *text, size_t max);
int tessi_plug_is_kind(const char *kind); /* 1 for the id of a kind, "encoder/1" */
/* Checks a row of the component's parameter table: 1, or 0 with the reason kept. */
int tessi_plug_check_param(struct tessi_check *k, const struct tess_component *component, const struct tess_param *p, int64_t row);

#endif
