/* A dataset of texts, read with HDF5 as anyone would. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TEXTS_H
#define TESTS_SUPPORT_TEXTS_H

/* All texts of PATH's dataset, a blank after each; in a buffer that the next call uses again. A failure to read fails the test. */
const char *texts_read(const char *path, const char *dataset);

#endif
