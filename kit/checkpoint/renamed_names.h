/* Architectures that are taming's autoencoder under other names: a table of patterns turns each name into taming's and back, so that what
 * is known of taming holds for them. Linked into each plugin of such an architecture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_RENAMED_NAMES_H
#define KIT_CHECKPOINT_RENAMED_NAMES_H

#include "kit/checkpoint/conv_layout.h"

/* A beginning of names: text with up to two `#`, each of which stands for a number from 0. `upward`: the first number counts the levels
 * from the lowest resolution there, and from the highest in taming. The rest of a name follows `rest`, or is the same. */
struct renamed_row {
    const char *theirs, *taming;
    int upward;
    const struct renamed_row *rest; /* endings, for all of what is behind; NULL: the same */
};

/* Import and export of struct tess_checkpoint_1 through taming's. `table` ends with a row of NULL; `levels`: how many levels the model has
 * is the number of names `levels` with 0, 1, ... for its `#`. */
struct renamed {
    const char *who, *levels;
    const struct renamed_row *table;
};
int renamed_import(struct tess_context *ctx, const struct renamed *r, const struct conv_untold *u, struct tess_import_plan *p) TESS_CHECKED;
int renamed_export(struct tess_context *ctx, const struct renamed *r, const struct conv_untold *u, struct tess_export_plan *p) TESS_CHECKED;

#endif
