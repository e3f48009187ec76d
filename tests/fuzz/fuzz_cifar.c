/* CIFAR's binary batches. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/stat.h>

int FUZZ_TARGET(cifar)(const uint8_t *data, size_t size)
{
    char text[600];
    if (size < 1)
        return 0;
    snprintf(text, sizeof text, "%s/c", fuzz_folder());
    (void)mkdir(text, 0777);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "c/data_batch_%d.bin", i);
        (void)fuzz_file(name, data + 1, size - 1);
    }
    (void)fuzz_file("c/test_batch.bin", data + 1, size - 1);
    snprintf(text, sizeof text, "{use: cifar, path: %s/c, part: %s}", fuzz_folder(), data[0] & 1 ? "test" : "train");
    fuzz_source(text);
    fuzz_no_leak();
    return 0;
}
