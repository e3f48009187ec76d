/* SPDX-License-Identifier: MIT */
#include "tests/support/encode_fixture.h"
#include "core/base/context.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

void encode_write_picture(const char *path, int i, int64_t height, int64_t width)
{
    uint8_t pixel[40 * 60];
    struct tessi_context context;
    const int64_t dim[3] = {height, width, 1};
    ck_assert_int_le(height * width, (int64_t)sizeof pixel);
    tessi_base_context_init(&context, NULL);
    for (int64_t at = 0; at < height * width; at++)
        pixel[at] = (uint8_t)(small_pixel(i, at % (SMALL_H * SMALL_W)) + i);
    const struct tess_tensor picture = tess_tensor_over(pixel, TESS_U8, 3, dim);
    if (i % 7 == 3)
        small_write(path, "no picture");
    else
        ck_assert_int_eq(tessi_store_png_write(&context.context, path, &picture), TESS_OK);
}

void encode_load(const char *path, const char *name, int32_t dtype, struct tess_tensor *t)
{
    struct tessi_context context;
    struct tess_artefact *a = NULL;
    tessi_base_context_init(&context, NULL);
    ck_assert_msg(tessi_store_artefact_open(&context.context, path, &a) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    ck_assert_msg(tess_artefact_load(&context.context, a, name, dtype, t) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    tessi_store_artefact_close(a);
}

int encode_same(const char *one, const char *two, const char *name, int32_t dtype)
{
    struct tess_tensor a, b;
    encode_load(one, name, dtype, &a);
    encode_load(two, name, dtype, &b);
    int same = tess_tensor_same_shape(&a, &b) && memcmp(a.data, b.data, tess_tensor_bytes(&a)) == 0;
    tess_free(a.data);
    tess_free(b.data);
    return same;
}

int encode_killed_until_it_ends(const char *line)
{
    for (int kills = 0;; kills++) {
        char plan[80];
        snprintf(plan, sizeof plan, "usr1@step:%d,kill@%s:%d", 1 + kills % 2, kills % 3 ? "step" : "write",
                 kills % 3 ? 2 + kills % 2 : 5 + kills);
        const struct command_limits limits = {.inject = plan};
        const struct command_result *r = command_within(&limits, "%s --threads %d", line, 1 + kills % 2);
        if (r->code == 0)
            return kills;
        ck_assert_msg(r->code == -9 && kills < 100, "%s: %d: %s", plan, r->code, r->err);
    }
}
