/* Merging and splitting archives: what comes back is what went in, byte for byte where shards are whole; what does not belong together is
 * refused with a sentence; a kill leaves no archive, and the same command ends it. SPDX-License-Identifier: MIT */
#include "core/archive/archive.h"
#include "core/base/inject.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/craft.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ITEMS = 10 };

static int merge(const char *to, struct tessi_archive_counts *counts, int n, const char *const *name)
{
    const char *from[8];
    char path[8][256];
    for (int i = 0; i < n; i++) {
        snprintf(path[i], sizeof path[i], "%s", store_path(name[i]));
        from[i] = path[i];
    }
    char out[256];
    snprintf(out, sizeof out, "%s", store_path(to));
    return tessi_archive_merge(C, &(struct tessi_archive_merge){.from = from, .froms = n, .to = out, .out = counts});
}
#define MERGE(to, counts, ...)                                                                                                             \
    merge(to, counts, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

static int split(const char *from, const char *to, int64_t rows, int64_t parts, int *without)
{
    int64_t shards;
    char in[256], out[256];
    snprintf(in, sizeof in, "%s", store_path(from));
    snprintf(out, sizeof out, "%s", store_path(to));
    return tessi_archive_split(C, &(struct tessi_archive_split){
                                      .from = in, .to = out, .rows = rows, .parts = parts, .shards = &shards, .without_ranges = without});
}

static int64_t faults(const char *name)
{
    struct tessi_archive_counts counts;
    store_ok(tessi_archive_verify(C, &(struct tessi_archive_verify){.path = store_path(name), .processes = 1}, &counts));
    return counts.faults;
}

static void same_bytes(const char *one, const char *other)
{
    char line[700];
    snprintf(line, sizeof line, "cmp %s", store_path(one));
    snprintf(line + strlen(line), sizeof line - strlen(line), " %s", store_path(other));
    ck_assert_msg(system(line) == 0, "%s", line);
}

/* Two machines' folders without an index, of an archive "a" of four shards: shards 0 and 2, and 1 and 3. */
static void two_machines(void)
{
    char from[64], to[64];
    archive_setup("a", 4, &(struct archive_shard){.items = ITEMS});
    archive_folder("m0");
    archive_folder("m1");
    for (int i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "a/shard-%06d.h5", i);
        snprintf(to, sizeof to, "m%d/shard-%06d.h5", i % 2, i);
        store_copy(from, to, -1);
    }
}

START_TEST(machines)
{
    struct tessi_archive_counts c;
    store_setup();
    two_machines();
    store_ok(MERGE("out", &c, "m1", "m0"));
    ck_assert(c.shards == 4 && c.items == 4 * ITEMS && c.rows + c.skipped == c.items);
    same_bytes("a/index.h5", "out/index.h5");
    same_bytes("a/shard-000003.h5", "out/shard-000003.h5");
    ck_assert_int_eq(faults("out"), 0);
    store_ok(MERGE("out", &c, "m0", "m1")); /* the same again finds its own work, and what of it was lost */
    ck_assert_int_eq(unlink(store_path("out/shard-000002.h5")), 0);
    store_ok(MERGE("out", &c, "m0", "m1"));
    same_bytes("a/shard-000002.h5", "out/shard-000002.h5");
    archive_folder("other");
    archive_write_shard("other/shard-000003.h5", &(struct archive_shard){.first = 3 * ITEMS, .items = ITEMS, .wrong_label = 1});
    archive_folder("three");
    for (int i = 0; i < 3; i++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "a/shard-%06d.h5", i);
        snprintf(to, sizeof to, "three/shard-%06d.h5", i);
        store_copy(from, to, -1);
    }
    store_fails(MERGE("out", &c, "three", "other"), TESS_E_CREATE, "is an archive already, of other shards", NULL);
    store_fails(MERGE("out", &c, "three"), TESS_E_CREATE, "is an archive already, of other shards", NULL);
    same_bytes("a/shard-000003.h5", "out/shard-000003.h5");
    store_ok(MERGE("again", &c, "m0", "out")); /* shards given twice are one */
    same_bytes("a/index.h5", "again/index.h5");
    store_fails(MERGE("more", &c, "m0"), TESS_E_DATA, "items 10 to 19 are missing", NULL);
    store_fails(MERGE("more", &c, "m1"), TESS_E_DATA, "items 0 to 9 are missing", NULL);
    archive_folder("m2");
    archive_write_shard("m2/shard-000001.h5", &(struct archive_shard){.first = 5, .items = ITEMS});
    store_fails(MERGE("more", &c, "m0", "m1", "m2"), TESS_E_DATA, "items 5 to 9 are in two files", NULL);
    archive_write_shard("m2/shard-000001.h5", &(struct archive_shard){.first = 40, .items = ITEMS, .tokenizer = "def"});
    store_fails(MERGE("more", &c, "a", "m2"), TESS_E_DATA, "its `tokenizer` is def", "is abc", "encode one of the two again", NULL);
    archive_write_shard("m2/shard-000001.h5", &(struct archive_shard){.first = 40, .items = ITEMS, .codebook_size = 41});
    store_fails(MERGE("more", &c, "a", "m2"), TESS_E_DATA, "its `codebook_size` is 41", "is 40", NULL);
    archive_write_shard("m2/shard-000001.h5", &(struct archive_shard){.first = 40, .items = ITEMS, .height = 2});
    store_fails(MERGE("more", &c, "a", "m2"), TESS_E_DATA, "its `height` is 2", NULL);
    archive_folder("deep");
    archive_folder("flat");
    archive_write_shard("deep/shard-000000.h5", &(struct archive_shard){.items = ITEMS, .depth = 2});
    archive_write_shard("flat/shard-000001.h5", &(struct archive_shard){.first = ITEMS, .items = ITEMS});
    store_fails(MERGE("more", &c, "deep", "flat"), TESS_E_DATA, "its `depth` is missing", "deep/shard-000000.h5 is 2", NULL);
    store_fails(MERGE("more", &c, "flat", "deep"), TESS_E_DATA, "its `depth` is 2", "flat/shard-000001.h5 is missing", NULL);
    store_fails(MERGE("more", &c, "m3"), TESS_E_IO, "m3", NULL);
    char from[256], to[256];
    archive_folder("wrong");
    snprintf(from, sizeof from, "%s", store_path("a/shard-000000.h5"));
    snprintf(to, sizeof to, "%s", store_path("wrong/shard-000000.h5"));
    archive_write_shard("wrong/shard-000000.h5", &(struct archive_shard){.items = 20, .wrong_code = 1});
    store_fails(MERGE("wrong.h5", &c, "wrong"), TESS_E_DATA, "wrong/shard-000000.h5: row 3 has code 41, whose codebook has 40", NULL);
    craft(from, to, &(struct craft){.attr = "train_count", .value = 100}); /* no file is made of one that contradicts itself */
    store_fails(MERGE("wrong.h5", &c, "wrong"), TESS_E_DATA, "the attribute `train_count` is 100", NULL);
    store_fails(MERGE("a", &c, "a"), TESS_E_USAGE, "is one of the archives", NULL);
    store_teardown();
}
END_TEST

static void digest_of(const char *name, char digest[65])
{
    struct tess_artefact *a = store_open(name);
    strcpy(digest, tess_artefact_digest(a));
    tessi_store_artefact_close(a);
}

START_TEST(one_file)
{
    struct tessi_archive_counts c;
    char one[65], other[65];
    int without = -1;
    store_setup();
    two_machines();
    archive_write_shard("whole.h5", &(struct archive_shard){.items = 4 * ITEMS});
    store_ok(MERGE("merged.h5", &c, "m0", "m1"));
    ck_assert_int_eq(faults("merged.h5"), 0);
    digest_of("whole.h5", one);
    digest_of("merged.h5", other);
    ck_assert_str_eq(one, other);
    store_ok(split("merged.h5", "s", 7, 0, &without)); /* items were skipped: which shard they are of is not known */
    ck_assert_int_eq(without, 1);
    ck_assert_int_eq(faults("s"), 0);
    store_copy("s/index.h5", "index.h5", -1);
    ck_assert_int_eq(unlink(store_path("s/shard-000001.h5")), 0);
    store_ok(split("merged.h5", "s", 7, 0, &without)); /* the same again finds its own work, and what of it was lost */
    ck_assert_int_eq(faults("s"), 0);
    same_bytes("index.h5", "s/index.h5");
    store_fails(split("merged.h5", "s", 8, 0, &without), TESS_E_CREATE, "is an archive already, of other shards", NULL);
    archive_write_shard("other.h5", &(struct archive_shard){.items = 4 * ITEMS, .wrong_label = 1});
    store_fails(split("other.h5", "s", 7, 0, &without), TESS_E_CREATE, "is an archive already, of other shards", NULL);
    ck_assert_int_eq(faults("s"), 0);
    store_ok(MERGE("again.h5", &c, "s"));
    store_copy("merged.h5", "flipped.h5", -1);
    archive_flip_code("flipped.h5"); /* so small a dataset has no checksum of its own */
    store_fails(MERGE("w.h5", &c, "flipped.h5"), TESS_E_DATA, "flipped.h5: the content has digest", NULL);
    store_fails(split("flipped.h5", "w", 7, 0, &without), TESS_E_DATA, "flipped.h5: the content has digest", NULL);
    ck_assert_int_eq(c.rows, 34);
    ck_assert_int_eq(c.skipped, 6);
    store_ok(split("a", "halves", 0, 2, &without)); /* whole shards */
    ck_assert_int_eq(without, 0);
    ck_assert_int_eq(faults("halves"), 0);
    store_ok(MERGE("third.h5", &c, "halves"));
    same_bytes("merged.h5", "third.h5");
    store_ok(split("a", "same", 0, 4, &without));
    store_ok(split("a", "same", 0, 4, &without));
    same_bytes("a/index.h5", "same/index.h5");
    store_fails(split("a", "many", 0, 35, &without), TESS_E_VALUE, "34 rows make no 35 shards", NULL);
    store_teardown();
}
END_TEST

/* Runs the merge in a process that is killed at the n-th passage of a point: 1 where it was. */
static int killed_at(const char *plan)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct tessi_archive_counts c;
        (void)!tessi_base_inject_plan(plan);
        _exit(MERGE("out", &c, "m0", "m1") == TESS_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

START_TEST(killed)
{
    static const char *const points[] = {"renamed", "rename", "write", "sync", "open"};
    char plan[64], line[300];
    int kills = 0;
    store_setup();
    two_machines();
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (int n = 1; n < 40; n += 1 + n / 4) {
            snprintf(line, sizeof line, "rm -rf %s", store_path("out"));
            ck_assert_int_eq(system(line), 0);
            snprintf(plan, sizeof plan, "kill@%s:%d", points[p], n);
            if (!killed_at(plan))
                break;
            kills++;
            ck_assert_msg(!store_exists("out/index.h5") || faults("out") == 0, "%s left a part", plan);
            ck_assert_int_eq(killed_at(NULL), 0);
            same_bytes("a/index.h5", "out/index.h5");
        }
    ck_assert_int_gt(kills, 10);
    store_teardown();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("archive merge");
    TCase *c = tcase_create("merge");
    tcase_set_timeout(c, 20);
    tcase_add_test(c, machines);
    tcase_add_test(c, one_file);
    tcase_add_test(c, killed);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
