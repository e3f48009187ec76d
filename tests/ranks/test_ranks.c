/* Ranks over the transport `local`: collective calls, sums, graphs whose microbatches lie on several ranks, and ranks that fail.
 * SPDX-License-Identifier: MIT */
#include "core/base/log.h"
#include "core/graph/node.h"
#include "tests/support/ranks_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- collective calls ---------------------------------------------------------------------------------------------- */

static void calls(int rank, const char *transport, void *user)
{
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_context *ctx = &b.context.context;
    struct tessi_ranks *r = ranks_fixture_join(&b, transport);
    int n = *(int *)user, all[RANKS_FIXTURE_MAX] = {0}, word = rank == 0 ? 4711 : 0;
    ck_assert(tessi_ranks_rank(r) == rank && tessi_ranks_size(r) == n);
    fixture_ok(&b, tessi_ranks_broadcast(ctx, r, &word, sizeof word));
    ck_assert_int_eq(word, 4711);
    static char big[3 << 20]; /* more than a socket takes at once */
    for (size_t i = 0; rank == 0 && i < sizeof big; i++)
        big[i] = (char)(i * 31 >> 3);
    fixture_ok(&b, tessi_ranks_broadcast(ctx, r, big, sizeof big));
    for (size_t i = 0; i < sizeof big; i++)
        ck_assert_int_eq(big[i], (char)(i * 31 >> 3));
    int own = 100 + rank;
    fixture_ok(&b, tessi_ranks_collect(ctx, r, &own, sizeof own, all));
    for (int k = 0; rank == 0 && k < n; k++)
        ck_assert_int_eq(all[k], 100 + k);
    fixture_ok(&b, tessi_ranks_barrier(ctx, r, 1000.0));
    int64_t rows[11] = {0}, first, end;
    tessi_ranks_share(11, n, rank, &first, &end);
    for (int64_t i = first; i < end; i++)
        rows[i] = i * i;
    fixture_ok(&b, tessi_ranks_gather(ctx, r, rows, 11, sizeof *rows));
    for (int64_t i = 0; i < 11; i++)
        ck_assert_int_eq(rows[i], i * i);
    ranks_fixture_leave(&b, TESS_OK);
}

START_TEST(calls_bring_all_to_all)
{
    for (int n = 1; n <= 5; n += 2)
        ranks_fixture_all(n, calls, &n);
}
END_TEST

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

enum { SUMS = 40, LONGEST = 3 << 20, LEAVES = 6, GROUPS = 6 }; /* the first, and what lies between those that are too long */

/* Floats of sum i: mostly few; two that are more than go together. */
static int64_t sum_floats(int i)
{
    return i == 11 || i == 30 ? LONGEST : 40 + 977 * (i % 7);
}

/* Value of leaf `leaf` of sum i at `at`; sums of three in another order have other bits. */
static float sum_leaf(int i, int64_t leaf, int64_t at)
{
    return (float)(1 + (i + at) % 5) * (leaf % 2 ? 1e-8f : 1.0f) / (float)(3 + leaf);
}

static float sum_whole(int i, int64_t at)
{
    float n[LEAVES];
    for (int leaf = 0; leaf < LEAVES; leaf++)
        n[leaf] = sum_leaf(i, leaf, at);
    return (n[0] + n[1] + (n[2] + n[3])) + (n[4] + n[5]);
}

/* Gives the nodes of this rank's share for sum i. */
static void sum_give(int i, struct tessi_ranks *r, struct tessi_ranks_sum *s)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    int64_t first, end;
    tessi_ranks_share(LEAVES, tessi_ranks_size(r), tessi_ranks_rank(r), &first, &end);
    int nodes = tessi_ranks_tree_nodes(LEAVES, first, end, node);
    for (int k = 0; k < nodes; k++)
        for (int64_t at = 0; at < s->floats; at++) {
            float sum = sum_leaf(i, node[k].first, at), pair = node[k].end - node[k].first > 1 ? sum_leaf(i, node[k].first + 1, at) : 0.0f;
            sum = node[k].end - node[k].first > 1 ? sum + pair : sum;
            if (node[k].end - node[k].first == 4)
                sum += sum_leaf(i, node[k].first + 2, at) + sum_leaf(i, node[k].first + 3, at);
            s->part[k][at] = sum;
        }
}

/* Sums that stand ready at other times on each rank: `user` is by how many each rank is ahead of the one that is waited for. */
static void many_sums(int rank, const char *transport, void *user)
{
    static struct tessi_ranks_sum sum[SUMS];
    struct fixture b;
    int ahead = *(int *)user * (rank + 1);
    fixture_open(&b, 1, 1, 1, 0);
    struct tessi_ranks *r = ranks_fixture_join(&b, transport);
    for (int i = 0; i < SUMS; i++) {
        sum[i] = (struct tessi_ranks_sum){.job.run = tessi_ranks_sum_run, .microbatches = LEAVES, .floats = sum_floats(i), .scale = 1.0f};
        for (int k = 0; k < LEAVES; k++)
            ck_assert_ptr_nonnull(sum[i].part[k] = malloc((size_t)sum[i].floats * sizeof(float)));
        sum[i].result = sum[i].part[0];
        sum_give(i, r, &sum[i]);
        tessi_ranks_job_start(r, &sum[i].job, 0);
    }
    for (int i = 0, given = 0; i < SUMS; i++) {
        int end = i + ahead < SUMS ? i + ahead + 1 : SUMS;
        for (int k = end - 1; k >= given; k--) /* the one that is waited for as the last */
            tessi_ranks_job_ready(r, &sum[k].job);
        given = end;
        fixture_ok(&b, tessi_ranks_job_wait(&b.context.context, r, &sum[i].job));
    }
    for (int i = 0; i < SUMS; i++)
        for (int64_t at = 0; at < sum[i].floats; at++)
            ck_assert_msg(sum[i].result[at] == sum_whole(i, at), "rank %d, sum %d of %d ahead differs", rank, i, ahead);
    int64_t exchanges = tessi_ranks_traffic(r).exchanges;
    int64_t wanted = ahead == 0 ? 2 * SUMS : *(int *)user == SUMS ? 2 * GROUPS : exchanges;
    ck_assert_msg(exchanges == wanted, "%d ahead: %lld exchanges", ahead, (long long)exchanges);
    ranks_fixture_leave(&b, TESS_OK);
}

/* Each sum alone where none stands ready behind it; else as many together as all ranks have. */
START_TEST(sums_that_stand_ready_go_together)
{
    static const int ahead[] = {0, 4, SUMS};
    for (size_t k = 0; k < sizeof ahead / sizeof *ahead; k++)
        for (int n = 2; n <= 4; n++)
            ranks_fixture_all(n, many_sums, (void *)(uintptr_t)&ahead[k]);
}
END_TEST

/* ---- graphs -------------------------------------------------------------------------------------------------------- */

enum { SAMPLES = 27, WIDE = 40 };

struct results {
    float loss, mean, sums[WIDE], gradient[WIDE * WIDE], bias[WIDE];
};

/* A step of a network of microbatches of three samples, with a mean over the whole batch in the middle. */
static void step(struct fixture *b, int64_t microbatches, struct results *r)
{
    static float x[SAMPLES * WIDE];
    struct tess_stream s = {.seed = 3};
    struct tess_tensor in = tess_tensor_over(x, TESS_F32, 2, DIMS(3 * microbatches, WIDE)), gradient;
    struct tess_tensor total[3] = {tess_tensor_over(&r->loss, TESS_F32, 0, NULL), tess_tensor_over(&r->mean, TESS_F32, 0, NULL),
                                   tess_tensor_over(r->sums, TESS_F32, 2, DIMS(1, WIDE))};
    struct tess_graph *g = b->graph;
    tess_random_normal(&s, 0, SAMPLES * WIDE, x);
    struct tess_node *node = tess_input(g, "x", TESS_F32, 2, DIMS(3, WIDE));
    node = tess_linear(g, node, normal_weight(g, "w", 2, DIMS(WIDE, WIDE), 0, 0.3), normal_weight(g, "b", 1, DIMS(WIDE), 0, 1));
    struct tess_node *mean = tess_batch_mean(g, tess_mean_all(g, tess_square(g, node)));
    tess_total(g, "sums", tess_sum(g, node, 1));
    tess_objective(g, "loss", "", tess_mul(g, mean, tess_mean_all(g, tess_abs(g, node))));
    fixture_ok(b, tess_graph_seal(&b->context.context, g));
    struct tess_batch batch = {.size = sizeof batch, .samples = 3 * microbatches, .inputs = 1, .in = &in, .totals = 3, .total = total};
    for (int i = 0; i < 3; i++)
        fixture_ok(b, tess_graph_step(&b->context.context, g, &batch));
    fixture_ok(b, tess_graph_gradient(&b->context.context, g, "w", &gradient));
    memcpy(r->gradient, gradient.data, sizeof r->gradient);
    fixture_ok(b, tess_graph_gradient(&b->context.context, g, "b", &gradient));
    memcpy(r->bias, gradient.data, sizeof r->bias);
}

struct wanted {
    int64_t microbatches;
    int threads;
    struct results results;
};

static void step_on_ranks(int rank, const char *transport, void *user)
{
    static struct results found;
    const struct wanted *want = user;
    struct fixture b;
    (void)rank;
    fixture_open(&b, want->threads, 3, want->microbatches, 1);
    tessi_graph_over_ranks(b.graph, ranks_fixture_join(&b, transport));
    step(&b, want->microbatches, &found);
    ck_assert_msg(memcmp(&found, &want->results, sizeof found) == 0, "rank %d differs from one process", rank);
    ranks_fixture_leave(&b, TESS_OK);
}

/* Microbatches and ranks of which neither divides the other; one rank at least has nothing to do where there are more ranks. */
START_TEST(ranks_do_not_change_a_bit)
{
    static const int64_t microbatches[] = {1, 3, 8, 9};
    static struct wanted want;
    for (size_t i = 0; i < sizeof microbatches / sizeof *microbatches; i++) {
        struct fixture b;
        memset(&want, 0, sizeof want);
        want.microbatches = microbatches[i];
        fixture_open(&b, 1, 3, want.microbatches, 1);
        step(&b, want.microbatches, &want.results);
        fixture_close(&b);
        for (int n = 2; n <= 5; n++) {
            want.threads = 1 + n % 2;
            ranks_fixture_all(n, step_on_ranks, &want);
        }
    }
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static void one_aborts(int rank, const char *transport, void *user)
{
    struct fixture b;
    int status = TESS_OK;
    const char *message = "";
    (void)user;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_context *ctx = &b.context.context;
    struct tessi_ranks *r = ranks_fixture_join(&b, transport);
    if (rank == 2)
        tessi_ranks_abort(r, TESS_E_DATA, "image 7 is damaged");
    ck_assert_int_eq(tessi_ranks_barrier(ctx, r, 0.0), TESS_E_DATA);
    ck_assert(tessi_ranks_failed(r, &status, &message));
    ck_assert_int_eq(status, TESS_E_DATA);
    ck_assert_msg(strstr(message, "image 7 is damaged") && (rank == 2 || strncmp(message, "rank 2 (", 8) == 0), "%s", message);
    ck_assert_int_eq(tessi_ranks_gather(ctx, r, NULL, 0, 0), TESS_E_DATA); /* and so do all calls from here on */
    ranks_fixture_leave(&b, TESS_E_FAILED);
}

START_TEST(an_abort_reaches_all)
{
    ranks_fixture_all(3, one_aborts, NULL);
}
END_TEST

static void one_dies(int rank, const char *transport, void *user)
{
    struct fixture b;
    int word = 0;
    (void)user;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_context *ctx = &b.context.context;
    struct tessi_ranks *r = ranks_fixture_join(&b, transport);
    int status = tessi_ranks_barrier(ctx, r, 0.0);
    if (rank == 1)
        (void)raise(SIGKILL);
    if (status == TESS_OK) /* it may die before the others have left the first */
        status = tessi_ranks_barrier(ctx, r, 0.0);
    ck_assert_int_eq(status, TESS_E_FAILED);
    ck_assert_msg(strstr(tess_message(ctx), "rank 1 (") && strstr(tess_message(ctx), "its process has ended"), "%s", tess_message(ctx));
    tess_forget(ctx);
    ck_assert_int_eq(tessi_ranks_gather(ctx, r, &word, 1, 4), TESS_E_FAILED);
    ck_assert_int_eq(tessi_base_signals_stopping(), rank == 0); /* a stage that waits for nobody stops as well */
    ranks_fixture_leave(&b, TESS_E_FAILED);
}

START_TEST(a_dead_rank_is_named)
{
    struct ranks_ends ends = ranks_fixture_run(4, one_dies, NULL);
    for (int rank = 0; rank < 4; rank++)
        ck_assert_int_eq(ends.code[rank], rank == 1 ? -SIGKILL : 0);
}
END_TEST

/* A process that stops this one for a while, as a batch system does that suspends a job. */
static void stop_for(unsigned seconds)
{
    pid_t own = getpid(), other = fork();
    ck_assert_int_ge(other, 0);
    if (other == 0) {
        (void)kill(own, SIGSTOP);
        (void)sleep(seconds);
        (void)kill(own, SIGCONT);
        _exit(0);
    }
    (void)waitpid(other, NULL, 0);
}

static void all_stop(int rank, const char *transport, void *user)
{
    (void)rank;
    (void)user;
    struct fixture b;
    char impatient[256];
    fixture_open(&b, 1, 1, 1, 0);
    snprintf(impatient, sizeof impatient, "%s", transport);
    memcpy(strstr(impatient, "3600"), "   3", 4); /* seconds of silence */
    struct tessi_ranks *r = ranks_fixture_join(&b, impatient);
    fixture_ok(&b, tessi_ranks_barrier(&b.context.context, r, 0.0));
    stop_for(5);
    fixture_ok(&b, tessi_ranks_barrier(&b.context.context, r, 0.0));
    ranks_fixture_leave(&b, TESS_OK);
}

START_TEST(ranks_that_were_stopped_go_on)
{
    ranks_fixture_all(2, all_stop, NULL);
}
END_TEST

static int join_nobody(void *self, struct tess_context *ctx, struct tess_ranks_place *out)
{
    (void)self;
    (void)ctx;
    (void)out;
    for (;;)
        (void)pause();
    return TESS_OK;
}

static void late(int status, const char *message)
{
    _exit(status == TESS_E_STOPPED ? 2 : strstr(message, "the ranks have not met") ? 1 : 3);
}

/* A transport that waits for ever for ranks that do not come; with and without a request to stop. */
START_TEST(ranks_that_do_not_meet_are_late)
{
    static const struct tess_transport_1 ops = {.size = sizeof ops, .join = join_nobody};
    for (int stopped = 0; stopped < 2; stopped++) {
        int how = 0;
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct fixture b;
            struct tessi_ranks *r;
            const struct tessi_ranks_joining joining = {.patience = stopped ? 0.0 : 0.3, .late = late};
            fixture_open(&b, 1, 1, 1, 0);
            if (stopped)
                tessi_base_signals_request_stop();
            (void)!tessi_ranks_open(&b.context.context, &ops, NULL, &joining, &r);
            _exit(4);
        }
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 1 + stopped, "%x", (unsigned)how);
    }
}
END_TEST

START_TEST(a_process_alone_is_rank_0_of_1)
{
    int64_t first, end;
    ck_assert_int_eq(tessi_ranks_rank(NULL), 0);
    ck_assert_int_eq(tessi_ranks_size(NULL), 1);
    tessi_ranks_share(7, 1, 0, &first, &end);
    ck_assert(first == 0 && end == 7);
    ck_assert(!tessi_ranks_failed(NULL, NULL, NULL));
    ck_assert_int_eq(tessi_ranks_barrier(NULL, NULL, 1.0), TESS_OK);
}
END_TEST

START_TEST(a_transport_wants_its_launcher)
{
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_int_eq(tessi_host_runtime_join(&b.context.context, b.runtime, "{use: local, rank: 3, sockets: \"-1 5\"}", NULL),
                     TESS_E_VALUE);
    ck_assert_msg(strstr(tess_message(&b.context.context), "--ranks N"), "%s", tess_message(&b.context.context));
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ranks");
    TCase *t = tcase_create("calls");
    tcase_add_test(t, calls_bring_all_to_all);
    tcase_add_test(t, a_process_alone_is_rank_0_of_1);
    tcase_add_test(t, a_transport_wants_its_launcher);
    suite_add_tcase(s, t);
    t = tcase_create("sums");
    tcase_add_test(t, sums_that_stand_ready_go_together);
    suite_add_tcase(s, t);
    t = tcase_create("graphs");
    tcase_add_test(t, ranks_do_not_change_a_bit);
    suite_add_tcase(s, t);
    t = tcase_create("failures");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_abort_reaches_all);
    tcase_add_test(t, a_dead_rank_is_named);
    tcase_add_test(t, ranks_that_were_stopped_go_on);
    tcase_add_test(t, ranks_that_do_not_meet_are_late);
    suite_add_tcase(s, t);
    return suite_run(s);
}
