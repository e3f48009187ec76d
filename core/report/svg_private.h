/* Pieces that several drawings share. SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_SVG_PRIVATE_H
#define TESSI_REPORT_SVG_PRIVATE_H

#include "core/report/html.h"
#include "core/report/svg.h"

/* Begins a drawing of width x height pixels with its title and description; it ends with "</svg>". */
void tessi_report_svg_open(FILE *to, const char *id, const char *kind, double width, double height, const char *title,
                           const char *description);
/* A number of pixels with at most one digit behind the point, without trailing zeros. */
void tessi_report_svg_pixel(FILE *to, double value);
/* The word for a state, as bars and nodes show it. */
const char *tessi_report_svg_state(int32_t state);
/* Cuts a text to `most` characters of UTF-8, with … where something went. Gives the number of characters. */
int64_t tessi_report_svg_cut(const char *text, int64_t most, char *out, size_t capacity);

#endif
