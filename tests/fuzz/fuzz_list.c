/* A list of images; the first byte says in which format. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

int FUZZ_TARGET(list)(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"text", "csv", "tsv", "jsonl"};
    char text[600];
    if (size < 1)
        return 0;
    (void)fuzz_file("input", data + 1, size - 1);
    snprintf(text, sizeof text, "{use: list, path: %s/input, format: %s, max_pixels: 65536}", fuzz_folder(), formats[data[0] % 4]);
    fuzz_source(text);
    fuzz_no_leak();
    return 0;
}
