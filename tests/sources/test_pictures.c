/* Decoding of image files: JPEGs and WebPs by both ways, whole and reduced, and embedded profiles. SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_first(const char *name, const char *more, struct tess_image *im)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: folder, path: %s/%s%s}", source.folder, name, more);
    source_works(source_open(config_text));
    source_works(source.ops->read(source.self, source.ctx, 0, im));
}

static void same(const struct tess_image *a, const struct tess_image *b)
{
    ck_assert(a->height == b->height && a->width == b->width && a->channels == b->channels);
    ck_assert_int_eq(memcmp(a->pixels, b->pixels, (size_t)(a->height * a->width * a->channels)), 0);
}

/* ---- both ways ----------------------------------------------------------------------------------------------------- */

static const char *const jpegs[] = {"photo.jpg", "colour.jpg", "grey.jpg",    "turned.jpg", "progressive.jpg",
                                    "cmyk.jpg",  "inks.jpg",   "colour.webp", "photo.webp"};
enum { JPEGS = sizeof jpegs / sizeof *jpegs };

/* With `damaged: accept` libvips decodes, without it plain JPEGs and WebPs are decoded directly: the bytes are the same, reduced ones too.
 */
START_TEST(directly_as_through_libvips)
{
    static const char *const direct[] = {"", ", shrink_to: 8", ", shrink_to: 16"};
    static const char *const through[] = {", damaged: accept", ", shrink_to: 8, damaged: accept", ", shrink_to: 16, damaged: accept"};
    source_put_image(jpegs[_i], strstr(jpegs[_i], "webp") ? "a.webp" : "a.jpg");
    for (int k = 0; k < 3; k++) {
        struct tess_image a = {.size = sizeof a}, b = {.size = sizeof b};
        read_first(strstr(jpegs[_i], "webp") ? "a.webp" : "a.jpg", direct[k], &a);
        read_first(strstr(jpegs[_i], "webp") ? "a.webp" : "a.jpg", through[k], &b);
        same(&a, &b);
        tess_image_free(&a);
        tess_image_free(&b);
    }
}
END_TEST

/* Reduced by the largest of 2, 4 and 8 that keeps both sides; other formats stay whole. */
START_TEST(reduced_while_decoded)
{
    static const struct {
        const char *image, *more;
        int64_t height, width;
    } cases[] = {{"colour.jpg", ", shrink_to: 33", 32, 32}, {"colour.jpg", ", shrink_to: 17", 32, 32},
                 {"colour.jpg", ", shrink_to: 16", 16, 16}, {"colour.jpg", ", shrink_to: 9", 16, 16},
                 {"colour.jpg", ", shrink_to: 8", 8, 8},    {"colour.jpg", ", shrink_to: 1", 4, 4},
                 {"colour.png", ", shrink_to: 8", 32, 32},  {"turned.jpg", ", shrink_to: 8", 16, 8}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct tess_image a = {.size = sizeof a};
        source_put_image(cases[k].image, cases[k].image);
        read_first(cases[k].image, cases[k].more, &a);
        ck_assert_msg(a.height == cases[k].height && a.width == cases[k].width, "%s%s: %lld x %lld", cases[k].image, cases[k].more,
                      (long long)a.height, (long long)a.width);
        tess_image_free(&a);
    }
}
END_TEST

/* ---- profiles ------------------------------------------------------------------------------------------------------ */

static void put32(uint8_t *at, uint32_t n)
{
    for (int k = 0; k < 4; k++)
        at[k] = (uint8_t)(n >> (24 - 8 * k));
}

/* An ICC profile of three primaries and a gamma of 2.2: those of sRGB, with red and green exchanged. Returns its length. */
static size_t make_profile(uint8_t *p)
{
    static const char tag[6][5] = {"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"};
    static const double primary[3][3] = {{0.3851, 0.7169, 0.0971}, {0.4360, 0.2225, 0.0139}, {0.1431, 0.0606, 0.7141}};
    size_t at = 128 + 4 + 6 * 12;
    memset(p, 0, 512);
    memcpy(p + 8, "\2\x10\0\0mntrRGB XYZ ", 16);
    memcpy(p + 36, "acsp", 4);
    put32(p + 68, 0xf6d6);
    put32(p + 72, 0x10000);
    put32(p + 76, 0xd32d);
    put32(p + 128, 6);
    for (int k = 0; k < 6; k++) {
        uint8_t *entry = p + 132 + 12 * k;
        uint32_t bytes = k < 3 ? 20 : 14;
        memcpy(entry, tag[k], 4);
        put32(entry + 4, (uint32_t)at);
        put32(entry + 8, bytes);
        memcpy(p + at, k < 3 ? "XYZ " : "curv", 4);
        for (int i = 0; k < 3 && i < 3; i++)
            put32(p + at + 8 + 4 * i, (uint32_t)(primary[k][i] * 65536.0 + 0.5));
        if (k >= 3)
            memcpy(p + at + 8, "\0\0\0\1\2\x33", 6);
        at += (bytes + 3) & ~3u;
    }
    put32(p, (uint32_t)at);
    return at;
}

/* Puts colour.jpg, or grey.jpg, with such a profile behind its first marker. */
static void put_with_profile(const char *image, const char *name)
{
    static uint8_t all[4096], profile[512];
    char path[512];
    size_t n = make_profile(profile), used = 2;
    source_put_image(image, name);
    snprintf(path, sizeof path, "%s/%s", source.folder, name);
    FILE *f = fopen(path, "rb");
    memcpy(all, "\xff\xd8\xff\xe2", 4);
    all[4] = (uint8_t)((n + 16) >> 8);
    all[5] = (uint8_t)(n + 16);
    memcpy(all + 6, "ICC_PROFILE\0\1\1", 14);
    memcpy(all + 20, profile, n);
    used = 20 + n;
    ck_assert_int_eq(fseek(f, 2, SEEK_SET), 0);
    used += fread(all + used, 1, sizeof all - used, f);
    fclose(f);
    source_put(name, all, used);
}

static void near(const struct tess_image *im, int64_t y, int64_t x, int r, int g, int b)
{
    const uint8_t *p = im->pixels + (y * im->width + x) * im->channels;
    ck_assert_msg(abs(p[0] - r) <= 6 && abs(p[1] - g) <= 6 && abs(p[2] - b) <= 6, "at %lld, %lld: %d %d %d", (long long)y, (long long)x,
                  p[0], p[1], p[2]);
}

START_TEST(profiles_are_passed_over_or_converted)
{
    struct tess_image im = {.size = sizeof im}, plain = {.size = sizeof plain};
    put_with_profile("colour.jpg", "p.jpg");
    source_put_image("colour.jpg", "plain.jpg");
    read_first("plain.jpg", "", &plain);
    read_first("p.jpg", "", &im);
    same(&im, &plain);
    near(&im, 4, 4, 255, 0, 0);
    near(&im, 4, 28, 0, 255, 0);
    read_first("p.jpg", ", profile: srgb", &im);
    near(&im, 4, 4, 0, 255, 0);
    near(&im, 4, 28, 255, 0, 0);
    near(&im, 28, 4, 0, 0, 255);
    near(&im, 28, 28, 255, 255, 255);
    read_first("plain.jpg", ", profile: srgb", &im);
    same(&im, &plain);
    tess_image_free(&im);
    tess_image_free(&plain);
}
END_TEST

/* A profile for colours in a grey image does not fit it. */
START_TEST(profiles_that_do_not_fit_are_passed_over)
{
    struct tess_image im = {.size = sizeof im}, plain = {.size = sizeof plain};
    put_with_profile("grey.jpg", "p.jpg");
    source_put_image("grey.jpg", "plain.jpg");
    read_first("plain.jpg", "", &plain);
    read_first("p.jpg", ", profile: srgb", &im);
    same(&im, &plain);
    tess_image_free(&im);
    tess_image_free(&plain);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pictures");
    Suite *s = suite_create("pictures");
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_loop_test(t, directly_as_through_libvips, 0, JPEGS);
    tcase_add_test(t, reduced_while_decoded);
    tcase_add_test(t, profiles_are_passed_over_or_converted);
    tcase_add_test(t, profiles_that_do_not_fit_are_passed_over);
    suite_add_tcase(s, t);
    return suite_run(s);
}
