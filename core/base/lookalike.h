/* Characters that look like others, or like nothing: what an editor, a web page or another keyboard puts in the place of a space, a colon
 * or a quote. SPDX-License-Identifier: MIT */
#ifndef TESSI_LOOKALIKE_H
#define TESSI_LOOKALIKE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TESSI_HIDDEN = 1,      /* blanks that are no space, and what has no width at all */
    TESSI_PUNCTUATION = 2, /* dashes, quotes, full-width forms */
    TESSI_LETTER = 4       /* a letter of an alphabet some of whose letters look Latin */
};

struct tessi_base_lookalike {
    size_t at;        /* byte in the text */
    uint32_t code;    /* its code point */
    const char *name; /* "a no-break space" */
    char meant[4];    /* what it looks like: " ", ":"; "" for nothing, or a letter */
};

/* The first of `kinds` (those above, or-ed) in bytes of UTF-8: 1 and *out, or 0. */
int tessi_base_lookalike(const char *text, size_t bytes, int kinds, struct tessi_base_lookalike *out);
/* " (its character 4 is U+200B, a zero-width space)" of the first of any kind, or "". */
const char *tessi_base_lookalike_words(const char *text, char *words, size_t capacity);
/* One character of UTF-8 at text: its code point and length. A byte that begins none counts as itself. */
uint32_t tessi_base_code_point(const char *text, int *length);

#endif
