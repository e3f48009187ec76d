/* A tar file; the first byte says where labels are. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

int FUZZ_TARGET(tar)(const uint8_t *data, size_t size)
{
    static const char *const labels[] = {"cls", "json", "none"};
    char text[600];
    if (size < 1)
        return 0;
    (void)fuzz_file("input.tar", data + 1, size - 1);
    snprintf(text, sizeof text, "{use: tar, path: %s/input.tar, labels: %s, max_pixels: 65536}", fuzz_folder(), labels[data[0] % 3]);
    fuzz_source(text);
    fuzz_no_leak();
    return 0;
}
