/* A ZIP archive of members as they are, with right sums. SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_ARCHIVE_H
#define TESTS_FUZZ_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct archive {
    uint8_t *bytes;
    size_t count, capacity, offset[8];
    const char *name[8];
    uint32_t sum[8], size[8];
    int members;
};

void archive_add(struct archive *a, const char *name, const void *bytes, size_t count); /* eight members at most */
void archive_end(struct archive *a);
void archive_free(struct archive *a);

#endif
