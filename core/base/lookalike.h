/* Characters that look like others, or like nothing: what an editor, a web page or another keyboard puts in the place of a space, a colon
 * or a quote. SPDX-License-Identifier: MIT */
#ifndef TESSI_LOOKALIKE_H
#define TESSI_LOOKALIKE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TESSI_HIDDEN = 1,      /* blanks other than the space, and characters of no width */
    TESSI_PUNCTUATION = 2, /* dashes, quotes, full-width forms */
    TESSI_LETTER = 4       /* a letter of an alphabet some of whose letters look Latin */
};

struct tessi_base_lookalike {
    size_t at;        /* offset of the character in the text, in bytes */
    uint32_t code;    /* code point of the character */
    const char *name; /* name of the character, "a no-break space" */
    char meant[4];    /* the character that it looks like: " ", ":"; "" for nothing, or a letter */
};

/* Finds the first look-alike of `kinds` (TESSI_HIDDEN and the others, or-ed) in bytes of UTF-8: 1 and *out, or 0. */
int tessi_base_lookalike(const char *text, size_t bytes, int kinds, struct tessi_base_lookalike *out);
/* Words on the first look-alike of any kind, " (its character 4 is U+200B, a zero-width space)", or "". */
const char *tessi_base_lookalike_words(const char *text, char *words, size_t capacity);
/* Code point of the UTF-8 character at `text`, and its length in bytes. A byte that begins none counts as itself. */
uint32_t tessi_base_code_point(const char *text, int *length);

#endif
