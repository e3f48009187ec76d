/* The `npy` source: arrays of every layout, folders of them, labels of every integer type; headers that lie, files that are cut or of
 * another kind.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes an NPY of this version, header text and numbers 0, 1, 2, ... or of `content`. */
static void put_npy(const char *name, int version, const char *header, const void *content, size_t n)
{
    static uint8_t all[8192];
    size_t length = strlen(header), before = version == 1 ? 10 : 12;
    memset(all, 0, before);
    memcpy(all, "\x93NUMPY", 6);
    all[6] = (uint8_t)version;
    all[8] = (uint8_t)length;
    all[9] = (uint8_t)(length >> 8);
    memcpy(all + before, header, length);
    for (size_t i = 0; i < n; i++)
        all[before + length + i] = content ? ((const uint8_t *)content)[i] : (uint8_t)i;
    source_put(name, all, before + length + n);
}

static void put_images(const char *name, const char *shape, size_t n)
{
    char header[128];
    snprintf(header, sizeof header, "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }          \n", shape);
    put_npy(name, 1, header, NULL, n);
}

static int open_npy(const char *name, const char *more)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: npy, path: %s/%s%s}", source.folder, name, more);
    return source_open(config_text);
}

/* ---- layouts ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *shape, *layout;
    int bytes, n, h, w, c, planar;
} layouts[] = {
    {"(2, 5, 4)", "", 40, 2, 5, 4, 1, 0},
    {"(2, 5, 4, 3)", "", 120, 2, 5, 4, 3, 0},
    {"(2, 3, 5, 4)", "", 120, 2, 5, 4, 3, 1},
    {"(2, 1, 5, 4)", "", 40, 2, 5, 4, 1, 0},
    {"(5, 4)", "", 20, 1, 5, 4, 1, 0},
    {"(5, 4, 3)", ", layout: hwc", 60, 1, 5, 4, 3, 0},
    {"(3, 5, 4)", ", layout: chw", 60, 1, 5, 4, 3, 1},
    {"(3, 5, 4)", ", layout: nhw", 60, 3, 5, 4, 1, 0},
    {"(2, 3, 4, 3)", ", layout: nchw", 72, 2, 4, 3, 3, 1},
    {"(2L,5L,4L)", "", 40, 2, 5, 4, 1, 0},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

START_TEST(arrays_of_each_layout)
{
    struct tess_image im = {.size = sizeof im};
    int64_t h, w, c, n = layouts[_i].n, area = (int64_t)layouts[_i].h * layouts[_i].w;
    put_images("x.npy", layouts[_i].shape, (size_t)layouts[_i].bytes);
    source_works(open_npy("x.npy", layouts[_i].layout));
    source.ops->shape(source.self, &h, &w, &c);
    ck_assert(source.ops->count(source.self) == n && h == layouts[_i].h && w == layouts[_i].w && c == layouts[_i].c);
    for (int64_t i = n - 1; i >= 0; i--) {
        source_works(source.ops->read(source.self, source.ctx, i, &im));
        ck_assert(im.height == h && im.width == w && im.channels == c && im.label == -1);
        for (int64_t p = 0; p < area; p++)
            for (int64_t k = 0; k < c; k++)
                ck_assert_int_eq(im.pixels[p * c + k], i * area * c + (layouts[_i].planar ? k * area + p : p * c + k));
    }
    tess_image_free(&im);
}
END_TEST

START_TEST(folders_of_arrays)
{
    put_images("d/b.npy", "(2, 5, 4)", 40);
    put_images("d/a.npy", "(5, 4)", 20);
    source_put_text("d/c.txt", "beside");
    source_works(open_npy("d", ""));
    ck_assert_str_eq(source_listed(), "a.npy:-1 b.npy/0:-1 b.npy/1:-1 ");
    ck_assert_str_eq(source_content(0), source_content(1));
    ck_assert_str_ne(source_content(0), source_content(2));
    source.ops->soon(source.self, 0, 3);
    put_images("d/b.npy", "(2, 5, 4)", 40);
    struct tess_image im = {.size = sizeof im};
    source_refused(source.ops->read(source.self, source.ctx, 1, &im), TESS_E_IO, "b.npy: changed since it was opened");
    tess_image_free(&im);
}
END_TEST

static const struct {
    const char *type;
    int bytes;
    uint8_t label[24];
} integers[] = {{"|u1", 1, {2, 0, 1}},
                {"|i1", 1, {2, 255, 1}},
                {"<u2", 2, {2, 0, 0, 0, 1, 0}},
                {"<i4", 4, {2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1}},
                {"<i8", 8, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
                {"<u8", 8, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
enum { INTEGERS = sizeof integers / sizeof *integers };

START_TEST(labels_of_each_type)
{
    char header[128], more[128];
    snprintf(header, sizeof header, "{\"shape\": (3,), 'descr': '%s', 'fortran_order': False}\n", integers[_i].type);
    put_npy("l.npy", 1 + _i % 3, header, integers[_i].label, 3 * (size_t)integers[_i].bytes);
    put_images("x.npy", "(3, 5, 4)", 60);
    snprintf(more, sizeof more, ", layout: nhw, labels: %s/l.npy", source.folder);
    source_works(open_npy("x.npy", more));
    ck_assert_str_eq(source_listed(), integers[_i].label[1] == 255 || integers[_i].label[4] == 255 ? "0:2 1:-1 2:1 " : "0:2 1:0 2:1 ");
    ck_assert_int_eq(source.ops->labels(source.self), 3);
}
END_TEST

/* ---- wrong files --------------------------------------------------------------------------------------------------- */

#define U1 "{'descr': '|u1', 'fortran_order': False, 'shape': "
static const struct {
    int version;
    const char *header;
    int bytes;
    const char *more, *words;
} wrong[] = {
    {1, U1 "(2, 5, 4)}", 39, "", "is truncated: 40 bytes of numbers are announced, 39 found"},
    {1, U1 "(2, 5, 4)}", 41, "", "is longer than its header says: 40 bytes"},
    {1, U1 "(4611686018427387904, 4611686018427387904)}", 8, "", "announces more numbers than a file can hold"},
    {1, U1 "(99999999999999999999, 2)}", 8, "", "has a header that is not as NumPy writes it"},
    {1, U1 "(1000000000, 1000, 1000)}", 8, "", "is truncated"},
    {1, U1 "(0, 5, 4)}", 0, "", "has 0 images"},
    {1, U1 "(2, 5, 4, 2)}", 80, "", "may be images in several ways, or in none; set `layout`"},
    {1, U1 "(2, 5, 3)}", 30, "", "an array of 2 x 5 x 3 may be images in several ways"},
    {1, U1 "(2, 5, 4)}", 40, ", layout: nhwc", "an array of 2 x 5 x 4 does not fit `layout: nhwc`"},
    {1, U1 "(1,1,1,1,1,1,1,1,1)}", 1, "", "has a header that is not as NumPy writes it"},
    {1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 5)}", 10, "", "has its first dimension running fastest"},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", 8, "", "holds numbers of type f4, and images are bytes"},
    {1, "{'descr': '>i4', 'fortran_order': False, 'shape': (1, 2)}", 8, "", "holds big-endian numbers"},
    {1, "{'descr': '|O', 'fortran_order': False, 'shape': (1, 2)}", 8, "", "holds elements of type `|O`"},
    {1, "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1, 2)}", 8, "", "has a header that is not as NumPy writes it"},
    {1, "{'descr': '|u1', 'shape': (1, 2)}", 2, "", "has a header that is not as NumPy writes it"},
    {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), 'x': 1}", 2, "", "has a header that is not as NumPy writes it"},
    {1, "__import__('os')", 2, "", "has a header that is not as NumPy writes it"},
    {9, U1 "(1, 2)}", 2, "", "is an NPY file of version 9"},
};
enum { WRONG = sizeof wrong / sizeof *wrong };

START_TEST(wrong_arrays_are_refused)
{
    put_npy("x.npy", wrong[_i].version, wrong[_i].header, NULL, (size_t)wrong[_i].bytes);
    source_refused(open_npy("x.npy", wrong[_i].more), TESS_E_DATA, wrong[_i].words);
}
END_TEST

START_TEST(other_files)
{
    source_put_text("x.npy", "PK\3\4 and so on, an archive");
    source_refused(open_npy("x.npy", ""), TESS_E_DATA, "is an NPZ, an archive of arrays");
    source_put_text("x.npy", "no array at all");
    source_refused(open_npy("x.npy", ""), TESS_E_DATA, "is no NPY file: it does not begin as one");
    source_put_text("x.npy", "short");
    source_refused(open_npy("x.npy", ""), TESS_E_DATA, "is no NPY file: it is shorter");
    source_put("x.npy", "\x93NUMPY\1\0\xff\xff{}", 12);
    source_refused(open_npy("x.npy", ""), TESS_E_DATA, "is cut within its header");
    source_put_text("d/x.txt", "");
    source_refused(open_npy("d", ""), TESS_E_DATA, "has no arrays");
    source_refused(open_npy("none.npy", ""), TESS_E_IO, "cannot be read: No such file");
    put_images("x.npy", "(2, 5, 4)", 40);
    char more[128];
    snprintf(more, sizeof more, ", labels: %s/l.npy", source.folder);
    put_npy("l.npy", 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,)}", NULL, 12);
    source_refused(open_npy("x.npy", more), TESS_E_DATA, "has 3 labels for the 2 images of");
    put_npy("l.npy", 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}", "\xfe\xff\xff\xff\0\0\0", 8);
    source_refused(open_npy("x.npy", more), TESS_E_DATA, "the label of image 0 is not in 0 to 65535, or -1");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("npy");
    Suite *s = suite_create("npy");
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_loop_test(t, arrays_of_each_layout, 0, LAYOUTS);
    tcase_add_test(t, folders_of_arrays);
    tcase_add_loop_test(t, labels_of_each_type, 0, INTEGERS);
    tcase_add_loop_test(t, wrong_arrays_are_refused, 0, WRONG);
    tcase_add_test(t, other_files);
    suite_add_tcase(s, t);
    return suite_run(s);
}
