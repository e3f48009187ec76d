/* Text of strangers on its way to people. SPDX-License-Identifier: MIT */
#ifndef TESSI_TEXT_H
#define TESSI_TEXT_H

#include <tessera/base.h>

/* One line that a terminal or a log can show: a newline is \n, a tab \t, other controls, marks of direction and bytes that are no UTF-8 are
 * \xHH each. Everything printed that may hold a name or a word of someone else goes through this. Writes at most `room` bytes with the end,
 * whole characters; gives the length that all of it has. */
size_t tessi_base_shown_text(const char *bytes, char *to, size_t capacity);

/* Appends to the string in text, cut to `room`. */
void tessi_base_add(char *text, size_t capacity, const char *format, ...) TESS_PRINTF(3, 4);

#endif
