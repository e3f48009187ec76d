/* Files of safetensors whose headers are JSON throughout: types, shapes and places that fit one another, and lies among them.
 * SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/program.h"

#include <stdio.h>
#include <string.h>

enum { CAPACITY = 1 << 16, DATA = 4096 };

static const struct {
    const char *word;
    uint64_t bits;
} type[] = {{"F32", 32}, {"BF16", 16},   {"F16", 16}, {"F64", 64}, {"I64", 64},
            {"BOOL", 8}, {"F8_E4M3", 8}, {"F4", 4},   {"C64", 64}, {"X", 8}};
static const char *const name[] = {"a", "b", "a", "\\u0061", "\\ud83d\\ude00", "", "__metadata__", "x.y", "\\\\", "\\n"};

static size_t put_tensor(char *to, size_t capacity, struct program *p, uint64_t *at)
{
    size_t kind = program_choice(p, sizeof type / sizeof *type), rank = program_choice(p, 10);
    uint64_t values = 1, begin = *at, lies = program_byte(p);
    size_t n = (size_t)snprintf(to, capacity, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", name[program_choice(p, sizeof name / sizeof *name)],
                                type[kind].word);
    for (size_t d = 0; d < rank && n < capacity; d++) {
        uint64_t dim = lies & 1 ? program_number(p) : 1 + program_choice(p, 3);
        values *= dim;
        n += (size_t)snprintf(to + n, capacity - n, "%s%llu", d ? "," : "", (unsigned long long)dim);
    }
    uint64_t end = begin + (values * type[kind].bits + 7) / 8;
    begin = lies & 2 ? program_number(p) : begin;
    end = lies & 4 ? program_number(p) : end;
    *at = end;
    if (n < capacity)
        n += (size_t)snprintf(to + n, capacity - n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)end);
    return n < capacity ? n : capacity - 1;
}

int FUZZ_TARGET(header)(const uint8_t *data, size_t size)
{
    static uint8_t all[8 + CAPACITY + DATA];
    char *text = (char *)all + 8;
    struct program p = {data, data + size};
    uint64_t at = 0, claimed;
    size_t n = 1;
    unsigned how = program_byte(&p);
    memset(all, 0, sizeof all);
    text[0] = '{';
    for (int i = 0; p.at < p.end && n + 600 < CAPACITY; i++) {
        if (i)
            text[n++] = ',';
        n += put_tensor(text + n, CAPACITY - n, &p, &at);
    }
    if (how & 1)
        n += (size_t)snprintf(text + n, CAPACITY - n, "%s\"__metadata__\":{\"k\":\"v\"}", n > 1 ? "," : "");
    text[n++] = '}';
    claimed = how & 2 ? n + how : n;
    for (int i = 0; i < 8; i++)
        all[i] = (uint8_t)(claimed >> 8 * i);
    fuzz_format("safetensors", fuzz_file("x.safetensors", all, 8 + n + (at < DATA ? (size_t)at : DATA)));
    fuzz_no_leak();
    return 0;
}
