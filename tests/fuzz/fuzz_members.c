/* Archives of PyTorch whose lists of members lie: names, sizes, places, sums and flags are changed one field at a time, in front of a
 * member or in the list at the end. SPDX-License-Identifier: MIT */
#include "tests/fuzz/archive.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/program.h"

#include <string.h>

static const char tensor[] = "\x80\x02}(X\x01\0\0\0a"
                             "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
                             "0X"
                             "\x03\0\0\0cpuK\x18tQK\0K\x02K\x0c\x86K\x0cK\x01\x86\x89"
                             "ccollections\nOrderedDict\n)RtRu.";
static const char *const name[] = {"archive/data.pkl", "archive/data/0", "archive/data/1", "archive/version", "archive/byteorder",
                                   "other/data.pkl",   "archive/../x",   "archive/data/",  "data.pkl"};

/* Fields of a header in front of a member, of an entry in the list, and of the end: place and width. */
static const uint8_t front[][2] = {{0, 4}, {6, 2}, {8, 2}, {14, 4}, {18, 4}, {22, 4}, {26, 2}, {28, 2}};
static const uint8_t entry[][2] = {{0, 4}, {8, 2}, {10, 2}, {16, 4}, {20, 4}, {24, 4}, {28, 2}, {30, 2}, {32, 2}, {42, 4}};
static const uint8_t last[][2] = {{0, 4}, {4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 4}, {16, 4}, {20, 2}};

static void change(struct archive *a, size_t place, const uint8_t *field, struct program *p)
{
    uint64_t value = program_byte(p) % 4 == 0 ? a->offset[program_choice(p, (size_t)a->members)] : program_number(p);
    for (size_t i = 0; i < field[1] && place + field[0] + i < a->count; i++)
        a->bytes[place + field[0] + i] = (uint8_t)(value >> 8 * i);
}

static void lie(struct archive *a, struct program *p)
{
    size_t end = a->count - 22, at = (size_t)a->bytes[end + 16] | (size_t)a->bytes[end + 17] << 8,
           i = program_choice(p, (size_t)a->members);
    size_t which = program_choice(p, 3);
    for (size_t k = 0; k < i; k++)
        at += 46 + strlen(a->name[k]);
    if (which == 0)
        change(a, a->offset[i], front[program_choice(p, sizeof front / sizeof *front)], p);
    else if (which == 1)
        change(a, at, entry[program_choice(p, sizeof entry / sizeof *entry)], p);
    else
        change(a, end, last[program_choice(p, sizeof last / sizeof *last)], p);
}

int FUZZ_TARGET(members)(const uint8_t *data, size_t size)
{
    static const uint8_t storage[96];
    struct program p = {data, data + size};
    struct archive a = {.bytes = NULL};
    size_t others = program_choice(&p, 6);
    archive_add(&a, name[0], tensor, sizeof tensor - 1);
    archive_add(&a, name[1], storage, sizeof storage);
    for (size_t i = 0; i < others; i++)
        archive_add(&a, name[program_choice(&p, sizeof name / sizeof *name)], storage, program_choice(&p, sizeof storage));
    archive_end(&a);
    while (p.at < p.end)
        lie(&a, &p);
    fuzz_format("torch", fuzz_file("x.pt", a.bytes, a.count));
    archive_free(&a);
    fuzz_no_leak();
    return 0;
}
