/* See image_name.h. SPDX-License-Identifier: MIT */
#include "kit/image/image_name.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void image_name(const char *path, char name[IMAGE_NAME_BYTES])
{
    enum { KEPT = 16 };
    char text[4 * PATH_MAX], hex[TESS_DIGEST_TEXT];
    struct tess_digest d;
    size_t length = tess_utf8_text(path, text, sizeof text);
    if (length < IMAGE_NAME_BYTES) {
        memcpy(name, text, length + 1);
        return;
    }
    const char *tail = text + strlen(text) - (IMAGE_NAME_BYTES - 1 - KEPT - 3);
    while ((*tail & 0xc0) == 0x80)
        tail++;
    tess_digest_start(&d);
    tess_digest_add_text(&d, path);
    tess_digest_end(&d, hex);
    (void)snprintf(name, IMAGE_NAME_BYTES, "%.*s...%s", KEPT, hex, tail);
}
