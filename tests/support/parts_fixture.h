/* A made-up archive of 300 rows in four parts, one of them without rows. Its codes, labels and names are functions of the row; the
 * precision of the codes and the width of the names grow from part to part. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PARTS_FIXTURE_H
#define TESTS_SUPPORT_PARTS_FIXTURE_H

#include "tests/support/store_fixture.h"

enum { PARTS_COUNT = 4, PARTS_ROWS = 300, PARTS_ROW = 6, PARTS_NAME_MAX = 24 };

/* A part to write: rows begin .. end - 1 of the archive. */
struct parts_one {
    int64_t begin, end;
    int32_t bits;         /* precision of the codes */
    const char *attr;     /* an attribute with another value than the others have, or NULL */
    const char *lack;     /* a dataset to leave out, or NULL */
    float codebook;       /* first value of the codebook */
    int64_t shift, width; /* added to `first_item`; width of a row, 0: PARTS_ROW */
    const char *kind;
};
extern const struct parts_one parts_plain[PARTS_COUNT];
extern const char *const parts_name[PARTS_COUNT]; /* file names of the parts */

/* Code k of a row, and the row's name. */
int32_t parts_code(int64_t row, int64_t k);
const char *parts_row_name(int64_t row, char text[PARTS_NAME_MAX]);
/* Writes a part into the folder "a", and the index of n of them. */
void parts_write_one(const char *file, const struct parts_one *p);
int parts_write_index(const char *const *file, int64_t n, char digest[TESS_DIGEST_TEXT]);
/* A fresh folder with the archive as its folder "a". */
void parts_setup(void);
/* Verifies the archive; or reads its codes and names, and fails the test where a code is another. Returns the status of the first failure.
 */
int parts_read_everything(int verify);

#endif
