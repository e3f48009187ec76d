/* The reader of PyTorch's files: a dictionary with something of everything that torch.save wrote, and files made here that are hostile,
 * damaged or something else. Nothing that a pickle asks for is run; each refusal is one line that names the file, and nothing is written.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/torch_fixture.h"
#include "tests/support/suite.h"
#include "core/base/memory.h"
#include "tests/support/paths.h"

#include "plugins/formats/torch/storage_sum.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what torch.save wrote ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *dtype;
    int32_t rank;
    int64_t dim[3];
    float value[24];
} odd[] = {
    {"whole", "f32", 3, {2, 3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
    {"transposed", "f32", 3, {4, 2, 3}, {0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23}},
    {"window", "f32", 2, {2, 2}, {17, 18, 21, 22}},
    {"again", "f32", 1, {24}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}},
    {"scalar", "f32", 0, {0}, {7.5f}},
    {"nothing", "f32", 2, {0, 3}, {0}},
    {"parameter", "f32", 1, {2}, {1, -2}},
    {"half", "f16", 1, {5}, {1, -0.5f, 65504, 0x1p-24f, 0x1p-14f}},
    {"bfloat16", "bf16", 1, {3}, {1, -3, 0x1p100f}},
    {"double", "f64", 1, {2}, {0.1f, 1}},
    {"long", "i64", 1, {2}, {0}},
    {"int", "i32", 1, {1}, {0}},
};
#define ODD ((int64_t)(sizeof odd / sizeof *odd))

static const char *const containers[] = {TEST_CHECKPOINTS "/odd.th", TEST_CHECKPOINTS "/odd_legacy.th"};

START_TEST(views_shared_storages_and_types)
{
    struct tess_instance *i;
    fixture_ok(&fixture, tessi_exchange_format_read(C, containers[_i], "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    void *self = tess_instance_self(i);
    ck_assert_int_eq(f->count(self), ODD);
    for (int64_t k = 0; k < ODD; k++) {
        const struct tess_entry *e = f->entry(self, k);
        float value[24];
        int64_t n = 1;
        ck_assert_str_eq(e->name, odd[k].name);
        ck_assert_str_eq(e->dtype, odd[k].dtype);
        ck_assert_int_eq(e->rank, odd[k].rank);
        for (int32_t d = 0; d < e->rank; n *= e->dim[d++])
            ck_assert_int_eq(e->dim[d], odd[k].dim[d]);
        ck_assert_int_eq(e->is_real, e->dtype[0] != 'i');
        if (!e->is_real) {
            checkpoint_refused(f->read(self, C, k, value), TESS_E_DATA, "and weights are real numbers: f32, f16, bf16 or f64");
            continue;
        }
        fixture_ok(&fixture, f->read(self, C, k, value));
        ck_assert_msg(memcmp(value, odd[k].value, (size_t)n * sizeof *value) == 0, "the values of `%s` differ", e->name);
    }
    tess_instance_close(i);
}
END_TEST

/* ---- pickles made here ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *pickle;
    size_t count;
    const char *words;
} hostile[] = {
    {P(PROTO "cos\nsystem\n" WORD("\x04", "true") "\x85R."),
     "asks for `os.system`, which no dictionary of weights needs; nothing of it was run"},
    {P(PROTO "cposix\nsystem\n."), "asks for `posix.system`"},
    {P(PROTO "cbuiltins\neval\n."), "asks for `builtins.eval`"},
    {P(PROTO "ctorch\nload\n."), "holds a function or class, a dictionary of weights was wanted"},
    {P(PROTO "ctorch.nn\nLinear\n)R."), "a call of `torch.nn.Linear` that no dictionary of weights needs; nothing of it was run"},
    {P(PROTO "ctorch.hub\nload\n)R."), "a call of `torch.hub.load` that no dictionary of weights needs"},
    {P(PROTO "ccollections\nOrderedDict.fromkeys\n."), "holds a function or class"},
    {P(PROTO "cos.\x1b[2J\nsystem\n."), "asks for `os.\\x1b[2J.system`"},
    {P(PROTO "cos\x1b[2J\nsystem\n)R."), "a call of `os\\x1b[2J.system`"},
    {P("\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x8c\x04true\x85R."), "asks for `posix.system`"},
    {P(PROTO "cmine\nrun\n)R."), "a call of `mine.run` that no dictionary of weights needs; nothing of it was run"},
    {P(PROTO "Ncbuiltins\ngetattr\n."), "asks for `builtins.getattr`"},
    {P(PROTO "N)\x81."), "an object of the class None"},
    {P(PROTO "K\x01K\x02\x93."), "names a class by an integer and an integer"},
    {P(PROTO WORD("\x01", "x") ")R."), "a call of a text with a tuple; nothing of it was run"},
    {P(PROTO "ctorch\nFloatStorage\n)R."), "a call of `torch.FloatStorage` that no dictionary of weights needs"},
    {P(PROTO "ccollections\nOrderedDict\n]K\x01\x61\x85R."), "a dictionary of a list that is not of pairs"},
    {P(PROTO "ccollections\nOrderedDict\nNR."), "a call of a function or class with None"},
    {P(PROTO "ctorch._utils\n_rebuild_tensor_v2\n)R."), "_rebuild_tensor wants a storage as argument 1, found none"},
    {P(PROTO "ctorch._utils\n_rebuild_parameter\n(K\x01\x89" ORDERED "tR."),
     "_rebuild_parameter wants a tensor as argument 1, found an integer"},
    {P(PROTO "(S'true'\nios\nsystem\n."), "operation 0x53"},
    {P(PROTO "\x82\x01."), "operation 0x82"},
    {P(PROTO "]}b."), "sets the state of a list from a dictionary"},
    {P(PROTO "ccollections\nOrderedDict\n}b."), "sets the state of a function or class from a dictionary"},
    {P(PROTO "}}b."), "sets the state of a dictionary from a dictionary"},
    {P("\x80\x06."), "pickle protocol 6, one of 2 to 5 was wanted"},
    {P("\x80\x01."), "pickle protocol 1, one of 2 to 5 was wanted"},
    {P(PROTO), "ends before its end"},
    {P(PROTO "X\xff\xff\xff\xff"
             "abc"),
     "ends before its end"},
    {P(PROTO "cos"), "ends before its end"},
    {P(PROTO "\x8a\xff"), "ends before its end"},
    {P(PROTO "."), "wants a value where there is none"},
    {P(PROTO "(."), "wants a value where there is none"},
    {P(PROTO "t."), "wants a mark where there is none"},
    {P(PROTO "K\x01\x86."), "wants a value where there is none"},
    {P(PROTO "K\x01(\x86."), "wants a value where there is none"},
    {P(PROTO "K\x01"
             "a."),
     "puts items into what is not a list"},
    {P(PROTO "(K\x01u."), "puts items into what is not a dictionary"},
    {P(PROTO "}(K\x01u."), "half an item"},
    {P(PROTO "}K\x01(s."), "wants a value where there is none"},
    {P(PROTO "NN."), "has more than one value, or goes on after its end"},
    {P(PROTO "}.N"), "has more than one value, or goes on after its end"},
    {P(PROTO "h\x07."), "recalls value number 7, which was not remembered"},
    {P(PROTO "Nr\xff\xff\xff\xff."), "remembers a value as number 4294967295, more than there can be"},
    {P(PROTO "K\x07."), "holds an integer, a dictionary of weights was wanted"},
    {P(PROTO "]q\0h\0a."), "holds a list, a dictionary of weights was wanted"},
    {P(PROTO "}q\0" WORD("\x01", "a") "h\0s."), "`a` is a dictionary; a dictionary of weights holds tensors by name"},
    {P(DICT_OF("K\x05")), "`a` is an integer; a dictionary of weights holds tensors by name. Save model.state_dict() alone"},
    {P(PROTO "}K\x01" FINE "s."), "a name that is an integer"},
    {P(PROTO "}" WORD("\0", "") FINE "s."), "a name that is a text, empty"},
    {P(PROTO "}" WORD("\x03", "a\nb") FINE "s."), "or of control characters"},
    {P(PROTO "}" WORD("\x01", "a") FINE "s" WORD("\x01", "a") FINE "s."), "`a` is there twice"},
    {P(DICT_OF(VIEW(FOUR, "K\x01", "K\x04\x85", "K\x01\x85"))), "a tensor of 4 numbers, up to number 4 of its storage, which has 4"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x02\x85", "K\x04\x85"))), "up to number 4 of its storage"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x05\x85", "K\0\x85"))), "`a` is a tensor of more numbers than its storage, which has 4"},
    {P(DICT_OF(VIEW(FOUR, "K\0", HUGE_ "\x85", "K\0\x85"))), "a tensor of an impossible size or place"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "J\xff\xff\xff\x7f\x85", "K\0\x85"))), "a tensor of more numbers than its storage"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x02" HUGE_ "\x86", "K\x01K\x01\x86"))), "a tensor of an impossible size or place"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x03\x85", HUGE_ "\x85"))), "a tensor of an impossible place"},
    {P(DICT_OF(VIEW(FOUR, HUGE_, "K\x03\x85", "K\x01\x85"))), "a tensor of an impossible place"},
    {P(DICT_OF(VIEW(FOUR, "J\xff\xff\xff\xff", "K\x01\x85", "K\x01\x85"))), "a tensor of an impossible size or place"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "J\xff\xff\xff\xff\x85", "K\x01\x85"))), "a size has one below 0"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x01\x85", "J\xff\xff\xff\xff\x85"))), "a stride has one below 0"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "N\x85", "K\x01\x85"))), "a size has None"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "K\x04\x85", "K\x01K\x01\x86"))), "a tensor of 1 sizes and 2 strides"},
    {P(DICT_OF(VIEW(FOUR, "K\0", "(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t", "K\x01\x85"))), "a size is a tuple too long"},
    {P(DICT_OF(VIEW(STORAGE("FloatStorage", WORD("\x01", "9"), "K\x04"), "K\0", "K\x04\x85", "K\x01\x85"))),
     "`a` is in storage 9, which the file has not"},
    {P(DICT_OF(VIEW(STORAGE("FloatStorage", WORD("\x03", "a\nb"), "K\x04"), "K\0", "K\x04\x85", "K\x01\x85"))), "or without a key"},
    {P(DICT_OF(VIEW(STORAGE("FloatStorage", KEY0, "K\x05"), "K\0", "K\x04\x85", "K\x01\x85"))),
     "of 20 bytes by the pickle and of 16 bytes in the file"},
    {P(DICT_OF(VIEW(STORAGE("FloatStorage", KEY0, HUGE_), "K\0", "K\x04\x85", "K\x01\x85"))), "a storage of 9223372036854775807 numbers"},
    {P(DICT_OF(VIEW(STORAGE("DoubleStorage", KEY0, "K\x04"), "K\0", "K\x04\x85", "K\x01\x85"))),
     "of 32 bytes by the pickle and of 16 bytes"},
    {P(DICT_OF(VIEW(STORAGE("FloatStorage", KEY0, "J\xff\xff\xff\xff"), "K\0", "K\x04\x85", "K\x01\x85"))), "a storage of -1 numbers"},
    {P(DICT_OF(VIEW(STORAGE("ByteStorage", KEY0, "K\x04"), "K\0", "K\x04\x85", "K\x01\x85"))),
     "of 4 bytes by the pickle and of 16 bytes in the file"},
    {P(PROTO "(" WORD("\x06", "module") "ctorch\nFloatStorage\n" KEY0 WORD("\x03", "cpu") "K\x04tQ."), "is no persistent id of a storage"},
    {P(PROTO "NQ."), "a persistent id is None, a tuple of at most 8 was wanted"},
    /* The dictionary that a trainer saves: the parts that are left out are read as strictly as the one that is taken. */
    {P(PROTO "}(" STATE "}" WORD("\x01", "a") "cargparse\nNamespace\n)\x81su."), "`a` is an object; a dictionary of weights holds tensors"},
    {P(PROTO "}(" WORD("\x09", "callbacks") "cos\nsystem\n" WORD("\x04", "true") "\x85R" STATE WEIGHTS "u."), "asks for `os.system`"},
    {P(PROTO "}(" WORD("\x09", "callbacks") CALLBACK ")R" STATE WEIGHTS "u."),
     "a call of `pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint` that no dictionary of weights needs; nothing of it was run"},
    {P(PROTO "}(" WORD("\x09", "callbacks") CALLBACK "}b" STATE WEIGHTS "u."), "sets the state of a function or class"},
    {P(PROTO "}(" STATE WEIGHTS STATE WEIGHTS "u."), "`state_dict` is there twice"},
    {P(PROTO "}(" STATE "K\x01u."), "`state_dict` is an integer; a dictionary of weights holds tensors by name"},
    {P(PROTO "}(" STATE "}(" WORD("\x01", "a") FINE WORD("\x01", "a") FINE "uu."), "`a` is there twice"},
    {P(PROTO "}(" STATE "}(" WORD("\x01", "a") CALLBACK "uu."), "`a` is a function or class; a dictionary of weights holds tensors"},
};

START_TEST(what_a_trainer_saves)
{
    static const char pickle[] = PROTO "}(" WORD("\x05", "epoch") "K\x07" WORD("\x09", "callbacks") "}" CALLBACK "}" WORD("\x05", "score")
        VIEW(STORAGE("FloatStorage", WORD("\x01", "9"), "K\x04"), "K\0", "K\x04\x85", "K\x01\x85") "ss" STATE WEIGHTS "u.";
    struct tess_instance *i;
    float value[4];
    torch_make("trainer.ckpt", pickle, sizeof pickle - 1); /* storage 9, of what is left, is not there and not looked for */
    fixture_ok(&fixture, tessi_exchange_format_read(C, "trainer.ckpt", "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    void *self = tess_instance_self(i);
    ck_assert_int_eq(f->count(self), 1);
    ck_assert_str_eq(f->entry(self, 0)->name, "a");
    fixture_ok(&fixture, f->read(self, C, 0, value));
    ck_assert_int_eq(memcmp(value, torch_four, sizeof torch_four), 0);
    tess_instance_close(i);
}
END_TEST

/* Notes of a trainer are no reason to refuse its weights: classes of its own, numbers of every type, protocols 2 and 5. */
START_TEST(everything_beside_the_weights)
{
    static const char *const path[] = {TEST_CHECKPOINTS "/notes_2.ckpt", TEST_CHECKPOINTS "/notes_5.ckpt"};
    struct tess_instance *i;
    float value[4];
    fixture_ok(&fixture, tessi_exchange_format_read(C, path[_i], "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    ck_assert_int_eq(f->count(tess_instance_self(i)), 2);
    ck_assert_str_eq(f->entry(tess_instance_self(i), 0)->name, "a");
    ck_assert_str_eq(f->entry(tess_instance_self(i), 1)->dtype, "bool");
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 0, value));
    ck_assert(value[0] == 0 && value[3] == 3);
    tess_instance_close(i);
    fixture_ok(&fixture, tessi_exchange_format_read(C, path[_i], "again.model", &i));
    ck_assert_str_eq(f->entry(tess_instance_self(i), 0)->name, "b");
    tess_instance_close(i);
    checkpoint_refused(tessi_exchange_format_read(C, path[_i], "args", &i), TESS_E_DATA, "has no dictionary under the key `args`");
    tess_instance_close(i);
}
END_TEST

START_TEST(a_hostile_pickle)
{
    torch_make("hostile.th", hostile[_i].pickle, hostile[_i].count);
    checkpoint_refuses("hostile.th", hostile[_i].words);
}
END_TEST

/* Lists in one another by the thousand, and a tuple of the last one twice, again and again, which written out would be 2 to the 7000 of
 * them: memory follows the file, and nothing is walked. */
START_TEST(nesting_costs_nothing)
{
    static char pickle[60000] = PROTO;
    size_t at = 2;
    memset(pickle + at, ']', 20000);
    memset(pickle + at + 20000, 'a', 19999);
    pickle[at + 39999] = '.';
    torch_make("deep.th", pickle, at + 40000);
    checkpoint_refuses("deep.th", "holds a list, a dictionary of weights was wanted");
    int64_t before = tessi_base_memory_peak();
    memcpy(pickle + at, ")q\0", 3);
    for (at += 3; at < 50000; at += 7)
        memcpy(pickle + at, "h\0h\0\x86q\0", 7);
    pickle[at] = '.';
    torch_make("bomb.th", pickle, at + 1);
    checkpoint_refuses("bomb.th", "has more than one value");
    ck_assert_int_lt(tessi_base_memory_peak() - before, 8 << 20);
}
END_TEST

/* CRC-32 by its definition, a bit at a time. */
static uint32_t sum_by_definition(uint32_t sum, const uint8_t *data, size_t bytes)
{
    sum = ~sum;
    for (size_t i = 0; i < bytes; i++) {
        sum ^= data[i];
        for (int k = 0; k < 8; k++)
            sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
    }
    return ~sum;
}

START_TEST(sums_of_any_length)
{
    uint8_t data[700];
    uint32_t before = 0;
    ck_assert_uint_eq(storage_sum(0, NULL, 0), 0);
    ck_assert_uint_eq(storage_sum(0, "123456789", 9), 0xcbf43926u);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i / 5);
    for (size_t bytes = 0; bytes < sizeof data - 17; bytes++, before = before * 69069 + 1)
        for (size_t at = 0; at < 17; at++)
            ck_assert_uint_eq(storage_sum(before, data + at, bytes), sum_by_definition(before, data + at, bytes));
}
END_TEST

START_TEST(a_fine_one)
{
    static const char pickle[] = DICT_OF(FINE);
    struct tess_instance *i;
    float value[4];
    torch_make("fine.th", P(pickle));
    fixture_ok(&fixture, tessi_exchange_format_read(C, "fine.th", "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    ck_assert_int_eq(f->count(tess_instance_self(i)), 1);
    fixture_ok(&fixture, f->read(tess_instance_self(i), C, 0, value));
    ck_assert(memcmp(value, torch_four, sizeof torch_four) == 0);
    tess_instance_close(i);
    checkpoint_refuses("fine.th", "the file is neither an autoencoder");
}
END_TEST

/* Other words for the same dictionary, and values beside it that are taken off again. */
#define TENSOR_V2 "ctorch._utils\n_rebuild_tensor_v2\n"
#define SUBCLASS(function, arguments) "ctorch._tensor\n_rebuild_from_type_v2\n(" function "cmine\nTensor\n" arguments "}tR"
#define ARGUMENTS "(" FOUR "K\0K\x04\x85K\x01\x85\x89" ORDERED "t"
#define PART(first, count)                                                                                                                 \
    "(" WORD("\x07", "storage") "ctorch\nFloatStorage\n" KEY0 WORD("\x03", "cpu") "K\x04(" WORD("\x01", "v") first count "ttQ"
#define V3(dtype) "ctorch._utils\n_rebuild_tensor_v3\n(" FOUR "K\0K\x04\x85K\x01\x85\x89" ORDERED dtype "tR"

static const struct {
    const char *pickle;
    size_t count;
    int from; /* first of the four numbers that `a` has */
} fine[] = {
    {P(PROTO "K\x01"
             "0}" WORD("\x01", "a") FINE "s."),
     0},
    {P(PROTO "(0}" WORD("\x01", "a") FINE "s."), 0},
    {P(PROTO "N2"
             "00}" WORD("\x01", "a") FINE "s."),
     0},
    {P(PROTO "\x8b\x02\0\0\0\x01\x02"
             "0}" WORD("\x01", "a") FINE "s."),
     0},
    {P(PROTO "B\x03\0\0\0abc"
             "0}" WORD("\x01", "a") FINE "s."),
     0},
    {P(PROTO "cmine\nNotes\n)}\x92"
             "0}" WORD("\x01", "a") FINE "s."),
     0},
    {P(PROTO "}\x8d\x01\0\0\0\0\0\0\0a" FINE "s."), 0},
    {P(PROTO "}U\x01"
             "a" FINE "s."),
     0},
    {P(PROTO "}T\x01\0\0\0a" FINE "s."), 0},
    {P(PROTO "ccollections\nOrderedDict\n](" WORD("\x01", "a") FINE "\x86"
                                                                    "e\x85R."),
     0},
    {P(DICT_OF(SUBCLASS(TENSOR_V2, ARGUMENTS))), 0},
    {P(DICT_OF(SUBCLASS("ctorch._utils\n_rebuild_parameter\n", "(" FINE "\x89" ORDERED "t"))), 0},
    {P(DICT_OF(SUBCLASS("ctorch._utils\n_rebuild_tensor_v3\n", "(" FOUR "K\0K\x04\x85K\x01\x85\x89" ORDERED "ctorch\nfloat32\nt"))), 0},
    {P(DICT_OF(V3("ctorch\nfloat32\n"))), 0},
    {P(DICT_OF(VIEW(PART("K\x01", "K\x03"), "K\0", "K\x03\x85", "K\x01\x85"))), 1},
    {P(DICT_OF(VIEW(PART("K\x01", "K\x03"), "K\x01", "K\x02\x85", "K\x01\x85"))), 2},
    {P(PROTO "}" WORD("\x06", "unlike") "}" WORD("\x01", "a") FINE "ss."), 0},
    {P(PROTO "}" WORD("\x05", "model") "}" STATE WEIGHTS "ss."), 0},
};

START_TEST(other_words_for_it)
{
    torch_make("fine.th", fine[_i].pickle, fine[_i].count);
    torch_reads("fine.th", "", torch_four + fine[_i].from, 4 - fine[_i].from);
}
END_TEST

static const struct {
    const char *pickle;
    size_t count;
    const char *words;
} odd_objects[] = {
    {P(DICT_OF(VIEW(PART("K\x02", "K\x03"), "K\0", "K\x03\x85", "K\x01\x85"))), "a part of a storage that is not inside it"},
    {P(DICT_OF(VIEW(PART("J\xff\xff\xff\xff", "K\x03"), "K\0", "K\x03\x85", "K\x01\x85"))), "a part of a storage that is not inside it"},
    {P(DICT_OF(VIEW(PART("K\x01", "N"), "K\0", "K\x03\x85", "K\x01\x85"))),
     "a view of a storage wants an integer as argument 3, found None"},
    {P(DICT_OF(VIEW(PART("K\x01", "K\x03"), HUGE_, "K\x01\x85", "K\x01\x85"))), "a tensor of an impossible place"},
    {P(DICT_OF(V3("cmine\nfloat32\n"))), "a tensor whose dtype is none of torch"},
    {P(DICT_OF(V3("N"))), "_rebuild_tensor wants a function or class as argument 7, found None"},
    {P(DICT_OF(SUBCLASS("cmine\nmake\n", ARGUMENTS))), "`a` is an object; a dictionary of weights holds tensors by name"},
    {P(DICT_OF(SUBCLASS("N", ARGUMENTS))), "_rebuild_from_type_v2 wants a function or class as argument 1, found None"},
    {P(PROTO "}(" WORD("\x01", "a") FINE WORD("\x01", "b")
           VIEW(STORAGE("FloatStorage", KEY0, "K\x03"), "K\0", "K\x03\x85", "K\x01\x85") "u."),
     "storage 0 is of "},
};

START_TEST(an_odd_object)
{
    torch_make("odd.th", odd_objects[_i].pickle, odd_objects[_i].count);
    checkpoint_refuses("odd.th", odd_objects[_i].words);
}
END_TEST

/* A file of one tensor, of which --key=. takes the whole, is refused as one in a dictionary is. */
START_TEST(one_tensor_that_repeats)
{
    static const char whole[] = PROTO FINE ".", repeats[] = PROTO VIEW(FOUR, "K\0", "K\x05\x85", "K\0\x85") ".";
    struct tess_instance *i;
    torch_make("one.th", P(whole));
    torch_reads("one.th", ".", torch_four, 4);
    torch_make("one.th", P(repeats));
    checkpoint_refused(tessi_exchange_format_read(C, "one.th", ".", &i), TESS_E_DATA,
                       "a tensor of more numbers than its storage, which has 4");
    tess_instance_close(i);
}
END_TEST

/* ---- files of old ------------------------------------------------------------------------------------------------------ */

#define OLD_MAGIC PROTO "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define OLD OLD_MAGIC PROTO "M\xe9\x03." PROTO "}" WORD("\x0d", "little_endian") "\x88s." DICT_OF(FINE)
#define OLD_NUMBERS "\4\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"

static const struct {
    const char *bytes;
    size_t count;
    const char *words;
} old[] = {
    {P(OLD PROTO "](" KEY0 "e." OLD_NUMBERS), NULL},
    {P(OLD PROTO "}." OLD_NUMBERS), "holds a dictionary, a list of storages was wanted"},
    {P(OLD PROTO "](K\0e." OLD_NUMBERS), "names a storage by an integer, a text was wanted"},
    {P(OLD PROTO "](" KEY0 KEY0 "e." OLD_NUMBERS OLD_NUMBERS), "has storage 0 twice"},
    {P(OLD PROTO "](" WORD("\1", "1") "e." OLD_NUMBERS), "has a storage that no tensor is in"},
    {P(OLD PROTO "](e." OLD_NUMBERS), "`a` is in storage 0, which the file has not"},
    {P(OLD PROTO "](" KEY0 "e.\5" OLD_NUMBERS), "storage 0 has 4 numbers by the pickle and 1029 in the file"},
    {P(OLD_MAGIC PROTO "M\xe9\x03." PROTO "}" WORD("\x0d", "little_endian") "\x89s." DICT_OF(FINE) PROTO "](" KEY0 "e." OLD_NUMBERS),
     "its numbers are not little-endian; save it again on another machine"},
};

START_TEST(a_file_of_old_made_here)
{
    checkpoint_write("old.th", old[_i].bytes, old[_i].count);
    if (old[_i].words)
        checkpoint_refuses("old.th", old[_i].words);
    else
        torch_reads("old.th", "", torch_four, 4);
}
END_TEST

/* Cut anywhere, the file is refused: no part of it passes for the whole. */
START_TEST(a_truncated_file)
{
    size_t bytes;
    char *all = checkpoint_slurp(TEST_CHECKPOINTS "/absorbing.th", &bytes);
    for (size_t n = 1; n < bytes; n += 997) {
        checkpoint_write("cut.th", all, n);
        checkpoint_refuses("cut.th", "cut.th: is ");
    }
    free(all);
}
END_TEST

/* A file of the older container, cut anywhere or with one byte changed in front of its storages, is refused or read within its bounds. */
START_TEST(a_file_of_old)
{
    size_t bytes;
    char *all = checkpoint_slurp(TEST_CHECKPOINTS "/odd_legacy.th", &bytes);
    for (size_t n = 16; n < bytes; n += 7) {
        checkpoint_write("cut.th", all, n);
        checkpoint_refuses("cut.th", "cut.th: ");
    }
    for (size_t n = 16; n < bytes; n += 3) {
        all[n] ^= 0x15;
        checkpoint_write("other.th", all, bytes);
        all[n] ^= 0x15;
        checkpoint_refuses("other.th", "other.th");
    }
    free(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch");
    TCase *tests = tcase_create("torch");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, views_shared_storages_and_types, 0, 2);
    tcase_add_loop_test(tests, everything_beside_the_weights, 0, 2);
    tcase_add_test(tests, what_a_trainer_saves);
    tcase_add_loop_test(tests, a_hostile_pickle, 0, (int)(sizeof hostile / sizeof *hostile));
    tcase_add_test(tests, nesting_costs_nothing);
    tcase_add_test(tests, sums_of_any_length);
    tcase_add_test(tests, a_fine_one);
    tcase_add_loop_test(tests, other_words_for_it, 0, (int)(sizeof fine / sizeof *fine));
    tcase_add_loop_test(tests, an_odd_object, 0, (int)(sizeof odd_objects / sizeof *odd_objects));
    tcase_add_test(tests, one_tensor_that_repeats);
    tcase_add_loop_test(tests, a_file_of_old_made_here, 0, (int)(sizeof old / sizeof *old));
    tcase_add_test(tests, a_truncated_file);
    tcase_add_test(tests, a_file_of_old);
    return suite_run(suite);
}
