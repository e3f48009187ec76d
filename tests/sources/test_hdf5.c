/* The `hdf5` source: datasets of other programs in every layout, chunked and compressed ones, labels of several types; and files that lead
 * out of themselves, claim too much or are cut.
 *
 * SPDX-License-Identifier: MIT */
#define H5_USE_18_API 1
#include <hdf5.h>

#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint8_t values[4096];

static char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", source.folder, name);
    return path;
}

static hid_t create(const char *name)
{
    hid_t f = H5Fcreate(path_of(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(f, 0);
    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (uint8_t)(i * 7 % 251);
    return f;
}

/* Writes a dataset of this type; `chunk` rows a chunk and deflate where it is not 0. */
static void put(hid_t f, const char *name, hid_t type, hid_t memory, int rank, const hsize_t *dim, hsize_t chunk, const void *from)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, dim, NULL);
    hsize_t chunks[8];
    memcpy(chunks, dim, (size_t)rank * sizeof *dim);
    H5Pset_create_intermediate_group(links, 1);
    if (chunk) {
        chunks[0] = chunk;
        H5Pset_chunk(layout, rank, chunks);
        H5Pset_shuffle(layout);
        H5Pset_deflate(layout, 4);
    }
    hid_t d = H5Dcreate2(f, name, type, space, links, layout, H5P_DEFAULT);
    ck_assert_int_ge(d, 0);
    if (from)
        ck_assert_int_ge(H5Dwrite(d, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, from), 0);
    H5Dclose(d);
    H5Sclose(space);
    H5Pclose(links);
    H5Pclose(layout);
}

static void put_bytes(hid_t f, const char *name, int rank, const hsize_t *dim, hsize_t chunk)
{
    put(f, name, H5T_STD_U8LE, H5T_NATIVE_UINT8, rank, dim, chunk, values);
}

static int open_hdf5(const char *name, const char *more)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: hdf5, path: %s%s}", path_of(name), more);
    return source_open(config_text);
}

/* ---- layouts ------------------------------------------------------------------------------------------------------- */

static const struct {
    hsize_t dim[4];
    int rank, chunk, planar;
} layouts[] = {{{4, 5, 6, 3}, 4, 0, 0}, {{4, 5, 6, 3}, 4, 3, 0}, {{4, 3, 5, 6}, 4, 2, 1}, {{4, 5, 6}, 3, 1, 0}, {{4, 1, 5, 6}, 4, 0, 0}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

START_TEST(datasets_of_each_layout)
{
    struct tess_image im = {.size = sizeof im};
    int64_t h, w, c, row = 1;
    hid_t f = create("x.h5");
    put_bytes(f, "/a/b/images", layouts[_i].rank, layouts[_i].dim, (hsize_t)layouts[_i].chunk);
    H5Fclose(f);
    source_works(open_hdf5("x.h5", ", images: a/b/images"));
    source.ops->shape(source.self, &h, &w, &c);
    row = h * w * c;
    ck_assert(source.ops->count(source.self) == 4 && h == 5 && w == 6 && c == (layouts[_i].rank == 4 && layouts[_i].dim[1] != 1 ? 3 : 1));
    for (int64_t i = 3; i >= 0; i--) {
        source_works(source.ops->read(source.self, source.ctx, i, &im));
        for (int64_t p = 0; p < h * w; p++)
            for (int64_t k = 0; k < c; k++)
                ck_assert_int_eq(im.pixels[p * c + k], values[i * row + (layouts[_i].planar ? k * h * w + p : p * c + k)]);
    }
    ck_assert_str_ne(source_content(0), source_content(1));
    tess_image_free(&im);
}
END_TEST

START_TEST(labels_of_each_type)
{
    static const int64_t label[] = {2, -1, 0, 1};
    const hsize_t dim[] = {4, 5, 6}, n[] = {4, 1};
    hid_t f = create("x.h5");
    put_bytes(f, "images", 3, dim, 0);
    put(f, "i64", H5T_STD_I64BE, H5T_NATIVE_INT64, 1, n, 0, label);
    put(f, "i8", H5T_STD_I8LE, H5T_NATIVE_INT64, 2, n, 2, label);
    H5Fclose(f);
    source_works(open_hdf5("x.h5", ", labels: i64"));
    ck_assert_str_eq(source_listed(), "0:2 1:-1 2:0 3:1 ");
    source_works(open_hdf5("x.h5", ", labels: /i8"));
    ck_assert_str_eq(source_listed(), "0:2 1:-1 2:0 3:1 ");
    ck_assert_int_eq(source.ops->labels(source.self), 3);
}
END_TEST

/* ---- wrong files --------------------------------------------------------------------------------------------------- */

START_TEST(other_datasets)
{
    const hsize_t dim[] = {4, 5, 6}, three[] = {3};
    static const int64_t label[] = {2, 1, 5000000000};
    static const double real[120];
    hid_t f = create("x.h5");
    put_bytes(f, "images", 3, dim, 0);
    put_bytes(f, "g/other", 3, dim, 0);
    put_bytes(f, "flat", 2, dim, 0);
    put(f, "real", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 3, dim, 0, real);
    put(f, "few", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, three, 0, label);
    H5Fclose(f);
    source_refused(open_hdf5("x.h5", ", images: none"), TESS_E_DATA, "has no dataset `none`; it has few, flat, g/other, images, real");
    source_refused(open_hdf5("x.h5", ", images: g"), TESS_E_DATA, "has no dataset `g`");
    source_refused(open_hdf5("x.h5", ", images: flat"), TESS_E_DATA, "is one image; a dataset of many is wanted");
    source_refused(open_hdf5("x.h5", ", images: real"), TESS_E_DATA, "`real` holds numbers of 64 bits, and images are unsigned bytes");
    source_refused(open_hdf5("x.h5", ", labels: few"), TESS_E_DATA, "`few` has 3 labels for the 4 images of `images`");
    source_refused(open_hdf5("x.h5", ", labels: real"), TESS_E_DATA, "`real` holds no labels");
    source_refused(open_hdf5("none.h5", ""), TESS_E_IO, "none.h5");
    source_put_text("x.h5", "this is no file of arrays");
    source_refused(open_hdf5("x.h5", ""), TESS_E_DATA, "x.h5");
}
END_TEST

START_TEST(labels_too_large)
{
    const hsize_t dim[] = {3, 5, 6}, three[] = {3};
    static const int64_t label[] = {2, 1, 5000000000}, many[] = {0, 70000, 1};
    hid_t f = create("x.h5");
    put_bytes(f, "images", 3, dim, 0);
    put(f, "large", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, three, 0, label);
    put(f, "many", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, three, 0, many);
    H5Fclose(f);
    source_refused(open_hdf5("x.h5", ", layout: nhw, labels: large"), TESS_E_DATA, "holds a number that does not fit into 32 bits");
    source_refused(open_hdf5("x.h5", ", layout: nhw, labels: many"), TESS_E_DATA, "the label of image 1 in `many` is 70000");
}
END_TEST

/* Links into other files, values in other files, filters from elsewhere and shapes without values are refused. */
START_TEST(files_that_lead_out)
{
    const hsize_t dim[] = {4, 5, 6}, large[] = {1000000, 1000, 1000};
    hid_t f = create("y.h5");
    put_bytes(f, "images", 3, dim, 0);
    H5Fclose(f);
    f = create("x.h5");
    put_bytes(f, "here", 3, dim, 0);
    H5Lcreate_external("y.h5", "/images", f, "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/here", f, "soft", H5P_DEFAULT, H5P_DEFAULT);
    put(f, "empty", H5T_STD_U8LE, H5T_NATIVE_UINT8, 3, large, 1, NULL);
    hid_t layout = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(3, dim, NULL);
    H5Pset_external(layout, "/etc/passwd", 0, 120);
    H5Dclose(H5Dcreate2(f, "outside", H5T_STD_U8LE, space, H5P_DEFAULT, layout, H5P_DEFAULT));
    H5Pclose(layout);
    H5Sclose(space);
    H5Fclose(f);
    source_refused(open_hdf5("x.h5", ", images: external"), TESS_E_DATA, "is reached by a link");
    source_refused(open_hdf5("x.h5", ", images: soft"), TESS_E_DATA, "is reached by a link");
    source_refused(open_hdf5("x.h5", ", images: outside"), TESS_E_DATA, "is stored outside the file");
    source_refused(open_hdf5("x.h5", ", images: empty"), TESS_E_DATA, "has a shape and no values");
    source_works(open_hdf5("x.h5", ", images: here"));
}
END_TEST

/* Truncated anywhere: refused, or the same bytes. */
START_TEST(truncated_files)
{
    const hsize_t dim[] = {40, 5, 6, 3};
    hid_t f = create("x.h5");
    put_bytes(f, "images", 4, dim, 7);
    H5Fclose(f);
    FILE *in = fopen(path_of("x.h5"), "rb");
    static uint8_t all[65536];
    size_t n = fread(all, 1, sizeof all, in);
    fclose(in);
    for (size_t keep = 0; keep < n; keep += 1 + n / 23) {
        source_put("x.h5", all, keep);
        int status = open_hdf5("x.h5", "");
        ck_assert_msg(status != TESS_OK, "%zu of %zu bytes", keep, n);
        tessi_base_context_clear(source.ctx);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hdf5");
    Suite *s = suite_create("hdf5");
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_loop_test(t, datasets_of_each_layout, 0, LAYOUTS);
    tcase_add_test(t, labels_of_each_type);
    tcase_add_test(t, other_datasets);
    tcase_add_test(t, labels_too_large);
    tcase_add_test(t, files_that_lead_out);
    tcase_add_test(t, truncated_files);
    suite_add_tcase(s, t);
    return suite_run(s);
}
