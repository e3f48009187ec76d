/* Name of an image within its source. SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGE_IMAGE_NAME_H
#define KIT_IMAGE_IMAGE_NAME_H

#include <tessera/kind/source.h>

enum { IMAGE_NAME_BYTES = sizeof(((struct tess_image *)0)->name) };

/* Makes the name of a path below its source: UTF-8, bytes that are none as \xHH. Of a longer one it has the end, behind 16 digits of the
 * digest of all. [any thread] */
void image_name(const char *path, char name[IMAGE_NAME_BYTES]);

#endif
