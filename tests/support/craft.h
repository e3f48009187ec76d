/* Artefacts that were changed and hashed again: a right digest over attributes and datasets that no stage would write together.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CRAFT_H
#define TESTS_SUPPORT_CRAFT_H

#include <tessera/artefact.h>

/* Kinds of change made to a dataset. */
enum {
    CRAFT_LEAVE = 0,
    CRAFT_MISSING,
    CRAFT_FLAT,    /* the last two dimensions as one; of a list, its rows as a matrix of one column */
    CRAFT_SHORTER, /* without its last row */
    CRAFT_TALLER,  /* twice as long in dimension 1, else in dimension 0 */
    CRAFT_OTHER,   /* integers as f32, f32 as i32, strings as u8 */
    CRAFT_NAN,     /* f32: its middle value is NaN */
    CRAFT_INFINITE,
    CRAFT_HUGE,  /* f32: all values are 3e38, and what is computed of them overflows */
    CRAFT_HEAD,  /* f32: the first 35th of the values stays, the others become 1e6 */
    CRAFT_TAIL,  /* f32: the last 35th of the values is a copy of the first, the others become 1e6 */
    CRAFT_LARGE, /* integers: the last value is the largest of their precision */
    CRAFT_CHANGES
};

/* Changes to make to an artefact; an attribute or dataset name of NULL: none of that sort. */
struct craft {
    const char *attr;
    int64_t value;
    int remove, text; /* the attribute goes, or becomes a text */
    const char *as;   /* text that the attribute becomes; NULL: "7" */
    const char *data;
    int change;
    const struct tess_tensor *labels; /* put as /labels, NULL: none */
};

/* The artefact `from` with that changed, as the file `to`. */
void craft(const char *from, const char *to, const struct craft *how);
const char *craft_name(int change);

#endif
