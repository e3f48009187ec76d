/* The writer aside: whole files or none, whoever else writes the same, and whatever goes wrong at any of its points.
 * SPDX-License-Identifier: MIT */
#include "tests/support/store_fixture.h"
#include "core/base/aside.h"
#include "core/base/aside_names.h"
#include "core/base/inject.h"
#include "core/base/lock.h"
#include "tests/support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void setup(void)
{
    store_setup();
    (void)tessi_base_inject_plan(NULL);
}

static void teardown(void)
{
    (void)tessi_base_inject_plan(NULL);
    store_teardown();
}

static void plan(const char *text)
{
    ck_assert_ptr_null(tessi_base_inject_plan(text));
}

static int write_text(const char *name, const char *text)
{
    return tessi_base_write_text(C, store_path(name), text, strlen(text));
}

static void holds(const char *name, const char *text)
{
    char found[256];
    FILE *f = fopen(store_path(name), "r");
    ck_assert_ptr_nonnull(f);
    found[fread(found, 1, sizeof found - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(found, text);
}

START_TEST(two_in_one_process)
{
    struct tessi_aside *a, *b;
    store_ok(tessi_base_aside_open(C, store_path("x"), 0, &a));
    store_ok(tessi_base_aside_open(C, store_path("x"), 1, &b));
    ck_assert_str_ne(tessi_base_aside_name(a), tessi_base_aside_name(b));
    store_ok(tessi_base_aside_put(C, a, "one", 3));
    store_ok(tessi_base_aside_put(C, b, "two", 3));
    ck_assert_int_eq(tessi_base_aside_write_at(b, "WO", 2, 1), 0);
    store_ok(tessi_base_aside_finish(C, b));
    holds("x", "tWO");
    store_ok(tessi_base_aside_finish(C, a));
    holds("x", "one"); /* the last to finish */
    tessi_base_aside_close(a);
    tessi_base_aside_close(b);
    tessi_base_aside_close(NULL);
    holds("x", "one");
    ck_assert(!store_unfinished("x"));
}
END_TEST

static struct tess_tensor picture(uint8_t *values)
{
    for (int i = 0; i < 300; i++)
        values[i] = (uint8_t)store_number((uint64_t)i);
    return tess_tensor_over(values, TESS_U8, 3, (int64_t[]){10, 10, 3});
}

/* A twin of this process stands before the renaming of the same picture while this one writes it from beginning to end. */
START_TEST(two_processes_one_picture)
{
    uint8_t values[300];
    struct tess_tensor t = picture(values);
    const char *path = store_path("p.png");
    int how;
    pid_t twin = fork();
    ck_assert_int_ge(twin, 0);
    if (twin == 0) {
        (void)tessi_base_inject_plan("pause@rename:1");
        _exit(tessi_store_png_write(C, path, &t) == TESS_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(twin, &how, WUNTRACED), twin);
    ck_assert(WIFSTOPPED(how));
    ck_assert(store_unfinished("p.png"));
    store_ok(tessi_store_png_write(C, path, &t));
    ck_assert(store_unfinished("p.png")); /* the twin lives, so its file is no refuse */
    ck_assert_int_eq(kill(twin, SIGCONT), 0);
    ck_assert_int_eq(waitpid(twin, &how, 0), twin);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    store_ok(tessi_store_png_read(C, path, &t));
    ck_assert_mem_eq(t.data, values, sizeof values);
    tess_free(t.data);
    ck_assert(!store_unfinished("p.png"));
}
END_TEST

static int killed_at(const char *point)
{
    int how;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)tessi_base_inject_plan(point);
        (void)write_text("k", "new");
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
}

START_TEST(killed_at_any_point)
{
    store_ok(write_text("k", "old"));
    ck_assert(killed_at("kill@write:1") && store_unfinished("k"));
    holds("k", "old");
    ck_assert(killed_at("kill@rename:1") && store_unfinished("k"));
    holds("k", "old");
    ck_assert(killed_at("kill@renamed:1") && !store_unfinished("k")); /* the file before was swept */
    holds("k", "new");
    ck_assert(killed_at("kill@sync:1") && store_unfinished("k"));
    store_ok(write_text("k.1.2", "a name that looks like one of ours, and is not"));
    tessi_base_aside_sweep(store_path("k"));
    ck_assert(!store_unfinished("k") && store_exists("k.1.2"));
}
END_TEST

START_TEST(each_point_may_fail)
{
    static const struct {
        const char *plan, *words;
        int code;
    } trouble[] = {
        {"fail@open:1", "x: cannot be written: Too many open files", TESS_E_CREATE},
        {"fail@write:1", "x: cannot be written: the disk is full", TESS_E_IO},
        {"fail@sync:1", "x: the disk failed", TESS_E_IO},
        {"fail@rename:1", "x: cannot be written: Permission denied; choose a folder you may write to", TESS_E_IO},
        {"ENOENT@rename:1", ".partial was removed meanwhile; run again", TESS_E_IO},
    };
    store_ok(write_text("x", "old"));
    for (size_t i = 0; i < sizeof trouble / sizeof *trouble; i++) {
        plan(trouble[i].plan);
        store_fails(write_text("x", "new"), trouble[i].code, trouble[i].words, NULL);
        holds("x", "old");
        ck_assert(!store_unfinished("x"));
    }
    plan("EINTR@write:1");
    store_ok(write_text("x", "new"));
    holds("x", "new");
}
END_TEST

/* Whatever a folder's dead writers left goes, and nothing else: a live writer's file, another machine's without locks, a held lock. */
START_TEST(a_folder_is_swept)
{
    struct tessi_aside *a;
    int lock, held;
    char holder[256];
    ck_assert(killed_at("kill@write:1") && store_unfinished("k"));
    store_ok(tessi_base_aside_open(C, store_path("x"), 0, &a));
    store_ok(write_text("dead.lock", ""));
    store_ok(write_text("not.locked", ""));
    store_ok(write_text("y.0123456789abcdef.1.2.partial", "no name of ours"));
    store_ok(write_text("y.00000000.1..partial", "neither"));
    store_ok(write_text("y.00000000..1.partial", "nor this"));
    store_ok(tessi_base_lock_try(C, store_path("live.lock"), &lock, &held, holder, sizeof holder));
    tessi_base_aside_sweep_folder(store_path(""));
    tessi_base_lock_sweep_folder(store_path(""));
    ck_assert(!store_unfinished("k") && store_unfinished("x"));
    ck_assert(!store_exists("dead.lock") && store_exists("live.lock") && store_exists("not.locked"));
    ck_assert(store_exists("y.0123456789abcdef.1.2.partial") && store_exists("y.00000000.1..partial") &&
              store_exists("y.00000000..1.partial"));
    tessi_base_lock_drop(store_path("live.lock"), lock);
    tessi_base_aside_close(a);
    tessi_base_aside_sweep_folder(store_path("no/such/folder"));
    tessi_base_lock_sweep_folder(store_path("no/such/folder"));
}
END_TEST

/* On file systems without locks, a file is dead whose process was of this machine and is no more. */
START_TEST(swept_without_locks)
{
    struct tessi_aside *a;
    ck_assert(killed_at("kill@write:1") && store_unfinished("k"));
    store_ok(write_text("k.00000000.1.2.partial", "of another machine"));
    plan("fail@lock:1+");
    store_ok(tessi_base_aside_open(C, store_path("x"), 0, &a));
    tessi_base_aside_sweep(store_path("k"));
    tessi_base_aside_sweep_folder(store_path(""));
    ck_assert(store_exists("k.00000000.1.2.partial"));
    ck_assert_int_eq(remove(store_path("k.00000000.1.2.partial")), 0);
    ck_assert(!store_unfinished("k") && store_unfinished("x"));
    tessi_base_aside_close(a);
}
END_TEST

/* A file system without locks: names alone keep writers apart. */
START_TEST(without_locks)
{
    struct tessi_aside *a;
    plan("fail@lock:1+");
    store_ok(tessi_base_aside_open(C, store_path("x"), 0, &a));
    store_ok(write_text("x", "one"));
    ck_assert(store_unfinished("x"));
    store_ok(tessi_base_aside_put(C, a, "two", 3));
    store_ok(tessi_base_aside_finish(C, a));
    tessi_base_aside_close(a);
    holds("x", "two");
    ck_assert(!store_unfinished("x"));
}
END_TEST

struct patience {
    int asked, max;
};

static int once_more(void *user, const char *path, int error)
{
    struct patience *p = user;
    ck_assert_ptr_nonnull(strstr(path, "/x"));
    ck_assert_int_eq(error, ENOSPC);
    return p->asked++ < p->max;
}

START_TEST(waits_on_a_full_disk)
{
    struct patience p = {0, 5};
    struct tessi_aside *a;
    plan("fail@write:1,fail@write:2,fail@write:3");
    store_ok(tessi_base_aside_open(C, store_path("x"), 1, &a));
    tessi_base_aside_when_full(a, once_more, &p);
    store_ok(tessi_base_aside_put(C, a, "done", 4));
    ck_assert_int_eq(p.asked, 3);
    store_ok(tessi_base_aside_finish(C, a));
    tessi_base_aside_close(a);
    holds("x", "done");
    plan("fail@write:1+");
    p = (struct patience){0, 2};
    store_ok(tessi_base_aside_open(C, store_path("x"), 1, &a));
    tessi_base_aside_when_full(a, once_more, &p);
    ck_assert_int_eq(tessi_base_aside_write_at(a, "more", 4, 0), ENOSPC);
    ck_assert_int_eq(p.asked, 3);
    tessi_base_aside_close(a);
    holds("x", "done");
}
END_TEST

START_TEST(links_devices_and_folders)
{
    struct stat st;
    struct tessi_aside *a;
    store_ok(write_text("target", "old"));
    ck_assert_int_eq(symlink("target", store_path("link")), 0);
    store_ok(write_text("link", "new"));
    ck_assert(lstat(store_path("link"), &st) == 0 && S_ISLNK(st.st_mode));
    holds("target", "new");
    ck_assert_int_eq(symlink("nowhere/at all", store_path("dangling")), 0);
    store_ok(write_text("dangling", "a file now"));
    holds("dangling", "a file now");
    store_ok(tessi_base_write_text(C, "/dev/null", "x", 1));
    store_fails(tessi_base_write_text(C, "/dev/full", "x", 1), TESS_E_IO, "/dev/full: cannot be written: the disk is full", NULL);
    store_fails(tessi_base_aside_open(C, "/dev/null", 1, &a), TESS_E_CREATE, "is a device or a pipe", NULL);
    store_fails(tessi_base_write_text(C, store_path("."), "x", 1), TESS_E_CREATE, "is a folder", NULL);
    store_fails(write_text("none/x", "x"), TESS_E_CREATE, "its folder does not exist", NULL);
}
END_TEST

/* A path that leaves no room for the name aside is refused, and never cut. */
START_TEST(long_paths)
{
    char path[PATH_MAX], aside[PATH_MAX];
    int fit = 0, refused = 0;
    for (size_t length = PATH_MAX - 80; length < PATH_MAX; length++) {
        memset(path, 'd', length);
        for (size_t at = 99; at < length - 100; at += 100)
            path[at] = '/';
        path[length - 2] = '/';
        path[length] = '\0';
        int error = tessi_base_aside_name_new(path, aside);
        ck_assert(error ? error == ENAMETOOLONG : strcmp(aside + strlen(aside) - strlen(".partial"), ".partial") == 0);
        fit += !error;
        refused += error != 0;
    }
    ck_assert(fit > 0 && refused > 0);
}
END_TEST

/* Standard output, sent to a file that its opener goes on with: not replaced under their hands. */
START_TEST(standard_output)
{
    int how;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int fd = open(store_path("out"), O_WRONLY | O_CREAT, 0666);
        if (fd < 0 || dup2(fd, 1) < 0 || tessi_base_write_text(C, "/dev/stdout", "one ", 4) != TESS_OK || lseek(1, 0, SEEK_END) != 4 ||
            write(1, "two", 3) != 3)
            _exit(1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    holds("out", "one two");
}
END_TEST

START_TEST(long_names)
{
    char name[260];
    memset(name, 'n', sizeof name);
    name[255] = '\0'; /* as long as a name may be */
    store_ok(write_text(name, "long"));
    holds(name, "long");
    name[255] = 'n';
    name[256] = '\0';
    store_fails(write_text(name, "longer"), TESS_E_IO, "File name too long", NULL);
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    store_fails(tessi_base_write_text(C, path, "x", 1), TESS_E_CREATE, "this path is too long", NULL);
}
END_TEST

START_TEST(linked_files)
{
    struct stat a, b;
    int changed;
    char from[300];
    store_ok(write_text("a", "1"));
    snprintf(from, sizeof from, "%s", store_path("a"));
    store_ok(tessi_base_link_file(C, from, store_path("c"), &changed));
    ck_assert(changed && stat(from, &a) == 0 && stat(store_path("c"), &b) == 0 && a.st_ino == b.st_ino);
    store_ok(tessi_base_link_file(C, from, store_path("c"), &changed));
    ck_assert(!changed);
    store_ok(write_text("c", "2"));
    plan("fail@rename:1");
    store_fails(tessi_base_link_file(C, from, store_path("c"), &changed), TESS_E_CREATE, "Permission denied", NULL);
    plan("ENOENT@rename:1,ENOENT@rename:2"); /* a concurrent sweep took the temporary file for abandoned */
    store_ok(tessi_base_link_file(C, from, store_path("c"), &changed));
    holds("c", "1");
    store_fails(tessi_base_link_file(C, store_path("none"), store_path("c"), NULL), TESS_E_IO, "No such file", NULL);
    ck_assert(!store_unfinished("c"));
}
END_TEST

/* A file system without links: /dev/shm is another one than that of the test's folder, where there is it. */
START_TEST(copied_files)
{
    char there[] = "/dev/shm/tessera-XXXXXX";
    int changed, fd = mkstemp(there);
    struct stat a, b;
    store_ok(write_text("a", "content"));
    if (fd < 0 || fstat(fd, &a) != 0 || stat(store_path("a"), &b) != 0 || a.st_dev == b.st_dev) {
        fputs("there is no second file system here: copies are not tested\n", stderr);
        return;
    }
    store_ok(tessi_base_link_file(C, store_path("a"), there, &changed));
    ck_assert(changed && stat(there, &a) == 0 && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_size == 7);
    store_ok(tessi_base_link_file(C, store_path("a"), there, &changed));
    ck_assert(!changed);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(unlink(there), 0);
    plan("fail@open:1");
    store_fails(tessi_base_link_file(C, store_path("a"), there, &changed), TESS_E_IO, "cannot be read: Too many open files", NULL);
    plan("fail@read:1");
    store_fails(tessi_base_link_file(C, store_path("a"), there, &changed), TESS_E_IO, "cannot be read: Input/output error", NULL);
    ck_assert_int_ne(access(there, F_OK), 0);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aside");
    TCase *t = tcase_create("aside");
    tcase_add_checked_fixture(t, setup, teardown);
    const TTest *const tests[] = {two_in_one_process,
                                  two_processes_one_picture,
                                  killed_at_any_point,
                                  each_point_may_fail,
                                  a_folder_is_swept,
                                  swept_without_locks,
                                  without_locks,
                                  waits_on_a_full_disk,
                                  links_devices_and_folders,
                                  standard_output,
                                  long_names,
                                  long_paths,
                                  linked_files,
                                  copied_files};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}
