/* Functions of one variable over what is stored as bf16, tabulated: there are 65,536 arguments, so values and slopes are computed once each
 * and then looked up. The values have the bits of the loops that they replace, of the same instruction set; two loads of a cache that
 * activations keep to a few kilobytes of take half the time of an exponential and a division in vectors.
 *
 * Tables are made at first use and belong to the process: 128 KiB of values and 256 KiB of slopes a function.
 *
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ARGUMENTS = 1 << 16, BLOCK = 256 };

static struct table {
    _Atomic(const struct tessi_kernels *) maker; /* loops that the table was made by; NULL: it is not made yet */
    uint16_t value[ARGUMENTS];                   /* the slopes stand behind it, as two bytes there may be read */
    float slope[ARGUMENTS];
} table_gelu, table_swish, table_mish;

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct table *table_of(int which)
{
    return which == TESSI_GELU ? &table_gelu : which == TESSI_SWISH ? &table_swish : which == TESSI_MISH ? &table_mish : NULL;
}

static void table_make(struct table *t, int which, const struct tessi_kernels *k)
{
    for (uint32_t first = 0; first < ARGUMENTS; first += BLOCK) {
        uint16_t argument[BLOCK];
        float x[BLOCK], one[BLOCK];
        for (uint32_t i = 0; i < BLOCK; i++) {
            argument[i] = (uint16_t)(first + i);
            one[i] = 1.0f;
        }
        k->from_bf16(BLOCK, argument, x);
        k->as_bf16.unary[which](BLOCK, 0.0f, argument, t->value + first);
        k->as_f32.unary_back[which](BLOCK, 0.0f, x, one, t->slope + first);
    }
    atomic_store_explicit(&t->maker, k, memory_order_release);
}

/* The table of a function; made where that was not done by the loops in use. */
static const struct table *table_ready(int which)
{
    struct table *t = table_of(which);
    const struct tessi_kernels *k = tessi_kernels();
    if (atomic_load_explicit(&t->maker, memory_order_acquire) == k)
        return t;
    pthread_mutex_lock(&making);
    if (atomic_load_explicit(&t->maker, memory_order_acquire) != k)
        table_make(t, which, k);
    pthread_mutex_unlock(&making);
    return t;
}

int tessi_kernels_is_tabulated(int which)
{
    return table_of(which) != NULL;
}

void tessi_kernels_tabulated(int which, int64_t n, const uint16_t *restrict x, uint16_t *restrict y)
{
    tessi_kernels()->look_up(n, table_ready(which)->value, x, y);
}

void tessi_kernels_tabulated_back(int which, int64_t n, const uint16_t *restrict x, const uint16_t *restrict dy, uint16_t *restrict dx)
{
    tessi_kernels()->look_up_scaled(n, table_ready(which)->slope, x, dy, dx);
}
