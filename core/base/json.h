/* Writing JSON values. SPDX-License-Identifier: MIT */
#ifndef TESSI_JSON_H
#define TESSI_JSON_H

#include <stdint.h>
#include <stdio.h>

/* Writes a JSON string with its quotes; NULL is null. Control characters are escaped and bytes that are not UTF-8 become U+FFFD. */
void tessi_base_json_text(FILE *to, const char *text);
/* Writes a JSON number with the shortest digits that read back as the same double; null when it is not finite. */
void tessi_base_json_f64(FILE *to, double value);

#endif
