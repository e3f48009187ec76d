/* The machine's limit: fused multiply-adds on registers, as many chains as hide their latency, on every thread at once; and the same of
 * products of whole tiles in bf16 where the processor has such. Nothing computes faster, so a case's rate over these says what is left to
 * gain.
 *
 * A coverage report leaves out what runs on processors of another instruction set alone (GCOVR_EXCL).
 *
 * SPDX-License-Identifier: MIT */
#include "cli/bench.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>
#ifdef TESSI_X86_64
#include <immintrin.h>
#include <sys/syscall.h>
#endif

enum { CHAINS = 10, MAX_THREADS = 256 };
#define ROUNDS 20000000L

struct burst {
    void (*run)(struct burst *b);
    double flops;
    float sink; /* result of the sums, stored so that the compiler keeps them */
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

BURST(portable_burst, 16, ) /* GCOVR_EXCL_LINE */
#ifdef TESSI_X86_64
BURST(avx2_burst, 32, __attribute__((target("avx2,fma"))))
BURST(avx512_burst, 64, __attribute__((target("avx512f")))) /* GCOVR_EXCL_LINE */

/* GCOVR_EXCL_START: AVX-512 with bf16 */
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
/* GCOVR_EXCL_STOP */
#endif

#if defined TESSI_X86_64 && defined __linux__ && defined __GNUC__ && __GNUC__ >= 11 && !defined __clang__
#define HAS_TILES
enum { TILE_ROUNDS = 4000000, TILE_STATE = 18, ASK_FOR_STATE = 0x1023 };

/* The system gives a process the tiles' registers when it asks. */
static int may_use_tiles(void)
{
    return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
           syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_STATE) == 0;
}

/* GCOVR_EXCL_START: AMX */
/* Four sums of 16 x 16 over tiles of 16 x 32 values; zeros, which take as long. */
__attribute__((target("amx-tile,amx-bf16"))) static void tile_burst(struct burst *b)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&shape) : "memory"); /* the instruction is told to read eight bytes and reads all of it */
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (long i = 0; i < TILE_ROUNDS; i++) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_release();
    b->flops = 4.0 * (double)TILE_ROUNDS * 2.0 * 16.0 * 16.0 * 32.0;
}
/* GCOVR_EXCL_STOP */
#endif

static void (*burst_for(int what))(struct burst *b)
{
#ifdef TESSI_X86_64
    __builtin_cpu_init();
#endif
#ifdef HAS_TILES
    if (what == BENCH_TILES)
        return may_use_tiles() ? tile_burst : NULL;
#endif
#ifdef TESSI_X86_64
    if (what == BENCH_BF16)
        return __builtin_cpu_supports("avx512bf16") ? bf16_burst : NULL;
    if (what == BENCH_F32 && __builtin_cpu_supports("avx512f"))
        return avx512_burst; /* GCOVR_EXCL_LINE */
    if (what == BENCH_F32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return avx2_burst;
#endif
    return what == BENCH_F32 ? portable_burst : NULL;
}

const char *bench_peak_unit(int what)
{
    if (what != BENCH_F32)
        return what == BENCH_TILES ? "AMX tiles, bf16" : "AVX-512 vectors, bf16";
#ifdef TESSI_X86_64
    if (burst_for(what) != portable_burst)
        return burst_for(what) == avx2_burst ? "AVX2 vectors, f32" : "AVX-512 vectors, f32";
#endif
    return "vectors of 4, f32";
}

static void *bench_peak_run(void *user)
{
    struct burst *b = user;
    b->run(b);
    return NULL;
}

/* Seconds of processors that this process has had. */
static double bench_peak_spent(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Time is that of the processors, so that other work on the machine does not make its limit lower. */
double bench_peak(int threads, int what)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct burst b[MAX_THREADS] = {{.run = burst_for(what)}};
    pthread_t id[MAX_THREADS];
    double best = 0.0;
    if (!b[0].run)
        return 0.0;
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    for (int repeat = 0; repeat < 3; repeat++) {
        double began = bench_peak_spent(), flops = 0.0;
        int started = 0;
        for (; started < threads; started++) {
            b[started] = (struct burst){.run = b[0].run};
            if (pthread_create(&id[started], NULL, bench_peak_run, &b[started]) != 0)
                break;
        }
        for (int i = 0; i < started; i++) {
            pthread_join(id[i], NULL);
            flops += b[i].flops;
        }
        double side_by_side = processors > 0 && processors < started ? (double)processors : (double)started;
        double rate = flops * side_by_side / (bench_peak_spent() - began) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}
