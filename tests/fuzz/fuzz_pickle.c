/* Checkpoints of PyTorch. The input is the pickle, in an archive whose sums are right, with storages of some bytes beside it; or, where it
 * begins so itself, the whole archive or a file of the older kind. SPDX-License-Identifier: MIT */
#include "tests/fuzz/archive.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static int is_whole(const uint8_t *data, size_t size)
{
    return (size >= 2 && memcmp(data, "PK", 2) == 0) || (size >= 4 && data[0] == 0x80 && data[2] == 0x8a && data[3] == 10);
}

int FUZZ_TARGET(pickle)(const uint8_t *data, size_t size)
{
    static const uint8_t storage[96];
    if (is_whole(data, size)) {
        fuzz_format("torch", fuzz_file("x.pt", data, size));
        fuzz_no_leak();
        return 0;
    }
    struct archive a = {.bytes = NULL};
    archive_add(&a, "archive/data.pkl", data, size);
    archive_add(&a, "archive/version", "3\n", 2);
    archive_add(&a, "archive/data/0", storage, sizeof storage);
    archive_add(&a, "archive/data/1", storage, sizeof storage);
    archive_add(&a, "archive/data/2", storage, sizeof storage);
    archive_end(&a);
    fuzz_format("torch", fuzz_file("x.pt", a.bytes, a.count));
    archive_free(&a);
    fuzz_no_leak();
    return 0;
}
