/* Data of the fuzz targets that run whole pipelines; see fuzz.h. Suites write theirs with small_pipeline.c, which needs libcheck.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "tests/support/small_pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_idx(const char *name, int dims, uint8_t (*value)(int64_t at), uint32_t count)
{
    static uint8_t all[16 + SMALL_COUNT * SMALL_H * SMALL_W];
    const uint32_t dim[] = {SMALL_COUNT, SMALL_H, SMALL_W};
    uint8_t *at = all + 4;
    all[2] = 8;
    all[3] = (uint8_t)dims;
    for (int i = 0; i < dims; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (uint8_t)(dim[i] >> shift);
    for (uint32_t i = 0; i < count; i++)
        *at++ = value(i);
    (void)fuzz_file(name, all, (size_t)(at - all));
}

static uint8_t pixel(int64_t at)
{
    return small_pixel(at / (SMALL_H * SMALL_W), at % (SMALL_H * SMALL_W));
}

void fuzz_enter_small(void)
{
    if (chdir(fuzz_folder()) != 0)
        abort();
    write_idx("images", 3, pixel, SMALL_COUNT * SMALL_H * SMALL_W);
    write_idx("labels", 1, small_label, SMALL_COUNT);
    (void)fuzz_file("small.yaml", (const uint8_t *)small_pipeline, strlen(small_pipeline));
}
