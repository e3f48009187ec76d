/* IDX files, plain and gzipped: the first byte says which, and whether they are labels. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

int FUZZ_TARGET(idx)(const uint8_t *data, size_t size)
{
    static const uint8_t two[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
    char text[600];
    if (size < 1)
        return 0;
    const char *name = data[0] & 1 ? "input.gz" : "input";
    (void)fuzz_file("two", two, sizeof two);
    (void)fuzz_file(name, data + 1, size - 1);
    if (data[0] & 2)
        snprintf(text, sizeof text, "{use: idx, images: %s/two, labels: %s/%s}", fuzz_folder(), fuzz_folder(), name);
    else
        snprintf(text, sizeof text, "{use: idx, images: %s/%s}", fuzz_folder(), name);
    fuzz_source(text);
    fuzz_no_leak();
    return 0;
}
