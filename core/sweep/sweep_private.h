/* Declarations shared by the files of core/sweep. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_PRIVATE_H
#define TESSI_SWEEP_PRIVATE_H

#include "core/sweep/sweep.h"

#define TESSI_SWEEP_MAX_VALUES 1000 /* values of an axis */
#define TESSI_SWEEP_MAX_AXES 64

/* ---- memory (sweep.c): all of a sweep lies in blocks that go with it ------------------------------------------------ */

int tessi_sweep_new(struct tess_context *ctx, struct tessi_sweep **out) TESS_CHECKED;
int tessi_sweep_alloc(struct tess_context *ctx, struct tessi_sweep *s, size_t bytes, void **out) TESS_CHECKED;
/* printf into the sweep's memory. */
int tessi_sweep_text(struct tess_context *ctx, struct tessi_sweep *s, char **out, const char *format, ...) TESS_CHECKED TESS_PRINTF(4, 5);
/* Appends a text to a list of `*count`, which is moved. */
int tessi_sweep_add(struct tess_context *ctx, struct tessi_sweep *s, int64_t *count, char ***list, const char *text) TESS_CHECKED;
int tessi_sweep_note(struct tess_context *ctx, struct tessi_sweep *s, const char *format, ...) TESS_CHECKED TESS_PRINTF(3, 4);
/* Index of the axis, or of the value of an axis; -1: there is none. */
int64_t tessi_sweep_axis_named(const struct tessi_sweep *s, const char *name);
int64_t tessi_sweep_value_called(const struct tessi_sweep_axis *a, const char *text);

/* ---- axes (axes.c) -------------------------------------------------------------------------------------------------- */

/* Length of the item that a list begins with, up to a comma outside of quotes and brackets, or the end. */
size_t tessi_sweep_item(const char *at);
/* Text of a value as tables show it, and as an override has it (tess_free both). */
int tessi_sweep_value_texts(struct tess_context *ctx, const struct tessi_config *node, char **shown, char **printed) TESS_CHECKED;
/* Adds the axes of the file's `axes`, then those of the command line; a word of one value becomes an override. */
int tessi_sweep_axes_file(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_config *axes) TESS_CHECKED;
int tessi_sweep_axes_words(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_options *o) TESS_CHECKED;

/* ---- picks (picks.c): values that are named together, as an exclusion does ------------------------------------------ */

struct tessi_sweep_pick {               /* for each axis the values picked; none: any */
    char *picked[TESSI_SWEEP_MAX_AXES]; /* a byte a value, 1 picked; NULL: the axis is not named */
    int former;                         /* 1: of values that are in the file, and not in this sweep, as the command line has others */
};

int tessi_sweep_pick_node(struct tess_context *ctx, struct tessi_sweep *s, const char *what, const struct tessi_config *node,
                          struct tessi_sweep_pick *out) TESS_CHECKED;
int tessi_sweep_pick_word(struct tess_context *ctx, struct tessi_sweep *s, const char *flag, const char *word,
                          struct tessi_sweep_pick *out) TESS_CHECKED;
/* 1 where the values at `at` are all picked. */
int tessi_sweep_pick_matches(const struct tessi_sweep *s, const struct tessi_sweep_pick *p, const int64_t *at);

/* ---- variants (variants.c) ------------------------------------------------------------------------------------------ */

int tessi_sweep_variants_list(struct tess_context *ctx, struct tessi_sweep *s, int64_t picks, struct tessi_sweep_pick *pick) TESS_CHECKED;

#endif
