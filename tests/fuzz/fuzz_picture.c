/* A picture of any format in a folder. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int FUZZ_TARGET(picture)(const uint8_t *data, size_t size)
{
    static const char *const ending[] = {"png", "jpg", "webp", "tif", "gif", "jp2", "jxl", "bmp"};
    char text[600], name[64];
    if (size < 2)
        return 0;
    snprintf(text, sizeof text, "%s/d", fuzz_folder());
    (void)mkdir(text, 0777);
    snprintf(name, sizeof name, "d/x.%s", ending[data[0] % 8]);
    const char *path = fuzz_file(name, data + 1, size - 1);
    snprintf(text, sizeof text, "{use: folder, path: %s/d}", fuzz_folder());
    fuzz_source(text);
    (void)unlink(path);
    fuzz_no_leak();
    return 0;
}
