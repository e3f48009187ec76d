/* Runs beside one another and after one another: a folder is of one pipeline at any moment, whoever else works there; what another user
 * holds is told and not waited for in vain; and a checkpoint that cannot be read for now is never written over.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* unshare */
#include "tests/support/flow_fixture.h"

#include "core/base/inject.h"
#include "core/base/lock.h"
#include "core/flow/pictures.h"
#include "core/store/store.h"
#include "tests/support/suite.h"
#include "tests/support/users.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char slow[] = "tessera: 1\nname: slow\nstages:\n  one: {use: flow-make}\n  walk: {use: flow-slow, in: {a: one}, steps: 60}\n";

static struct result r, other;

static void start(void)
{
    flow_start();
    (void)tessi_base_inject_plan(NULL);
    flow_write("p.yaml", flow_chain);
}

/* A run in a process of its own, with trouble; what became of it is left to the caller. */
static pid_t begin(const struct attempt *a, const char *plan)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)tessi_base_inject_plan(plan);
        tessi_base_signals_catch();
        flow_attempt(a, &r);
        flow_write("message", r.message);
        _exit(tessi_base_exit_code(r.status));
    }
    return child;
}

static int ends(pid_t child)
{
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

static void pauses(pid_t child)
{
    int how;
    ck_assert_int_eq(waitpid(child, &how, WUNTRACED), child);
    ck_assert(WIFSTOPPED(how));
}

static int there(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "runs/chain/%s", name);
    return access(path, F_OK) == 0;
}

static void agrees(const char *slope, const char *names, int absent)
{
    char words[64];
    snprintf(words, sizeof words, "slope: %s", slope);
    ck_assert_msg(strstr(flow_read("runs/chain/resolved.yaml"), words), "%s", flow_read("runs/chain/resolved.yaml"));
    char list[200], *next;
    snprintf(list, sizeof list, "%s", names);
    for (char *at = strtok_r(list, " ", &next); at; at = strtok_r(NULL, " ", &next))
        ck_assert_msg(there(at) == !absent, "%s", at);
}

/* No two pictures of a pipeline share a file, whatever the names of its stages and of their pictures. */
START_TEST(pictures_apart)
{
    struct tessi_context context;
    tessi_base_context_init(&context, NULL);
    static const char *const pair[][4] = {
        {"a", "b-c", "a-b", "c"}, {"a", "b c", "a", "b_c"}, {"a", "b%20c", "a", "b c"}, {"a", "b.c", "a", "b-c"}};
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        char *one = NULL, *two = NULL;
        ck_assert_int_eq(tessi_flow_picture_path(&context.context, "runs/x", pair[i][0], pair[i][1], &one), TESS_OK);
        ck_assert_int_eq(tessi_flow_picture_path(&context.context, "runs/x", pair[i][2], pair[i][3], &two), TESS_OK);
        ck_assert_str_ne(one, two);
        tess_free(one);
        tess_free(two);
    }
}
END_TEST

#define OLD "sum.h5 end.h5 sum.dots.png end.dots.png"

/* ---- the folder ---------------------------------------------------------------------------------------------------- */

START_TEST(changed_and_killed)
{
    const struct attempt half = {.override = {"sum.curve.slope=0.25"}, .run = 1};
    flow_run(&r);
    agrees("0.5", "one.h5 two.h5 " OLD, 0);
    (void)flow_trace();
    ck_assert_int_eq(ends(begin(&half, "kill@stage:1")), -SIGKILL);
    agrees("0.25", OLD, 1);
    agrees("0.25", "one.h5 two.h5", 0);
    ck_assert_ptr_nonnull(strstr(flow_read("runs/chain/log.jsonl"), "had results of another run (sum, end); they are in the cache"));
    ck_assert_str_eq(flow_trace(), "");
    flow_run(&other); /* back: nothing is computed, all of it is there again */
    ck_assert_str_eq(flow_trace(), "");
    agrees("0.5", "one.h5 two.h5 " OLD, 0);
    ck_assert_str_eq(other.stage[3].digest, r.stage[3].digest);
    flow_attempt(&half, &other);
    ck_assert_int_eq(other.status, TESS_OK);
    agrees("0.25", "one.h5 two.h5 " OLD, 0);
    ck_assert_str_ne(other.stage[3].digest, r.stage[3].digest);
}
END_TEST

/* Replaces the last result by one of the same stage, parameters and inputs, with the given epoch. */
static void put_end(int64_t epoch)
{
    struct tessi_context context;
    struct tess_artefact *was, *a;
    const char *const port[] = {"a"};
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, "runs/chain/end.h5", &was), TESS_OK);
    const char *const digest[] = {tessi_store_artefact_provenance(was, "input.a")};
    const struct tessi_provenance about = {.stage = "end",
                                           .parameters = tessi_store_artefact_provenance(was, "parameters"),
                                           .numeric_mode = tessi_store_artefact_provenance(was, "numeric_mode"),
                                           .plugin = tessi_store_artefact_provenance(was, "plugin"),
                                           .key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                                           .seed = strtoull(tessi_store_artefact_provenance(was, "seed"), NULL, 10),
                                           .epoch = epoch,
                                           .inputs = 1,
                                           .input_port = port,
                                           .input_digest = digest};
    ck_assert_int_eq(tessi_store_artefact_create(&context.context, "runs/chain/end.h5", tess_artefact_kind(was), &a), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_finish(&context.context, a, &about, NULL), TESS_OK);
    tessi_store_artefact_close(was);
}

/* The result of a stage that is not run this time stays in the folder where all that can be told of it is the same, and no longer. */
START_TEST(a_result_of_another_epoch)
{
    const struct attempt first = {.until = "one", .run = 1};
    flow_run(&r);
    for (int later = 0; later < 2; later++) {
        put_end(TESS_EPOCH + later);
        flow_attempt(&first, &other);
        ck_assert_int_eq(other.status, TESS_OK);
        ck_assert_int_eq(there("end.h5"), !later);
    }
    flow_run(&other);
    ck_assert_str_eq(other.stage[3].digest, r.stage[3].digest);
}
END_TEST

/* Results of another configuration are removed, whenever the run is killed: the files agree with resolved.yaml. */
START_TEST(killed_while_it_changes)
{
    const struct attempt half = {.override = {"sum.curve.slope=0.25"}, .run = 1};
    for (int n = 1, code = -SIGKILL; code == -SIGKILL; n++) {
        char plan[64];
        flow_run(&r);
        snprintf(plan, sizeof plan, "kill@renamed:%d", n);
        code = ends(begin(&half, plan));
        ck_assert_int_lt(n, 50);
        int old = strstr(flow_read("runs/chain/resolved.yaml"), "slope: 0.5") != NULL;
        flow_attempt(&(struct attempt){.override = {old ? "sum.curve.slope=0.5" : "sum.curve.slope=0.25"}}, &other);
        for (int i = 0; i < 4; i++) {
            char path[200];
            struct tess_artefact *a;
            struct tessi_context context;
            tessi_base_context_init(&context, NULL);
            snprintf(path, sizeof path, "runs/chain/%s.h5", other.stage[i].name);
            if (access(path, F_OK) != 0)
                continue;
            ck_assert_int_eq(tessi_store_artefact_open(&context.context, path, &a), TESS_OK);
            ck_assert_msg(strcmp(tessi_store_artefact_provenance(a, "parameters"), other.stage[i].parameters) == 0, "%s after %d", path, n);
            tessi_store_artefact_close(a);
        }
    }
}
END_TEST

START_TEST(two_pipelines_of_one_name)
{
    flow_run(&r);
    flow_write("runs/chain/mine.h5", "a file of the user's");
    ck_assert_int_eq(link("runs/chain/one.h5", "runs/chain/copy.h5"), 0); /* under a name that no stage gave it */
    flow_write("p.yaml",
               "tessera: 1\nname: chain\nseed: 1\nstages:\n  one: {use: flow-make, count: 5}\n  last: {use: flow-add, in: {a: one}}\n");
    flow_run(&other);
    ck_assert(there("one.h5") && there("last.h5") && there("last.dots.png") && there("mine.h5") && there("copy.h5"));
    ck_assert(!there("two.h5") && !there("sum.h5") && !there("end.h5") && !there("sum.dots.png") && !there("end.dots.png"));
    flow_write("p.yaml", flow_chain);
    (void)flow_trace();
    flow_run(&other);
    ck_assert_str_eq(flow_trace(), "");
    ck_assert(there("end.dots.png") && !there("last.h5"));
}
END_TEST

/* Results of stages that are not asked for stay when they are what the pipeline would make, and their inputs as well. */
START_TEST(until)
{
    flow_run(&r);
    flow_attempt(&(struct attempt){.until = "one", .run = 1}, &other);
    ck_assert_int_eq(other.status, TESS_OK);
    agrees("0.5", "one.h5 two.h5 " OLD, 0);
    flow_attempt(&(struct attempt){.until = "one", .override = {"end.offset=2"}, .run = 1}, &other);
    agrees("0.5", "one.h5 two.h5 sum.h5 sum.dots.png", 0);
    agrees("0.5", "end.h5 end.dots.png", 1);
    flow_run(&r);
    flow_attempt(&(struct attempt){.until = "one", .override = {"two.seed=5"}, .run = 1}, &other);
    agrees("0.5", "one.h5", 0);
    agrees("0.5", "two.h5 " OLD, 1);
    flow_run(&r);
    flow_attempt(&(struct attempt){.until = "one", .backend = "flow-two", .run = 1}, &other);
    agrees("0.5", "two.h5 " OLD, 1);
}
END_TEST

/* The cache was thrown away: what leaves the folder goes there, as it would be lost. */
START_TEST(nothing_is_lost)
{
    flow_run(&r);
    ck_assert_int_eq(system("rm -rf runs/.cache"), 0);
    ck_assert_int_eq(ends(begin(&(struct attempt){.override = {"sum.curve.slope=0.25"}, .run = 1}, "kill@stage:1")), -SIGKILL);
    (void)flow_trace();
    flow_run(&other);
    ck_assert_str_eq(flow_trace(), "");
}
END_TEST

START_TEST(other_parameters_at_once)
{
    char words[100];
    pid_t child = begin(&(struct attempt){.run = 1}, "pause@stage:3");
    pauses(child);
    flow_attempt(&(struct attempt){.override = {"sum.curve.slope=0.25"}, .run = 1}, &other);
    ck_assert_int_eq(other.status, TESS_E_CREATE);
    snprintf(words, sizeof words, "runs/chain: process %ld of ", (long)child);
    ck_assert_msg(strncmp(other.message, words, strlen(words)) == 0 && strstr(other.message, "name=chain-2"), "%s", other.message);
    agrees("0.5", "one.h5 two.h5", 0);
    flow_attempt(&(struct attempt){.override = {"name=chain-2", "sum.curve.slope=0.25"}, .until = "two", .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(ends(child), 0);
    agrees("0.5", "one.h5 two.h5 " OLD, 0);
    ck_assert(!there(".lock"));
    flow_attempt(&(struct attempt){.override = {"sum.curve.slope=0.25"}, .run = 1}, &other);
    ck_assert_int_eq(other.status, TESS_OK);
}
END_TEST

/* A second run of the same pipeline joins the first; their log lines differ in the run's name. */
START_TEST(the_same_at_once)
{
    char name[2][16] = {"", ""};
    pid_t child = begin(&(struct attempt){.run = 1}, "pause@stage:3");
    pauses(child);
    flow_attempt(&(struct attempt){.until = "two", .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert(there(".lock"));
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(ends(child), 0);
    ck_assert(!there(".lock"));
    int i = 0;
    for (const char *at = flow_read("runs/chain/log.jsonl"); (at = strstr(at, "\"event\":\"run_start\"")) && i < 2; at++)
        snprintf(name[i++], sizeof name[0], "%.12s", at - 14);
    ck_assert_int_eq(i, 2);
    ck_assert_str_ne(name[0], name[1]);
}
END_TEST

START_TEST(a_killed_run_holds_nothing)
{
    ck_assert_int_eq(ends(begin(&(struct attempt){.run = 1}, "kill@stage:3")), -SIGKILL);
    ck_assert(there(".lock"));
    flow_attempt(&(struct attempt){.override = {"sum.curve.slope=0.25"}, .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert(!there(".lock"));
}
END_TEST

/* A file system without locks: nobody is kept out, and both get to their end. */
START_TEST(without_locks)
{
    pid_t child[2];
    for (int i = 0; i < 2; i++) {
        child[i] = begin(&(struct attempt){.run = 1}, "pause@stage:1,fail@lock:1+");
        pauses(child[i]); /* two runs compute one stage */
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(kill(child[i], SIGCONT), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ends(child[i]), 0);
    agrees("0.5", "one.h5 two.h5 " OLD, 0);
    ck_assert_int_eq(flow_files("runs/.cache", ""), 4);
}
END_TEST

/* ---- locks --------------------------------------------------------------------------------------------------------- */

static int give_up(void *user, struct tess_context *ctx, const char *holder)
{
    snprintf(user, 200, "%s", holder);
    return (ctx->fail)(ctx, TESS_E_STOPPED, "enough"); /* `fail` alone is a macro of Check */
}

START_TEST(who_holds_a_lock)
{
    struct tessi_context context;
    int one, two, held;
    char holder[200], words[64];
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_base_lock_take(&context.context, "l.lock", give_up, holder, &one), TESS_OK);
    ck_assert_int_ge(one, 0);
    ck_assert_int_eq(tessi_base_lock_take(&context.context, "l.lock", give_up, holder, &two), TESS_E_STOPPED);
    snprintf(words, sizeof words, "process %ld of ", (long)getpid());
    ck_assert_msg(strncmp(holder, words, strlen(words)) == 0 && strstr(holder, " on "), "%s", holder);
    ck_assert_int_eq(tessi_base_lock_try(&context.context, "l.lock", &two, &held, holder, sizeof holder), TESS_OK);
    ck_assert(two == -1 && held);
    ck_assert_int_eq(tessi_base_lock_join("l.lock"), -1);
    ck_assert_int_eq(tessi_base_lock_held("l.lock"), 1);
    ck_assert_int_eq(tessi_base_lock_join("nobody.lock"), -1); /* no lock is made: its maker would be taken for its holder */
    ck_assert_int_ne(access("nobody.lock", F_OK), 0);
    ck_assert_int_eq(tessi_base_lock_held("nobody.lock"), 0);
    ck_assert_int_eq(tessi_base_lock_share(one, "l.lock"), 1);
    two = tessi_base_lock_join("l.lock");
    ck_assert_int_ge(two, 0);
    tessi_base_lock_drop("l.lock", one);
    ck_assert_int_eq(access("l.lock", F_OK), 0); /* the lock is still shared */
    tessi_base_lock_drop("l.lock", two);
    ck_assert_int_ne(access("l.lock", F_OK), 0);
    tessi_base_lock_drop("l.lock", -1);
    tessi_base_context_clear(&context.context);
    ck_assert_int_eq(tessi_base_lock_try(&context.context, "none/l.lock", &two, &held, holder, sizeof holder), TESS_E_CREATE);
    flow_write("unsigned", "");
    FILE *f = fopen("unsigned", "r");
    ck_assert_str_eq(tessi_base_lock_read(fileno(f), holder, sizeof holder), "");
    fclose(f);
}
END_TEST

/* A lock on a file that was removed meanwhile is worthless: another process locks the new file of that name, and dropping the old lock
 * leaves the new file in place. */
START_TEST(a_removed_lock)
{
    struct tessi_context context;
    int one, two, held;
    char holder[200];
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_base_lock_try(&context.context, "l.lock", &one, &held, holder, sizeof holder), TESS_OK);
    ck_assert_int_eq(unlink("l.lock"), 0);
    ck_assert_int_eq(tessi_base_lock_share(one, "l.lock"), 0);
    ck_assert_int_eq(tessi_base_lock_try(&context.context, "l.lock", &two, &held, holder, sizeof holder), TESS_OK);
    ck_assert_int_ge(two, 0);
    tessi_base_lock_drop("l.lock", one); /* is not its file any more */
    ck_assert_int_eq(access("l.lock", F_OK), 0);
    tessi_base_lock_drop("l.lock", two);
}
END_TEST

#define NOT_ALLOWED 77

static int as_another_user(int (*work)(void))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(geteuid() != 0 || setegid(65534) != 0 || seteuid(65534) != 0 ? NOT_ALLOWED : work());
    int code = ends(child);
    if (code == NOT_ALLOWED)
        fputs("this needs to become another user, and is not tested\n", stderr);
    return code == NOT_ALLOWED ? 0 : code;
}

static int lock_it(void)
{
    struct tessi_context context;
    int lock, held;
    char holder[200];
    tessi_base_context_init(&context, NULL);
    (void)umask(022);
    if (tessi_base_lock_try(&context.context, "l.lock", &lock, &held, holder, sizeof holder) != TESS_OK || lock < 0)
        return 1;
    tessi_base_lock_drop("l.lock", lock);
    return 0;
}

START_TEST(locks_of_other_users)
{
    struct stat st;
    struct tessi_context context;
    int lock, held;
    char holder[200];
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(chmod(".", 0777), 0);
    ck_assert_int_eq(chdir("."), 0);
    flow_write("l.lock", "");
    ck_assert_int_eq(chmod("l.lock", 0644), 0); /* left by a kill, not ours to write to */
    ck_assert_int_eq(as_another_user(lock_it), 0);
    (void)umask(077);
    ck_assert_int_eq(tessi_base_lock_try(&context.context, "m.lock", &lock, &held, holder, sizeof holder), TESS_OK);
    ck_assert(stat("m.lock", &st) == 0 && (st.st_mode & 0777) == 0666);
    tessi_base_lock_drop("m.lock", lock);
    (void)umask(022);
}
END_TEST

static int run_where_it_may_not(void)
{
    flow_attempt(&(struct attempt){.run = 1}, &r);
    return r.status == TESS_E_CREATE && strstr(r.message, "runs: the folder cannot be made: Permission denied") ? 0 : 1;
}

/* The reason is why it cannot be made, not that it is not there. */
START_TEST(folder_of_another_user)
{
    if (!users_reach_the_build("folder_of_another_user"))
        return;
    ck_assert_int_eq(chmod(".", 0755), 0);
    ck_assert_int_eq(as_another_user(run_where_it_may_not), 0);
}
END_TEST

/* ---- checkpoints that cannot be read for now ------------------------------------------------------------------------ */

static const struct attempt whole = {.run = 1};

/* A checkpoint of step 23, and a copy of everything beside it. */
static void stop_at_23(void)
{
    flow_write("p.yaml", slow);
    setenv("FLOW_STOP_AT", "23", 1);
    ck_assert_int_eq(ends(begin(&whole, NULL)), 75);
    ck_assert_int_eq(system("cp -a runs saved"), 0);
    setenv("FLOW_STOP_AT", "5", 1); /* whoever started over would stop there, and leave that */
}

static int resume_unreadable(void)
{
    flow_attempt(&whole, &r);
    return r.status == TESS_E_IO && strstr(r.message, "Permission denied") && strstr(r.message, "it is the checkpoint of this stage") ? 0
                                                                                                                                      : 1;
}

START_TEST(checkpoint_of_another_user)
{
    if (!users_reach_the_build("checkpoint_of_another_user"))
        return;
    stop_at_23();
    ck_assert_int_eq(system("chmod -R a+rwX . && chmod 600 runs/.cache/*.checkpoint.h5"), 0);
    ck_assert_int_eq(as_another_user(resume_unreadable), 0);
    ck_assert_int_eq(system("cmp saved/.cache/*.checkpoint.h5 runs/.cache/*.checkpoint.h5"), 0);
    unsetenv("FLOW_STOP_AT");
    (void)flow_trace();
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-slow from 23\n");
}
END_TEST

/* A checkpoint that could not be written is none, and is not spoken of. */
START_TEST(no_checkpoint_yet)
{
    flow_write("p.yaml", slow);
    setenv("FLOW_STOP_AT", "5", 1);
    ck_assert_int_eq(ends(begin(&whole, "fail@sync:3+")), 75); /* after resolved.yaml and the first result */
    ck_assert_str_eq(flow_read("message"), "stopped in stage `walk`, which has no checkpoint yet; the same command restarts it");
}
END_TEST

/* The n-th of everything fails once: the run ends with a sentence, or resumes at the checkpoint; it never starts over. */
START_TEST(each_failure_while_resuming)
{
    static const struct {
        const char *what;
        int stride;
    } points[] = {{"fail@open", 1}, {"EACCES@open", 1}, {"fail@read", 3}, {"fail@alloc", 7}};
    stop_at_23();
    for (size_t k = 0; k < sizeof points / sizeof *points; k++)
        for (int n = 1, failed = 1; failed; n += points[k].stride) {
            char plan[64];
            snprintf(plan, sizeof plan, "%s:%d", points[k].what, n);
            int code = ends(begin(&whole, plan));
            failed = code != 0;
            ck_assert_msg(code != 75, "%s: it started over", plan);
            ck_assert_msg(!failed || *flow_read("message"), "%s: no word", plan);
            if (failed)
                ck_assert_msg(system("cmp -s saved/.cache/*.checkpoint.h5 runs/.cache/*.checkpoint.h5") == 0, "%s: %s", plan,
                              flow_read("message"));
            ck_assert_int_lt(n, 3000);
            ck_assert_int_eq(system("rm -rf runs && cp -a saved runs"), 0);
        }
}
END_TEST

/* Results in the cache that cannot be read for a moment fail the run, and are not computed once more for that. */
START_TEST(results_that_cannot_be_read)
{
    flow_run(&r);
    for (int n = 1, failed = 1; failed; n++) {
        char plan[64];
        (void)flow_trace();
        snprintf(plan, sizeof plan, "EACCES@open:%d", n);
        failed = ends(begin(&whole, plan)) != 0;
        ck_assert_str_eq(flow_trace(), "");
        ck_assert_int_lt(n, 200);
    }
    ck_assert_int_eq(system("rm -rf runs/.cache"), 0); /* results are left in the run's folder only */
    for (int n = 1, failed = 1; failed; n++) {
        char plan[64];
        snprintf(plan, sizeof plan, "EACCES@open:%d", n);
        failed = ends(begin(&whole, plan)) != 0;
        ck_assert_str_eq(flow_trace(), "");
        ck_assert_int_lt(n, 200);
    }
}
END_TEST

/* ---- room on the disk ---------------------------------------------------------------------------------------------- */

static const char big[] = "tessera: 1\nname: big\nstages:\n  big: {use: flow-big, kib: 1024}\n";

/* Said before the work, which would be for nothing. */
START_TEST(more_than_the_disk_has)
{
    flow_write("p.yaml", big);
    flow_attempt(&(struct attempt){.override = {"big.claim=1000000000"}, .run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_IO);
    ck_assert_msg(strstr(r.message, "runs/.cache: the disk has ") && strstr(r.message, "this stage will want 1000000000.0 MiB"), "%s",
                  r.message);
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_int_eq(flow_files("runs/.cache", ""), 0);
}
END_TEST

/* Disk space that was reserved and not used is given back. */
START_TEST(reserved_too_much)
{
    struct stat st;
    flow_write("p.yaml", big);
    flow_attempt(&(struct attempt){.override = {"big.claim=64"}, .run = 1}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    ck_assert_int_eq(stat("runs/big/big.h5", &st), 0);
    ck_assert_int_lt(st.st_blocks * 512, 2 << 20);
}
END_TEST

START_TEST(the_disk_is_full_for_a_while)
{
    flow_write("p.yaml", big);
    ck_assert_int_eq(ends(begin(&whole, "fail@write:3,EDQUOT@write:4")), 0);
    ck_assert_ptr_nonnull(strstr(flow_read("runs/big/log.jsonl"), "waiting for room"));
    ck_assert_ptr_nonnull(strstr(flow_read("runs/big/log.jsonl"), "\"text\":\"room on the disk\"")); /* the event `waited` */
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.stage[0].outcome, TESSI_WAS_CACHED);
    ck_assert_int_eq(system("rm -rf runs"), 0);
    flow_run(&other);
    ck_assert_str_eq(other.stage[0].digest, r.stage[0].digest);
}
END_TEST

START_TEST(stopped_while_the_disk_is_full)
{
    flow_write("p.yaml", big);
    ck_assert_int_eq(ends(begin(&whole, "fail@write:3+,term@full:2")), 75);
    ck_assert_str_eq(flow_read("message"), "stopped in stage `big`, which has no checkpoint yet; the same command restarts it");
    ck_assert_int_eq(flow_files("runs/.cache", ""), 0);
}
END_TEST

/* Task of a child that has a small, nearly full disk mounted for itself; it stops itself where it would wait for space. */
static int run_on_a_small_disk(void)
{
    static char ballast[2200000];
    if (mkdir("runs", 0777) != 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "runs", "tmpfs", 0, "size=3m") != 0)
        return NOT_ALLOWED;
    FILE *f = fopen("runs/ballast", "w");
    if (!f || fwrite(ballast, 1, sizeof ballast, f) != sizeof ballast || fclose(f) != 0)
        return 1;
    (void)tessi_base_inject_plan("pause@full:1");
    flow_attempt(&whole, &r);
    return r.status == TESS_OK && flow_files("runs/big", ".h5") == 1 ? 0 : 2;
}

START_TEST(capacity_is_made)
{
    char here[200], path[300];
    int how;
    flow_write("p.yaml", big);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(run_on_a_small_disk());
    ck_assert_int_eq(waitpid(child, &how, WUNTRACED), child);
    if (WIFEXITED(how) && WEXITSTATUS(how) == NOT_ALLOWED) {
        fputs("no small disk can be mounted here: a full one is tested by injection alone\n", stderr);
        return;
    }
    ck_assert(WIFSTOPPED(how));
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "/proc/%ld/root%s/runs/ballast", (long)child, here);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(ends(child), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runs");
    const struct {
        const char *name;
        const TTest *const test[12];
    } cases[] = {
        {"folder",
         {pictures_apart, changed_and_killed, a_result_of_another_epoch, killed_while_it_changes, two_pipelines_of_one_name, until,
          nothing_is_lost, other_parameters_at_once, the_same_at_once, a_killed_run_holds_nothing, without_locks}},
        {"locks", {who_holds_a_lock, a_removed_lock, locks_of_other_users, folder_of_another_user}},
        {"checkpoints", {checkpoint_of_another_user, no_checkpoint_yet, each_failure_while_resuming, results_that_cannot_be_read}},
        {"room",
         {more_than_the_disk_has, reserved_too_much, the_disk_is_full_for_a_while, stopped_while_the_disk_is_full, capacity_is_made}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *t = tcase_create(cases[i].name);
        tcase_add_checked_fixture(t, start, flow_end);
        tcase_set_timeout(t, 300);
        for (int k = 0; cases[i].test[k]; k++)
            tcase_add_test(t, cases[i].test[k]);
        suite_add_tcase(s, t);
    }
    return suite_run(s);
}
