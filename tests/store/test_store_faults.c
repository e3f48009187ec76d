/* Artefacts in a bad world: killed writers, full disks, damaged files, files made to harm. Nothing half-written stands under a final
 * name, nothing crashes, and every failure is one line that says what to do. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* unshare */
#include "core/base/inject.h"
#include "tests/support/store_fixture.h"
#include "core/base/aside.h"
#include "tests/support/suite.h"

#include <check.h>
#include <errno.h>
#include <hdf5.h>
#include <malloc.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int32_t values[1 << 20];

static struct tess_tensor rows_of(int64_t rows)
{
    return tess_tensor_over(values, TESS_I32, 2, (int64_t[]){rows, 1024});
}

/* Runs `child` in a process of its own; its exit code, or minus the signal that ended it. */
static int in_child(int (*child)(const char *argument), const char *argument)
{
    char own[512];
    int status;
    snprintf(own, sizeof own, "%s", argument);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(child(own));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- places -------------------------------------------------------------------------------------------------------- */

START_TEST(only_complete_files_have_their_name)
{
    struct tess_tensor t = rows_of(1024), ten = rows_of(10240);
    char digest[TESS_DIGEST_TEXT];
    struct tess_artefact *a = store_create("t.h5", "x"), *b;
    ck_assert(store_unfinished("t.h5") && !store_exists("t.h5"));
    store_ok(tess_artefact_begin(C, a, "x", &ten, NULL));
    store_ok(tess_artefact_append(C, a, "x", &t));
    b = store_create("t.h5", "y"); /* a second writer of the same file does not interfere */
    store_finish(b, NULL);
    ck_assert(store_unfinished("t.h5") && store_exists("t.h5"));
    ck_assert_int_eq(unlink(store_path("t.h5")), 0);
    store_fails(tessi_store_artefact_open(C, store_path("t.h5"), &b), TESS_E_IO, "no such file", "unfinished", NULL);
    tessi_store_artefact_close(a);
    ck_assert(!store_unfinished("t.h5") && !store_exists("t.h5"));

    store_everything("t.h5", digest);
    a = store_create("t.h5", "x");
    b = store_open("t.h5"); /* the old one until the new one is done, and beyond for those who have it open */
    store_ok(tess_artefact_put(C, a, "x", &t, NULL));
    store_finish(a, NULL);
    store_ok(tessi_store_artefact_verify(C, b));
    ck_assert_str_eq(tess_artefact_digest(b), digest);
    tessi_store_artefact_close(b);
    b = store_open("t.h5");
    ck_assert_str_eq(tess_artefact_kind(b), "x");
    tessi_store_artefact_close(b);
    ck_assert_int_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}
END_TEST

/* Writes as much as there is to write; the plan of trouble ends it. */
static int write_with(const char *plan)
{
    struct tess_artefact *a;
    struct tess_tensor all = rows_of(512), some = rows_of(32);
    tessi_base_context_clear(C);
    if (tessi_base_inject_plan(plan) || tessi_store_artefact_create(C, store_path("t.h5"), "x", &a) != TESS_OK)
        return 1;
    int status = tess_artefact_begin(C, a, "x", &all, NULL);
    for (int i = 0; status == TESS_OK && i < 16; i++)
        status = tess_artefact_append(C, a, "x", &some);
    if (status == TESS_OK)
        return tessi_store_artefact_finish(C, a, &(struct tessi_provenance){.tool = "test"}, NULL) == TESS_OK ? 0 : 2;
    tessi_store_artefact_close(a);
    return 2;
}

/* Killed at the first of its writes, at the second, and so on: nothing stands under the name before it is whole. */
START_TEST(killed)
{
    static const char *const point[] = {"write", "sync", "rename", "renamed"};
    char plan[64], digest[TESS_DIGEST_TEXT];
    for (int k = 0; k < 4; k++)
        for (int n = 1, how = -SIGKILL; how != 0; n++) {
            snprintf(plan, sizeof plan, "kill@%s:%d", point[k], n);
            how = in_child(write_with, plan);
            ck_assert_msg(how == 0 || how == -SIGKILL, "%s: %d", plan, how);
            ck_assert_int_eq(store_exists("t.h5"), how == 0 || k == 3);
            (void)unlink(store_path("t.h5"));
        }
    store_everything("t.h5", digest); /* over what was left */
    ck_assert(!store_unfinished("t.h5"));
    struct tess_artefact *a = store_open("t.h5");
    store_ok(tessi_store_artefact_verify(C, a));
    tessi_store_artefact_close(a);
}
END_TEST

/* The disk refuses at the first write, the second ..., once or from there on: a failure that says so, and nothing is left. A write that a
 * signal interrupts is made again. */
START_TEST(refused_anywhere)
{
    static const char *const trouble[] = {"ENOSPC@write", "ENOSPC@write", "EIO@sync", "EACCES@rename", "EMFILE@open", "EINTR@write"};
    char plan[64];
    for (int k = 0; k < 6; k++)
        for (int n = 1, how = 2; how != 0 || (k == 5 && n < 40); n++) {
            snprintf(plan, sizeof plan, "%s:%d%s", trouble[k], n, k == 1 ? "+" : "");
            how = in_child(write_with, plan);
            ck_assert_msg(how == 0 || (k < 4 && how == 2) || (k == 4 && how == 1), "%s: %d", plan, how);
            ck_assert_int_eq(store_exists("t.h5"), how == 0);
            ck_assert(!store_exists("t.h5.partial"));
            (void)unlink(store_path("t.h5"));
        }
}
END_TEST

START_TEST(places)
{
    struct tess_artefact *a;
    store_fails(tessi_store_artefact_create(C, store_path("none/t.h5"), "x", &a), TESS_E_CREATE, "none/t.h5", "make it first", NULL);
    ck_assert_ptr_null(a);
    ck_assert_int_eq(mkdir(store_path("folder"), 0777), 0);
    store_fails(tessi_store_artefact_create(C, store_path("folder"), "x", &a), TESS_E_CREATE, "is a folder", NULL);
    store_fails(tessi_store_artefact_open(C, store_path("folder"), &a), TESS_E_IO, "a folder", NULL);
    store_fails(tessi_store_artefact_open(C, store_path("none.h5"), &a), TESS_E_IO, "none.h5", "no such file", "check the name", NULL);
    store_fails(tessi_store_artefact_create(C, "/dev/null", "x", &a), TESS_E_CREATE, "a device or a pipe", NULL);
    ck_assert_int_eq(mkfifo(store_path("fifo"), 0666), 0);
    store_fails(tessi_store_artefact_open(C, store_path("fifo"), &a), TESS_E_IO, "not a file", NULL);
    if (geteuid() != 0) {
        ck_assert_int_eq(chmod(store_path("folder"), 0555), 0);
        store_fails(tessi_store_artefact_create(C, store_path("folder/t.h5"), "x", &a), TESS_E_CREATE, "may write", NULL);
    }
}
END_TEST

/* ---- full disks ---------------------------------------------------------------------------------------------------- */

/* Task of a child: writes several ways to a disk with room for some KiB; no file may be left, and a small file still fits afterwards. */
static int fill_up(const char *folder, const char *word, int last)
{
    static float big[1 << 18];
    char path[600], left[700];
    snprintf(path, sizeof path, "%s/full.h5", folder);
    for (int logit_graph = 0; logit_graph < last; logit_graph++) {
        struct tess_artefact *a;
        struct tess_tensor t = rows_of(1024), weights = tess_tensor_over(big, TESS_F32, 1, (int64_t[]){5000});
        tessi_base_context_clear(C);
        int status = tessi_store_artefact_create(C, path, "x", &a);
        if (status != TESS_OK)
            return 10;
        if (logit_graph == 0) { /* chunks */
            struct tess_tensor ten = rows_of(10240);
            status = tess_artefact_begin(C, a, "x", &ten, NULL);
            for (int i = 0; i < 10 && status == TESS_OK; i++)
                status = tess_artefact_append(C, a, "x", &t);
        } else if (logit_graph == 1) { /* row-by-row writes */
            struct tess_tensor one = rows_of(1);
            status = tess_artefact_begin(C, a, "x", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 31});
            for (int i = 0; i < 1024 && status == TESS_OK; i++)
                status = tess_artefact_append(C, a, "x", &one);
        } else { /* small pieces, until something gives */
            for (int i = 0; i < 400 && status == TESS_OK; i++) {
                char name[64];
                snprintf(name, sizeof name, "w/%d/%d", i % 17, i);
                status = tess_artefact_put(C, a, name, &weights, NULL);
            }
        }
        if (status == TESS_OK) {
            status = tessi_store_artefact_finish(C, a, NULL, NULL);
        } else {
            if (tess_artefact_put_metric(C, a, "f", 1, "") == TESS_OK)
                return 11;
            tessi_store_artefact_close(a);
        }
        if (status != TESS_E_IO || !strstr(tessi_base_context_message(C), word) || !strstr(tessi_base_context_message(C), "full.h5")) {
            fprintf(stderr, "way %d: status %d: %s\n", logit_graph, status, tessi_base_context_message(C));
            return 12;
        }
        if (access(path, F_OK) == 0 || tessi_base_aside_left(path, left, sizeof left))
            return 13;
        if (H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) != 0 || tessi_base_memory_in_use() != 0)
            return 14;
        tessi_base_context_clear(C);
        weights.dim[0] = 10;
        if (tessi_store_artefact_create(C, path, "x", &a) != TESS_OK || tess_artefact_put(C, a, "w", &weights, NULL) != TESS_OK ||
            tessi_store_artefact_finish(C, a, NULL, NULL) != TESS_OK || tessi_store_artefact_open(C, path, &a) != TESS_OK)
            return 15;
        tessi_store_artefact_close(a);
        unlink(path);
    }
    return 0;
}

static int limited(const char *folder)
{
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t max = 20000; max < 600000; max = max * 8 / 5) {
        struct rlimit limit = {max, RLIM_INFINITY};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 1;
        int code = fill_up(folder, "larger than", 3);
        if (code)
            return code;
    }
    return 0;
}

START_TEST(file_size_limit)
{
    ck_assert_int_eq(in_child(limited, store_path(".")), 0);
}
END_TEST

#define NOT_ALLOWED 77

static int on_a_small_disk(const char *folder)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=160k") != 0)
        return NOT_ALLOWED;
    return fill_up(folder, "disk is full", 3);
}

START_TEST(full_disk)
{
    int code = in_child(on_a_small_disk, store_path("."));
    if (code == NOT_ALLOWED)
        fputs("no small disk can be mounted here: a full one is tested by the limit of a file's size alone\n", stderr);
    else
        ck_assert_int_eq(code, 0);
}
END_TEST

static int on_dev_full(const char *path)
{
    struct tess_tensor picture = tess_tensor_over(values, TESS_U8, 3, (int64_t[]){100, 100, 3});
    struct rlimit limit = {1000, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 10000; i++)
        ((uint32_t *)values)[i] = store_number((uint64_t)i);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    return tessi_store_png_write(C, path, &picture) == TESS_E_IO && strstr(tessi_base_context_message(C), "larger than") ? 0 : 2;
}

START_TEST(picture_that_does_not_fit)
{
    ck_assert_int_eq(in_child(on_dev_full, store_path("p.png")), 0);
    ck_assert(!store_exists("p.png") && !store_unfinished("p.png"));
}
END_TEST

/* ---- damaged files ------------------------------------------------------------------------------------------------- */

/* Everything a stage would do with it. TESS_OK, or the first failure. */
static int use(const char *path)
{
    struct tess_artefact *a;
    struct tess_tensor shape, t;
    int32_t bits;
    int64_t stored;
    const char *name;
    tessi_base_context_clear(C);
    TESS_TRY(tessi_store_artefact_open(C, path, &a));
    int status = TESS_OK;
    for (int64_t i = 0; status == TESS_OK && (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        if (!shape.dtype)
            continue;
        status = tess_artefact_load(C, a, name, shape.dtype, &t);
        tess_free(t.data);
    }
    if (status == TESS_OK)
        status = tessi_store_artefact_verify(C, a);
    tessi_store_artefact_close(a);
    return status;
}

/* 0: all of it was read, and no read was to fail; 1: the failure is that of the disk, or the chunk that was refused once was read again,
 * and the digest is right; 2: the failure is told as another. */
static int use_with(const char *plan)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", store_path("t.h5"));
    if (tessi_base_inject_plan(plan))
        return 3;
    int status = use(path),
        failed = strncmp(plan, "EIO", 3) == 0 && tessi_base_inject_passages(TESSI_AT_READ) >= atoi(strchr(plan, ':') + 1);
    int told = status == TESS_E_IO && strstr(tessi_base_context_message(C), strerror(EIO)), same = status == TESS_OK || told;
    same = same && tessi_base_memory_in_use() == 0;
    if (failed ? !same : status != TESS_OK)
        fprintf(stderr, "%s: %d %s\n", plan, status, tessi_base_context_message(C));
    return failed ? same ? 1 : 2 : status == TESS_OK ? 0 : 2;
}

/* The disk fails at the first read, the second ...: a failure that says so, not a damaged file. A read that a signal interrupts is made
 * again. */
START_TEST(unreadable_anywhere)
{
    char plan[64], digest[TESS_DIGEST_TEXT];
    struct tess_artefact *a;
    int n = 1;
    store_everything("t.h5", digest);
    for (int how = 1; how != 0; n++) {
        snprintf(plan, sizeof plan, "EIO@read:%d", n);
        how = in_child(use_with, plan);
        ck_assert_msg(how == 0 || how == 1, "%s: %d", plan, how);
    }
    ck_assert_int_gt(n, 10);
    for (n = 1; n < 10; n++) {
        snprintf(plan, sizeof plan, "EINTR@read:%d", n);
        ck_assert_int_eq(in_child(use_with, plan), 0);
    }
    store_fails(tessi_store_artefact_open(C, "/proc/self/mem", &a), TESS_E_IO, "/proc/self/mem: cannot be read: ", NULL);
}
END_TEST

static int use_truncated(const char *path)
{
    enum { SUM_LINE = 64 };
    int64_t size = store_size("whole.h5");
    for (int64_t i = 0; i < 300; i++) {
        int64_t bytes = i < 100 ? i : i < 200 ? size - 200 + i : size * (i - 200) / 101;
        if (bytes == size - SUM_LINE) /* what HDF5 wrote, which is whole */
            continue;
        store_copy("whole.h5", "cut.h5", bytes);
        if (use(path) != TESS_E_DATA || tessi_base_memory_in_use() != 0) {
            fprintf(stderr, "%lld of %lld bytes: %s\n", (long long)bytes, (long long)size, tessi_base_context_message(C));
            return 1;
        }
        char words[80];
        if (bytes < size - SUM_LINE)
            snprintf(words, sizeof words, "is truncated: %lld bytes of %lld;", (long long)bytes, (long long)size - SUM_LINE);
        else
            snprintf(words, sizeof words, "is truncated, or was changed at its end");
        if (strstr(tessi_base_context_message(C), "no reason") || (bytes >= 48 && !strstr(tessi_base_context_message(C), words))) {
            fprintf(stderr, "%lld of %lld bytes: %s\n", (long long)bytes, (long long)size, tessi_base_context_message(C));
            return 2;
        }
    }
    return 0;
}

/* A stack that cannot grow is a death without a word, whose fault ever it is. */
static __attribute__((noinline)) void have_stack(void)
{
    volatile char buffer[1 << 20];
    for (size_t i = 0; i < sizeof buffer; i += 1024)
        buffer[i] = 1;
}

/* Opens the file under growing memory limits: too little memory is never reported as damage. */
static int use_with_little_memory(const char *path)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld", &pages) != 1)
        return 1;
    fclose(f);
    int refused = 0, status = TESS_E_MEMORY;
    have_stack();
    for (rlim_t more = 0; status != TESS_OK; more += 16) {
        struct rlimit limit = {((rlim_t)pages + more) * 4096, RLIM_INFINITY};
        if (more > 65536 || setrlimit(RLIMIT_AS, &limit) != 0)
            return 2;
        status = use(path);
        refused += status != TESS_OK;
        if (status != TESS_OK && status != TESS_E_MEMORY) {
            fprintf(stderr, "%llu pages: status %d: %s\n", (unsigned long long)more, status, tessi_base_context_message(C));
            return 3;
        }
    }
    return refused ? 0 : 4;
}

START_TEST(want_of_memory)
{
    if (!suite_limits_addresses("want_of_memory"))
        return;
    static int32_t many[1 << 20];
    struct tess_tensor t = tess_tensor_over(many, TESS_I32, 2, (int64_t[]){1024, 1024});
    for (int i = 0; i < 1 << 20; i++)
        many[i] = (int32_t)(store_number((uint64_t)i) >> 2);
    struct tess_artefact *a = store_create("whole.h5", "x");
    store_ok(tess_artefact_put(C, a, "x", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .compress = 1}));
    store_finish(a, NULL);
    ck_assert_int_eq(in_child(use_with_little_memory, store_path("whole.h5")), 0);
}
END_TEST

START_TEST(truncated)
{
    char digest[TESS_DIGEST_TEXT];
    store_everything("whole.h5", digest);
    store_ok(use(store_path("whole.h5")));
    ck_assert_int_eq(in_child(use_truncated, store_path("cut.h5")), 0);
}
END_TEST

static int use_flipped(const char *path)
{
    static unsigned char whole[1 << 16], bad[1 << 16];
    FILE *f = fopen(store_path("whole.h5"), "rb");
    size_t size = f ? fread(whole, 1, sizeof whole, f) : 0, found = 0, step = 41;
    if (!f || size == 0 || size == sizeof whole)
        return 1;
    fclose(f);
    for (size_t at = 0; at < size; at += at < 1024 ? 1 : step) {
        memcpy(bad, whole, size);
        bad[at] = (unsigned char)(bad[at] ^ (1u << (at % 8)));
        f = fopen(path, "wb");
        if (!f || fwrite(bad, 1, size, f) != size || fclose(f) != 0)
            return 2;
        int status = use(path);
        if ((status != TESS_OK && status != TESS_E_DATA) || tessi_base_memory_in_use() != 0) {
            fprintf(stderr, "byte %zu: status %d: %s\n", at, status, tessi_base_context_message(C));
            return 3;
        }
        found += status == TESS_E_DATA;
    }
    /* Flips not found lie in space that HDF5 reserved and does not use. */
    return found > 700 ? 0 : 4;
}

START_TEST(flipped)
{
    char digest[TESS_DIGEST_TEXT];
    store_everything("whole.h5", digest);
    ck_assert_int_eq(in_child(use_flipped, store_path("flipped.h5")), 0);
}
END_TEST

/* Writes an artefact with a group of so many members that HDF5 keeps their links in a heap. */
static void many_members(const char *name)
{
    struct tess_tensor t = rows_of(1);
    char member[24];
    struct tess_artefact *a = store_create(name, "x");
    for (int i = 0; i < 40; i++) {
        snprintf(member, sizeof member, "group/member%02d", i);
        store_ok(tess_artefact_put(C, a, member, &t, NULL));
    }
    store_finish(a, NULL);
}

/* Opens the file with one byte changed after the other, in the text of a link; memory that malloc gives is never zero meanwhile. */
static int use_flipped_links(const char *path)
{
    static unsigned char whole[1 << 20];
    FILE *f = fopen(store_path("many.h5"), "rb");
    size_t size = f ? fread(whole, 1, sizeof whole, f) : 0;
    int links = 0;
    (void)mallopt(M_PERTURB, 0x5a); /* sanitizers, which refuse it, fill memory themselves */
    if (!f || size == 0 || size == sizeof whole)
        return 1;
    fclose(f);
    for (size_t at = 0; at + 8 < size; at++) {
        if (memcmp(whole + at, "member", 6) != 0)
            continue;
        whole[at] ^= 1;
        f = fopen(path, "wb");
        if (!f || fwrite(whole, 1, size, f) != size || fclose(f) != 0)
            return 2;
        whole[at] ^= 1;
        if (use(path) != TESS_E_DATA)
            return 3;
        links++;
    }
    return links >= 40 ? 0 : 4;
}

START_TEST(flipped_in_a_link)
{
    many_members("many.h5");
    ck_assert_int_eq(in_child(use_flipped_links, store_path("flipped.h5")), 0);
}
END_TEST

START_TEST(changed_values)
{
    char digest[TESS_DIGEST_TEXT];
    float value = 1;
    store_everything("t.h5", digest);
    hid_t file = H5Fopen(store_path("t.h5"), H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(file, "weights/scale", H5P_DEFAULT);
    ck_assert(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) >= 0);
    H5Dclose(d);
    H5Fclose(file);
    struct tess_artefact *a = store_open("t.h5");
    store_fails(tessi_store_artefact_verify(C, a), TESS_E_DATA, digest, "delete it", NULL);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- hostile files ------------------------------------------------------------------------------------------------- */

static hid_t scalar_text(hid_t at, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text));
    hid_t attribute = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert(H5Awrite(attribute, type, text) >= 0);
    H5Tclose(type);
    H5Sclose(space);
    return H5Aclose(attribute);
}

/* A file with all that makes an artefact, open to be spoilt. */
static hid_t plausible(const char *name, int64_t format)
{
    hid_t file = H5Fcreate(store_path(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
    scalar_text(file, "kind", "codes");
    hid_t attribute = H5Acreate2(file, "format", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert(H5Awrite(attribute, H5T_NATIVE_INT64, &format) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    hid_t group = H5Gcreate2(file, "provenance", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    scalar_text(group, "digest", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    H5Gclose(group);
    return file;
}

static void dataset(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims, hid_t layout)
{
    hid_t space = H5Screate_simple(rank, dims, NULL), d = H5Dcreate2(file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    ck_assert_int_ge(d, 0);
    H5Sclose(space);
    H5Dclose(d);
}

static void refused(hid_t file, const char *word)
{
    struct tess_artefact *a;
    H5Fclose(file);
    store_fails(tessi_store_artefact_open(C, store_path("bad.h5"), &a), TESS_E_DATA, "bad.h5", word, NULL);
    ck_assert_ptr_null(a);
}

START_TEST(hostile_links)
{
    char digest[TESS_DIGEST_TEXT];
    store_everything("other.h5", digest);
    hid_t file = plausible("bad.h5", 1);
    H5Lcreate_external(store_path("other.h5"), "/codes", file, "codes", H5P_DEFAULT, H5P_DEFAULT);
    refused(file, "another file");
    file = plausible("bad.h5", 1);
    H5Lcreate_soft("/provenance", file, "codes", H5P_DEFAULT, H5P_DEFAULT);
    refused(file, "soft link");
    file = plausible("bad.h5", 1); /* hard links in a circle end too */
    hid_t group = H5Gcreate2(file, "circle", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "circle", group, "again", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/", group, "root", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    H5Fclose(file);
    struct tess_artefact *a = store_open("bad.h5");
    store_fails(tessi_store_artefact_verify(C, a), TESS_E_DATA, "0123456789abcdef", NULL);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(hostile_storage)
{
    hsize_t dims[8] = {10, 10, 1, 1, 1, 1, 1, 1}, huge[2] = {(hsize_t)1 << 40, (hsize_t)1 << 20}, much[1] = {(hsize_t)1 << 40},
            one = 1 << 16;
    hid_t file = plausible("bad.h5", 1), layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(layout, "/etc/passwd", 0, H5F_UNLIMITED);
    dataset(file, "codes", H5T_STD_U8LE, 2, dims, layout);
    refused(file, "outside the file");
    H5Pclose(layout);

    file = plausible("bad.h5", 1);
    layout = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, dims, NULL);
    H5Pset_virtual(layout, space, store_path("other.h5"), "/codes", space);
    dataset(file, "codes", H5T_STD_U8LE, 2, dims, layout);
    H5Sclose(space);
    refused(file, "other files");
    H5Pclose(layout);

    file = plausible("bad.h5", 1);
    layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 2, dims);
    H5Pset_scaleoffset(layout, H5Z_SO_INT, 0);
    dataset(file, "codes", H5T_STD_U8LE, 2, dims, layout);
    refused(file, "filter");
    H5Pclose(layout);

    file = plausible("bad.h5", 1);
    dataset(file, "codes", H5T_STD_U8LE, 8, dims, H5P_DEFAULT);
    refused(file, "shape");
    file = plausible("bad.h5", 1);
    layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 2, dims);
    dataset(file, "codes", H5T_STD_U8LE, 2, huge, layout);
    refused(file, "shape");
    H5Pclose(layout);
    file = plausible("bad.h5", 1);
    layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 1, &one);
    dataset(file, "codes", H5T_STD_U8LE, 1, much, layout);
    refused(file, "no values");
    file = plausible("bad.h5", 1);
    dataset(file, "codes", H5T_STD_U8LE, 1, much, layout);
    hid_t d = H5Dopen2(file, "codes", H5P_DEFAULT), there = H5Dget_space(d), here = H5Screate_simple(1, &one, NULL);
    hsize_t zero = 0;
    H5Sselect_hyperslab(there, H5S_SELECT_SET, &zero, NULL, &one, NULL);
    ck_assert(H5Dwrite(d, H5T_NATIVE_INT32, here, there, H5P_DEFAULT, values) >= 0);
    H5Dclose(d);
    H5Sclose(there);
    H5Sclose(here);
    refused(file, "more values than");
    H5Pclose(layout);

    hid_t types[] = {H5Tcopy(H5T_STD_I64LE),     H5Tcopy(H5T_IEEE_F64LE),  H5Tcopy(H5T_C_S1),
                     H5Tcreate(H5T_COMPOUND, 4), H5Tcopy(H5T_STD_REF_OBJ), H5Tcopy(H5T_STD_I8LE)};
    H5Tset_size(types[2], H5T_VARIABLE);
    H5Tinsert(types[3], "x", 0, H5T_STD_I32LE);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        file = plausible("bad.h5", 1);
        dataset(file, "codes", types[i], 2, dims, H5P_DEFAULT);
        refused(file, "foreign type");
        H5Tclose(types[i]);
    }
    file = plausible("bad.h5", 1);
    hid_t named = H5Tcopy(H5T_STD_I8LE);
    H5Tcommit2(file, "codes", named, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(named);
    refused(file, "neither a dataset nor a group");
    ck_assert_int_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}
END_TEST

/* A metric in a plausible file: a float64 with a unit, and one attribute more, `count` numbers of `type` or, with type 0, a text. */
static hid_t with_metric(const char *attribute, hid_t type, hsize_t count, const double *number, const char *text)
{
    hid_t file = plausible("bad.h5", 1), space = H5Screate(H5S_SCALAR), layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(layout, H5D_COMPACT);
    H5Gclose(H5Gcreate2(file, "metrics", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    hid_t d = H5Dcreate2(file, "metrics/m", H5T_IEEE_F64LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    if (strcmp(attribute, "unit") != 0)
        scalar_text(d, "unit", "dB");
    if (type) {
        hid_t several = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
        hid_t a = H5Acreate2(d, attribute, type, several, H5P_DEFAULT, H5P_DEFAULT);
        ck_assert(H5Awrite(a, H5T_NATIVE_DOUBLE, number) >= 0);
        H5Aclose(a);
        H5Sclose(several);
    } else if (text) {
        scalar_text(d, attribute, text);
    }
    H5Dclose(d);
    H5Pclose(layout);
    H5Sclose(space);
    return file;
}

START_TEST(hostile_metrics)
{
    const double number[3] = {2.0, 1.0, 0.0}, none[2] = {NAN, NAN}, below = -1.0;
    refused(with_metric("unit", 0, 0, NULL, NULL), "has no unit");
    refused(with_metric("unit", H5T_IEEE_F64LE, 0, number, NULL), "no text");
    refused(with_metric("better", 0, 0, NULL, "upwards"), "neither `lower` nor `higher`");
    refused(with_metric("better", H5T_IEEE_F64LE, 0, number, NULL), "no text");
    refused(with_metric("better", H5T_IEEE_F64LE, 2, number, NULL), "no single value");
    refused(with_metric("standard_error", 0, 0, NULL, "large"), "no float64");
    refused(with_metric("standard_error", H5T_IEEE_F64LE, 0, &below, NULL), "below zero");
    refused(with_metric("standard_error", H5T_IEEE_F64LE, 0, none, NULL), "below zero");
    refused(with_metric("interval", 0, 0, NULL, "wide"), "no pair of float64");
    refused(with_metric("interval", H5T_IEEE_F64LE, 3, number, NULL), "no pair of float64");
    refused(with_metric("interval", H5T_IEEE_F64LE, 0, number, NULL), "no pair of float64");
    refused(with_metric("interval", H5T_IEEE_F32LE, 2, number, NULL), "no pair of float64");
    refused(with_metric("interval", H5T_IEEE_F64LE, 2, number, NULL), "before it begins");
    refused(with_metric("interval", H5T_IEEE_F64LE, 2, none, NULL), "before it begins");
    ck_assert_int_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}
END_TEST

START_TEST(not_artefacts)
{
    refused(plausible("bad.h5", 2), "newer tessera");
    hid_t file = H5Fcreate(store_path("bad.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    refused(file, "no artefact of tessera");
    file = plausible("bad.h5", 1);
    H5Ldelete(file, "provenance", H5P_DEFAULT);
    refused(file, "provenance");
    file = plausible("bad.h5", 1);
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Aclose(H5Acreate2(file, "note", type, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(type);
    H5Sclose(space);
    refused(file, "foreign type");

    struct tess_artefact *a;
    FILE *f = fopen(store_path("text.h5"), "w");
    ck_assert_ptr_nonnull(f);
    fputs("tessera: 1\nname: fashion\n", f);
    fclose(f);
    store_fails(tessi_store_artefact_open(C, store_path("text.h5"), &a), TESS_E_DATA, "no HDF5 file", NULL);
    f = fopen(store_path("text.h5"), "w");
    fclose(f);
    store_fails(tessi_store_artefact_open(C, store_path("text.h5"), &a), TESS_E_DATA, "is empty", NULL);
}
END_TEST

/* The n-th allocation fails, for every n there is. */
START_TEST(no_memory)
{
    char digest[TESS_DIGEST_TEXT];
    store_everything("t.h5", digest);
    int status = TESS_E_MEMORY;
    for (int64_t n = 1; status != TESS_OK; n++) {
        tessi_base_memory_fail_at(n);
        status = use(store_path("t.h5"));
        tessi_base_memory_fail_at(0);
        ck_assert_msg(status == TESS_OK || status == TESS_E_MEMORY, "%lld: status %d: %s", (long long)n, status,
                      tessi_base_context_message(C));
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        ck_assert_int_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    }
    status = TESS_E_MEMORY;
    for (int64_t n = 1; status != TESS_OK; n++) {
        static const char *const text[] = {"a", "b"};
        struct tess_tensor t = rows_of(100);
        struct tess_artefact *a;
        tessi_base_context_clear(C);
        tessi_base_memory_fail_at(n);
        status = tessi_store_artefact_create(C, store_path("u.h5"), "x", &a);
        if (status == TESS_OK)
            status = tess_artefact_put(C, a, "x", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 31});
        if (status == TESS_OK)
            status = tess_artefact_put_strings(C, a, "s", 2, text);
        if (status == TESS_OK)
            status = tess_artefact_put_metric(C, a, "f", 1, "dB");
        if (status == TESS_OK)
            status = tessi_store_artefact_finish(C, a, NULL, NULL);
        else
            tessi_store_artefact_close(a);
        tessi_base_memory_fail_at(0);
        ck_assert(status == TESS_OK || status == TESS_E_MEMORY);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        ck_assert(store_exists("u.h5") == (status == TESS_OK) && !store_unfinished("u.h5"));
    }
}
END_TEST

static void setup(void)
{
    store_setup();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

int main(void)
{
    Suite *suite = suite_create("store, faults");
    TCase *t = tcase_create("faults");
    tcase_add_checked_fixture(t, setup, store_teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, only_complete_files_have_their_name);
    tcase_add_test(t, killed);
    tcase_add_test(t, refused_anywhere);
    tcase_add_test(t, places);
    tcase_add_test(t, file_size_limit);
    tcase_add_test(t, full_disk);
    tcase_add_test(t, picture_that_does_not_fit);
    tcase_add_test(t, want_of_memory);
    tcase_add_test(t, unreadable_anywhere);
    tcase_add_test(t, truncated);
    tcase_add_test(t, flipped);
    tcase_add_test(t, flipped_in_a_link);
    tcase_add_test(t, changed_values);
    tcase_add_test(t, hostile_links);
    tcase_add_test(t, hostile_storage);
    tcase_add_test(t, hostile_metrics);
    tcase_add_test(t, not_artefacts);
    tcase_add_test(t, no_memory);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
