/* Dispatch: selects the table of kernels for this processor's instruction set, once, before any thread asks. SPDX-License-Identifier:
 * MIT */
#include "core/kernels/kernels.h"

#include <tessera/tensor.h>

#include <stdatomic.h>
#include <string.h>

extern const struct tessi_kernels tessi_kernels_portable;
#ifdef TESSI_X86_64
extern const struct tessi_kernels tessi_kernels_avx2, tessi_kernels_avx512;
#endif

static _Atomic(const struct tessi_kernels *) chosen;

static int kernels_select_usable(const struct tessi_kernels *k)
{
#ifdef TESSI_X86_64
    __builtin_cpu_init();
    if (k == &tessi_kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    if (k == &tessi_kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return k == &tessi_kernels_portable;
}

static const struct tessi_kernels *const tables[] = {
#ifdef TESSI_X86_64
    &tessi_kernels_avx512,
    &tessi_kernels_avx2,
#endif
    &tessi_kernels_portable,
};

int tessi_kernels_use(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if ((!name || strcmp(name, tables[i]->name) == 0) && kernels_select_usable(tables[i])) {
            atomic_store(&chosen, tables[i]);
            return 0;
        }
    return -1;
}

const struct tessi_kernels *tessi_kernels(void)
{
    const struct tessi_kernels *k = atomic_load(&chosen);
    if (!k) {
        (void)tessi_kernels_use(NULL);
        k = atomic_load(&chosen);
    }
    return k;
}

const struct tessi_kernels_stored_kernels *tessi_kernels_stored_kernels(int32_t dtype)
{
    return dtype == TESS_BF16 ? &tessi_kernels()->as_bf16 : &tessi_kernels()->as_f32;
}

const char *tessi_kernels_name(void)
{
    return tessi_kernels()->name;
}

#define STRING(x) #x
#define STRING_OF(x) STRING(x)

const char *tessi_kernels_order(void)
{
#if defined TESSI_INSTRUMENTED
    return " instrumented";
#elif defined __clang__
    return " clang " STRING_OF(__clang_major__);
#else
    return "";
#endif
}
