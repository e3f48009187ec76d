/* Made-up archives of codes: shards whose values are functions of the item, every seventh of which is skipped. SPDX-License-Identifier: MIT
 */
#ifndef TESTS_SUPPORT_ARCHIVE_FIXTURE_H
#define TESTS_SUPPORT_ARCHIVE_FIXTURE_H

#include "tests/support/store_fixture.h"

/* A shard to write. Zero is the plain case. */
struct archive_shard {
    int64_t first, items;
    int64_t height, width, depth, codebook_size; /* 0: 4 x 4 maps of one level, 40 codes */
    const char *tokenizer;                       /* NULL: "abc" */
    int wrong_code, lost_item, wrong_label;      /* 1: row 3 has a code that is out of range, a row is missing, a label of no class */
    int crops;                                   /* 1: two rows an item, the second turned over */
};
enum { ARCHIVE_SHARDS = 3, ARCHIVE_ITEMS = 25 };

int archive_is_skipped(int64_t item);
int32_t archive_code(const struct archive_shard *s, int64_t item, int64_t k); /* code k of an item's map */
/* Writes a shard as the file `name` of the test's folder. */
void archive_write_shard(const char *name, const struct archive_shard *s);
/* A fresh folder with the archive of n shards as its folder `folder`; `shard` gives all but the ranges, NULL: plain. */
void archive_setup(const char *folder, int64_t n, const struct archive_shard *shard);
/* Flips a bit of the first code of a file, whose codes are not in chunks. */
void archive_flip_code(const char *name);
/* Makes the folder `folder` of the test's own. */
void archive_folder(const char *folder);

#endif
