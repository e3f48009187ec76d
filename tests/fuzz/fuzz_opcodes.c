/* Pickles written opcode by opcode, with operands that fit: what a fuzzer of bytes reaches rarely, since most changes of a pickle's bytes
 * end it at once. The first byte says the container, an archive or the older kind. SPDX-License-Identifier: MIT */
#include "tests/fuzz/archive.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/program.h"

#include <string.h>

enum { CAPACITY = 1 << 16 };

struct pickled {
    uint8_t bytes[CAPACITY];
    size_t count;
};

static void put(struct pickled *k, const void *bytes, size_t count)
{
    if (k->count + count > sizeof k->bytes)
        return;
    memcpy(k->bytes + k->count, bytes, count);
    k->count += count;
}

static void put_number(struct pickled *k, uint64_t value, size_t bytes)
{
    uint8_t b[8];
    for (size_t i = 0; i < bytes; i++)
        b[i] = (uint8_t)(value >> 8 * i);
    put(k, b, bytes);
}

static void put_text(struct pickled *k, const char *text)
{
    put(k, "X", 1);
    put_number(k, strlen(text), 4);
    put(k, text, strlen(text));
}

static const char *const text[] = {"storage", "0", "1", "2", "cpu", "state_dict", "a", "b.weight", "model", "ema", "f4", "little", ""};
static const char *const called[] = {"torch._utils\n_rebuild_tensor_v2",
                                     "torch._utils\n_rebuild_tensor",
                                     "torch._utils\n_rebuild_tensor_v3",
                                     "torch._utils\n_rebuild_parameter",
                                     "torch\nFloatStorage",
                                     "torch\nHalfStorage",
                                     "torch\nBFloat16Storage",
                                     "torch\nLongStorage",
                                     "torch.storage\nUntypedStorage",
                                     "torch\nfloat32",
                                     "collections\nOrderedDict",
                                     "collections\ndefaultdict",
                                     "collections\nCounter",
                                     "builtins\nset",
                                     "numpy.core.multiarray\n_reconstruct",
                                     "numpy\nndarray",
                                     "numpy\ndtype",
                                     "numpy.core.multiarray\nscalar",
                                     "argparse\nNamespace",
                                     "torch\nSize",
                                     "torch\ndevice",
                                     "datetime\ndatetime",
                                     "pathlib\nPosixPath",
                                     "_codecs\nencode",
                                     "copyreg\n_reconstructor",
                                     "trainer\nThing",
                                     "os\nsystem",
                                     "builtins\neval"};
static const char plain[] = "(.012)t\x85\x86\x87]lae}dsuRbQN\x88\x89\x81\x92\x93\x94o\x8f\x90\x91";

/* A call that rebuilds a tensor over a storage, and what it is called with. */
static void put_tensor(struct pickled *k, struct program *p)
{
    put(k, "ctorch._utils\n_rebuild_tensor_v2\n((", 35);
    put_text(k, "storage");
    put(k, "ctorch\nFloatStorage\n", 20);
    put_text(k, text[1 + program_choice(p, 3)]);
    put_text(k, "cpu");
    put(k, "J", 1);
    put_number(k, program_number(p), 4);
    put(k, "tQJ", 3);
    put_number(k, program_number(p), 4);
    for (size_t both = 0, rank = program_choice(p, 4); both < 2; both++) {
        put(k, "(", 1);
        for (size_t d = 0; d < rank; d++) {
            put(k, "\x8a\x08", 2);
            put_number(k, program_number(p), 8);
        }
        put(k, "t", 1);
    }
    put(k,
        "\x89"
        "ccollections\nOrderedDict\n)RtR",
        30);
}

static void put_operation(struct pickled *k, struct program *p)
{
    const char *name;
    size_t which = program_choice(p, 12);
    switch (which) {
    case 0:
        put_tensor(k, p);
        return;
    case 1:
        put_text(k, text[program_choice(p, sizeof text / sizeof *text)]);
        return;
    case 2:
        name = called[program_choice(p, sizeof called / sizeof *called)];
        put(k, "c", 1);
        put(k, name, strlen(name));
        put(k, "\n", 1);
        return;
    case 3:
        put(k, "K", 1);
        put_number(k, program_byte(p), 1);
        return;
    case 4:
        put(k, "\x8a\x08", 2);
        put_number(k, program_number(p), 8);
        return;
    case 5:
        put(k, program_choice(p, 2) ? "h" : "q", 1);
        put_number(k, program_choice(p, 6), 1);
        return;
    case 6:
        put(k, program_choice(p, 2) ? "B" : "\x8e", 1);
        put_number(k, program_number(p), k->bytes[k->count - 1] == 'B' ? 4 : 8);
        return;
    case 7:
        put(k, "\x95", 1);
        put_number(k, program_number(p), 8);
        return;
    default:
        put(k, &plain[program_choice(p, sizeof plain - 1)], 1);
    }
}

/* Number, version and machine in front of a file of the older kind, and the keys and storages behind. */
static void put_older(struct pickled *all, const struct pickled *k, struct program *p)
{
    static const char front[] = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    uint64_t keys = program_choice(p, 4);
    put(all, front, sizeof front - 1);
    put(all, k->bytes, k->count);
    put(all, "\x80\x02](", 4);
    for (uint64_t i = 0; i < keys; i++)
        put_text(all, text[1 + i % 3]);
    put(all, "e.", 2);
    for (uint64_t i = 0; i < keys; i++) {
        uint64_t n = program_number(p);
        put_number(all, n, 8);
        for (uint64_t b = 0; b < n && b < 64; b++)
            put_number(all, b, 4);
    }
}

int FUZZ_TARGET(opcodes)(const uint8_t *data, size_t size)
{
    static const uint8_t storage[96];
    static struct pickled k, all;
    struct program p = {data, data + size};
    unsigned older = program_byte(&p) & 1;
    k.count = all.count = 0;
    put(&k, "\x80\x02", 2);
    while (p.at < p.end)
        put_operation(&k, &p);
    put(&k, ".", 1);
    if (older) {
        p.at = data;
        put_older(&all, &k, &p);
        fuzz_format("torch", fuzz_file("x.pt", all.bytes, all.count));
    } else {
        struct archive a = {.bytes = NULL};
        archive_add(&a, "archive/data.pkl", k.bytes, k.count);
        for (int i = 0; i < 3; i++)
            archive_add(&a, (const char *const[]){"archive/data/0", "archive/data/1", "archive/data/2"}[i], storage, sizeof storage);
        archive_end(&a);
        fuzz_format("torch", fuzz_file("x.pt", a.bytes, a.count));
        archive_free(&a);
    }
    fuzz_no_leak();
    return 0;
}
