/* Main function of a fuzz target for compilers without libFuzzer: each file named is one input; without names, stdin is. For AFL++:
 * afl-fuzz -i CORPUS -o OUT -- tests/fuzz_yaml @@. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static int one(FILE *f)
{
    enum { MAX = 1 << 20 };
    uint8_t *data = malloc(MAX);
    if (!f || !data)
        return 1;
    size_t size = fread(data, 1, MAX, f);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc == 1)
        return one(stdin);
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        failed |= one(f);
        if (f)
            fclose(f);
    }
    return failed;
}
