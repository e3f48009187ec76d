/* The reader of safetensors against headers that lie, and the choice of a format. The files are made here; each refusal is one line that
 * names the file, and nothing is written. SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "kit/format/numbers.h"
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of this header, its length in front, and so many bytes of data; `claimed` instead of its length unless it is 0. */
static void make(const char *path, const char *header, size_t data, uint64_t claimed)
{
    size_t length = strlen(header);
    uint8_t *all = calloc(1, 8 + length + data);
    ck_assert_ptr_nonnull(all);
    claimed = claimed ? claimed : length;
    for (int i = 0; i < 8; i++)
        all[i] = (uint8_t)(claimed >> 8 * i);
    memcpy(all + 8, header, length);
    for (size_t i = 0; i < data; i++)
        all[8 + length + i] = (uint8_t)(i % 4 == 3 ? 0x3f : i);
    checkpoint_write(path, all, 8 + length + data);
    free(all);
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define T(name, dtype, shape, offsets) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
    const char *header;
    size_t data;
    uint64_t claimed;
    const char *words;
} lies[] = {
    {"{" A "}", 7, 0, "`a` lies in bytes 0 to 8 of 7; a part of the file may be missing"},
    {"{" A "}", 9, 0, "at byte 8 of its data tensors overlap, or there are bytes of none"},
    {"{" A "," T("b", "F32", "[2]", "[4,12]") "}", 12, 0, "at byte 8 of its data tensors overlap"},
    {"{" A "," T("b", "F32", "[1]", "[12,16]") "}", 16, 0, "at byte 8 of its data tensors overlap, or there are bytes of none"},
    {"{" A "," A "}", 8, 0, "`a` is there twice"},
    {"{" T("a", "F32", "[3]", "[0,8]") "}", 8, 0, "`a` has 8 bytes, which its shape and its type f32 contradict"},
    {"{" T("a", "F32", "[2]", "[8,0]") "}", 8, 0, "`a` lies in bytes 8 to 0 of 8"},
    {"{" T("a", "F32", "[4294967296,4294967296,4294967296]", "[0,8]") "}", 8, 0, "which its shape and its type f32 contradict"},
    {"{" T("a", "F32", "[99999999999999999999]", "[0,8]") "}", 8, 0, "an integer with a leading 0, or too large"},
    {"{" T("a", "F32", "[02]", "[0,8]") "}", 8, 0, "an integer with a leading 0, or too large"},
    {"{" T("a", "F32", "[-2]", "[0,8]") "}", 8, 0, "wanted an integer from 0"},
    {"{" T("a", "F32", "[2.0]", "[0,8]") "}", 8, 0, "wanted `,`"},
    {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, 0, "more than 8 numbers"},
    {"{" T("a", "F32", "[2]", "[0,8,8]") "}", 8, 0, "more than 2 numbers"},
    {"{" T("a", "F32", "[2]", "[0]") "}", 8, 0, "`a` lacks its dtype, its shape or its two data_offsets"},
    {"{" T("a", "F33", "[2]", "[0,8]") "}", 8, 0, "an unknown dtype"},
    {"{" T("", "F32", "[2]", "[0,8]") "}", 8, 0, "a name that is empty or has control characters"},
    {"{" T("a\\u000a", "F32", "[2]", "[0,8]") "}", 8, 0, "a name that is empty or has control characters"},
    {"{" T("a\\u0000", "F32", "[2]", "[0,8]") "}", 8, 0, "an escape for half a sign, or for none"},
    {"{" T("\\ud800", "F32", "[2]", "[0,8]") "}", 8, 0, "an escape for half a sign, or for none"},
    {"{" T("\\x", "F32", "[2]", "[0,8]") "}", 8, 0, "an unknown escape in a string"},
    {"{" T("a\n", "F32", "[2]", "[0,8]") "}", 8, 0, "a control character in a string"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8, 0, "each once, found `dtype`"},
    {"{\"a\":{\"dtypes\":\"F32\"}}", 8, 0, "each once, found `something else`"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, 0, "`a` lacks its dtype, its shape or its two data_offsets"},
    {"{\"a\":[]}", 8, 0, "wanted `{`"},
    {"{\"a\":{\"a\":{\"a\":{}}}}", 8, 0, "found `something else`"},
    {"{" A "} x", 8, 0, "goes on after its end"},
    {"{" A, 8, 0, "wanted `,`"},
    {"{" A ",}", 8, 0, "wanted `\"`"},
    {"{\"a", 0, 0, "ends inside a string"},
    {"{\"__metadata__\":{\"x\":1}," A "}", 8, 0, "wanted `\"`"},
    {"{\"__metadata__\":{},\"__metadata__\":{}," A "}", 8, 0, "`__metadata__` is there twice"},
    {"{" A "}", 8, 1000, "its header has 1000 bytes by its own account, of a file of"},
    {"{" A "}", 8, (uint64_t)1 << 30, "16777216 are the most"},
    {"{" A "}", 8, (uint64_t)1 << 60, "is of no format that can be read here"},
};

START_TEST(a_header_that_lies)
{
    make("lie.safetensors", lies[_i].header, lies[_i].data, lies[_i].claimed);
    checkpoint_refuses("lie.safetensors", lies[_i].words);
}
END_TEST

static void read_all(const char *path, int64_t wanted, struct tess_instance **out)
{
    fixture_ok(&fixture, tessi_exchange_format_read(C, path, "", out));
    const struct tess_format_1 *f = tess_instance_ops(*out, "format/1");
    ck_assert_int_eq(f->count(tess_instance_self(*out)), wanted);
}

START_TEST(types_names_and_blanks)
{
    static const char header[] = " { \"__metadata__\" : { \"format\" : \"pt\" } ,\n" T("\\u00e4\\\"\\/", "BF16", "[ 1 , 2 ]", "[0,4]") ","
                                 T("f16", "F16", "[]", "[4,6]") "," T("int", "I16", "[0]", "[6,6]") " } ";
    struct tess_instance *i;
    float value[2];
    make("good.safetensors", header + 1, 6, 0);
    read_all("good.safetensors", 3, &i);
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    const struct tess_entry *e = f->entry(tess_instance_self(i), 0);
    ck_assert_str_eq(e->name, "\xc3\xa4\"/");
    ck_assert_str_eq(e->dtype, "bf16");
    ck_assert_int_eq(e->rank, 2);
    ck_assert_int_eq(e->dim[1], 2);
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 0, value)); /* bytes 00 01 02 3f: 0x0100 and 0x3f02 above 16 zeros */
    ck_assert(value[0] == 0x1p-125f && value[1] == 0x1.04p-1f);
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 1, value)); /* bytes 04 05: 0x0504, fraction 0x104 of exponent 1 */
    ck_assert(value[0] == 0x1.41p-14f);
    checkpoint_refused(f->read(tess_instance_self(i), C, 2, value), TESS_E_DATA, "`int` is of i16, and weights are real numbers");
    tess_instance_close(i);
}
END_TEST

/* Numbers of every type that safetensors 0.8 knows may stand beside weights. */
START_TEST(types_that_are_no_weights)
{
    static const char *const type[] = {"C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4"};
    static const int bits[] = {64, 8, 8, 8, 8, 8, 6, 6, 4};
    char header[300];
    struct tess_instance *i;
    float value[4] = {0};
    snprintf(header, sizeof header, "{" A ",\"b\":{\"dtype\":\"%s\",\"shape\":[4],\"data_offsets\":[8,%d]}}", type[_i], 8 + bits[_i] / 2);
    make("types.safetensors", header, (size_t)(8 + bits[_i] / 2), 0);
    read_all("types.safetensors", 2, &i);
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 0, value));
    ck_assert_int_eq(f->entry(tess_instance_self(i), 1)->is_real, 0);
    checkpoint_refused(f->read(tess_instance_self(i), C, 1, value), TESS_E_DATA, "and weights are real numbers");
    tess_instance_close(i);
}
END_TEST

/* Every number of 16 bits, from each place of a vector on and to each. */
START_TEST(all_halves)
{
    enum { ALL = 1 << 16 };
    static uint8_t from[2 * ALL];
    static float to[ALL];
    for (uint32_t i = 0; i < ALL; i++) {
        from[2 * i] = (uint8_t)i;
        from[2 * i + 1] = (uint8_t)(i >> 8);
    }
    for (uint32_t first = 0; first < 5; first++) {
        number_to_f32(NUMBER_F16, from + 2 * first, ALL - 2 * first, to);
        for (uint32_t i = first; i < ALL - first; i++) {
            uint32_t bits, exponent = i >> 10 & 31, fraction = i & 1023;
            float size = ldexpf((float)(fraction + (exponent ? 1024 : 0)), (int)(exponent ? exponent : 1) - 25);
            memcpy(&bits, &to[i - first], sizeof bits);
            ck_assert_uint_eq(bits >> 31, i >> 15);
            if (exponent == 31)
                ck_assert_uint_eq(bits & 0x7fffffff, 0x7f800000 | fraction << 13);
            else
                ck_assert(fabsf(to[i - first]) == size);
        }
    }
}
END_TEST

/* Writes the safetensors file `from` with a codebook of `rows` rows, which a hole at the end of the file stands for; the former codebook is
 * left where it is, under a name of the perceptual loss. Gives the bytes of a row. */
static int64_t with_long_codebook(const char *from, const char *path, int64_t rows)
{
    static const char name[] = "\"quantize.embedding.weight\":{";
    size_t bytes;
    long long former, width, begin, end;
    char *file = checkpoint_slurp(from, &bytes);
    size_t length = (size_t)number_u64((const uint8_t *)file), data = bytes - 8 - length, room = length + 400;
    char *text = strndup(file + 8, length), *header = malloc(room + 1), *entry = strstr(text, name);
    ck_assert(entry && header);
    const char *shape = strstr(entry, "\"shape\""), *rest = strchr(entry, '}');
    ck_assert_int_eq(sscanf(shape, "\"shape\":[%lld,%lld],\"data_offsets\":[%lld,%lld]", &former, &width, &begin, &end), 4);
    size_t all = data + (size_t)rows * (size_t)width * 4;
    *entry = '\0';
    int used = snprintf(header, room + 1,
                        "%s\"loss.perceptual_loss.former\":{\"dtype\":\"F32\",\"shape\":[%lld,%lld],\"data_offsets\":[%lld,%lld]},"
                        "%s\"dtype\":\"F32\",\"shape\":[%lld,%lld],\"data_offsets\":[%zu,%zu]%s",
                        text, former, width, begin, end, name, (long long)rows, width, data, all, rest);
    ck_assert(used > 0 && (size_t)used < room);
    memset(header + used, ' ', room - (size_t)used);
    make(path, strcpy(text, ""), 0, room);
    FILE *f = fopen(path, "ab");
    ck_assert(f && fwrite(header, 1, room, f) == room && fwrite(file + 8 + length, 1, data, f) == data && fclose(f) == 0);
    ck_assert_int_eq(truncate(path, (off_t)(8 + room + all)), 0);
    free(file);
    free(text);
    free(header);
    return width * 4;
}

START_TEST(memory_of_a_large_tensor)
{
    enum { ROWS = 1 << 20 };
    checkpoint_import_taming();
    fixture_ok(&fixture, checkpoint_export_as("taming", "taming.h5", "small.safetensors", "groups=4 height=8 width=12"));
    int64_t bytes = ROWS * with_long_codebook("small.safetensors", "large.safetensors", ROWS), before = tessi_base_memory_peak();
    fixture_ok(&fixture, checkpoint_import_as("taming", "large.safetensors", "large.h5", NULL, "groups=4 height=8 width=12"));
    ck_assert_int_lt(tessi_base_memory_peak() - before, bytes / 4);
}
END_TEST

START_TEST(a_file_of_no_format)
{
    checkpoint_write("text", "not a checkpoint at all", 23);
    checkpoint_refuses("text", "is of no format that can be read here, of which there are: safetensors");
    checkpoint_write("empty", "", 0);
    checkpoint_refuses("empty", "is of no format that can be read here");
    ck_assert_int_eq(mkdir("folder", 0777), 0);
    checkpoint_refused(checkpoint_import("folder", "refused.h5", NULL, NULL), TESS_E_DATA, "folder: is a folder with no file of weights");
    checkpoint_write("folder/__0_0.distcp", "PK", 2);
    checkpoint_refused(checkpoint_import("folder", "refused.h5", NULL, NULL), TESS_E_DATA, "format_utils dcp_to_torch folder weights.pt");
    checkpoint_refused(checkpoint_import("folder/__0_0.distcp", "refused.h5", NULL, NULL), TESS_E_DATA,
                       "format_utils dcp_to_torch folder weights.pt");
    checkpoint_refused(checkpoint_import("none", "refused.h5", NULL, NULL), TESS_E_IO, "none: cannot be opened: No such file");
}
END_TEST

/* Files with no weight of a known architecture are refused. */
START_TEST(tensors_of_nothing_known)
{
    make("other.safetensors", "{" A "}", 8, 0);
    checkpoint_refuses("other.safetensors", "the file is neither an autoencoder (`ae.encoder.blocks.0.weight`) nor an absorbing prior");
    make("other.safetensors", "{" T("net.tok_emb.weight", "F32", "[2]", "[0,8]") "}", 8, 0);
    checkpoint_refuses("other.safetensors", "wanted `net.head.weight` (K, D), `net.pos_emb` (1, L, D) and `net.blocks.0.mlp.0.weight`");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("formats");
    TCase *tests = tcase_create("safetensors");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, a_header_that_lies, 0, (int)(sizeof lies / sizeof *lies));
    tcase_add_test(tests, types_names_and_blanks);
    tcase_add_test(tests, all_halves);
    tcase_add_test(tests, memory_of_a_large_tensor);
    tcase_add_loop_test(tests, types_that_are_no_weights, 0, 9);
    tcase_add_test(tests, a_file_of_no_format);
    tcase_add_test(tests, tensors_of_nothing_known);
    return suite_run(suite);
}
