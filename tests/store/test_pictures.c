/* Pictures: contact sheets that know their tiles, and PNG files with palettes in memory. SPDX-License-Identifier: MIT */
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <string.h>

enum { SIDE = 6 };

static struct tess_tensor picture_of(uint8_t *data, int64_t height, int64_t width, int64_t channels)
{
    return tess_tensor_over(data, TESS_U8, 3, (int64_t[]){height, width, channels});
}

START_TEST(tiles)
{
    static uint8_t pixels[4 * SIDE * SIDE];
    struct tess_tensor images = tess_tensor_over(pixels, TESS_U8, 4, (int64_t[]){4, SIDE, SIDE, 1}), sheet;
    struct tess_tiles out, in = {.size = sizeof in, .zoom = 2, .gap = 1, .count = 4, .across = 2, .height = SIDE, .width = SIDE};
    char rows[64], digest[TESS_DIGEST_TEXT], plain[TESS_DIGEST_TEXT];
    store_ok(tess_contact_sheet(C, &images, 2, 1, 2, &sheet));
    struct tess_artefact *a = store_create("t.h5", "images");
    in.rows = "original|<reconstruction>";
    store_ok(tess_artefact_put_tiles(C, a, "a", &sheet, &in));
    in.rows = NULL;
    store_ok(tess_artefact_put_tiles(C, a, "b", &sheet, &in));
    store_ok(tess_artefact_put_picture(C, a, "c", &sheet));
    in.across = 4;
    store_fails(tess_artefact_put_tiles(C, a, "d", &sheet, &in), TESS_E_INTERNAL, "`d`", "tiles", NULL);
    store_finish(a, digest);
    a = store_open("t.h5");
    store_ok(tessi_store_artefact_tiles(C, a, "a", &out, rows, sizeof rows));
    ck_assert(out.count == 4 && out.across == 2 && out.height == SIDE && out.width == SIDE && out.gap == 1 && out.zoom == 2);
    ck_assert_str_eq(out.rows, "original|<reconstruction>");
    store_ok(tessi_store_artefact_tiles(C, a, "b", &out, rows, sizeof rows));
    ck_assert(out.count == 4 && !*out.rows);
    store_ok(tessi_store_artefact_tiles(C, a, "c", &out, rows, sizeof rows));
    ck_assert_int_eq(out.count, 0);
    store_ok(tessi_store_artefact_tiles(C, a, "none", &out, rows, sizeof rows));
    ck_assert_int_eq(out.count, 0);
    tessi_store_artefact_close(a);
    a = store_create("u.h5", "images"); /* the layout is no content */
    store_ok(tess_artefact_put_picture(C, a, "a", &sheet));
    store_ok(tess_artefact_put_picture(C, a, "b", &sheet));
    store_ok(tess_artefact_put_picture(C, a, "c", &sheet));
    store_finish(a, plain);
    ck_assert_str_eq(digest, plain);
    tess_free(sheet.data);
}
END_TEST

/* Writes a picture with a palette, reads it back and gives the largest difference of a channel. */
static int round_trip(const struct tess_tensor *picture, int32_t colours, size_t *bytes)
{
    struct tess_tensor back;
    void *file;
    int most = 0;
    store_ok(tessi_store_png_indexed(C, picture, colours, &file, bytes));
    FILE *to = fopen(store_path("p.png"), "wbe");
    ck_assert(to && fwrite(file, 1, *bytes, to) == *bytes && fclose(to) == 0);
    tess_free(file);
    store_ok(tessi_store_png_read(C, store_path("p.png"), &back));
    ck_assert(back.dim[0] == picture->dim[0] && back.dim[1] == picture->dim[1] && back.dim[2] == 3);
    int64_t pixels = picture->dim[0] * picture->dim[1], channels = picture->dim[2];
    for (int64_t i = 0; i < 3 * pixels; i++) {
        int was = ((uint8_t *)picture->data)[i / 3 * channels + (channels == 3 ? i % 3 : 0)], is = ((uint8_t *)back.data)[i];
        most = abs(was - is) > most ? abs(was - is) : most;
    }
    tess_free(back.data);
    return most;
}

START_TEST(palettes_are_exact_for_few_colours)
{
    static uint8_t pixels[64 * 64 * 3];
    size_t few, all;
    for (int levels = 1; levels <= 256; levels *= 2) {
        for (size_t i = 0; i < 64 * 64; i++)
            pixels[i] = (uint8_t)(255 - store_number(i) % (uint32_t)levels);
        struct tess_tensor t = picture_of(pixels, 64, 64, 1);
        ck_assert_int_eq(round_trip(&t, 256, levels == 2 ? &few : &all), 0);
    }
    ck_assert_msg(few < 800 && all > 4096, "%zu bytes for two levels, %zu for all", few, all);
    for (size_t i = 0; i < 64 * 64 * 3; i++)
        pixels[i] = (uint8_t)(store_number(i / 3) % 200 * (i % 3 + 1));
    struct tess_tensor t = picture_of(pixels, 64, 64, 3);
    ck_assert_int_eq(round_trip(&t, 256, &all), 0);
}
END_TEST

START_TEST(palettes_are_near_for_many)
{
    static uint8_t pixels[96 * 96 * 3];
    size_t bytes;
    for (int y = 0; y < 96; y++)
        for (int x = 0; x < 96; x++) {
            uint8_t *p = pixels + ((size_t)y * 96 + (size_t)x) * 3;
            p[0] = (uint8_t)(y * 255 / 95);
            p[1] = (uint8_t)(x * 255 / 95);
            p[2] = (uint8_t)((x + y) * 255 / 190);
        }
    struct tess_tensor t = picture_of(pixels, 96, 96, 3);
    int of_256 = round_trip(&t, 256, &bytes), of_16 = round_trip(&t, 16, &bytes);
    ck_assert_msg(of_256 <= 20 && of_16 <= 80 && of_16 > of_256, "off by %d of 256 colours, by %d of 16", of_256, of_16);
    ck_assert(bytes < 96 * 96 / 2 + 1000);
    t.dim[2] = 2;
    void *file;
    store_fails(tessi_store_png_indexed(C, &t, 256, &file, &bytes), TESS_E_SHAPE, "(96, 96, 2)", NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pictures");
    TCase *t = tcase_create("pictures");
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_add_test(t, tiles);
    tcase_add_test(t, palettes_are_exact_for_few_colours);
    tcase_add_test(t, palettes_are_near_for_many);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
