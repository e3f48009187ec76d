/* Pictures as characters. SPDX-License-Identifier: MIT */
#ifndef TESSI_DRAW_H
#define TESSI_DRAW_H

#include <tessera/tensor.h>

/* Columns of the terminal on stdout; COLUMNS, else 80, where it is none. */
int64_t cli_columns(void);
/* Draws a u8 (H, W, 1 or 3) picture on stdout, made smaller where it is wider than the terminal: two pixels a character in colour
 * (24 bits where the terminal says it can, else 256 colours), or shades of characters when `colour` is 0 or stdout is no terminal. */
int cli_draw(struct tess_context *ctx, const struct tess_tensor *picture, int colour) TESS_CHECKED;

#endif
