/* Cutting and scaling images: against the definition of the filter worked out by hand, by symmetries every resize has, and against Pillow.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/image/geometry.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CAPACITY = 64 * 64 * 3 };
static uint8_t image[CAPACITY], out[CAPACITY], other[CAPACITY], again[CAPACITY];

static void draw(uint8_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint8_t)((uint64_t)i * 2654435761u >> 11);
}

static void resize_part(const struct geometry_scale *s, const uint8_t *from, uint8_t *to)
{
    size_t bytes = geometry_capacity(s);
    uint8_t *buffer = malloc(bytes + 1);
    ck_assert_ptr_nonnull(buffer);
    memset(buffer, 0xee, bytes + 1);
    geometry_resize(s, from, buffer, to);
    ck_assert_int_eq(buffer[bytes], 0xee);
    free(buffer);
}

static void resize_by(int32_t rule, const uint8_t *from, int64_t ih, int64_t iw, int64_t c, uint8_t *to, int64_t h, int64_t w)
{
    resize_part(&(struct geometry_scale){.ih = ih, .iw = iw, .c = c, .h = h, .w = w, .rows = h, .columns = w, .rule = rule}, from, to);
}

static void resize(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, uint8_t *to, int64_t h, int64_t w)
{
    resize_by(GEOMETRY_PILLOW_12, from, ih, iw, c, to, h, w);
}

static void mirror(const uint8_t *from, int64_t h, int64_t w, int64_t c, uint8_t *to)
{
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            memcpy(to + (y * w + w - 1 - x) * c, from + (y * w + x) * c, (size_t)c);
}

static void expect(const uint8_t *got, const uint8_t *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "byte %lld is %d, not %d", (long long)i, got[i], want[i]);
}

static const int64_t sizes[][4] = {{7, 5, 7, 5}, {28, 28, 14, 14}, {9, 12, 4, 5},   {5, 7, 16, 9},
                                   {1, 1, 8, 8}, {20, 3, 1, 1},    {13, 13, 12, 14}};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(keeps_what_every_resize_keeps)
{
    int64_t ih = sizes[_i][0], iw = sizes[_i][1], h = sizes[_i][2], w = sizes[_i][3], n = h * w * 3;
    draw(image, ih * iw * 3);
    resize(image, ih, iw, 3, out, h, w);
    if (ih == h && iw == w)
        expect(out, image, n);
    mirror(image, ih, iw, 3, other);
    resize(other, ih, iw, 3, again, h, w); /* mirrored in, mirrored out */
    mirror(out, h, w, 3, other);
    expect(again, other, n);
    for (int64_t k = 0; k < 3; k++) { /* channels do not mix */
        for (int64_t i = 0; i < ih * iw; i++)
            other[i] = image[3 * i + k];
        resize(other, ih, iw, 1, again, h, w);
        for (int64_t i = 0; i < h * w; i++)
            ck_assert_int_eq(again[i], out[3 * i + k]);
    }
    memset(image, 77, (size_t)(ih * iw * 3)); /* a constant stays one, up to the borders */
    resize(image, ih, iw, 3, out, h, w);
    memset(other, 77, (size_t)n);
    expect(out, other, n);
}
END_TEST

START_TEST(halving_weighs_1_3_3_1)
{
    const uint8_t from[8] = {10, 20, 50, 90, 200, 130, 60, 0};
    /* weights 1 3 3 1 over 8; at the borders 3 3 1 and 1 3 3 over 7 */
    const uint8_t want[4] = {(30 + 60 + 50) / 7, (20 + 150 + 270 + 200 + 4) / 8, (90 + 600 + 390 + 60 + 4) / 8, (130 + 180 + 0 + 3) / 7};
    resize(from, 1, 8, 1, out, 1, 4);
    expect(out, want, 4);
    resize(from, 8, 1, 1, out, 4, 1);
    expect(out, want, 4);
}
END_TEST

START_TEST(doubling_interpolates)
{
    const uint8_t from[3] = {0, 100, 200}, want[6] = {0, 25, 75, 125, 175, 200};
    resize(from, 1, 3, 1, out, 1, 6);
    expect(out, want, 6);
}
END_TEST

/* import/pillow-12.bin and pillow-13.bin have what Pillow 12.3.0 and 13.0.0 make of the same images, one after the other. The two differ in
 * the images whose height shrinks by more than twice what the width does. */
static const int64_t pillow[][5] = {{37, 53, 3, 16, 23}, {64, 48, 3, 20, 20}, {48, 64, 1, 20, 26}, {5, 7, 3, 16, 9},
                                    {61, 64, 3, 61, 30}, {64, 61, 1, 30, 61}, {63, 2, 3, 5, 40},   {64, 64, 3, 63, 63},
                                    {61, 64, 3, 30, 61}, {64, 64, 3, 10, 40}, {300, 7, 3, 100, 9}, {7, 300, 3, 9, 100},
                                    {60, 60, 3, 30, 45}, {60, 60, 3, 30, 46}, {60, 60, 1, 30, 44}};
enum { PILLOWS = sizeof pillow / sizeof *pillow };

START_TEST(gives_the_bytes_of_pillow)
{
    static uint8_t want[CAPACITY];
    FILE *f = fopen(_i == GEOMETRY_PILLOW_13 ? TEST_IMPORT "/pillow-13.bin" : TEST_IMPORT "/pillow-12.bin", "rb");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < PILLOWS; i++) {
        const int64_t *s = pillow[i];
        size_t n = (size_t)(s[3] * s[4] * s[2]);
        ck_assert_uint_eq(fread(want, 1, n, f), n);
        draw(image, s[0] * s[1] * s[2]);
        resize_by(_i, image, s[0], s[1], s[2], out, s[3], s[4]);
        expect(out, want, (int64_t)n);
    }
    ck_assert_int_eq(fgetc(f), EOF);
    fclose(f);
}
END_TEST

/* A part of the scaled image is that part of it, and no more memory is wanted than for the part. */
START_TEST(a_part_is_a_part)
{
    for (size_t i = 0; i < PILLOWS; i++) {
        const int64_t *z = pillow[i];
        struct geometry_scale s = {.ih = z[0], .iw = z[1], .c = z[2], .h = z[3], .w = z[4], .rows = z[3], .columns = z[4], .rule = _i};
        draw(image, z[0] * z[1] * z[2]);
        resize_part(&s, image, out);
        s.top = z[3] / 3;
        s.left = z[4] / 2;
        s.rows = (z[3] - s.top + 1) / 2;
        s.columns = (z[4] - s.left + 1) / 2;
        resize_part(&s, image, again);
        for (int64_t y = 0; y < s.rows; y++)
            expect(again + y * s.columns * z[2], out + ((s.top + y) * z[4] + s.left) * z[2], s.columns * z[2]);
    }
    struct geometry_scale thin = {
        .ih = 1000000, .iw = 1, .c = 3, .h = 256000000, .w = 256, .top = 5, .rows = 256, .columns = 256, .rule = _i};
    ck_assert_uint_lt(geometry_capacity(&thin), 4 << 20);
    thin =
        (struct geometry_scale){.ih = 1, .iw = 60000, .c = 3, .h = 256, .w = 15360000, .left = 9, .rows = 256, .columns = 256, .rule = _i};
    ck_assert_uint_lt(geometry_capacity(&thin), 4 << 20);
}
END_TEST

/* Colours are resampled by vectors where the processor has them, grey by plain loops: each channel of a colour image comes out as the grey
 * image that it is. The image ends where memory ends, and nothing behind it is read. */
static const struct geometry_scale colours[] = {
    {.ih = 40, .iw = 61, .h = 17, .w = 23, .rows = 17, .columns = 23},
    {.ih = 40, .iw = 61, .h = 17, .w = 23, .top = 3, .left = 5, .rows = 9, .columns = 18},
    {.ih = 33, .iw = 17, .h = 32, .w = 64, .rows = 32, .columns = 64},
    {.ih = 64, .iw = 64, .h = 64, .w = 9, .rows = 64, .columns = 9},
    {.ih = 64, .iw = 9, .h = 5, .w = 9, .rows = 5, .columns = 9},
    {.ih = 64, .iw = 24, .h = 3, .w = 20, .rows = 3, .columns = 20, .rule = GEOMETRY_PILLOW_13},
    {.ih = 64, .iw = 24, .h = 3, .w = 20, .left = 6, .rows = 3, .columns = 14, .rule = GEOMETRY_PILLOW_13},
    {.ih = 2, .iw = 2000, .h = 1, .w = 3, .rows = 1, .columns = 3},
    {.ih = 1, .iw = 1, .h = 8, .w = 8, .rows = 8, .columns = 8},
    {.ih = 3, .iw = 2, .h = 7, .w = 5, .rows = 7, .columns = 5},
};
enum { COLOURS = sizeof colours / sizeof *colours };

START_TEST(colours_are_as_grey_ones)
{
    struct geometry_scale s = colours[_i];
    long page = sysconf(_SC_PAGESIZE);
    int64_t n = s.ih * s.iw, m = s.rows * s.columns;
    uint8_t *memory = mmap(NULL, (size_t)(5 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + 4 * page, (size_t)page, PROT_NONE), 0);
    uint8_t *colour = memory + 4 * page - 3 * n;
    draw(colour, 3 * n);
    s.c = 3;
    resize_part(&s, colour, out);
    s.c = 1;
    for (int k = 0; k < 3; k++) {
        for (int64_t i = 0; i < n; i++)
            image[i] = colour[3 * i + k];
        resize_part(&s, image, other);
        for (int64_t i = 0; i < m; i++)
            again[i] = out[3 * i + k];
        expect(again, other, m);
    }
    ck_assert_int_eq(munmap(memory, (size_t)(5 * page)), 0);
}
END_TEST

START_TEST(places_in_the_centre)
{
    static const uint8_t three[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const uint8_t padded[25] = {7, 7, 7, 7, 7, 7, 1, 2, 3, 7, 7, 4, 5, 6, 7, 7, 7, 8, 9, 7, 7, 7, 7, 7, 7};
    static const uint8_t odd[16] = {1, 2, 3, 7, 4, 5, 6, 7, 7, 8, 9, 7, 7, 7, 7, 7}; /* the rest to the right and the bottom */
    static const uint8_t mixed[5] = {7, 4, 5, 6, 7};                                 /* cut in one direction, padded in the other */
    geometry_place(three, 3, 3, 1, 7, out, 5, 5);
    expect(out, padded, 25);
    geometry_place(three, 3, 3, 1, 7, out, 4, 4);
    expect(out, odd, 16);
    geometry_place(three, 3, 3, 1, 7, out, 1, 5);
    expect(out, mixed, 5);
    geometry_place(padded, 5, 5, 1, 0, out, 3, 3);
    expect(out, three, 9);
    geometry_place(odd, 4, 4, 1, 0, out, 3, 3);
    expect(out, three, 9);
    static const uint8_t line[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}; /* one, three, five, seven too many: 0, 2, 2, 4 before */
    for (int64_t w = 8; w >= 2; w -= 2) {
        geometry_place(line, 1, 9, 1, 0, out, 1, w);
        expect(out, line + (9 - w + 1) / 4 * 2, w);
    }
    draw(image, 6 * 8 * 3);
    geometry_place(image, 6, 8, 3, 0, out, 4, 2);
    for (int64_t y = 0; y < 4; y++)
        expect(out + y * 6, image + ((y + 1) * 8 + 3) * 3, 6);
}
END_TEST

START_TEST(changes_channels)
{
    static const uint8_t colour[12] = {255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255}, grey[4] = {255, 76, 150, 29}, two[2] = {5, 9};
    static const uint8_t threes[6] = {5, 5, 5, 9, 9, 9};
    geometry_channels(colour, 4, 3, out, 1);
    expect(out, grey, 4);
    geometry_channels(two, 2, 1, out, 3);
    expect(out, threes, 6);
    geometry_channels(colour, 4, 3, out, 3);
    expect(out, colour, 12);
}
END_TEST

START_TEST(turns_over)
{
    for (int64_t w = 1; w < 6; w++)
        for (int64_t c = 1; c <= 3; c += 2) {
            draw(image, 4 * w * c);
            memcpy(out, image, (size_t)(4 * w * c));
            geometry_flip(out, 4, w, c);
            mirror(image, 4, w, c, other);
            expect(out, other, 4 * w * c);
            geometry_flip(out, 4, w, c);
            expect(out, image, 4 * w * c);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("geometry");
    TCase *t = tcase_create("geometry");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, keeps_what_every_resize_keeps, 0, SIZES);
    tcase_add_test(t, halving_weighs_1_3_3_1);
    tcase_add_test(t, doubling_interpolates);
    tcase_add_loop_test(t, gives_the_bytes_of_pillow, GEOMETRY_PILLOW_12, GEOMETRY_PILLOW_13 + 1);
    tcase_add_loop_test(t, a_part_is_a_part, GEOMETRY_PILLOW_12, GEOMETRY_PILLOW_13 + 1);
    tcase_add_loop_test(t, colours_are_as_grey_ones, 0, COLOURS);
    tcase_add_test(t, places_in_the_centre);
    tcase_add_test(t, changes_channels);
    tcase_add_test(t, turns_over);
    suite_add_tcase(s, t);
    return suite_run(s);
}
