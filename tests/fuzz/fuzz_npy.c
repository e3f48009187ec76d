/* An NPY file of images, or of labels where the first byte is odd. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

int FUZZ_TARGET(npy)(const uint8_t *data, size_t size)
{
    static const char two[] = "\x93NUMPY\1\0\x3c\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1)}   \1\2";
    static const char *const layouts[] = {"auto", "nhwc", "nchw", "nhw", "hwc", "chw", "hw"};
    char text[600];
    if (size < 1)
        return 0;
    (void)fuzz_file("two.npy", (const uint8_t *)two, sizeof two - 1);
    (void)fuzz_file("input.npy", data + 1, size - 1);
    if (data[0] & 1)
        snprintf(text, sizeof text, "{use: npy, path: %s/two.npy, labels: %s/input.npy}", fuzz_folder(), fuzz_folder());
    else
        snprintf(text, sizeof text, "{use: npy, path: %s/input.npy, layout: %s}", fuzz_folder(), layouts[data[0] / 2 % 7]);
    fuzz_source(text);
    fuzz_no_leak();
    return 0;
}
