/* The `tar` source: samples of WebDataset's shards, written here header by header; patterns of several shards; and archives that are
 * damaged, truncated, compressed or hostile.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, ALL = 1 << 20 };

static uint8_t tar[ALL];
static size_t used;

static void tar_sum(uint8_t *h)
{
    unsigned sum = 0;
    memset(h + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

/* Adds a member of any type, with its bytes padded to whole blocks. */
static void tar_add(const char *name, char type, const void *bytes, size_t n)
{
    uint8_t *h = tar + used;
    memset(h, 0, BLOCK);
    memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
    snprintf((char *)h + 100, 8, "%07o", 0644);
    snprintf((char *)h + 108, 8, "%07o", 0);
    snprintf((char *)h + 116, 8, "%07o", 0);
    snprintf((char *)h + 124, 12, "%011o", (unsigned)n);
    snprintf((char *)h + 136, 12, "%011o", 0);
    h[156] = (uint8_t)type;
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    if (type == '2')
        memcpy(h + 157, "target", 6);
    tar_sum(h);
    used += BLOCK;
    memset(tar + used, 0, (n + BLOCK - 1) / BLOCK * BLOCK);
    memcpy(tar + used, bytes, n);
    used += (n + BLOCK - 1) / BLOCK * BLOCK;
}

static void tar_text(const char *name, const char *text)
{
    tar_add(name, '0', text, strlen(text));
}

static void tar_image(const char *name, const char *image)
{
    static uint8_t all[65536];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", TEST_FOLDER, image);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    tar_add(name, '0', all, n);
}

/* A pax header for the member behind it: a record "LENGTH KEY=VALUE\n". */
static void tar_pax(const char *key, const char *value)
{
    char record[1200];
    int bare = (int)(strlen(key) + strlen(value) + 3), length = bare + 2;
    length = bare + (length > 99 ? 3 : 2);
    snprintf(record, sizeof record, "%d %s=%s\n", length, key, value);
    tar_add("pax", 'x', record, (size_t)length);
}

static void tar_end(const char *name)
{
    memset(tar + used, 0, (size_t)2 * BLOCK);
    source_put(name, tar, used + (size_t)2 * BLOCK);
    used = 0;
}

static int open_tar(const char *name, const char *more)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: tar, path: \"%s/%s\"%s}", source.folder, name, more);
    return source_open(config_text);
}

static void setup(void)
{
    source_setup();
    used = 0;
}

/* ---- samples ------------------------------------------------------------------------------------------------------- */

static void put_samples(const char *name)
{
    tar_add("in/", '5', "", 0);
    tar_text("in/1.cls", " 3\n");
    tar_text("in/1.json", "{\"label\": \"ape\", \"kind\": \"b\"}");
    tar_image("in/1.png", "colour.png");
    tar_image("in/1.seg.png", "grey.png");
    tar_image("in/2.PNG", "grey.png");
    tar_text("in/2.txt", "a caption");
    tar_text("in/3.cls", "1");
    tar_image("x.y/4.jpg", "photo.jpg");
    tar_text("x.y/4.cls", "0\n");
    tar_text("x.y/4.json", "{\"kind\": 7}");
    tar_end(name);
}

START_TEST(samples_with_labels)
{
    put_samples("s.tar");
    source_works(open_tar("s.tar", ""));
    ck_assert_str_eq(source_listed(), "s/in/1.png:3 s/in/2.PNG:-1 s/x.y/4.jpg:0 ");
    ck_assert_int_eq(source.ops->labels(source.self), 4);
    ck_assert_str_eq(source.ops->remark(source.self), "1 samples have no image (in/3)");
    source_works(open_tar("s.tar", ", labels: json"));
    ck_assert_str_eq(source_listed(), "s/in/1.png:0 s/in/2.PNG:-1 s/x.y/4.jpg:-1 ");
    ck_assert_str_eq(source.ops->class_name(source.self, 0), "ape");
    source_works(open_tar("s.tar", ", labels: json, label: kind"));
    ck_assert_str_eq(source_listed(), "s/in/1.png:1 s/in/2.PNG:-1 s/x.y/4.jpg:0 ");
    source_works(open_tar("s.tar", ", labels: none, image: seg.png jpg"));
    ck_assert_str_eq(source_listed(), "s/in/1.seg.png:-1 s/x.y/4.jpg:-1 ");
}
END_TEST

/* Images are the same as in a folder, pixel by pixel, and have the same content. */
START_TEST(as_in_a_folder)
{
    struct tess_image a = {.size = sizeof a}, b = {.size = sizeof b};
    char config_text[256], kept[TESS_DIGEST_TEXT];
    put_samples("s.tar");
    source_works(open_tar("s.tar", ""));
    source_works(source.ops->read(source.self, source.ctx, 2, &a));
    strcpy(kept, source_content(2));
    source.ops->soon(source.self, 0, 3);
    snprintf(config_text, sizeof config_text, "{use: folder, path: %s/photo.jpg}", TEST_FOLDER);
    source_works(source_open(config_text));
    source_works(source.ops->read(source.self, source.ctx, 0, &b));
    ck_assert(a.height == b.height && a.width == b.width && a.channels == b.channels);
    ck_assert_int_eq(memcmp(a.pixels, b.pixels, (size_t)(a.height * a.width * a.channels)), 0);
    ck_assert_str_eq(source_content(0), kept);
    tess_image_free(&a);
    tess_image_free(&b);
}
END_TEST

static const struct {
    const char *pattern, *listed;
} patterns[] = {{"s-{08..11}.tar", "s-08/1.png:-1 s-09/1.png:-1 s-10/1.png:-1 s-11/1.png:-1 "},
                {"s-{11,08}.tar", "s-11/1.png:-1 s-08/1.png:-1 "},
                {"s-{0{8,9},10}.tar", NULL},
                {"{s,t}-{09..09}.tar", NULL},
                {"s-1*.tar", "s-10/1.png:-1 s-11/1.png:-1 "},
                {"{s,s}-1?.tar", "s-10/1.png:-1 s-11/1.png:-1 s-10/1.png:-1 s-11/1.png:-1 "},
                {"", "s-08/1.png:-1 s-09/1.png:-1 s-10/1.png:-1 s-11/1.png:-1 "},
                {"s-{08..12}.tar", NULL},
                {"s-{11..08}.tar", NULL},
                {"s-{0..999999999}.tar", NULL},
                {"none*.tar", NULL}};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

START_TEST(shards_of_a_pattern)
{
    for (int k = 8; k < 12; k++) {
        char name[24];
        snprintf(name, sizeof name, "s-%02d.tar", k);
        tar_image("1.png", "colour.png");
        tar_end(name);
    }
    source_put_text("s-10.txt", "beside");
    int status = open_tar(patterns[_i].pattern, "");
    if (!patterns[_i].listed) {
        ck_assert_int_ne(status, TESS_OK);
        return;
    }
    source_works(status);
    ck_assert_str_eq(source_listed(), patterns[_i].listed);
}
END_TEST

/* ---- odd archives -------------------------------------------------------------------------------------------------- */

START_TEST(long_and_odd_names)
{
    char name[301] = "", listed[1400];
    memset(name, 'n', 296);
    strcat(name, ".png");
    tar_pax("path", name);
    tar_image("short.png", "colour.png");
    tar_pax("path", "\xc3\xa9\xe6\xbc\xa2.png");
    tar_image("short.png", "colour.png");
    tar_image("\xff.png", "colour.png");
    tar_image("new\nline.png", "colour.png");
    tar_end("s.tar");
    source_works(open_tar("s.tar", ""));
    const char *found = source_listed();
    snprintf(listed, sizeof listed, "%s:-1 s/\xc3\xa9\xe6\xbc\xa2.png:-1 s/\\xff.png:-1 s/new\nline.png:-1 ", name + 300 - 236);
    ck_assert_msg(strstr(found, listed) && strstr(found, "...n"), "%s", found);
}
END_TEST

START_TEST(members_that_are_passed_by)
{
    tar_image("/etc/1.png", "colour.png");
    tar_image("in/../../2.png", "colour.png");
    tar_add("3.png", '2', "", 0);
    tar_add("4.png", '3', "", 0);
    tar_image("5.png", "colour.png");
    tar_image("5.png", "grey.png");
    tar_image("6.png", "grey.png");
    tar_image("5.png", "grey.png");
    tar_text("7.png", "");
    tar_text("8.png", "no image");
    tar_end("s.tar");
    source_works(open_tar("s.tar", ""));
    ck_assert_str_eq(source_listed(), "s/5.png:-1 s/6.png:-1 s/5.png:-1 s/7.png! s/8.png! ");
    ck_assert_str_eq(
        source.ops->remark(source.self),
        "1 members are links (3.png); 1 members are devices, pipes or sparse (4.png); 2 members have names that lead out of the "
        "archive (/etc/1.png); 1 members stand twice in their sample, and the first counts (5.png); 1 images have the name of one "
        "before (s/5.png)");
}
END_TEST

/* Truncated at any block, and within any: refused, or told that the end is missing. */
START_TEST(truncated_archives)
{
    tar_image("1.png", "colour.png");
    tar_image("2.jpg", "colour.jpg");
    size_t whole = used;
    for (size_t n = 1; n < whole; n += n % BLOCK == 0 ? 1 : n % BLOCK == 1 ? BLOCK - 2 : 1) {
        source_put("s.tar", tar, n);
        int status = open_tar("s.tar", "");
        if (status == TESS_OK)
            ck_assert_msg(source.ops->remark(source.self) && strstr(source.ops->remark(source.self), "may have been cut"), "%zu bytes", n);
        else
            source_refused(status, TESS_E_DATA, "s.tar: ");
    }
}
END_TEST

START_TEST(lying_headers)
{
    static const char *const sizes[] = {"77777777777", "00000100000", "-0000000001", "99999999999",
                                        "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff"};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        tar_image("1.png", "colour.png");
        memcpy(tar + 124, sizes[k], 11);
        tar_sum(tar);
        tar_end("s.tar");
        int status = open_tar("s.tar", "");
        ck_assert_msg(status == TESS_E_DATA, "%zu: %d", k, status);
        tessi_base_context_clear(source.ctx);
    }
    tar_image("1.png", "colour.png");
    tar_image("2.png", "colour.png");
    tar[BLOCK * 2]++;
    tar_end("s.tar");
    source_refused(open_tar("s.tar", ""), TESS_E_DATA, "is damaged, or no tar file: at byte 1024: ");
}
END_TEST

START_TEST(other_files)
{
    source_put("s.tar",
               "\x1f\x8b"
               "compressed, and long enough to be looked at",
               40);
    source_refused(open_tar("s.tar", ""), TESS_E_DATA, "s.tar: is damaged or truncated: gzip stops behind 0 bytes of the archive: ");
    source_put_text("s.tar", "text");
    source_refused(open_tar("s.tar", ""), TESS_E_DATA, "is no tar file: it has 4 bytes");
    memset(tar, 'x', 4096);
    source_put("s.tar", tar, 4096);
    source_refused(open_tar("s.tar", ""), TESS_E_DATA, "is damaged, or no tar file");
    tar_text("1.txt", "none");
    tar_end("s.tar");
    source_refused(open_tar("s.tar", ""), TESS_E_DATA, "has no images: no member ends in one of");
    tar_image("1.png", "colour.png");
    tar_text("1.cls", "a\0b");
    tar[used - BLOCK + 1] = 0;
    tar_end("s.tar");
    source_works(open_tar("s.tar", ""));
}
END_TEST

/* A label that cannot be read is the fault of its sample, and not of the others; where there is no other, it is refused. */
START_TEST(labels_that_are_none)
{
    struct tess_image im = {.size = sizeof im};
    static char all[1100];
    memset(all, '7', sizeof all - 1);
    tar_image("1.png", "colour.png");
    tar_text("1.json", "{\"label\": ");
    tar_end("s.tar");
    source_refused(open_tar("s.tar", ", labels: json"), TESS_E_DATA,
                   "no image has a label, and s/1.png has a .json that is no JSON object; set `labels: none`");
    tar_image("1.png", "colour.png");
    tar_text("1.cls", "4");
    tar_image("2.png", "colour.png");
    tar_text("2.cls", all);
    tar_image("3.png", "colour.png");
    tar_image("4.png", "colour.png");
    tar_add("4.cls", '0', "1\0", 2);
    tar_end("s.tar");
    source_works(open_tar("s.tar", ""));
    ck_assert_str_eq(source_listed(), "s/1.png:4 s/2.png! s/3.png:-1 s/4.png! ");
    source_refused(source.ops->read(source.self, source.ctx, 1, &im), TESS_E_ITEM, "s/2.png: has a .cls of more than 1024 bytes");
    ck_assert_str_eq(im.reason, "has a .cls of more than 1024 bytes");
    tess_image_free(&im);
}
END_TEST

/* ---- compressed archives --------------------------------------------------------------------------------------------- */

static const char *const packers[] = {"gzip", "bzip2", "xz", "zstd", "lz4"};
enum { PACKERS = sizeof packers / sizeof *packers };

/* Compresses FROM to TO by a program; 0: it is not here. */
static int packed(const char *packer, const char *from, const char *to)
{
    char line[1024];
    snprintf(line, sizeof line, "command -v %s > /dev/null", packer);
    if (system(line) != 0)
        return 0;
    snprintf(line, sizeof line, "%s -c '%s/%s' > '%s/%s'", packer, source.folder, from, source.folder, to);
    ck_assert_int_eq(system(line), 0);
    return 1;
}

static void pixels_of(int64_t i, struct tess_image *im)
{
    source_works(source.ops->read(source.self, source.ctx, i, im));
}

/* Told by the first bytes and not by the name; images, labels and contents are those of the plain file, in any order of reading. */
START_TEST(compressed_archives)
{
    static const int64_t order[] = {0, 1, 2, 1, 0, 2, 2};
    struct tess_image plain[3] = {{.size = sizeof *plain}, {.size = sizeof *plain}, {.size = sizeof *plain}};
    struct tess_image im = {.size = sizeof im};
    char kept[3][TESS_DIGEST_TEXT], listed[200];
    put_samples("s.tar");
    if (!packed(packers[_i], "s.tar", "s.tar.gz"))
        return;
    source_works(open_tar("s.tar", ", labels: json"));
    for (int64_t i = 0; i < 3; i++) {
        pixels_of(i, &plain[i]);
        strcpy(kept[i], source_content(i));
    }
    snprintf(listed, sizeof listed, "%s", source_listed());
    source_works(open_tar("s.tar.gz", ", labels: json"));
    ck_assert_str_eq(source_listed(), listed);
    source.ops->soon(source.self, 0, 3);
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        const struct tess_image *p = &plain[order[k]];
        pixels_of(order[k], &im);
        ck_assert(im.height == p->height && im.width == p->width && im.channels == p->channels);
        ck_assert_int_eq(memcmp(im.pixels, p->pixels, (size_t)(im.height * im.width * im.channels)), 0);
        ck_assert_str_eq(source_content(order[k]), kept[order[k]]);
    }
    for (int64_t i = 0; i < 3; i++)
        tess_image_free(&plain[i]);
    tess_image_free(&im);
}
END_TEST

/* Several files, plain ones among them, read backwards and by leaps. */
START_TEST(compressed_shards)
{
    struct tess_image im = {.size = sizeof im};
    char name[24], path[128], listed[400];
    for (int k = 0; k < 5; k++)
        for (int n = 0; n < 3; n++) {
            snprintf(name, sizeof name, "%d-%d.png", k, n);
            tar_image(name, n % 2 ? "grey.png" : "colour.png");
            snprintf(name, sizeof name, "s-%d.tar", k);
            if (n == 2)
                tar_end(name);
        }
    source_works(open_tar("", ""));
    snprintf(listed, sizeof listed, "%s", source_listed());
    for (int k = 0; k < 5; k += 1 + (k == 1)) {
        char to[24];
        snprintf(name, sizeof name, "s-%d.tar", k);
        snprintf(to, sizeof to, "s-%d.%s", k, k ? "tgz" : "tar.gz");
        ck_assert_int_eq(packed("gzip", name, to), 1);
        snprintf(path, sizeof path, "%s/%s", source.folder, name);
        ck_assert_int_eq(unlink(path), 0);
    }
    source_works(open_tar("", ""));
    ck_assert_str_eq(source_listed(), listed);
    for (int64_t i = 14; i >= 0; i--)
        pixels_of((i * 7) % 15, &im);
    pixels_of(14, &im);
    pixels_of(1, &im);
    pixels_of(13, &im);
    ck_assert_str_eq(im.name, "s-4/4-1.png");
    tess_image_free(&im);
}
END_TEST

/* Truncated anywhere, or with a bit that flipped: refused with the file's name, or the same images. The first bytes tell the compression,
 * and gzip has no checksum of its header. */
START_TEST(damaged_compressed_archives)
{
    static uint8_t all[1 << 16];
    char path[512];
    put_samples("s.tar");
    if (!packed(packers[_i], "s.tar", "s.tgz"))
        return;
    snprintf(path, sizeof path, "%s/s.tgz", source.folder);
    FILE *f = fopen(path, "rb");
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    for (size_t less = 1; less < n - 6; less += 1 + less / 3) {
        source_put("s.tgz", all, n - less);
        source_refused(open_tar("s.tgz", ""), TESS_E_DATA, "s.tgz: is ");
    }
    for (size_t at = 12; at < n; at += 1 + n / 40) {
        all[at] ^= 4;
        source_put("s.tgz", all, n);
        all[at] ^= 4;
        int status = open_tar("s.tgz", "");
        if (status == TESS_OK)
            ck_assert_msg(strstr(source_listed(), "s/in/1.png:3 s/in/2.PNG:-1 s/x.y/4.jpg:0 "), "%zu: %s", at, source_listed());
        else
            source_refused(status, TESS_E_DATA, "s.tgz: is ");
    }
}
END_TEST

/* The archive within breaks off, and its compression does not. */
START_TEST(truncated_within)
{
    tar_image("1.png", "colour.png");
    tar_image("2.png", "colour.png");
    source_put("s.tar", tar, used - BLOCK);
    ck_assert_int_eq(packed("gzip", "s.tar", "s.tgz"), 1);
    source_refused(open_tar("s.tgz", ""), TESS_E_DATA, "s.tgz: is ");
    source_put("s.tar", tar, used);
    ck_assert_int_eq(packed("gzip", "s.tar", "s.tgz"), 1);
    source_works(open_tar("s.tgz", ""));
    ck_assert_str_eq(source.ops->remark(source.self), "1 files have no mark of their end and may have been cut (s.tgz)");
    source_put("s.tgz", "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
    source_refused(open_tar("s.tgz", ""), TESS_E_DATA, "s.tgz: ");
    used = 0;
}
END_TEST

/* What is behind the mark of the end is told as that: junk of any length, and a second archive, behind few or many zeros. */
START_TEST(behind_the_end)
{
    static const struct {
        size_t zeros, junk;
    } tail[] = {{1024, 1}, {1024, 3 * BLOCK}, {512, BLOCK}, {10240, 700}, {9 * 1024, 0}, {512, 0}};
    static const char *const told = "1 files go on behind the mark of their end, which is not read: if they are several that were joined, "
                                    "give them apart (%s)";
    char words[200];
    for (size_t k = 0; k < 2 * sizeof tail / sizeof *tail; k++) {
        const char *name = k % 2 ? "s.tgz" : "s.tar";
        tar_image("1.png", "colour.png");
        tar_image("2.png", "colour.png");
        memset(tar + used, 0, tail[k / 2].zeros);
        memset(tar + used + tail[k / 2].zeros, 'j', tail[k / 2].junk);
        source_put("s.tar", tar, used + tail[k / 2].zeros + tail[k / 2].junk);
        used = 0;
        if (k % 2)
            ck_assert_int_eq(packed("gzip", "s.tar", "s.tgz"), 1);
        source_works(open_tar(name, ""));
        ck_assert_str_eq(source_listed(), "s/1.png:-1 s/2.png:-1 ");
        snprintf(words, sizeof words, told, name);
        const char *remark = source.ops->remark(source.self);
        if (tail[k / 2].junk)
            ck_assert_str_eq(remark, words);
        else
            ck_assert_msg(!remark, "%s", remark);
    }
    tar_image("1.png", "colour.png"); /* `cat a.tar b.tar` ends as a whole archive does */
    memset(tar + used, 0, 2 * BLOCK);
    used += (size_t)2 * BLOCK;
    tar_image("2.png", "colour.png");
    tar_end("s.tar");
    source_works(open_tar("s.tar", ""));
    ck_assert_str_eq(source_listed(), "s/1.png:-1 ");
    snprintf(words, sizeof words, told, "s.tar");
    ck_assert_str_eq(source.ops->remark(source.self), words);
}
END_TEST

/* A shard that changes between its index and a read is no image of another. */
START_TEST(shards_that_change)
{
    struct tess_image im = {.size = sizeof im};
    put_samples("s.tar");
    source_works(open_tar("s.tar", ""));
    tar_image("in/1.png", "colour.png");
    tar_end("s.tar");
    source_refused(source.ops->read(source.self, source.ctx, 0, &im), TESS_E_IO, "changed since it was opened");
    put_samples("s.tar");
    ck_assert_int_eq(packed("gzip", "s.tar", "s.tgz"), 1);
    source_works(open_tar("s.tgz", ""));
    source_works(source.ops->read(source.self, source.ctx, 0, &im));
    ck_assert_int_eq(packed("gzip -1", "s.tar", "s.tgz"), 1);
    source_refused(source.ops->read(source.self, source.ctx, 1, &im), TESS_E_IO, "changed since it was opened");
    tess_image_free(&im);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tar");
    Suite *s = suite_create("tar");
    tcase_add_checked_fixture(t, setup, source_teardown);
    tcase_add_test(t, samples_with_labels);
    tcase_add_test(t, as_in_a_folder);
    tcase_add_loop_test(t, shards_of_a_pattern, 0, PATTERNS);
    tcase_add_test(t, long_and_odd_names);
    tcase_add_test(t, members_that_are_passed_by);
    tcase_add_test(t, truncated_archives);
    tcase_add_test(t, lying_headers);
    tcase_add_test(t, other_files);
    tcase_add_loop_test(t, compressed_archives, 0, PACKERS);
    tcase_add_test(t, compressed_shards);
    tcase_add_loop_test(t, damaged_compressed_archives, 0, PACKERS);
    tcase_add_test(t, truncated_within);
    tcase_add_test(t, behind_the_end);
    tcase_add_test(t, labels_that_are_none);
    tcase_add_test(t, shards_that_change);
    suite_add_tcase(s, t);
    return suite_run(s);
}
