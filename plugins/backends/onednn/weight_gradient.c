/* Plan of a weight gradient: the grid, its pieces, and the order of the taps. SPDX-License-Identifier: MIT */
#include "plugins/backends/onednn/weight_gradient.h"

#include <stdlib.h>
#ifdef TESSI_X86_64
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Shift of a kernel's row or column: its pixel is input `phase` + stride (output + shift). */
static int32_t shift_of(int32_t at, int32_t before, int32_t stride)
{
    int32_t distance = at - before, down = distance >= 0 ? distance / stride : -((-distance + stride - 1) / stride);
    return down;
}

/* Positions of one side of the grid: margins of the input lie behind it, and are those before the next row or image as well. */
static int64_t side_of(int64_t in, int64_t out, int64_t kernel, int32_t before, int32_t stride)
{
    int32_t low = shift_of(0, before, stride), high = shift_of((int32_t)kernel - 1, before, stride);
    int64_t pixels = (in + stride - 1) / stride - (low < 0 ? low : 0), reached = out + (high > 0 ? high : 0);
    return pixels > reached ? pixels : reached;
}

int weight_gradient_fits(const struct tess_kernel_desc *d)
{
    enum { SIDE = 1 << 14, CHANNELS = 1 << 14, KERNEL = 16, IMAGES = 1 << 20, FEWEST = 3 };
    return d->what == TESS_CONV_WEIGHT && d->dtype_a == TESS_BF16 && d->dtype_b == TESS_BF16 && d->dtype_c == TESS_F32 &&
           d->kh * d->kw > 1 && d->kh <= KERNEL && d->kw <= KERNEL && d->stride >= 1 && d->stride <= 2 && d->top >= 0 && d->left >= 0 &&
           d->h <= SIDE && d->w <= SIDE && d->ho <= SIDE && d->wo <= SIDE && d->ci >= FEWEST && d->ci <= CHANNELS && d->co <= CHANNELS &&
           d->images <= IMAGES;
}

static int compare_taps(const void *a, const void *b)
{
    const struct gradient_tap *s = a, *t = b;
    if (s->block != t->block)
        return s->block < t->block ? -1 : 1;
    if (s->phase != t->phase)
        return s->phase < t->phase ? -1 : 1;
    int odd_s = s->shift % 2 != 0, odd_t = t->shift % 2 != 0;
    if (odd_s != odd_t)
        return odd_s - odd_t;
    return s->shift < t->shift ? -1 : s->shift > t->shift;
}

static void find_taps(struct weight_gradient *g)
{
    const struct tess_kernel_desc *d = &g->d;
    int32_t low = 0, high = 0, n = 0;
    for (int32_t block = 0; block < g->blocks_in; block++)
        for (int32_t ky = 0; ky < d->kh; ky++)
            for (int32_t kx = 0; kx < d->kw; kx++) {
                int32_t down = shift_of(ky, d->top, d->stride), along = shift_of(kx, d->left, d->stride);
                int32_t phase_y = ky - d->top - down * d->stride, phase_x = kx - d->left - along * d->stride;
                int32_t shift = down * g->width + along;
                low = shift < low ? shift : low;
                high = shift > high ? shift : high;
                g->tap[n++] = (struct gradient_tap){phase_y * d->stride + phase_x, block, shift, (int32_t)(ky * d->kw + kx)};
            }
    g->before = (-low + 1) / 2 * 2;
    g->after = (high + 2) / 2 * 2;
    for (int32_t i = 0; i < n; i++) {
        g->tap[i].shift += g->before;
        g->odd[g->tap[i].phase] |= (unsigned char)(1 << g->tap[i].shift % 2);
    }
    qsort(g->tap, (size_t)n, sizeof *g->tap, compare_taps);
}

int weight_gradient_new(struct tess_context *ctx, const struct tess_kernel_desc *d, struct weight_gradient **out)
{
    void *memory;
    int64_t taps = d->kh * d->kw * ((d->ci + GRADIENT_ROWS - 1) / GRADIENT_ROWS), phases = (int64_t)d->stride * d->stride;
    TESS_TRY(tess_alloc(ctx, sizeof(struct weight_gradient) + (size_t)taps * sizeof(struct gradient_tap) + (size_t)phases,
                        "a weight gradient", &memory));
    struct weight_gradient *g = *out = memory;
    g->d = *d;
    g->tap = (struct gradient_tap *)(g + 1);
    g->odd = (unsigned char *)(g->tap + taps);
    g->height = (int32_t)side_of(d->h, d->ho, d->kh, d->top, d->stride);
    g->width = (int32_t)side_of(d->w, d->wo, d->kw, d->left, d->stride);
    g->blocks_in = (int32_t)((d->ci + GRADIENT_ROWS - 1) / GRADIENT_ROWS);
    g->blocks_out = (int32_t)((d->co + GRADIENT_ROWS - 1) / GRADIENT_ROWS);
    g->taps = (int32_t)taps;
    g->positions = d->images * g->height * g->width;
    int64_t most = g->blocks_out * taps > GRADIENT_MANY ? GRADIENT_LONG : GRADIENT_PIECE;
    g->pieces = (g->positions + most - 1) / most;
    int64_t even_share = (g->positions + g->pieces - 1) / g->pieces;
    g->piece = (int32_t)((even_share + GRADIENT_DEEP - 1) / GRADIENT_DEEP * GRADIENT_DEEP);
    find_taps(g);
    return TESS_OK;
}

static size_t room(size_t *end, int64_t count, size_t bytes)
{
    size_t at = *end;
    *end = (at + (size_t)count * bytes + 63) / 64 * 64;
    return at;
}

struct gradient_rooms weight_gradient_rooms(const struct weight_gradient *g)
{
    enum { TILE_BYTES = GRADIENT_ROWS * GRADIENT_ROWS * sizeof(float), PAIR_BYTES = 2 * GRADIENT_ROWS * sizeof(uint16_t) };
    struct gradient_rooms r = {0};
    int64_t window = g->piece + g->before + g->after, most = g->blocks_in > g->blocks_out ? g->blocks_in : g->blocks_out;
    int64_t summed = g->pieces > 1 || g->blocks_out < 2 ? g->blocks_out : 2, phases = (int64_t)g->d.stride * g->d.stride;
    r.pairs = (size_t)(window / 2) * PAIR_BYTES;
    r.pixels = room(&r.all, window + GRADIENT_PAST, sizeof(void *));
    r.zeros = room(&r.all, most, PAIR_BYTES);
    r.sums = room(&r.all, summed * g->taps, TILE_BYTES);
    r.outputs = room(&r.all, g->blocks_out, (size_t)g->piece * GRADIENT_ROWS * sizeof(uint16_t));
    r.inputs = room(&r.all, phases * g->blocks_in * 2, r.pairs);
    return r;
}

void weight_gradient_free(struct weight_gradient *g)
{
    tess_free(g);
}

int weight_gradient_has_tiles(void)
{
#ifdef TESSI_X86_64
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* of arch_prctl(2), since Linux 5.16 */
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return 0;
#endif
}
