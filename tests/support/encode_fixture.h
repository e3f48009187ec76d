/* Pictures to encode, archives to compare, and encodes that are killed, for the suites of tests/archive. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_ENCODE_FIXTURE_H
#define TESTS_SUPPORT_ENCODE_FIXTURE_H

#include <tessera/tensor.h>

/* Writes picture i, grey, of that size, of at most 40 x 60; every seventh from the fourth on is a file that is no picture. */
void encode_write_picture(const char *path, int i, int64_t height, int64_t width);
/* Dataset `name` of an artefact or archive, as `dtype`; its memory is the caller's. */
void encode_load(const char *path, const char *name, int32_t dtype, struct tess_tensor *t);
/* 1 where the dataset has the same shape and values in both. */
int encode_same(const char *one, const char *two, const char *name, int32_t dtype);
/* Runs the command until it ends, each time asked for a checkpoint and killed a little further on, with one thread and two in turn; gives
 * the number of kills. */
int encode_killed_until_it_ends(const char *line);

#endif
