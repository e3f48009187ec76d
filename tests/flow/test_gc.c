/* `gc` removes what nothing refers to, and nothing else, whatever runs beside it. SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/flow/gc.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char pipeline[] = "tessera: 1\nname: t\nstages:\n"
                               "  m: {use: flow-make}\n"
                               "  w: {use: flow-slow, in: {a: m}, steps: 8}\n";

static struct result r;
static struct tessi_gc done;
static char told[4096];

static void gc_removed(void *user, const struct tessi_inventory_file *f, const char *why)
{
    size_t used = strlen(told);
    (void)user;
    snprintf(told + used, sizeof told - used, "%s: %s\n", f->path, why);
}

static void gc(int dry, int64_t older_than)
{
    struct tessi_context context;
    const struct tessi_gc_options o = {.dry = dry, .older_than = older_than, .now = (int64_t)time(NULL), .removed = gc_removed};
    told[0] = '\0';
    tessi_base_context_init(&context, NULL);
    int status = tessi_flow_gc(&context.context, &o, &done);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
    if (!dry && !done.held)
        ck_assert_int_ne(access("runs/.cache/.lock", F_OK), 0);
}

static void run_with(const char *override)
{
    flow_attempt(&(struct attempt){.run = 1, .override = {override}}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
}

static int results(void)
{
    return flow_files("runs/.cache", ".h5");
}

START_TEST(what_a_folder_has_stays)
{
    gc(0, 0); /* no runs/ at all */
    ck_assert(done.files == 0 && access("runs", F_OK) != 0);
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    run_with("m.count=5"); /* takes the place of the first results in the folder */
    ck_assert_int_eq(results(), 4);
    (void)flow_trace();
    gc(1, 0);
    ck_assert(done.files == 2 && done.bytes > 0 && results() == 4);
    gc(0, 3600); /* every file is younger */
    ck_assert(done.files == 0 && results() == 4);
    gc(0, 0);
    ck_assert_msg(done.files == 2 && results() == 2 && strstr(told, "no run refers to it"), "%s", told);
    run_with("m.count=5");
    ck_assert_str_eq(flow_trace(), "");
    run_with("name=other");
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-slow from 0\n");
    gc(0, 0);
    ck_assert_msg(done.files == 0 && results() == 4, "%s", told);
    ck_assert_int_eq(system("rm -r runs/other"), 0);
    gc(0, 0);
    ck_assert_int_eq(results(), 2);
}
END_TEST

/* A folder whose file system has no hard links has copies; they are known by their keys. A name elsewhere counts as well. */
START_TEST(copies_and_other_names)
{
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    ck_assert_int_eq(system("cd runs/t && for f in *.h5; do cp $f copy && mv copy $f; done"), 0);
    gc(0, 0);
    ck_assert_msg(done.files == 0 && results() == 2, "%s", told);
    ck_assert_int_eq(system("cp -al runs/.cache kept && rm -r runs/t"), 0);
    gc(0, 0);
    ck_assert_msg(results() == 2, "%s", told);
    ck_assert_int_eq(system("rm -r kept"), 0);
    gc(0, 0);
    ck_assert_int_eq(results(), 0);
}
END_TEST

/* A checkpoint is kept as long as its stage may be resumed: the folder is there, and the stage had no other key in it since. */
START_TEST(checkpoints)
{
    flow_write("p.yaml", pipeline);
    setenv("FLOW_STOP_AT", "5", 1);
    ck_assert_int_ne(flow_child(&(struct attempt){.run = 1}, 0), 0);
    unsetenv("FLOW_STOP_AT");
    ck_assert_int_eq(flow_files("runs/.cache", ".checkpoint.h5"), 1);
    gc(0, 0);
    ck_assert_msg(done.files == 0 && flow_files("runs/.cache", ".checkpoint.h5") == 1, "%s", told);
    (void)flow_trace();
    ck_assert_int_eq(system("cp -r runs saved"), 0);
    run_with("w.steps=9");
    gc(0, 0);
    ck_assert_msg(strstr(told, "checkpoint.h5: no run will resume from it") && flow_files("runs/.cache", ".checkpoint.h5") == 0, "%s",
                  told);
    ck_assert_int_eq(system("rm -r runs && mv saved runs && rm -r runs/t"), 0);
    gc(0, 0);
    ck_assert_int_eq(flow_files("runs/.cache", ""), 0);
}
END_TEST

START_TEST(leftovers)
{
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    flow_write("runs/.cache/x.h5.0123abcd.1.0.partial", "dead");
    flow_write("runs/t/log.0123abcd.1.0.partial", "dead");
    flow_write("runs/.cache/y.h5.0123abcd.1.0.partial", "alive");
    flow_write("runs/.cache/1111111111111111111111111111111111111111111111111111111111111111.lock", "process 1\n");
    flow_write("runs/.cache/0000000000000000000000000000000000000000000000000000000000000000.files", "list\n");
    flow_write("runs/.cache/README", "of a person");
    int alive = open("runs/.cache/y.h5.0123abcd.1.0.partial", O_RDONLY);
    ck_assert_int_eq(flock(alive, LOCK_EX), 0);
    gc(0, 0);
    ck_assert_msg(done.files == 4 && done.kept == 1, "%d %s", (int)done.files, told);
    close(alive);
    ck_assert_int_eq(flow_files("runs/.cache", ""), 4); /* two results, the one being written, README */
    gc(0, 0);
    ck_assert_int_eq(done.files, 1);
}
END_TEST

/* Files that merely have such a name, and what is in a folder that is a link, are somebody's own. */
START_TEST(files_of_a_person)
{
    struct tessi_context context;
    const struct tessi_gc_options nowhere = {.workdir = "runs"};
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    flow_write("runs/t/film.partial", "a download");
    flow_write("runs/.cache/film.mp4.1.partial", "a download");
    ck_assert_int_eq(system("mkdir own && ln -s ../own runs/own"), 0);
    flow_write("own/.lock", "of another program");
    flow_write("own/x.h5.0123abcd.1.0.partial", "of another folder's run");
    gc(0, 0);
    ck_assert_msg(done.files == 0, "%s", told);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_flow_gc(&context.context, &nowhere, &done), TESS_E_USAGE);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&context.context), "there is no runs/runs"));
}
END_TEST

/* A run that was refused, since another one was at work in its folder, or that ended before the stage, leaves the stage's checkpoint. */
START_TEST(runs_that_did_less)
{
    flow_write("p.yaml", pipeline);
    setenv("FLOW_STOP_AT", "5", 1);
    ck_assert_int_ne(flow_child(&(struct attempt){.run = 1}, 0), 0);
    unsetenv("FLOW_STOP_AT");
    FILE *f = fopen("runs/t/log.jsonl", "ae");
    ck_assert_ptr_nonnull(f);
    fputs("{\"run\":\"0123456789ab\",\"event\":\"run_start\"}\n{\"run\":\"0123456789ab\",\"event\":\"error\"}\n"
          "{\"run\":\"0123456789ab\",\"event\":\"run_end\"}\n",
          f);
    ck_assert_int_eq(fclose(f), 0);
    gc(0, 0);
    ck_assert_msg(done.files == 0 && flow_files("runs/.cache", ".checkpoint.h5") == 1, "%s", told);
    flow_attempt(&(struct attempt){.run = 1, .until = "m"}, &r);
    gc(0, 0);
    ck_assert_msg(r.status == TESS_OK && done.files == 0 && flow_files("runs/.cache", ".checkpoint.h5") == 1, "%s", told);
    (void)flow_trace();
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-slow from 5\n");
}
END_TEST

static pid_t begin(const char *plan, int collect)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)tessi_base_inject_plan(plan);
        tessi_base_signals_catch();
        if (collect)
            gc(0, 0);
        else
            flow_attempt(&(struct attempt){.run = 1}, &r);
        _exit(collect ? 0 : r.status != TESS_OK);
    }
    return child;
}

static int dry_by_nobody(void)
{
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0))
        return 3;
    gc(1, 0);
    return done.held ? 2 : done.files == 3 ? 0 : 1;
}

/* A dry run looks at a cache that may only be read, and leaves it as it was. */
START_TEST(a_dry_run_only_reads)
{
    int how;
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    run_with("m.count=5");
    ck_assert_int_eq(system("touch runs/t/.lock && chmod -R a+rX,a-w ."), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(dry_by_nobody());
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_int_eq(system("chmod -R u+w ."), 0);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%d", how);
    ck_assert(results() == 4 && access("runs/t/.lock", F_OK) == 0 && access("runs/.cache/.lock", F_OK) != 0);
    gc(0, 0);
    ck_assert(done.files == 3 && results() == 2);
}
END_TEST

/* While a run is at work nothing is taken from under it, not even what only its plan has seen. */
START_TEST(beside_a_run)
{
    int how;
    flow_write("p.yaml", pipeline);
    flow_attempt(&(struct attempt){.run = 1, .until = "m"}, &r);
    ck_assert_int_eq(system("rm -r runs/t"), 0); /* the cache alone has it */
    pid_t child = begin("pause@step:3", 0);
    ck_assert_int_eq(waitpid(child, &how, WUNTRACED), child);
    ck_assert(WIFSTOPPED(how));
    for (int dry = 1; dry >= 0; dry--) {
        gc(dry, 0);
        ck_assert_msg(done.held && done.files == 0, "%s", told);
    }
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    gc(0, 0);
    ck_assert_msg(!done.held && results() == 2, "%s", told);
}
END_TEST

/* A result that was in the cache when a pipeline was planned may be gone when it runs. */
START_TEST(between_plan_and_run)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    const struct tessi_pipeline_options o = {.path = "p.yaml"};
    flow_write("p.yaml", pipeline);
    flow_attempt(&(struct attempt){.run = 1, .until = "m"}, &r);
    ck_assert_int_eq(system("rm -r runs/t"), 0);
    (void)flow_trace();
    tessi_base_context_init(&context, NULL);
    int status = tessi_host_runtime_new(
        &context.context, &(struct tessi_runtime_options){.plugin_path = TEST_FLOW_PLUGINS, .threads = 1, .backend = "flow-one"}, &runtime);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&context.context, runtime, &o, &p);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
    gc(0, 0);
    ck_assert(done.files == 1 && results() == 0);
    ck_assert_msg(tessi_flow_pipeline_run(&context.context, p) == TESS_OK, "%s", tessi_base_context_message(&context.context));
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-slow from 0\n");
}
END_TEST

/* Killed after each removal in turn, it is done by the next one, and a run finds all that it needs. */
START_TEST(killed)
{
    char plan[32];
    int how;
    flow_write("p.yaml", pipeline);
    flow_run(&r);
    run_with("m.count=5");
    snprintf(plan, sizeof plan, "kill@locked:%d", _i + 1); /* the cache's lock, then one a file */
    pid_t child = begin(plan, 1);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    (void)flow_trace();
    run_with("m.count=5");
    ck_assert_str_eq(flow_trace(), "");
    gc(0, 0);
    ck_assert_msg(flow_files("runs/.cache", "") == 2, "%s", told);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gc");
    TCase *t = tcase_create("gc");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, what_a_folder_has_stays);
    tcase_add_test(t, copies_and_other_names);
    tcase_add_test(t, checkpoints);
    tcase_add_test(t, leftovers);
    tcase_add_test(t, files_of_a_person);
    tcase_add_test(t, runs_that_did_less);
    tcase_add_test(t, a_dry_run_only_reads);
    tcase_add_test(t, beside_a_run);
    tcase_add_test(t, between_plan_and_run);
    tcase_add_loop_test(t, killed, 0, 3);
    suite_add_tcase(s, t);
    return suite_run(s);
}
