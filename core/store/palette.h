/* Palettes of at most 256 colours for pictures of 8 bits. SPDX-License-Identifier: MIT */
#ifndef TESSI_STORE_PALETTE_H
#define TESSI_STORE_PALETTE_H

#include <tessera/tensor.h>

enum { TESSI_PALETTE_COLOURS = 256 };

struct tessi_store_palette {
    int32_t colours;
    uint8_t colour[TESSI_PALETTE_COLOURS][3];
};

/* Finds at most `most` (1 to 256) colours for a picture u8 (H, W, 1 or 3) and writes each pixel's number of its colour to index (H x W).
 * Exact where the picture has no more; else by median cut over 5 bits a channel (Heckbert, "Color Image Quantization for Frame Buffer
 * Display"): the box of colours with the most pixels times spread is split at its median until there are enough. */
int tessi_store_palette(struct tess_context *ctx, const struct tess_tensor *picture, int32_t most, struct tessi_store_palette *palette,
                        uint8_t *index) TESS_CHECKED;

#endif
