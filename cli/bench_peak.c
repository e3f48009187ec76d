/* The machine's limit: fused multiply-adds on registers, as many chains as hide their latency, on every thread at once. Nothing computes
 * faster, so a case's rate over this one says what is left to gain.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/bench.h"

#include <pthread.h>
#include <time.h>
#ifdef TESSI_X86_64
#include <immintrin.h>
#endif

enum { CHAINS = 10, MAX_THREADS = 256 };
#define ROUNDS 20000000L

struct burst {
    void (*run)(struct burst *b);
    double flops;
    float sink; /* so that the sums are wanted */
};

/* The compiler makes a fused multiply-add of a x + y where the processor has one. */
#define BURST(name, bytes, attribute)                                                                                                      \
    typedef float name##_vector __attribute__((vector_size(bytes)));                                                                       \
    attribute static void name(struct burst *b)                                                                                            \
    {                                                                                                                                      \
        name##_vector a[CHAINS] = {{0}}, x = {0}, y = {0};                                                                                 \
        x += 0.999f;                                                                                                                       \
        y += 1e-3f;                                                                                                                        \
        for (long i = 0; i < ROUNDS; i++) {                                                                                                \
            _Pragma("GCC unroll 10") for (int k = 0; k < CHAINS; k++) a[k] = a[k] * x + y;                                                 \
        }                                                                                                                                  \
        _Pragma("GCC unroll 10") for (int k = 0; k < CHAINS; k++) b->sink += a[k][0];                                                      \
        b->flops = 2.0 * (double)ROUNDS * CHAINS * ((double)bytes / sizeof(float));                                                        \
    }

BURST(portable_burst, 16, )
#ifdef TESSI_X86_64
BURST(avx2_burst, 32, __attribute__((target("avx2,fma"))))
BURST(avx512_burst, 64, __attribute__((target("avx512f"))))

__attribute__((target("avx512f,avx512bf16"))) static void bf16_burst(struct burst *b)
{
    __m512 a[CHAINS];
    __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f7f), y = (__m512bh)_mm512_set1_epi16(0x3a83); /* 0.996, 0.001 */
    _Pragma("GCC unroll 10") for (int k = 0; k < CHAINS; k++) a[k] = _mm512_setzero_ps();
    for (long i = 0; i < ROUNDS; i++) {
        _Pragma("GCC unroll 10") for (int k = 0; k < CHAINS; k++) a[k] = _mm512_dpbf16_ps(a[k], x, y);
    }
    _Pragma("GCC unroll 10") for (int k = 0; k < CHAINS; k++) b->sink += _mm512_cvtss_f32(a[k]);
    b->flops = 2.0 * (double)ROUNDS * CHAINS * 32.0;
}
#endif

static void (*burst_for(int bf16))(struct burst *b)
{
#ifdef TESSI_X86_64
    __builtin_cpu_init();
    if (bf16)
        return __builtin_cpu_supports("avx512bf16") ? bf16_burst : NULL;
    if (__builtin_cpu_supports("avx512f"))
        return avx512_burst;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return avx2_burst;
#endif
    return bf16 ? NULL : portable_burst;
}

static void *run(void *user)
{
    struct burst *b = user;
    b->run(b);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_peak(int threads, int bf16)
{
    struct burst b[MAX_THREADS] = {{.run = burst_for(bf16)}};
    pthread_t id[MAX_THREADS];
    double best = 0.0;
    if (!b[0].run)
        return 0.0;
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    for (int repeat = 0; repeat < 3; repeat++) {
        double began = now(), flops = 0.0;
        int started = 0;
        for (; started < threads; started++) {
            b[started] = (struct burst){.run = b[0].run};
            if (pthread_create(&id[started], NULL, run, &b[started]) != 0)
                break;
        }
        for (int i = 0; i < started; i++) {
            pthread_join(id[i], NULL);
            flops += b[i].flops;
        }
        double rate = flops / (now() - began) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}
