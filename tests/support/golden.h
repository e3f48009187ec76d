/* Golden files: inputs, weights, outputs and gradients of the PyTorch models in tests/golden, written by make_golden.py there. The folder
 * comes from TESSERA_GOLDEN; sizes always come from the files' attributes, so that files of other sizes and seeds serve as well.
 *
 * PyTorch has channels second and a convolution's weight (O, I, Kh, Kw); whatever has four dimensions is read with the second moved to
 * the end, which is how both lie here. A failure to read fails the test. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include "tests/support/graphs.h"

struct golden;

struct golden *golden_open(const char *name); /* "ae.h5" */
void golden_close(struct golden *g);

/* Attributes of the file. golden_list writes "[1, 2]" into `text` and gives it back. */
int64_t golden_size(const struct golden *g, const char *attribute);
double golden_number(const struct golden *g, const char *attribute);
const char *golden_list(const struct golden *g, const char *attribute, char *text, size_t capacity);

int golden_has(const struct golden *g, const char *path); /* 1 when there is this dataset, in a group that is there */
/* A dataset as TESS_F32 or TESS_I32; the caller frees data. */
struct tess_tensor golden_read(const struct golden *g, const char *path, int32_t dtype);
/* A dataset of doubles as it is in the file, `count` of them; the caller frees it. */
double *golden_doubles(const struct golden *g, const char *path, int64_t count);
double golden_scalar(const struct golden *g, const char *path);

/* Prefixes of weight names in this program and in PyTorch; the first row whose prefix matches is used, NULL ends the table. */
struct golden_name {
    const char *ours, *theirs;
};
/* Fills every weight of the bench's store, which is sealed by it, from /weights. Each must be there, of the same size; and each in the file
 * must be wanted, or have one of the words of `unused` (which end with NULL) in its name. */
void golden_weights(const struct golden *g, struct fixture *b, const struct golden_name *names, const char *const *unused);
/* Compares the gradients after a step with every dataset of the group; gives their number. A gradient that is zero but for rounding (of a
 * key's bias, or of a bias before a norm of one channel a group) is held against the largest of the group. */
extern double golden_rounding; /* the share of the largest that rounding leaves: 1e-6 in f32 */
int64_t golden_gradients(const struct golden *g, struct fixture *b, const char *group, const struct golden_name *names, double tolerance);

/* ck_assert that no value is off by more than tolerance times the largest wanted, plus `slack`; or, in the mean, that the root of the mean
 * square of what they are off is within that share of the wanted values' own, plus `slack`: roundings to bf16 are many and small, and the
 * largest of them says little. */
extern int golden_in_the_mean;
void golden_near(const char *what, const float *got, const struct tess_tensor *want, double tolerance, double slack);
void golden_close_to(const char *what, double got, double want, double tolerance);

#endif
