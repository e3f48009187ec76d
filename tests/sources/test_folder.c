/* The `folder` source: images of every kind as they should look, in their order, with their classes; files that are no images, or only
 * half; and what is remembered of files' contents. The images are made by folder/make_images.py.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/host/digest_table.h"
#include "core/base/memory.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/texts.h"
#include "tests/support/paths.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tessera/tessera.h>
#include <unistd.h>

static char folder[] = "/tmp/tessera-folder-XXXXXX";
static char message[2048];
static struct tessi_context context;
static struct tessi_runtime *runtime;
static struct tess_instance *source;
static const struct tess_source_1 *ops;
static void *self;

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    unsetenv("TESSERA_PLUGIN_PATH");
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 2}, &runtime), TESS_OK);
}

static void teardown(void)
{
    char command[64];
    tess_instance_close(source);
    source = NULL;
    tessi_host_runtime_free(runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

/* Puts an image of the fixtures into the current folder, under a name of its own; folders are made. Its first bytes only where `keep` > 0.
 */
static void put(const char *image, const char *name, long keep)
{
    static char all[65536];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", TEST_FOLDER, image);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    for (const char *at = name; (at = strchr(at, '/')); at++) {
        snprintf(path, sizeof path, "%.*s", (int)(at - name), name);
        (void)mkdir(path, 0777);
    }
    f = fopen(name, "wb");
    ck_assert_msg(f != NULL, "%s", name);
    n = keep > 0 ? (size_t)keep : n;
    ck_assert_uint_eq(fwrite(all, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static int open_source(const char *path, const char *more)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: folder, path: %s%s}", path, more);
    tess_instance_close(source);
    source = NULL;
    tessi_base_context_clear(&context.context);
    int status = tess_instance_open(&context.context, "source/1", config_text, "test", &source);
    ops = status == TESS_OK ? tess_instance_ops(source, "source/1") : NULL;
    self = status == TESS_OK ? tess_instance_self(source) : NULL;
    return status;
}

static void works(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s%s", status, tessi_base_context_message(&context.context), message);
}

static void refused(int status, int code, const char *words)
{
    const char *found = tessi_base_context_message(&context.context);
    ck_assert_msg(status == code && strstr(found, words) && !strchr(found, '\n'), "wanted %d: %s\nfound  %d: %s", code, words, status,
                  found);
    tessi_base_context_clear(&context.context);
}

/* Names and labels in their order: "a.png:0 b.png:1 ". */
static const char *listed(void)
{
    static char all[4096];
    struct tess_image im = {.size = sizeof im};
    size_t used = 0;
    all[0] = '\0';
    for (int64_t i = 0; i < ops->count(self); i++) {
        works(ops->read(self, &context.context, i, &im));
        used += (size_t)snprintf(all + used, sizeof all - used, "%s:%lld ", im.name, (long long)im.label);
    }
    tess_image_free(&im);
    return all;
}

/* ---- one image ----------------------------------------------------------------------------------------------------- */

struct look {
    const char *image, *more;
    int height, width, channels, slack;
    int quarter[4][3]; /* upper left and right, lower left and right */
};
#define COLOURS {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}}
#define GREYS {{0}, {80}, {160}, {240}}

static const struct look looks[] = {
    {"colour.png", "", 32, 32, 3, 0, COLOURS},
    {"colour.jpg", "", 32, 32, 3, 3, COLOURS},
    {"colour.webp", "", 32, 32, 3, 0, COLOURS},
    {"colour.tif", "", 32, 32, 3, 0, COLOURS},
    {"palette.png", "", 32, 32, 3, 0, COLOURS},
    {"colour.jp2", "", 32, 32, 3, 0, COLOURS},
    {"colour.jxl", "", 32, 32, 3, 0, COLOURS},
    {"cmyk.jpg", "", 32, 32, 3, 8, COLOURS},
    {"moving.gif", "", 32, 32, 3, 0, COLOURS},
    {"grey.png", "", 32, 32, 1, 0, GREYS},
    {"grey.jpg", "", 32, 32, 1, 3, GREYS},
    {"deep.png", "", 32, 32, 1, 0, GREYS},
    {"bits.png", "", 32, 32, 1, 0, {{0}, {0}, {255}, {255}}},
    {"turned.jpg", "", 32, 16, 3, 3, {{255, 0, 0}, {255, 0, 0}, {0, 255, 0}, {0, 255, 0}}},
    {"alpha.png", "", 32, 32, 3, 1, {{255, 0, 0}, {255, 255, 255}, {127, 127, 255}, {255, 255, 255}}},
    {"alpha.png", ", alpha: drop", 32, 32, 3, 0, COLOURS},
    {"grey-alpha.png", "", 32, 32, 1, 0, {{0}, {255}, {160}, {240}}},
    {"grey-alpha.png", ", alpha: drop", 32, 32, 1, 0, GREYS},
};
enum { LOOKS = sizeof looks / sizeof *looks };

START_TEST(looks_as_it_should)
{
    const struct look *l = &looks[_i];
    struct tess_image im = {.size = sizeof im};
    put(l->image, l->image, 0);
    works(open_source(l->image, l->more));
    ck_assert_int_eq(ops->count(self), 1);
    works(ops->read(self, &context.context, 0, &im));
    ck_assert_str_eq(im.name, l->image);
    ck_assert_int_eq(im.label, -1);
    ck_assert_msg(im.height == l->height && im.width == l->width && im.channels == l->channels, "%s: %lld x %lld x %lld", l->image,
                  (long long)im.height, (long long)im.width, (long long)im.channels);
    for (int64_t y = 0; y < im.height; y++)
        for (int64_t x = 0; x < im.width; x++)
            for (int64_t k = 0; k < im.channels; k++) {
                int got = im.pixels[(y * im.width + x) * im.channels + k], want = l->quarter[2 * (2 * y / im.height) + 2 * x / im.width][k];
                ck_assert_msg(abs(got - want) <= l->slack, "%s%s: (%lld, %lld, %lld) is %d, not %d", l->image, l->more, (long long)y,
                              (long long)x, (long long)k, got, want);
            }
    tess_image_free(&im);
}
END_TEST

/* Images are turned upright for each EXIF orientation; `goes` says where each stored corner goes. */
START_TEST(is_upright)
{
    static const char goes[9][5] = {"", "1234", "2143", "4321", "3412", "1324", "3142", "4231", "2413"};
    static const char colour[5][3] = {"", {'\xff', 0, 0}, {0, '\xff', 0}, {'\xff', 0, 0}, {0, '\xff', 0}}; /* red left, green right */
    static const uint8_t mark[] = {0x12, 1, 0, 3};
    uint8_t all[4096], *at;
    struct tess_image im = {.size = sizeof im};
    put("turned.jpg", "turned.jpg", 0);
    FILE *f = fopen("turned.jpg", "r+b");
    size_t n = fread(all, 1, sizeof all, f);
    at = memmem(all, n, (const uint8_t[]){1, 0x12, 0, 3}, 4); /* the tag, big-endian */
    int big = at != NULL;
    at = big ? at : memmem(all, n, mark, 4);
    ck_assert_ptr_nonnull(at);
    fseek(f, at - all + (big ? 9 : 8), SEEK_SET);
    fputc(_i, f);
    fclose(f);
    works(open_source("turned.jpg", ""));
    works(ops->read(self, &context.context, 0, &im));
    ck_assert(im.height == (_i > 4 ? 32 : 16) && im.width == (_i > 4 ? 16 : 32));
    for (int64_t k = 0; k < 4; k++) {
        const uint8_t *pixel = im.pixels + (k / 2 * (im.height - 1) * im.width + k % 2 * (im.width - 1)) * 3;
        for (int64_t j = 0; j < 3; j++)
            ck_assert_int_le(abs(pixel[j] - (uint8_t)colour[goes[_i][k] - '0'][j]), 3);
    }
    tess_image_free(&im);
}
END_TEST

/* Inks become the light that Pillow makes of them, to the byte. */
START_TEST(inks_as_in_pillow)
{
    static uint8_t want[40 * 48 * 3 + 1];
    struct tess_image im = {.size = sizeof im};
    put("inks.jpg", "inks.jpg", 0);
    put("inks.bin", "inks.bin", 0);
    FILE *f = fopen("inks.bin", "rb");
    ck_assert_uint_eq(fread(want, 1, sizeof want, f), sizeof want - 1);
    fclose(f);
    works(open_source("inks.jpg", ""));
    works(ops->read(self, &context.context, 0, &im));
    ck_assert(im.height == 40 && im.width == 48 && im.channels == 3);
    ck_assert_int_eq(memcmp(im.pixels, want, sizeof want - 1), 0);
    tess_image_free(&im);
}
END_TEST

/* ---- many ---------------------------------------------------------------------------------------------------------- */

START_TEST(order_is_that_of_bytes)
{
    static const char *const names[] = {"d/b.png",    "d/B.JPG",        "d/a/z.webp", "d/a.png",
                                        "d/a-/y.png", "d/\xc3\xa4.png", "d/10.png",   "d/9.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(strstr(names[i], "JPG") ? "colour.jpg" : strstr(names[i], "webp") ? "colour.webp" : "grey.png", names[i], 0);
    small_shell("echo text > d/a.txt; echo none > d/README; cp d/b.png d/.hidden.png; mkdir -p d/.git; cp d/b.png d/.git/x.png");
    works(open_source("d", ""));
    ck_assert_str_eq(listed(), "10.png:-1 9.png:-1 B.JPG:-1 a-/y.png:-1 a.png:-1 a/z.webp:-1 b.png:-1 \xc3\xa4.png:-1 ");
    works(open_source("d", ", recursive: false"));
    ck_assert_str_eq(listed(), "10.png:-1 9.png:-1 B.JPG:-1 a.png:-1 b.png:-1 \xc3\xa4.png:-1 ");
    works(open_source("d", ", extensions: jpg"));
    ck_assert_str_eq(listed(), "B.JPG:-1 ");
}
END_TEST

START_TEST(classes_are_folders)
{
    put("grey.png", "d/a-b/1.png", 0);
    put("grey.png", "d/a/2.png", 0);
    put("grey.png", "d/a/deep/er/3.png", 0);
    put("grey.png", "d/Z/4.png", 0);
    small_shell("mkdir d/empty");
    works(open_source("d", ", labels: folders"));
    ck_assert_int_eq(ops->labels(self), 3);
    ck_assert_str_eq(ops->class_name(self, 0), "Z");
    ck_assert_str_eq(ops->class_name(self, 1), "a");
    ck_assert_str_eq(ops->class_name(self, 2), "a-b");
    ck_assert_str_eq(listed(), "Z/4.png:0 a-b/1.png:2 a/2.png:1 a/deep/er/3.png:1 ");
    put("grey.png", "d/5.png", 0);
    refused(open_source("d", ", labels: folders"), TESS_E_DATA, "d/5.png: lies in no folder of a class");
    works(open_source("d", ""));
    ck_assert_int_eq(ops->labels(self), 0);
}
END_TEST

START_TEST(links_are_followed)
{
    put("grey.png", "store/1.png", 0);
    put("grey.png", "d/own.png", 0);
    small_shell("ln -s ../store/1.png d/link.png; ln -s ../store d/more; ln -s nowhere d/broken.png");
    works(open_source("d", ""));
    ck_assert_int_eq(ops->count(self), 4);
    struct tess_image im = {.size = sizeof im};
    refused(ops->read(self, &context.context, 0, &im), TESS_E_ITEM, "d/broken.png: cannot be opened: No such file or directory");
    ck_assert_str_eq(im.reason, "cannot be opened: No such file or directory");
    small_shell("rm d/broken.png");
    works(open_source("d", ""));
    ck_assert_str_eq(listed(), "link.png:-1 more/1.png:-1 own.png:-1 ");
    ck_assert_ptr_null(ops->remark(self));
    /* Links to a folder that they lie in: their images are listed already. */
    small_shell("ln -s .. store/up; ln -s ../d store/round; ln -s . d/here");
    works(open_source("d", ""));
    ck_assert_str_eq(listed(), "link.png:-1 more/1.png:-1 own.png:-1 ");
    ck_assert_str_eq(ops->remark(self), "passed by: 4 are links to a folder they lie in (here)");
    tess_image_free(&im);
}
END_TEST

/* Files that are no images are counted, and reported with an example. */
START_TEST(others_are_told)
{
    put("grey.png", "d/a.JPE", 0);
    put("grey.png", "d/b.jfif", 0);
    small_shell("mkfifo d/fifo.png; ln -s /dev/zero d/zero.jpg; echo x > d/x.bmp; echo y > d/list.txt; mkdir d/dir.png");
    works(open_source("d", ""));
    ck_assert_str_eq(listed(), "a.JPE:-1 b.jfif:-1 ");
    ck_assert_str_eq(ops->remark(self), "passed by: 2 end in none of `extensions` (list.txt); 2 are pipes, devices or sockets (fifo.png)");
}
END_TEST

/* Names are UTF-8, of at most 255 bytes, and no two are one. */
START_TEST(names_are_texts)
{
    char deep[512] = "d/", command[2400];
    struct tess_image im = {.size = sizeof im}, other = {.size = sizeof other};
    put("grey.png", "d/caf\xe9.png", 0);
    put("grey.png", "d/caf\\xe9.png", 0);
    put("grey.png", "d/a\\b.png", 0);
    works(open_source("d", ""));
    ck_assert_str_eq(listed(), "a\\b.png:-1 caf\\\\xe9.png:-1 caf\\xe9.png:-1 ");
    for (int i = 0; i < 5; i++)
        strcat(deep, "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/");
    snprintf(command, sizeof command, "rm d/*; mkdir -p '%s' 'd/D%s'; cp '%s/grey.png' '%sx.png'; cp '%s/grey.png' 'd/D%sx.png'", deep,
             deep + 3, TEST_FOLDER, deep, TEST_FOLDER, deep + 3);
    small_shell(command);
    works(open_source("d", ""));
    ck_assert_int_eq(ops->count(self), 2);
    works(ops->read(self, &context.context, 0, &im));
    works(ops->read(self, &context.context, 1, &other));
    ck_assert_str_ne(im.name, other.name);
    ck_assert_str_eq(im.name + 16, other.name + 16);
    ck_assert(strlen(im.name) == 255 && strncmp(im.name + 16, "...d", 4) == 0 && strcmp(im.name + 249, "/x.png") == 0);
    tess_image_free(&im);
    tess_image_free(&other);
}
END_TEST

START_TEST(nothing_to_read)
{
    small_shell("mkdir empty other; echo a > other/list.txt; echo b > other/none");
    refused(open_source("nowhere", ""), TESS_E_IO, "nowhere: cannot be read: No such file or directory; check the path");
    refused(open_source("empty", ""), TESS_E_DATA, "empty: has no images: there are no files in it; check the path");
    refused(open_source("other", ""), TESS_E_DATA, "other: has no images: of 2 files, ");
    refused(open_source("other", ""), TESS_E_DATA, "none ends in one of `jpg jpeg jpe jfif png webp gif tif tiff");
    refused(open_source("other/list.txt", ""), TESS_E_DATA, "other/list.txt: has no images: of 1 files, list.txt among them");
}
END_TEST

/* Cut anywhere, an image is refused: what decoded of it would pass for an image. Some readers end before a file does; those bytes are no
 * pixels. */
START_TEST(half_an_image_is_none)
{
    static const char *const kinds[] = {"colour.jpg", "colour.png",  "colour.webp", "grey.png",
                                        "photo.jpg",  "colour.jp2", "colour.jxl",  "progressive.jpg"};
    struct tess_image im = {.size = sizeof im};
    struct stat about;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char where[80], name[64];
        put(kinds[k], kinds[k], 0);
        ck_assert_int_eq(stat(kinds[k], &about), 0);
        snprintf(name, sizeof name, "cut-%s", kinds[k]);
        snprintf(where, sizeof where, "%s: ", name);
        for (long keep = 1; keep < about.st_size - (about.st_size > 99 ? 20 : 4); keep += about.st_size / 9) {
            put(kinds[k], name, keep);
            works(open_source(name, ""));
            refused(ops->read(self, &context.context, 0, &im), TESS_E_ITEM, where);
            ck_assert_str_eq(im.name, name);
        }
    }
    tess_image_free(&im);
}
END_TEST

/* A bit that is another, anywhere in a PNG, whichever library decodes it; unless one asks for what can be had. */
START_TEST(each_bit_of_a_png_counts)
{
    static const char *const kinds[] = {"grey.png", "palette.png"};
    struct tess_image im = {.size = sizeof im};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        put(kinds[k], kinds[k], 0);
        FILE *f = fopen(kinds[k], "r+b");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
        for (long bit = 0, bits = 8 * ftell(f); bit < bits; bit += 3) {
            ck_assert_int_eq(fseek(f, bit / 8, SEEK_SET), 0);
            int was = fgetc(f);
            ck_assert(fseek(f, bit / 8, SEEK_SET) == 0 && fputc(was ^ 1 << bit % 8, f) != EOF && fflush(f) == 0);
            works(open_source(kinds[k], ""));
            ck_assert_msg(ops->read(self, &context.context, 0, &im) == TESS_E_ITEM, "%s: bit %ld", kinds[k], bit);
            ck_assert(fseek(f, bit / 8, SEEK_SET) == 0 && fputc(was, f) != EOF && fflush(f) == 0);
        }
        ck_assert(fseek(f, -1, SEEK_END) == 0 && fputc('x', f) != EOF && fclose(f) == 0);
        works(open_source(kinds[k], ", damaged: accept"));
        works(ops->read(self, &context.context, 0, &im));
    }
    tess_image_free(&im);
}
END_TEST

/* Puts photo.jpg as bad.jpg with `n` bytes from `at` on gone, or made zero. */
static void damage(long at, long n, int zero)
{
    char command[512];
    if (zero)
        snprintf(command, sizeof command,
                 "cp '%s/photo.jpg' bad.jpg; dd if=/dev/zero of=bad.jpg bs=1 seek=%ld count=%ld conv=notrunc 2>/dev/null", TEST_FOLDER, at,
                 n);
    else
        snprintf(command, sizeof command, "(head -c %ld '%s/photo.jpg'; tail -c +%ld '%s/photo.jpg') > bad.jpg", at, TEST_FOLDER,
                 at + n + 1, TEST_FOLDER);
    small_shell(command);
}

/* Whole by its first and last bytes, and full of grey: refused, unless one asks for what can be had. */
START_TEST(damage_is_refused)
{
    struct tess_image im = {.size = sizeof im};
    static const int cases[][3] = {{6000, 4900, 0}, {1000, 512, 1}, {4000, 700, 0}, {7000, 700, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damage(cases[i][0], cases[i][1], cases[i][2]);
        works(open_source("bad.jpg", ""));
        int status = ops->read(self, &context.context, 0, &im);
        ck_assert_msg(status != TESS_OK, "case %zu", i);
        refused(status, TESS_E_ITEM, "bad.jpg: is damaged");
        works(open_source("bad.jpg", ", damaged: accept"));
        works(ops->read(self, &context.context, 0, &im));
        ck_assert(im.height == 120 && im.width == 160);
    }
    put("photo.jpg", "bad.jpg", 4000);
    works(open_source("bad.jpg", ""));
    refused(ops->read(self, &context.context, 0, &im), TESS_E_ITEM, "bad.jpg: breaks off (");
    works(open_source("bad.jpg", ", damaged: accept"));
    works(ops->read(self, &context.context, 0, &im));
    put("colour.png", "bad.png", 0);
    small_shell("printf '\\1' | dd of=bad.png bs=1 seek=30 conv=notrunc 2>/dev/null"); /* in the checksum of its header */
    works(open_source("bad.png", ""));
    refused(ops->read(self, &context.context, 0, &im), TESS_E_ITEM, "bad.png: is damaged: a checksum in it is wrong");
    tess_image_free(&im);
}
END_TEST

/* Want of memory is the machine's: the image is named, and it is no bad one. */
START_TEST(want_of_memory_is_no_damage)
{
    struct tess_image im = {.size = sizeof im};
    struct rlimit was, tight;
    if (!suite_limits_addresses("want_of_memory_is_no_damage"))
        return;
    put("large.png", "large.png", 0);
    works(open_source("large.png", ", max_pixels: 100000000"));
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &was), 0);
    for (long mib = 8; mib <= 64; mib += 8) {
        long used = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        ck_assert_int_eq(fscanf(f, "%ld", &used), 1);
        fclose(f);
        tight = was;
        tight.rlim_cur = (rlim_t)(used * sysconf(_SC_PAGESIZE) + (mib << 20));
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &tight), 0);
        int status = ops->read(self, &context.context, 0, &im);
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &was), 0);
        refused(status, TESS_E_MEMORY, "large.png: ");
    }
    works(ops->read(self, &context.context, 0, &im));
    ck_assert(im.height == 8200 && im.width == 8192 && im.channels == 1);
    tess_image_free(&im);
}
END_TEST

START_TEST(no_images)
{
    struct tess_image im = {.size = sizeof im};
    small_shell("echo 'no image' > text.jpg; : > empty.jpg; mkfifo fifo; ln -s fifo fifo.png"
                "; echo '<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"></svg>' > drawing.png; printf 'P5 1 1 255 a' > "
                "map.png");
    put("large.png", "large.png", 0);
    put("real.tif", "real.tif", 0);
    static const char *const bad[][2] = {
        {"text.jpg", "text.jpg: is no image of a kind that is read here"},
        {"empty.jpg", "empty.jpg: is empty"},
        {"drawing.png", "drawing.png: is no image of a kind that is read here"},
        {"map.png", "map.png: is no image of a kind that is read here"},
        {"large.png", "large.png: is 8200 x 8192, more than `max_pixels: 67108864`"},
        {"real.tif", "real.tif: has samples that are no integers of 8 or 16 bits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        works(open_source(bad[i][0], ""));
        refused(ops->read(self, &context.context, 0, &im), TESS_E_ITEM, bad[i][1]);
    }
    ck_assert_int_lt(tessi_base_memory_peak(), 1 << 22);
    small_shell("mkdir d; mv fifo* d/");
    refused(open_source("d", ""), TESS_E_DATA, "d: has no images");
    tess_image_free(&im);
}
END_TEST

enum { THREADS = 4, ROUNDS = 40 };

static void *read_all(void *user)
{
    struct tessi_context own;
    struct tess_image im = {.size = sizeof im};
    int *wrong = user;
    for (int64_t i = 0; i < ROUNDS; i++) {
        tessi_base_context_init(&own, context.context.host);
        int64_t k = i % ops->count(self);
        int status = ops->read(self, &own.context, k, &im);
        if (strstr(im.name, "bad"))
            *wrong += status != TESS_E_ITEM || !strstr(tessi_base_context_message(&own.context), im.name);
        else
            *wrong += status != TESS_OK || im.pixels[0] > 3 * (strstr(im.name, "grey") != NULL) + 255 * (strstr(im.name, "colour") != NULL);
    }
    tess_image_free(&im);
    return NULL;
}

START_TEST(many_threads)
{
    pthread_t thread[THREADS];
    int wrong[THREADS] = {0};
    put("colour.jpg", "d/colour.jpg", 0);
    put("grey.png", "d/grey.png", 0);
    put("grey.jpg", "d/grey.jpg", 0);
    put("colour.jpg", "d/bad.jpg", 300);
    put("colour.png", "d/bad.png", 60);
    works(open_source("d", ""));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, read_all, &wrong[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
        ck_assert_int_eq(wrong[i], 0);
    }
}
END_TEST

/* ---- as a pipeline reads it ---------------------------------------------------------------------------------------- */

struct seen {
    char digest[TESS_DIGEST_TEXT], reason[512];
    int32_t state;
};

static int attempt(int threads, int run, const char *keys, struct seen *seen)
{
    struct tessi_context own;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    struct tess_artefact *a = NULL;
    struct tessi_stage_view v;
    struct tessi_pipeline_options o = {.path = "p.yaml", .workdir = "."};
    FILE *f = fopen("p.yaml", "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "tessera: 1\nname: p\nstages:\n  images: {use: import, %s}\n", keys);
    ck_assert_int_eq(fclose(f), 0);
    tessi_base_context_init(&own, NULL);
    int status = tessi_host_runtime_new(&own.context, &(struct tessi_runtime_options){.threads = threads}, &r);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&own.context, r, &o, &p);
    if (status == TESS_OK) {
        tessi_flow_pipeline_stage(p, 0, &v);
        seen->state = v.state;
        snprintf(seen->reason, sizeof seen->reason, "%s", v.reason);
    }
    if (status == TESS_OK && run)
        status = tessi_flow_pipeline_run(&own.context, p);
    if (status == TESS_OK && run && tessi_store_artefact_open(&own.context, "runs/p/images.h5", &a) == TESS_OK)
        strcpy(seen->digest, tess_artefact_digest(a));
    tessi_store_artefact_close(a);
    snprintf(message, sizeof message, "%s", tessi_base_context_message(&own.context));
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return status;
}

static void make_some(const char *path)
{
    char name[128];
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "%s/%c/%02d.%s", path, 'a' + i % 3, i, i % 2 ? "jpg" : "png");
        put(i % 2 ? "colour.jpg" : i % 4 ? "grey.png" : "colour.png", name, 0);
    }
}
#define KEYS "labels: folders}, size: 20, crop: 16, channels: 3, split: 0.75"

START_TEST(same_data_wherever_it_is)
{
    struct seen one, two, three;
    make_some("here");
    works(attempt(1, 1, "source: {use: folder, path: here, " KEYS, &one));
    ck_assert_str_eq(texts_read("runs/p/images.h5", "classes"), "a b c ");
    small_shell("mkdir away; cp -r here away/there; rm -rf here");
    works(attempt(3, 0, "source: {use: folder, path: away/there, " KEYS, &two));
    ck_assert_int_eq(two.state, TESSI_CACHED);
    small_shell("rm -rf runs");
    works(attempt(3, 1, "source: {use: folder, path: away/there, " KEYS, &two));
    ck_assert_str_eq(one.digest, two.digest);
    /* A bad one, left out by name, and where the data are is no part of that. */
    put("colour.jpg", "away/there/b/07.jpg", 200);
    put("colour.jpg", "away/there/a/00.png", 200);
    ck_assert_int_eq(attempt(2, 1, "source: {use: folder, path: away/there, " KEYS, &two), TESS_E_ITEM);
    ck_assert_msg(strstr(message, "/away/there/a/00.png: ") && strstr(message, "or leave such images out with `skip_bad: true`"), "%s",
                  message);
    works(attempt(2, 1, "source: {use: folder, path: away/there, " KEYS ", skip_bad: true", &two));
    const char *skipped = texts_read("runs/p/images.h5", "skipped");
    ck_assert_msg(strncmp(skipped, "a/00.png: ", 10) == 0 && strstr(skipped, " b/07.jpg: ") && !strstr(skipped, "away"), "%s", skipped);
    small_shell("mv away/there here");
    works(attempt(1, 1, "source: {use: folder, path: here, " KEYS ", skip_bad: true", &three));
    small_shell("rm -rf runs");
    works(attempt(1, 1, "source: {use: folder, path: here, " KEYS ", skip_bad: true", &three));
    ck_assert_str_eq(two.digest, three.digest);
}
END_TEST

/* Images left out are told in the archive of codes too, under the names that the images have: bytes that are no UTF-8 are escaped. */
START_TEST(archives_tell_what_was_skipped)
{
    static const char wanted[] = "caf\\xe9.png: is empty line\nfeed.png: is empty ";
    struct seen s;
    put("colour.png", "d/a.png", 0);
    put("grey.png", "d/b.png", 0);
    small_shell(": > \"$(printf 'd/caf\\351.png')\"; : > \"$(printf 'd/line\\nfeed.png')\"");
    works(attempt(
        2, 1,
        "source: {use: folder, path: d}, size: 8, crop: 8, channels: 3, skip_bad: true}\n"
        "  tokenizer: {use: train-autoencoder, in: {images: images}, steps: 1, batch: 2, decoder: conv,\n"
        "              encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, quantizer: {use: ema, codebook_size: 4, code_dim: 2}}\n"
        "  codes: {use: encode, in: {images: images, model: tokenizer}",
        &s));
    ck_assert_str_eq(texts_read("runs/p/images.h5", "skipped"), wanted);
    ck_assert_str_eq(texts_read("runs/p/codes.h5", "skipped"), wanted);
    ck_assert_str_eq(texts_read("runs/p/codes.h5", "names"), "a.png b.png ");
}
END_TEST

static const char *content(int64_t i)
{
    static char text[TESS_DIGEST_TEXT];
    struct tess_digest d;
    tess_digest_start(&d);
    works(ops->content(self, &context.context, i, &d));
    tess_digest_end(&d, text);
    return text;
}

/* The content of an image is that of its bytes: neither name nor place counts, and a file that is gone is a bad item. */
START_TEST(content_is_that_of_the_bytes)
{
    struct tess_digest d;
    char kept[TESS_DIGEST_TEXT];
    put("colour.png", "in/a.png", 0);
    put("colour.jpg", "in/b.jpg", 0);
    put("colour.png", "in/c.png", 0);
    works(open_source("in", ""));
    strcpy(kept, content(0));
    ck_assert_str_eq(content(2), kept);
    ck_assert_str_ne(content(1), kept);
    works(open_source("in/c.png", ""));
    ck_assert_str_eq(content(0), kept);
    ops->soon(self, 0, 1);
    small_shell("rm in/c.png");
    ops->soon(self, 0, 1);
    tess_digest_start(&d);
    refused(ops->content(self, &context.context, 0, &d), TESS_E_ITEM, "in/c.png: cannot be opened: No such file");
}
END_TEST

/* Flips a byte of each digest in the table of file digests. */
static void spoil_table(void)
{
    uint64_t head[5]; /* a line of 24 bytes, a number that tells the byte order, the bytes of a record */
    FILE *f = fopen("runs/.cache/files", "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(head, sizeof head, 1, f), 1);
    for (long end = (long)(sizeof head + head[4]);; end += (long)head[4]) {
        ck_assert_int_eq(fseek(f, end - 1, SEEK_SET), 0); /* a digest is the end of its record */
        int byte = fgetc(f);
        if (byte == EOF)
            break;
        ck_assert_int_eq(fseek(f, end - 1, SEEK_SET), 0);
        fputc(byte ^ 1, f);
    }
    fclose(f);
}

/* Contents decide. What is remembered of them is used, never across a change, and never of what has just changed. */
START_TEST(contents_are_remembered)
{
    struct seen s;
    static const char keys[] = "source: {use: folder, path: d}, channels: 3";
    int64_t made = tessi_host_file_clock();
    put("colour.png", "d/1.png", 0);
    put("colour.png", "d/2.png", 0);
    works(attempt(2, 1, keys, &s));
    if (tessi_host_file_clock() - made < INT64_C(1000000000)) /* a busy machine may have taken so long that they are fresh no more */
        ck_assert_int_ne(access("runs/.cache/files", F_OK), 0);
    sleep(3);
    works(attempt(2, 0, keys, &s));
    ck_assert_int_eq(s.state, TESSI_CACHED);
    ck_assert_int_eq(access("runs/.cache/files", F_OK), 0);
    spoil_table(); /* so it is read: the key is another */
    works(attempt(2, 0, keys, &s));
    ck_assert_int_eq(s.state, TESSI_CHANGED);
    ck_assert_msg(strstr(s.reason, "/d/1.png changed"), "%s", s.reason);
    small_shell("printf x >> runs/.cache/files"); /* a table that looks wrong is none */
    works(attempt(2, 0, keys, &s));
    ck_assert_int_eq(s.state, TESSI_CACHED);
    /* Content changed at the same length, with the old time restored. */
    small_shell("cp -p d/2.png kept.png; printf x | dd of=d/2.png bs=1 seek=40 conv=notrunc 2>/dev/null; touch -r kept.png d/2.png");
    works(attempt(2, 0, keys, &s));
    ck_assert_int_eq(s.state, TESSI_CHANGED);
    small_shell("cp -p kept.png d/2.png; mv d/2.png d/3.png");
    works(attempt(2, 0, keys, &s)); /* names count */
    ck_assert_int_eq(s.state, TESSI_CHANGED);
    small_shell("mv d/3.png d/2.png");
    works(attempt(2, 0, keys, &s));
    ck_assert_int_eq(s.state, TESSI_CACHED);
    small_shell("rm d/2.png; ln -s nowhere d/2.png");
    ck_assert_int_eq(attempt(2, 0, keys, &s), TESS_E_IO);
    ck_assert_ptr_nonnull(strstr(message, "d/2.png: cannot be opened: No such file"));
}
END_TEST

/* A folder of many files takes a few bytes for each, and its names come back in their order. */
START_TEST(memory_of_many_names)
{
    enum { FILES = 3000 };
    struct tess_image image = {.size = sizeof image};
    char name[40];
    small_shell("mkdir d; cd d; seq -f image-%06g.png 0 2999 | xargs touch; mkdir sub; touch sub/x.png");
    int64_t before = tessi_base_memory_in_use();
    works(open_source("d", ""));
    ck_assert_int_lt(tessi_base_memory_in_use() - before, 16 * FILES);
    ck_assert_int_eq(ops->count(self), FILES + 1);
    for (int64_t i = 0; i < FILES; i += 7) {
        ck_assert_int_eq(ops->read(self, &context.context, i, &image), TESS_E_ITEM);
        tessi_base_context_clear(&context.context);
        snprintf(name, sizeof name, "image-%06d.png", (int)i);
        ck_assert_str_eq(image.name, name);
    }
    ck_assert_int_eq(ops->read(self, &context.context, FILES, &image), TESS_E_ITEM);
    ck_assert_str_eq(image.name, "sub/x.png");
    tessi_base_context_clear(&context.context);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("folder");
    TCase *t = tcase_create("folder");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, looks_as_it_should, 0, LOOKS);
    tcase_add_loop_test(t, is_upright, 1, 9);
    tcase_add_test(t, inks_as_in_pillow);
    tcase_add_test(t, order_is_that_of_bytes);
    tcase_add_test(t, classes_are_folders);
    tcase_add_test(t, links_are_followed);
    tcase_add_test(t, others_are_told);
    tcase_add_test(t, names_are_texts);
    tcase_add_test(t, nothing_to_read);
    tcase_add_test(t, half_an_image_is_none);
    tcase_add_test(t, each_bit_of_a_png_counts);
    tcase_add_test(t, damage_is_refused);
    tcase_add_test(t, want_of_memory_is_no_damage);
    tcase_add_test(t, no_images);
    tcase_add_test(t, many_threads);
    tcase_add_test(t, same_data_wherever_it_is);
    tcase_add_test(t, archives_tell_what_was_skipped);
    tcase_add_test(t, contents_are_remembered);
    tcase_add_test(t, content_is_that_of_the_bytes);
    tcase_add_test(t, memory_of_many_names);
    suite_add_tcase(s, t);
    return suite_run(s);
}
