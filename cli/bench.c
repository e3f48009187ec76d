/* `tessera bench`: the standard workloads, how fast they run, and how near that is to what the processor can do. Each case runs in a
 * process of its own, so that its memory is its own.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/bench.h"
#include "cli/flags.h"
#include "core/base/clock.h"
#include "core/base/context.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/kernels/kernels.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* AT_WORK: stacks, code that a library makes as it runs, and its own buffers. */
enum { MAX_CASES = 64, MAX_REPEAT = 1000, AT_WORK = 6 << 20 };

struct options {
    const char *name[MAX_CASES];
    const char *precision;
    int64_t repeat; /* 0: as --quick says */
    int names, json, recompute, quick, list;
};

struct result {
    int status;
    double seconds, units, flops;
    int64_t rss, planned;
    char numeric_mode[256];
    int32_t precision;
    int unit; /* one of BENCH_PEAKS, which makes the products */
    char message[TESSI_MESSAGE_CAPACITY];
};

/* Runs the work once to warm up, then takes the fastest of `repeat` runs. */
static int time_it(struct tess_context *ctx, struct bench_work *w, int64_t repeat, struct result *r)
{
    if (!w->quick)
        TESS_TRY(w->run(ctx, w));
    for (int64_t i = 0; i < repeat; i++) {
        double began = tessi_base_seconds();
        TESS_TRY(w->run(ctx, w));
        double rate = w->units / (tessi_base_seconds() - began);
        if (i == 0 || rate > r->units / r->seconds) {
            r->seconds = w->units / rate;
            r->units = w->units;
            r->flops = w->flops;
        }
    }
    return TESS_OK;
}

/* Unit that makes the products of a runtime. Products of bf16 are made of those in f32 where the backend has no other. */
static int bench_unit(const struct tessi_runtime *runtime)
{
    int how = runtime->precision == TESS_BF16 ? tessi_host_runtime_multiplies(runtime, TESS_BF16) : 0;
    return how > 1 ? BENCH_TILES : how == 1 ? BENCH_BF16 : BENCH_F32;
}

static int bench_measure(struct tess_context *ctx, const struct cli_globals *g, const struct bench_case *k, const struct options *options,
                         struct result *r)
{
    struct tessi_runtime_options o = {
        .plugin_path = g->plugin_path, .backend = g->backend, .precision = options->precision, .threads = (int)g->threads};
    struct tessi_runtime *runtime = NULL;
    int64_t began = 0;
    struct bench_work w = {.seed = 1, .recompute = options->recompute, .quick = options->quick};
    int status = tessi_host_runtime_new(ctx, &o, &runtime);
    if (status == TESS_OK)
        status = tessi_host_runtime_compute(ctx, runtime);
    if (status == TESS_OK) {
        began = tessi_base_memory_resident();
        status = k->open(ctx, k, &w);
    }
    if (status == TESS_OK)
        status = time_it(ctx, &w, options->repeat, r);
    r->planned = w.planned ? w.planned + began + AT_WORK : 0;
    r->precision = runtime ? runtime->precision : TESS_F32;
    if (status == TESS_OK) {
        r->unit = bench_unit(runtime);
        snprintf(r->numeric_mode, sizeof r->numeric_mode, "%s", runtime->numeric_mode);
    }
    if (w.close)
        w.close(&w);
    tessi_host_runtime_free(runtime);
    return status;
}

/* Runs a case in a child process, whose peak memory then is the case's. */
static void run_case(const struct cli_globals *g, const struct bench_case *k, const struct options *options, struct result *r)
{
    struct rusage usage;
    int end[2], how = 0;
    *r = (struct result){.status = TESS_E_FAILED};
    snprintf(r->message, sizeof r->message, "%s: the process ended without a result", k->name);
    if (pipe(end) != 0)
        return;
    fflush(NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever ends `bench` ends what it measures */
        if (getppid() != self)
            _exit(1);
        struct tessi_context context;
        struct result own = {.seconds = 0.0};
        tessi_base_context_init(&context, NULL);
        own.status = bench_measure(&context.context, g, k, options, &own);
        snprintf(own.message, sizeof own.message, "%s", tessi_base_context_message(&context.context));
        _exit(write(end[1], &own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
    }
    close(end[1]);
    struct result got;
    if (child > 0 && read(end[0], &got, sizeof got) == (ssize_t)sizeof got)
        *r = got;
    close(end[0]);
    if (child > 0 && wait4(child, &how, 0, &usage) == child)
        r->rss = (int64_t)usage.ru_maxrss * 1024;
}

static void show_head(int threads, const double peak[BENCH_PEAKS])
{
    printf("%d %s, fused multiply-adds at most", threads, threads == 1 ? "thread" : "threads");
    for (int i = 0; i < BENCH_PEAKS; i++)
        if (peak[i] > 0.0)
            printf("%s %.0f GFLOP/s (%s)", i ? "," : "", peak[i], bench_peak_unit(i));
    printf("\n\n%-18s %-5s %11s %-14s %9s %10s %9s\n", "case", "", "rate", "unit", "GFLOP/s", "of the peak", "MiB");
}

static void bench_show(const struct bench_case *k, const struct result *r, int threads, const double peaks[BENCH_PEAKS], int json)
{
    const char *precision = tess_dtype_name(r->precision);
    int unit = peaks[r->unit] > 0.0 ? r->unit : BENCH_F32;
    double peak = peaks[unit], rate = r->units / r->seconds, gflops = r->flops / r->seconds / 1e9;
    if (json)
        printf("{\"case\":\"%s\",\"precision\":\"%s\",\"threads\":%d,\"seconds\":%.6g,\"rate\":%.6g,\"unit\":\"%s\",\"gflops\":%.6g,"
               "\"peak_gflops\":%.6g,\"peak_unit\":\"%s\",\"peak_rss_bytes\":%" PRId64 ",\"planned_bytes\":%" PRId64
               ",\"numeric_mode\":\"%s\"}\n",
               k->name, precision, threads, r->seconds, rate, k->unit, gflops, peak, bench_peak_unit(unit), r->rss, r->planned,
               r->numeric_mode);
    else
        printf("%-18s %-5s %11.5g %-14s %9.1f %8.0f %% %9.0f\n", k->name, precision, rate, k->unit, gflops, 100.0 * gflops / peak,
               (double)r->rss / 1048576.0);
    fflush(stdout);
}

static const struct bench_case *bench_find(const char *name)
{
    for (const struct bench_case *k = bench_cases; k->name; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static int unknown_case(const char *name)
{
    const char *names[MAX_CASES];
    int64_t n = 0;
    for (const struct bench_case *k = bench_cases; k->name; k++)
        names[n++] = k->name;
    const char *nearest = tessi_base_nearest_name(name, names, n);
    if (nearest)
        return cli_usage_error("bench", "there is no case `%s`; did you mean `%s`?", name, nearest);
    return cli_usage_error("bench", "there is no case `%s`", name);
}

static void bench_list(void)
{
    for (const struct bench_case *k = bench_cases; k->name; k++)
        printf("%-18s %-14s %s\n", k->name, k->unit, k->summary);
}

static int bench_take_word(void *options, const char *verb, const char *word)
{
    struct options *w = options;
    (void)verb;
    if (!bench_find(word))
        return unknown_case(word);
    if (w->names < MAX_CASES)
        w->name[w->names++] = word;
    return 0;
}

static int bench(struct cli_globals *g, int argc, char **argv)
{
    struct options w = {.precision = "auto"};
    int code = cli_flags_read(g, &cli_bench, argc, argv, &w, bench_take_word);
    if (code)
        return code;
    if (w.list) {
        bench_list();
        return 0;
    }
    w.repeat = w.repeat ? w.repeat : w.quick ? 1 : 3;
    if (w.names == 0)
        for (const struct bench_case *k = bench_cases; k->name; k++)
            w.name[w.names++] = k->name;
    int threads = g->threads > 0 ? (int)g->threads : tessi_base_processors();
    double peak[BENCH_PEAKS];
    for (int i = 0; i < BENCH_PEAKS; i++)
        peak[i] = bench_peak(threads, i);
    for (int i = 0; i < w.names; i++) {
        const struct bench_case *k = bench_find(w.name[i]);
        struct result r;
        run_case(g, k, &w, &r);
        if (r.status != TESS_OK) {
            fprintf(stderr, "tessera: %s\n", r.message);
            return tessi_base_exit_code(r.status);
        }
        if (i == 0 && !w.json)
            show_head(threads, peak);
        bench_show(k, &r, threads, peak, w.json);
    }
    return 0;
}

#define BENCH(member) .offset = offsetof(struct options, member)
static const struct cli_flag flags[] = {
    {.name = "--precision",
     .value = "P",
     .help = "f32, bf16, or auto: bf16 where the processor multiplies it",
     .initial = "auto",
     .choices = "f32 bf16 auto",
     .type = CLI_TEXT,
     BENCH(precision)},
    {.name = "--recompute",
     .help = "training steps make norms and activations again for the backward pass: less memory",
     .type = CLI_SWITCH,
     BENCH(recompute)},
    {.name = "--quick",
     .help = "every case once at a fraction of its size: does all of it work here? Its rates are no measure",
     .type = CLI_SWITCH,
     BENCH(quick)},
    {.name = "--list", .help = "the cases, and what each does", .type = CLI_SWITCH, BENCH(list)},
    {.name = "--json", .help = "one object a case", .type = CLI_SWITCH, BENCH(json)},
    {.name = "--repeat",
     .value = "N",
     .help = "the fastest of N runs counts, after one to warm up",
     .initial = "3",
     .type = CLI_INTEGER,
     BENCH(repeat),
     .lo = 1,
     .hi = MAX_REPEAT},
    {.name = NULL}};

const struct cli_verb cli_bench = {
    .name = "bench",
    .summary = "how fast the standard workloads run here, and how near that is to the processor's limit",
    .arguments = "[CASE ...]",
    .description =
        "Runs the cases (all, when none is named) and prints, for each, its rate, its GFLOP/s, what share that is of the fused\n"
        "multiply-adds this machine was seen to make a moment before, by the unit that multiplies here (tiles, or vectors), and the\n"
        "most memory it had. Weights are as they begin, images and codes are made up; a training step has as many microbatches\n"
        "as threads, where those divide its batch. The same cases for PyTorch and FAISS are in bench/peers; bench/compare runs both\n"
        "in turn.\n",
    .flags = flags,
    .run = bench,
};
