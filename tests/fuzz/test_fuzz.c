/* The inputs in tests/fuzz/corpus, once more: what a fuzzer found, and an honest one or two of each target's. A target ends the process
 * where memory is left, and sanitizers do for what they see; no input may do either. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "tests/support/suite.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *name;
    fuzz_target *run;
} target[] = {{"yaml", fuzz_yaml},         {"override", fuzz_override},
              {"artefact", fuzz_artefact}, {"idx", fuzz_idx},
              {"cifar", fuzz_cifar},       {"npy", fuzz_npy},
              {"list", fuzz_list},         {"tar", fuzz_tar},
              {"pickle", fuzz_pickle},     {"opcodes", fuzz_opcodes},
              {"members", fuzz_members},   {"header", fuzz_header},
              {"picture", fuzz_picture},   {"safetensors", fuzz_safetensors}};

/* The input ends where a page that nobody may read begins, so that reading past it is seen in any build. */
static void take(fuzz_target *run, const char *path)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(f), page = (size_t)sysconf(_SC_PAGESIZE), capacity = (size / page + 1) * page;
    rewind(f);
    uint8_t *memory = mmap(NULL, capacity + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + capacity, page, PROT_NONE), 0);
    uint8_t *data = memory + capacity - size;
    ck_assert_uint_eq(fread(data, 1, size, f), size);
    fclose(f);
    (void)run(data, size);
    munmap(memory, capacity + page);
}

START_TEST(inputs)
{
    char folder[512], path[1024];
    int taken = 0;
    snprintf(folder, sizeof folder, "%s/%s", CORPUS, target[_i].name);
    DIR *d = opendir(folder);
    ck_assert_msg(d != NULL, "%s cannot be read", folder);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        take(target[_i].run, path);
        taken++;
    }
    closedir(d);
    ck_assert_int_gt(taken, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuzz");
    TCase *t = tcase_create("inputs");
    tcase_add_loop_test(t, inputs, 0, sizeof target / sizeof *target);
    suite_add_tcase(s, t);
    return suite_run(s);
}
