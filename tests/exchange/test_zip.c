/* Zip files of PyTorch that are not what they say: damaged, with members twice, with records that contradict each other or the file, also
 * in the long records of large files. SPDX-License-Identifier: MIT */
#include "tests/support/torch_fixture.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

#define PICKLE DICT_OF(FINE)
#define M(name, bytes, method, spoilt)                                                                                                     \
    {                                                                                                                                      \
        name, bytes, sizeof(bytes) - 1, method, spoilt                                                                                     \
    }
#define STORED_FOUR                                                                                                                        \
    {                                                                                                                                      \
        "m/data/0", torch_four, sizeof torch_four, 0, 0                                                                                    \
    }

static const struct {
    struct torch_member member[4];
    int members;
    size_t cut;
    const char *words;
} damaged[] = {
    {{M("m/data.pkl", PICKLE, 0, 0), M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR}, 3, 0, "has two members called `m/data.pkl`"},
    {{M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR, STORED_FOUR}, 3, 0, "has two members called `m/data/0`"},
    {{M("m/data.pkl", PICKLE, 0, 0), M("n/data.pkl", PICKLE, 0, 0), STORED_FOUR}, 3, 0, "has data.pkl in more than one folder"},
    {{M("m/x/data.pkl", PICKLE, 0, 0), STORED_FOUR}, 2, 0, "is a zip file without FOLDER/data.pkl"},
    {{M("m/code/x.py", "pass", 0, 0)}, 1, 0, "is a zip file without FOLDER/data.pkl"},
    {{M("m/data.pkl", PICKLE, 8, 0), STORED_FOUR}, 2, 0, "`m/data.pkl` in it is compressed, encrypted or larger than the file"},
    {{M("m/data.pkl", PICKLE, 0, 0), {"m/data/0", torch_four, sizeof torch_four, 8, 0}}, 2, 0, "`m/data/0` in it is compressed"},
    {{M("m/data.pkl", PICKLE, 0, 1), STORED_FOUR}, 2, 0, "`m/data.pkl` in it cannot be read: "},
    {{M("m/data.pkl", PICKLE, 0, 0), M("m/byteorder", "big", 0, 0), STORED_FOUR}, 3, 0, "its numbers are not little-endian"},
    {{M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR}, 2, 10, "is no whole zip file"},
    {{M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR}, 2, 100, "is no whole zip file"},
};

START_TEST(a_damaged_file)
{
    torch_zip("damaged.th", damaged[_i].member, damaged[_i].members, 0, damaged[_i].cut, NULL);
    checkpoint_refuses("damaged.th", damaged[_i].words);
}
END_TEST

/* The storage's sum shows when it is read. */
START_TEST(a_damaged_storage)
{
    static const struct torch_member member[] = {M("m/data.pkl", PICKLE, 0, 0), {"m/data/0", torch_four, sizeof torch_four, 0, 1}};
    struct tess_instance *i;
    float value[4];
    torch_zip("damaged.th", member, 2, 0, 0, NULL);
    fixture_ok(&fixture, tessi_exchange_format_read(C, "damaged.th", "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    checkpoint_refused(f->read(tess_instance_self(i), C, 0, value), TESS_E_DATA, "damaged.th: `m/data/0` in it cannot be read: ");
    tess_instance_close(i);
}
END_TEST

/* PyTorch can be told to write no sums, which are then 0. */
START_TEST(no_sums)
{
    const struct torch_member member[] = {M("m/data.pkl", PICKLE, 0, 2), {"m/data/0", torch_four, sizeof torch_four, 0, 2}};
    torch_zip("unsummed.th", member, 2, 0, 0, NULL);
    torch_reads("unsummed.th", "", torch_four, 4);
}
END_TEST

/* Two names of the same bytes. */
START_TEST(overlapping_members)
{
    const struct torch_member member[] = {M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR, {"m/data/1", torch_four, sizeof torch_four, 0, 0}};
    struct torch_places p;
    size_t bytes;
    torch_zip("overlap.th", member, 3, 0, 0, &p);
    char *all = checkpoint_slurp("overlap.th", &bytes);
    memcpy(all + p.entry[2] + 42, all + p.entry[1] + 42, 4);
    checkpoint_write("overlap.th", all, bytes);
    free(all);
    checkpoint_refuses("overlap.th", "in it overlaps another member");
}
END_TEST

/* ---- records that contradict each other ------------------------------------------------------------------------------- */

enum part { ENTRY, LOCAL, END64, POINTER, END };

static const struct {
    int wide;
    enum part part; /* record that is changed, of the last member */
    size_t at;      /* place in it */
    int bytes;      /* number of bytes, all of which become `value` */
    uint8_t value;
    const char *words;
} changed[] = {
    {0, END, 4, 1, 1, "its list of members is not inside it"},
    {0, END, 19, 1, 0x7f, "its list of members is not inside it"},
    {0, END, 15, 1, 0x7f, "its list of members is not inside it"},
    {0, END, 10, 1, 200, "its list of members has other bytes than so many would"},
    {0, END, 12, 4, 0xff, "its ZIP64 record is not there"},
    {0, ENTRY, 0, 1, 'Q', "an entry in its list of members is none"},
    {0, ENTRY, 28, 1, 0xf0, "an entry in its list of members is none"},
    {0, ENTRY, 30, 1, 0xf0, "an entry in its list of members is none"},
    {0, ENTRY, 32, 1, 0xf0, "an entry in its list of members is none"},
    {0, ENTRY, 46, 1, 0, "an entry in its list of members is none"},
    {0, ENTRY, 45, 1, 0x7f, "an entry in its list of members is none"},
    {0, ENTRY, 8, 1, 1, "`m/data/0` in it is compressed, encrypted or larger than the file"},
    {0, ENTRY, 20, 1, 17, "`m/data/0` in it is compressed, encrypted or larger than the file"},
    {0, LOCAL, 0, 1, 'Q', "a member is not inside it"},
    {0, LOCAL, 27, 1, 0xff, "a member is not inside it"},
    {1, POINTER, 0, 1, 'Q', "its ZIP64 record is not there"},
    {1, POINTER, 12, 1, 1, "its ZIP64 record is not there"},
    {1, END64, 0, 1, 'Q', "its list of members is not inside it"},
    {1, END64, 34, 1, 9, "has 589826 members, 131072 are the most"},
    {1, END64, 44, 1, 1, "its list of members is not inside it"},
    {1, END64, 52, 1, 1, "its list of members is not inside it"},
    {1, ENTRY, 46 + 8 + 2, 1, 0xf0, "an entry in its list of members is none"},
    {1, ENTRY, 46 + 8 + 9, 1, 7, "an entry in its list of members is none"},
    {1, ENTRY, 46 + 8 + 9 + 2, 1, 16, "an entry in its list of members is none"},
};

START_TEST(a_record_that_contradicts)
{
    static const struct torch_member member[] = {M("m/data.pkl", PICKLE, 0, 0), STORED_FOUR};
    struct torch_places p;
    size_t bytes;
    torch_zip("changed.th", member, 2, changed[_i].wide, 0, &p);
    torch_reads("changed.th", "", torch_four, 4);
    char *all = checkpoint_slurp("changed.th", &bytes);
    const size_t place[] = {p.entry[1], p.local[1], p.end64, p.pointer, p.end};
    memset(all + place[changed[_i].part] + changed[_i].at, changed[_i].value, (size_t)changed[_i].bytes);
    checkpoint_write("changed.th", all, bytes);
    free(all);
    checkpoint_refuses("changed.th", changed[_i].words);
}
END_TEST

/* An end that points to a long record, in a file that is too short for the pointer. */
START_TEST(no_room_for_the_pointer)
{
    static const char bytes[] = "PK\3\4PK\5\6\0\0\0\0\377\377\377\377\377\377\377\377\377\377\377\377\0";
    checkpoint_write("short.th", bytes, sizeof bytes);
    checkpoint_refuses("short.th", "its ZIP64 record is not there");
}
END_TEST

/* The header of a member lies so near the list that there is no room for it. */
START_TEST(a_header_in_the_list)
{
    static const struct torch_member member[] = {M("m/data.pkl", PICKLE, 0, 0), {"m/data/0", "", 0, 0, 0}};
    struct torch_places p;
    size_t bytes;
    torch_zip("near.th", member, 2, 0, 0, &p);
    char *all = checkpoint_slurp("near.th", &bytes);
    all[p.entry[1] + 42] = (char)((p.entry[0] - 20) & 0xff);
    all[p.entry[1] + 43] = (char)((p.entry[0] - 20) >> 8);
    checkpoint_write("near.th", all, bytes);
    free(all);
    checkpoint_refuses("near.th", "a member is not inside it");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zip");
    TCase *tests = tcase_create("zip");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, a_damaged_file, 0, (int)(sizeof damaged / sizeof *damaged));
    tcase_add_test(tests, a_damaged_storage);
    tcase_add_test(tests, no_sums);
    tcase_add_test(tests, overlapping_members);
    tcase_add_loop_test(tests, a_record_that_contradicts, 0, (int)(sizeof changed / sizeof *changed));
    tcase_add_test(tests, no_room_for_the_pointer);
    tcase_add_test(tests, a_header_in_the_list);
    return suite_run(suite);
}
