/* Tests of runs of recorded graphs, for every kind that records: repeated, interleaved with another instance, on several threads, without
 * memory. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int repeated_run(struct judge *j, struct judge_piece *p)
{
    return judge_ok(j, p->ctx, p->work->name, judge_piece_run(p, 0));
}

/* Compares the outputs of two pieces, bit for bit. */
static int repeated_same(struct judge *j, const struct judge_piece *a, const struct judge_piece *b, const char *wanted)
{
    char text[160] = "their bits differ";
    for (int32_t k = 0; k < a->outputs; k++) {
        if (memcmp(a->out[k].value.data, b->out[k].value.data, tess_tensor_bytes(&a->out[k].value)) == 0)
            continue;
        (void)judge_differs(&a->out[k].value, &b->out[k].value, 0, 0, text, sizeof text);
        return judge_fail(j, "%s, %s: wanted the same bytes %s, found that %s", a->work->name, a->out[k].name, wanted, text);
    }
    return TESS_OK;
}

/* ---- again, and beside another ------------------------------------------------------------------------------------- */

static int repeated_again(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece a = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 2}, b = a;
    int status = judge_piece_begin(&a);
    if (status == TESS_OK)
        status = judge_piece_begin(&b);
    if (status == TESS_OK)
        status = repeated_run(j, &a);
    for (int k = 0; status == TESS_OK && k < 2; k++)
        status = repeated_run(j, &b);
    if (status == TESS_OK)
        status = repeated_same(j, &a, &b, "of the same seed, in the first run and in a second");
    if (b.graph)
        judge_piece_close(&b);
    judge_piece_close(&a);
    return status;
}

static int judge_again_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_again);
}

static int judge_again(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, judge_again_body);
}

/* Runs one instance with runs of another in between. */
static int repeated_instances(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct tess_instance *other;
    struct judge_piece alone = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 1}, a = alone, b = alone;
    int status = judge_piece_begin(&alone);
    if (status == TESS_OK)
        status = repeated_run(j, &alone);
    if (status != TESS_OK) {
        judge_piece_close(&alone);
        return status;
    }
    status = judge_ok(j, j->ctx, "opening a second instance", judge_open(j, j->ctx, 1, &other));
    b.instance = other;
    b.first = 5;
    if (status == TESS_OK)
        status = judge_piece_begin(&a);
    if (status == TESS_OK)
        status = judge_piece_begin(&b);
    if (status == TESS_OK)
        status = repeated_run(j, &b);
    if (status == TESS_OK)
        status = repeated_run(j, &a);
    if (status == TESS_OK)
        status = repeated_same(j, &alone, &a, "alone and with another instance at work");
    if (b.graph)
        judge_piece_close(&b);
    if (a.graph)
        judge_piece_close(&a);
    tess_instance_close(other);
    judge_piece_close(&alone);
    return status;
}

static int judge_instances_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_instances);
}

static int judge_instances(struct judge *j)
{
    return judge_over(j, 1, judge_instances_body);
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

static int repeated_threads(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_threads four;
    struct judge_piece one = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 1, .microbatches = 8}, many = one;
    int status = judge_piece_begin(&one);
    if (status == TESS_OK)
        status = repeated_run(j, &one);
    if (status != TESS_OK) {
        judge_piece_close(&one);
        return status;
    }
    status = judge_threads_open(j, 4, &four);
    many.ctx = four.ctx;
    if (status == TESS_OK)
        status = judge_piece_begin(&many);
    for (int k = 0; status == TESS_OK && k < 3; k++) {
        status = repeated_run(j, &many);
        if (status == TESS_OK)
            status = repeated_same(j, &one, &many, "on 1 and on 4 threads");
    }
    if (many.graph)
        judge_piece_close(&many);
    judge_threads_close(&four);
    judge_piece_close(&one);
    return status;
}

static int judge_threads_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_threads);
}

static int judge_threads_test(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, judge_threads_body);
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* Makes a full cycle, from recording to the end of a run. */
static int repeated_cycle(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 1};
    int status = judge_piece_open(&p);
    if (status == TESS_OK)
        status = judge_piece_run(&p, 0);
    judge_piece_close(&p);
    return status;
}

static int repeated_leaks(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    int64_t before = 0;
    for (int n = 0; n < 3; n++) {
        int status = repeated_cycle(j, i, w);
        if (status != TESS_OK)
            return status;
        if (n && tessi_base_memory_in_use() != before)
            return judge_fail(j, "%s: wanted all memory back when its graph is freed, found %lld bytes more in use each time", w->name,
                              (long long)(tessi_base_memory_in_use() - before));
        before = tessi_base_memory_in_use();
    }
    return TESS_OK;
}

static int judge_leaks_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_leaks);
}

static int judge_leaks(struct judge *j)
{
    return judge_over(j, 1, judge_leaks_body);
}

/* Makes the cycle with its n-th allocation failing; *past: there are fewer. */
static int repeated_failing(struct judge *j, struct tess_instance *i, const struct judge_workload *w, int64_t n, int *past)
{
    int64_t before = tessi_base_memory_in_use();
    tess_forget(j->ctx);
    *j->verdict->text = '\0';
    tessi_base_memory_fail_at(n);
    int status = repeated_cycle(j, i, w);
    *past = tessi_base_memory_fail_left() > 0;
    tessi_base_memory_fail_at(0);
    if (*past)
        return TESS_OK;
    *j->verdict->text = '\0';
    if (status > 0) /* a fault of recording, for want of memory */
        status = TESS_OK;
    JUDGE_TRY(judge_status(j, j->ctx, w->name, status));
    if (status != TESS_OK && status != TESS_E_MEMORY)
        return judge_fail(j, "%s: allocation %lld failed: wanted TESS_E_MEMORY (%d), found %d: %s", w->name, (long long)n, TESS_E_MEMORY,
                          status, tess_message(j->ctx));
    if (tessi_base_memory_in_use() != before)
        return judge_fail(j, "%s: allocation %lld failed: wanted all memory back, found %lld bytes more in use", w->name, (long long)n,
                          (long long)(tessi_base_memory_in_use() - before));
    return TESS_OK;
}

/* Fails each allocation in turn: all of them from level 3 on; below, the first ones and then fewer and fewer. */
static int repeated_allocations(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    int status = repeated_cycle(j, i, w);
    if (status != TESS_OK)
        return status;
    for (int64_t n = 1; n < 100000; n += j->level < 3 ? 1 + n / 8 : 1) {
        int past;
        JUDGE_TRY(repeated_failing(j, i, w, n, &past));
        if (past)
            break;
    }
    return TESS_OK;
}

static int judge_allocations_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_allocations);
}

static int judge_allocations(struct judge *j)
{
    return judge_over(j, 1, judge_allocations_body);
}

/* Compares the memory of a run with the cost of the sealed graph. */
static int repeated_memory(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    const int64_t spare = (int64_t)8 << 20, other = (int64_t)64 << 20;
    struct tess_cost cost = {.size = sizeof cost};
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 1};
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the graph's cost", tess_graph_cost(j->ctx, p.graph, &cost));
    int64_t before = tessi_base_memory_in_use(), lies = tessi_base_memory_resident();
    tessi_base_memory_peak_restart();
    if (status == TESS_OK)
        status = repeated_run(j, &p);
    int64_t took = tessi_base_memory_peak() - before, more = tessi_base_memory_resident() - lies;
    if (status == TESS_OK && took > cost.total_bytes + spare)
        status = judge_fail(j, "%s: wanted a run within the %.1f MiB that its graph says, found %.1f MiB", w->name,
                            (double)cost.total_bytes / 1048576.0, (double)took / 1048576.0);
    if (status == TESS_OK && more > cost.total_bytes + spare + other)
        status = judge_fail(j, "%s: wanted a run within the %.1f MiB that its graph says, found the process %.1f MiB larger", w->name,
                            (double)cost.total_bytes / 1048576.0, (double)more / 1048576.0);
    judge_piece_close(&p);
    return status;
}

static int judge_memory_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_memory);
}

static int judge_memory(struct judge *j)
{
    return judge_over(j, 1, judge_memory_body);
}

/* Compares the processor time of a run with the operations of the graph's cost: a hundredth of the speed of any processor will do. */
static int repeated_time(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct tess_cost cost = {.size = sizeof cost};
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 1};
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the graph's cost", tess_graph_cost(j->ctx, p.graph, &cost));
    clock_t before = clock();
    if (status == TESS_OK)
        status = repeated_run(j, &p);
    double took = (double)(clock() - before) / CLOCKS_PER_SEC, wanted = 5.0 + cost.flops * 2.0 / 1e7;
    if (status == TESS_OK && took > wanted)
        status = judge_fail(j, "%s: wanted %.3g operations a sample within %.1f s of the processor, found %.1f s", w->name, cost.flops,
                            wanted, took);
    judge_piece_close(&p);
    return status;
}

static int judge_time_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, repeated_time);
}

static int judge_time(struct judge *j)
{
    return judge_over(j, 1, judge_time_body);
}

const struct judge_test judge_repeated_tests[] = {
    {"repeats", 1, "the same seed gives the same bytes, and a second run those of the first", judge_again},
    {"interleaved", 1, "two instances in turn give what each gives alone", judge_instances},
    {"threads", 1, "1 and 4 threads give the same bytes", judge_threads_test},
    {"leaks", 1, "all memory comes back when a graph is freed", judge_leaks},
    {"allocations", 1, "whichever allocation fails, recording and running give TESS_E_MEMORY and all memory comes back", judge_allocations},
    {"memory", 1, "a run stays within the memory that its graph says", judge_memory},
    {"time", 3, "a run takes no longer than its graph says by far", judge_time},
    {"gradients", 1, "gradients of what is smooth agree with differences along drawn directions", judge_gradients},
    {NULL, 0, NULL, NULL}};
