/* Gradient of a convolution's weights in bf16 by tile products, where the library's own reaches a third of what its other products do
 * (docs/performance.md, "Beside the peers, shared tiles").
 *
 *   dw[o][ky][kx][c] = sum over images and outputs (y, x) of dy[y][x][o] x[y stride + ky - top][x stride + kx - left][c]
 *
 * The outputs of all images are laid on one grid of `height` x `width` positions an image, with margins of zeros wide enough that an input
 * pixel of a tap (ky, kx) lies a constant number of positions away from its output: dw is then a product of two matrices for each tap,
 * whose long side are positions, and no pixel is copied once a tap. With a stride, the input is `stride` x `stride` such grids (phases),
 * and a tap reads one of them. Positions are taken a piece at a time, which stays in the caches.
 *
 * Sums are in f32, as the tile instruction makes them: even and odd positions of 32 apart, then together, then added to the sum before;
 * inputs and sums that are denormal count as 0. An input that is not finite may make NaN of taps that do not read it: it is multiplied by
 * zeros of the margins.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_BACKENDS_ONEDNN_WEIGHT_GRADIENT_H
#define PLUGINS_BACKENDS_ONEDNN_WEIGHT_GRADIENT_H

#include <tessera/kind/backend.h>

enum {
    GRADIENT_ROWS = 16,   /* rows of a tile, and channels of a block */
    GRADIENT_DEEP = 32,   /* positions of a tile of bf16 */
    GRADIENT_PIECE = 512, /* most positions of a piece ... */
    GRADIENT_LONG = 1280, /* ... and where sums are many, as they are read and written once a piece */
    GRADIENT_MANY = 3072, /* tiles of sums, of 1 KiB each */
    GRADIENT_PAST = 2     /* pixels past a piece and its margins that are looked at */
};

/* What a product of one block of input channels at one place of the kernel reads and writes. */
struct gradient_tap {
    int32_t phase, block; /* grid of the input; block of its channels */
    int32_t shift;        /* positions from an output to its input, from the start of the piece with its margin */
    int32_t place;        /* ky kw + kx */
};

struct weight_gradient {
    struct tess_kernel_desc d;
    int32_t height, width;         /* grid of an image */
    int32_t blocks_in, blocks_out; /* channels in blocks of 16 */
    int32_t before, after;         /* margins of a piece of the input, even */
    int32_t piece, taps;           /* positions of a piece, whole tiles; products for each block of output channels */
    int64_t positions, pieces;
    unsigned char *odd;       /* of a phase: bit 0, a tap reads it at an even shift; bit 1, at an odd one */
    struct gradient_tap *tap; /* by block, phase, even and odd shifts, shift: those that read the same lines are neighbours */
};

/* 1 for sizes and dtypes that are computed here: bf16 into f32; kernels of more than one tap, as a product does the others; and three input
 * channels or more, since most of a block would be zeros. */
int weight_gradient_fits(const struct tess_kernel_desc *d);
/* *out is freed by weight_gradient_free; NULL is fine there. */
int weight_gradient_new(struct tess_context *ctx, const struct tess_kernel_desc *d, struct weight_gradient **out) TESS_CHECKED;
void weight_gradient_free(struct weight_gradient *g);
/* Parts of a run's scratch memory, in bytes from its start, each 64-byte aligned. */
struct gradient_rooms {
    size_t pixels;  /* addresses of a piece's pixels */
    size_t zeros;   /* channels of a pixel in a margin */
    size_t sums;    /* tiles of sums: of all output channels, or of two blocks of them where there is one piece */
    size_t outputs; /* dy of a piece: block, tile, channel, position */
    size_t inputs;  /* x of a piece: phase, block, even or odd pairs of positions, pair, channel, position of the pair */
    size_t pairs;   /* bytes of the pairs of one block */
    size_t all;
};
struct gradient_rooms weight_gradient_rooms(const struct weight_gradient *g);

/* x (images, h, w, ci), dy (images, ho, wo, co) as bf16; dw (co, kh, kw, ci). [any thread, many at once] */
typedef void weight_gradient_run(const struct weight_gradient *g, const uint16_t *x, const uint16_t *dy, float *dw, void *scratch);
weight_gradient_run weight_gradient_by_tiles; /* where weight_gradient_has_tiles */
/* 1 where the processor multiplies tiles of bf16 and the system lets this process do so, which is asked for here. */
int weight_gradient_has_tiles(void);

#endif
