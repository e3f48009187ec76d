/* Augmentation by colour and place: against PyTorch (golden/diffaug.h5), against the definition written down step by step, and its draws.
 * Its gradient against central differences is in test_operations.c. SPDX-License-Identifier: MIT */
#include "kit/train/diffaug.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- against PyTorch ---- */

/* The file has shifts; a draw in the middle of what gives such a shift stands for it. */
static float draw_for(float shift, int64_t size)
{
    int64_t max = (int64_t)((double)size * 0.125 + 0.5);
    return (shift + (float)max + 0.5f) / (float)(2 * max + 1);
}

static void read_draws(const struct golden *g, int64_t n, int64_t height, int64_t width, float *draws)
{
    static const char *const name[DIFFAUG_DRAWS] = {"brightness", "saturation", "contrast", "shift_y", "shift_x"};
    for (int k = 0; k < DIFFAUG_DRAWS; k++) {
        struct tess_tensor t = golden_read(g, name[k], TESS_F32);
        ck_assert_int_eq(tess_tensor_count(&t), n);
        for (int64_t i = 0; i < n; i++) {
            float value = ((float *)t.data)[i];
            draws[i * DIFFAUG_DRAWS + k] = k < DIFFAUG_DOWN ? value : draw_for(value, k == DIFFAUG_DOWN ? height : width);
            if (k >= DIFFAUG_DOWN)
                ck_assert_int_eq(diffaug_shift(draws[i * DIFFAUG_DRAWS + k], k == DIFFAUG_DOWN ? height : width), (int64_t)value);
        }
        free(t.data);
    }
}

START_TEST(it_is_the_published_one)
{
    struct golden *golden = golden_open("diffaug.h5");
    struct tess_tensor image = golden_read(golden, "image", TESS_F32), weight = golden_read(golden, "weight", TESS_F32);
    struct tess_tensor want = golden_read(golden, "output", TESS_F32), slope = golden_read(golden, "grad", TESS_F32), view, out = want;
    int64_t n = image.dim[0];
    float *draws = malloc((size_t)(n * DIFFAUG_DRAWS) * sizeof *draws);
    struct fixture b;
    read_draws(golden, n, image.dim[1], image.dim[2], draws);
    fixture_open(&b, 1, n, 1, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *x = normal_weight(g, "image", 4, image.dim, 0.0, 1.0);
    struct tess_node *y = diffaug(g, x, tess_input(g, "draws", TESS_F32, 2, DIMS(n, DIFFAUG_DRAWS)));
    struct tess_node *sum = tess_sum(g, tess_mul(g, y, tess_input(g, "weight", TESS_F32, 4, image.dim)), 15);
    tess_output(g, "changed", y);
    tess_objective(g, "loss", "image", tess_reshape(g, sum, 0, NULL));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "image", TESS_ROLE_VALUE, &view));
    memcpy(view.data, image.data, tess_tensor_bytes(&view));
    out.data = malloc(tess_tensor_bytes(&out));
    struct tess_tensor in[2] = {tess_tensor_over(draws, TESS_F32, 2, DIMS(n, DIFFAUG_DRAWS)), weight};
    struct tess_batch batch = {.size = sizeof batch, .samples = n, .inputs = 2, .in = in, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, g, "image", &view));
    golden_near("changed", out.data, &want, 1e-6, 0.0);
    golden_near("gradient", view.data, &slope, 1e-6, 0.0);
    free(image.data);
    free(weight.data);
    free(want.data);
    free(slope.data);
    free(out.data);
    free(draws);
    fixture_close(&b);
    golden_close(golden);
}
END_TEST

/* ---- against the definition ---- */

enum { SAMPLES = 6 };

/* The augmentation of one image by definition, its changes one after the other, in double. */
static void by_definition(const float *image, const float *u, int64_t h, int64_t w, int64_t channels, double *out)
{
    int64_t pixels = h * w, down = diffaug_shift(u[DIFFAUG_DOWN], h), right = diffaug_shift(u[DIFFAUG_RIGHT], w);
    double x[4096], mean = 0.0;
    ck_assert_int_le(pixels * channels, 4096);
    for (int64_t i = 0; i < pixels * channels; i++)
        x[i] = (double)image[i] + (double)u[DIFFAUG_BRIGHTNESS] - 0.5;
    for (int64_t p = 0; p < pixels; p++) {
        double grey = 0.0;
        for (int64_t k = 0; k < channels; k++)
            grey += x[p * channels + k] / (double)channels;
        for (int64_t k = 0; k < channels; k++)
            x[p * channels + k] = (x[p * channels + k] - grey) * 2.0 * (double)u[DIFFAUG_SATURATION] + grey;
    }
    for (int64_t i = 0; i < pixels * channels; i++)
        mean += x[i] / (double)(pixels * channels);
    for (int64_t i = 0; i < pixels * channels; i++)
        x[i] = (x[i] - mean) * ((double)u[DIFFAUG_CONTRAST] + 0.5) + mean;
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++)
            for (int64_t k = 0; k < channels; k++) {
                int64_t y = i + down, z = j + right;
                out[(i * w + j) * channels + k] = y < 0 || y >= h || z < 0 || z >= w ? 0.0 : x[(y * w + z) * channels + k];
            }
}

static const int64_t shapes[][3] = {{16, 16, 3}, {7, 20, 3}, {20, 5, 1}, {1, 1, 3}, {4, 3, 4}, {3, 12, 2}};

START_TEST(it_does_what_is_defined)
{
    int64_t h = shapes[_i][0], w = shapes[_i][1], channels = shapes[_i][2], size = h * w * channels;
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose("test"), .step = (uint32_t)_i};
    float *image = malloc((size_t)(SAMPLES * size) * sizeof *image), *made = malloc((size_t)(SAMPLES * size) * sizeof *made);
    float draws[SAMPLES * DIFFAUG_DRAWS];
    double *want = malloc((size_t)size * sizeof *want);
    struct fixture b;
    tess_random_normal(&s, 0, SAMPLES * size, image);
    s.sample = 1;
    tess_random_uniform(&s, 0, SAMPLES * DIFFAUG_DRAWS, draws);
    for (int k = 0; k < DIFFAUG_DRAWS; k++) { /* the ends of the range */
        draws[k] = 0.0f;
        draws[DIFFAUG_DRAWS + k] = 1.0f - 0x1p-24f;
    }
    fixture_open(&b, 2, 2, SAMPLES / 2, 0);
    struct tess_node *x = tess_input(b.graph, "image", TESS_F32, 4, DIMS(2, h, w, channels));
    tess_output(b.graph, "changed", diffaug(b.graph, x, tess_input(b.graph, "draws", TESS_F32, 2, DIMS(2, DIFFAUG_DRAWS))));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_tensor in[2] = {tess_tensor_over(image, TESS_F32, 4, DIMS(SAMPLES, h, w, channels)),
                                tess_tensor_over(draws, TESS_F32, 2, DIMS(SAMPLES, DIFFAUG_DRAWS))};
    struct tess_tensor out = tess_tensor_over(made, TESS_F32, 4, DIMS(SAMPLES, h, w, channels));
    struct tess_batch batch = {.size = sizeof batch, .samples = SAMPLES, .inputs = 2, .in = in, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    for (int64_t n = 0; n < SAMPLES; n++) {
        by_definition(image + n * size, draws + n * DIFFAUG_DRAWS, h, w, channels, want);
        for (int64_t i = 0; i < size; i++)
            ck_assert_msg(fabs((double)made[n * size + i] - want[i]) < 1e-5, "image %d, value %d: %g, wanted %g", (int)n, (int)i,
                          (double)made[n * size + i], want[i]);
    }
    free(image);
    free(made);
    free(want);
    fixture_close(&b);
}
END_TEST

/* ---- draws ---- */

/* Every shift of an axis comes from as much of [0, 1) as any other; 32 either way at 256 pixels, as published. */
START_TEST(shifts_are_uniform)
{
    static const int64_t size[] = {1, 3, 4, 28, 32, 256}, max[] = {0, 0, 1, 4, 4, 32};
    for (int i = 0; i < 6; i++) {
        int64_t shifts = 2 * max[i] + 1, count[65] = {0}, each = 50;
        for (int64_t k = 0; k < each * shifts; k++) {
            int64_t shift = diffaug_shift((float)(((double)k + 0.5) / (double)(each * shifts)), size[i]);
            ck_assert(shift >= -max[i] && shift <= max[i]);
            count[shift + max[i]]++;
        }
        for (int64_t k = 0; k < shifts; k++)
            ck_assert_int_eq(count[k], each);
        ck_assert_int_eq(diffaug_shift(0.0f, size[i]), -max[i]);
        ck_assert_int_eq(diffaug_shift(1.0f - 0x1p-24f, size[i]), max[i]);
    }
}
END_TEST

static void draw(int threads, int64_t rows, uint32_t step, const char *purpose, float out[SAMPLES * DIFFAUG_DRAWS])
{
    struct fixture b;
    struct tess_tensor t = tess_tensor_over(out, TESS_F32, 2, DIMS(SAMPLES, DIFFAUG_DRAWS));
    fixture_open(&b, threads, rows, SAMPLES / rows, 1);
    tess_output(b.graph, "draws", diffaug_draws(b.graph, purpose));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    struct tess_batch batch = {.size = sizeof batch, .samples = SAMPLES, .outputs = 1, .out = &t, .step = step};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    fixture_close(&b);
}

START_TEST(draws_are_of_the_sample_and_the_step)
{
    float first[SAMPLES * DIFFAUG_DRAWS], again[SAMPLES * DIFFAUG_DRAWS];
    draw(1, 1, 7, "diffaug.made", first);
    for (int64_t rows = 1; rows <= SAMPLES; rows++)
        if (SAMPLES % rows == 0) {
            draw(3, rows, 7, "diffaug.made", again);
            ck_assert_msg(memcmp(first, again, sizeof first) == 0, "microbatches of %d", (int)rows);
        }
    for (int i = 0; i < SAMPLES * DIFFAUG_DRAWS; i++) {
        ck_assert(first[i] >= 0.0f && first[i] < 1.0f);
        for (int k = 0; k < i; k++)
            ck_assert(first[i] != first[k]); /* no sample shares one with another, nor a draw with the next */
    }
    draw(1, 1, 8, "diffaug.made", again);
    ck_assert(memcmp(first, again, sizeof first) != 0);
    draw(1, 1, 7, "diffaug.real", again);
    ck_assert(memcmp(first, again, sizeof first) != 0);
}
END_TEST

START_TEST(shapes_that_do_not_fit)
{
    struct fixture b;
    fixture_open(&b, 1, 2, 1, 0);
    struct tess_node *flat = tess_input(b.graph, "flat", TESS_F32, 2, DIMS(2, 9));
    ck_assert_ptr_null(diffaug(b.graph, flat, diffaug_draws(b.graph, "test")));
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_SHAPE);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), "diffaug wants f32 (N, H, W, C) and draws (N, 5)"), "%s",
                  tessi_base_context_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("diffaug");
    TCase *t = tcase_create("diffaug");
    tcase_add_test(t, it_is_the_published_one);
    tcase_add_loop_test(t, it_does_what_is_defined, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(t, shifts_are_uniform);
    tcase_add_test(t, draws_are_of_the_sample_and_the_step);
    tcase_add_test(t, shapes_that_do_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
