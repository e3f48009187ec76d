/* Text of strangers on its way to people. SPDX-License-Identifier: MIT */
#ifndef TESSI_TEXT_H
#define TESSI_TEXT_H

#include <tessera/base.h>

/* Appends to the string in `text`, cut to `capacity` bytes. */
void tessi_base_add(char *text, size_t capacity, const char *format, ...) TESS_PRINTF(3, 4);

#endif
