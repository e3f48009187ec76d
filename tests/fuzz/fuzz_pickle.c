/* The pickled list of tensors in a checkpoint of PyTorch. The input is the pickle, in an archive whose checksums are right, with one
 * storage of some bytes beside it; or, where it begins so itself, the whole archive. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>
#include <zip.h>

static void add(zip_t *z, const char *name, const void *data, size_t size)
{
    zip_source_t *s = zip_source_buffer(z, data, size, 0);
    zip_int64_t i = s ? zip_file_add(z, name, s, ZIP_FL_OVERWRITE) : -1;
    if (i >= 0)
        (void)zip_set_file_compression(z, (zip_uint64_t)i, ZIP_CM_STORE, 0);
    else if (s)
        zip_source_free(s);
}

int FUZZ_TARGET(pickle)(const uint8_t *data, size_t size)
{
    static const uint8_t storage[96];
    int error = 0;
    const char *path = fuzz_file("x.pt", data, size);
    if (size < 2 || memcmp(data, "PK", 2) != 0) {
        (void)unlink(path);
        zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
        if (!z)
            return 0;
        add(z, "archive/data.pkl", data, size);
        add(z, "archive/version", "3\n", 2);
        for (const char *name = "0\0001\0002\0"; *name; name += 2) {
            char full[32] = "archive/data/";
            strcat(full, name);
            add(z, full, storage, sizeof storage);
        }
        if (zip_close(z) != 0) {
            zip_discard(z);
            return 0;
        }
    }
    fuzz_format("torch", path);
    fuzz_no_leak();
    return 0;
}
