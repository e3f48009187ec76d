/* Files that are given for plugins: what is no shared object, what was cut off, and what does something as soon as it is loaded. Each is
 * refused with a sentence, and this process goes on. SPDX-License-Identifier: MIT */
#include "core/base/child.h"
#include "core/plug/object_file.h"
#include "core/plug/trial.h"
#include "tests/support/paths.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
}

static void teardown(void)
{
    plug_end(&fixture);
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static uint8_t good[1 << 20];
static size_t good_bytes;

static void read_good(const char *path)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    good_bytes = fread(good, 1, sizeof good, f);
    ck_assert_uint_lt(good_bytes, sizeof good);
    fclose(f);
}

#define GOOD TEST_BUILD "/tests/fixtures/.libs/good.so"

static void write_good(const char *name, size_t bytes)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", fixture.folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(good, 1, bytes, f), bytes);
    fclose(f);
}

static const char *check_file(const char *name, int how)
{
    static char why[1024];
    char path[PATH_MAX];
    snprintf(path, sizeof path, *name == '/' ? "%.0s%s" : "%s/%s", fixture.folder, name);
    snprintf(why, sizeof why, "accepted");
    ck_assert_int_eq(tessi_plug_object_check(path, how, why, sizeof why), strcmp(why, "accepted") == 0);
    return why;
}

static void refused(const char *name, const char *wanted)
{
    const char *why = check_file(name, TESSI_EXPORTING);
    ck_assert_msg(strncmp(why, wanted, strlen(wanted)) == 0, "%s: wanted \"%s\", found \"%s\"", name, wanted, why);
}

START_TEST(what_is_no_shared_object)
{
    char path[PATH_MAX], to[PATH_MAX];
    plug_write(&fixture, "empty.so", "");
    refused("empty.so", "wanted a shared object, found an empty file");
    plug_write(&fixture, "text.so", "not a shared object\n");
    refused("text.so", "wanted a shared object (ELF), found a text");
    plug_write(&fixture, "script.so", "#!/bin/sh\n");
    refused("script.so", "wanted a shared object (ELF), found a script");
    plug_write(&fixture, "archive.so", "!<arch>\n");
    refused("archive.so", "wanted a shared object (ELF), found a static library");
    plug_write(&fixture, "short.so", "\177ELF");
    refused("short.so", "wanted a whole shared object, found one cut off after 4 bytes");
    refused("none.so", "wanted a shared object that can be read, found: No such file or directory");
    snprintf(path, sizeof path, "%s/folder.so", fixture.folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    refused("folder.so", "wanted a shared object, found a folder");
    snprintf(path, sizeof path, "%s/pipe.so", fixture.folder);
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    refused("pipe.so", "wanted a shared object, found a pipe");
    snprintf(path, sizeof path, "%s/link.so", fixture.folder);
    snprintf(to, sizeof to, "%s/gone", fixture.folder);
    ck_assert_int_eq(symlink(to, path), 0);
    refused("link.so", "wanted a shared object, found a link to a file that is not there");
    refused("/dev/null", "wanted a shared object, found a device");
    refused(TEST_BUILD "/.libs/libtessera.so", "wanted the symbol tess_plugin_1, found a shared object without it");
    refused(TEST_PROGRAM, "wanted a shared object, found a program: link it with -shared");
    refused(TEST_BUILD "/tests/fixtures/.libs/good.o", "wanted a shared object, found an object file that is not linked");
    refused(TEST_BUILD "/tests/fixtures/.libs/symbol.so", "wanted plugin ABI 1 (symbol tess_plugin_1), found ABI 2");
    refused(GOOD, "accepted");
}
END_TEST

START_TEST(all_of_them_in_a_folder)
{
    char path[PATH_MAX];
    plug_write(&fixture, "empty.so", "");
    plug_write(&fixture, "text.so", "not a shared object\n");
    snprintf(path, sizeof path, "%s/pipe.so", fixture.folder);
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    snprintf(path, sizeof path, "%s/folder.so", fixture.folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    plug_add(&fixture, "", "good");
    plug_scan(&fixture);
    static const char *const bad[] = {"empty", "text", "pipe", "folder"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(plug_refusal(&fixture, bad[i]) && strstr(plug_refusal(&fixture, bad[i]), "wanted a shared object"), "%s", bad[i]);
    ck_assert_str_eq(plug_refusal(&fixture, "good"), "");
}
END_TEST

#define HEAD ((ElfW(Ehdr) *)(void *)good)

static void changed(const char *wanted)
{
    write_good("x.so", good_bytes);
    refused("x.so", wanted);
    read_good(GOOD);
}

START_TEST(headers_of_something_else)
{
    read_good(GOOD);
    ElfW(Phdr) *segment = (void *)(good + HEAD->e_phoff);
    good[EI_CLASS] = ELFCLASS32;
    changed("wanted a shared object of 64 bits, found one of 32");
    good[EI_DATA] = ELFDATA2MSB;
    changed("wanted a shared object of this machine, found one of another byte order");
    HEAD->e_machine = EM_SPARCV9;
    changed("wanted a shared object for ");
    HEAD->e_type = ET_EXEC;
    changed("wanted a shared object, found a program");
    HEAD->e_type = ET_CORE;
    changed("wanted a shared object, found a core dump");
    HEAD->e_phnum = 0;
    changed("wanted 1 to 128 program headers of ");
    HEAD->e_phoff = 1 << 30;
    changed("wanted a whole file, found one cut off or damaged: its program headers end at byte");
    HEAD->e_shoff = UINT64_MAX - 64;
    changed("wanted a whole file, found one cut off or damaged: its section headers end at byte");
    segment[0].p_filesz = UINT64_MAX;
    changed("wanted a whole file, found one cut off or damaged: its segments end at byte 18446744073709551615");
    segment[0].p_memsz = 1;
    changed("wanted segments at least as long in memory as in the file");
    changed("accepted");
}
END_TEST

/* Wherever a file was cut off, that is seen, and no loader meets it. */
START_TEST(a_file_cut_off_anywhere)
{
    char path[PATH_MAX];
    read_good(GOOD);
    write_good("x.so", good_bytes);
    snprintf(path, sizeof path, "%s/x.so", fixture.folder);
    for (size_t bytes = good_bytes; bytes > 0; bytes -= bytes < 29 ? 1 : 29) {
        ck_assert_int_eq(truncate(path, (off_t)(bytes - 1)), 0);
        const char *why = check_file("x.so", TESSI_LOADABLE);
        ck_assert_msg(strncmp(why, "wanted a ", 9) == 0, "%zu bytes of %zu: %s", bytes - 1, good_bytes, why);
    }
}
END_TEST

/* Shared objects with one byte changed, every other time in the headers: each is refused, or loaded in a child, so a crash does no harm. */
START_TEST(a_file_damaged_anywhere)
{
    char path[PATH_MAX], why[1024];
    uint64_t draw = 7;
    int good_ones = 0;
    read_good(GOOD);
    snprintf(path, sizeof path, "%s/x.so", fixture.folder);
    ck_assert_ptr_null(fixture.runtime);
    plug_scan(&fixture);
    for (int i = 0; i < 400; i++) {
        int fine = 0;
        draw = draw * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t at = (size_t)(draw >> 33) % (i % 2 ? 1500 : good_bytes);
        uint8_t was = good[at];
        good[at] = (uint8_t)(draw >> 24);
        write_good("x.so", good_bytes);
        good[at] = was;
        if (!tessi_plug_object_check(path, TESSI_EXPORTING, why, sizeof why) || i % 8)
            continue;
        ck_assert_int_eq(tessi_plug_trial(fixture.ctx, path, &fixture.runtime->host, 600, &fine, why, sizeof why), TESS_OK);
        good_ones += fine;
    }
    ck_assert_int_gt(good_ones, 0);
}
END_TEST

/* ---- what runs when it is loaded ------------------------------------------------------------------------------------- */

static int scan_task(void *user)
{
    const struct tessi_runtime_options o = {.plugin_path = fixture.folder, .threads = 1, .trial_seconds = *(double *)user};
    if (tessi_host_runtime_new(fixture.ctx, &o, &fixture.runtime) != TESS_OK)
        return 1;
    const char *refusal = plug_refusal(&fixture, "rude");
    tessi_base_child_say("%s", !refusal   ? "not looked at"
                               : *refusal ? refusal + strlen(fixture.folder) + strlen("/rude.so: ")
                                          : "accepted");
    tessi_host_runtime_free(fixture.runtime);
    return 0;
}

/* Report on rude.so by a child process; a new one each time, because a process loads a file only once. */
static const char *scanned(const char *how, double seconds)
{
    static struct tessi_child child;
    if (how)
        setenv("TESSERA_TEST_RUDE", how, 1);
    else
        unsetenv("TESSERA_TEST_RUDE");
    ck_assert_int_eq(tessi_base_child_run(fixture.ctx, scan_task, &seconds, 600, &child), TESS_OK);
    unsetenv("TESSERA_TEST_RUDE");
    ck_assert_msg(child.how == TESSI_CHILD_RETURNED && child.value == 0, "%s: %s", how, child.err.text);
    return child.said.text;
}

START_TEST(a_file_that_is_rude)
{
    static const struct {
        const char *how, *wanted;
        double seconds;
    } cases[] = {
        {"crash", "wanted a file that loads, found one that was killed by signal 11 (Segmentation fault) while it was loaded", 600},
        {"divide", "wanted a file that loads, found one that was killed by signal 8 (Floating point exception) while it", 600},
        {"abort", "wanted a file that loads, found one that was killed by signal 6 (Aborted) while it was loaded", 600},
        {"complain",
         "wanted a file that loads, found one that was killed by signal 6 (Aborted) while it was loaded and looked at; it said: no "
         "such device",
         600},
        {"group", "wanted a file that loads, found one that was killed by signal 9 (Killed) while it was loaded", 600},
        {"exit", "wanted a file that loads, found one that ended the process with status 0 while it was loaded", 600},
        {"exit3", "wanted a file that loads, found one that ended the process with status 3 while it was loaded", 600},
        {"hang", "wanted a file that loads, found that loading it took more than 0.1 s: code of it runs before any is asked for", 0.1},
        {"spin", "wanted a file that loads, found that loading it took more than 0.1 s", 0.1},
        {"stop", "wanted a file that loads, found that loading it took more than 0.1 s", 0.1},
        {"close", "wanted a file that loads, found that loading it took more than 0.1 s", 0.1},
        {"print", "wanted a file that loads in silence, found that it writes to stdout: \"hello\\x1b[1m, world\\n\"", 600},
        {"signal", "wanted a file that leaves the process as it is, found that loading it takes signal 2 (Interrupt) for itself", 600},
        {"round", "wanted a file that leaves the process as it is, found that loading it changes how numbers are rounded", 600},
        {"locale", "wanted a file that leaves the process as it is, found that loading it sets the locale", 600},
        {"folder", "wanted a file that leaves the process as it is, found that loading it changes the current folder", 600},
        {"mask", "wanted a file that leaves the process as it is, found that loading it changes the permissions", 600},
        {"timer", "wanted a file that leaves the process as it is, found that loading it sets a timer", 600},
        {"limit", "wanted a file that leaves the process as it is, found that loading it changes the process's limits", 600},
        {"blocked", "wanted a file that leaves the process as it is, found that loading it blocks or unblocks signal 1", 600},
        {"environment", "wanted a file that leaves the process as it is, found that loading it changes the environment", 600},
        {"stdout", "wanted a file that leaves the process as it is, found that loading it closes stdout", 600},
        {"trap", "wanted a file that leaves the process as it is, found that loading it has the program end at a number that is not", 600},
#ifdef __x86_64__
        {"denormal", "wanted a file that leaves the process as it is, found that loading it makes the smallest numbers 0", 600},
#endif
        {"mutter", "accepted", 600},
        {NULL, "accepted", 600},
    };
    plug_add(&fixture, "", "rude");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = scanned(cases[i].how, cases[i].seconds);
        ck_assert_msg(strncmp(found, cases[i].wanted, strlen(cases[i].wanted)) == 0, "%s: wanted \"%s\", found \"%s\"", cases[i].how,
                      cases[i].wanted, found);
    }
}
END_TEST

START_TEST(a_file_that_wants_what_nobody_has)
{
    plug_add(&fixture, "", "unresolved");
    plug_scan(&fixture);
    const char *refusal = plug_refusal(&fixture, "unresolved");
    ck_assert_msg(strstr(refusal, "wanted a shared object that loads, found: undefined symbol: nobody_has_this_function"), "%s", refusal);
}
END_TEST

/* Nothing is ever unmapped: threads, handlers and texts of a plugin stay good after the registry has gone. */
START_TEST(what_was_loaded_stays)
{
    char path[PATH_MAX];
    plug_add(&fixture, "", "good");
    plug_scan(&fixture);
    const struct tess_component *k = tessi_plug_registry_find(fixture.runtime->registry, "encoder/1", "all", NULL);
    ck_assert_ptr_nonnull(k);
    tessi_host_runtime_free(fixture.runtime);
    fixture.runtime = NULL;
    ck_assert_str_eq(k->summary, "a parameter of every type");
    snprintf(path, sizeof path, "%s/good.so", fixture.folder);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_str_eq(tessi_plug_param_at(k, 0)->name, "flag");
}
END_TEST

struct exports {
    int count;
    char others[512];
};

static void count_export(void *user, const char *name, int once)
{
    struct exports *x = user;
    (void)once;
    x->count++;
    if (strcmp(name, "tess_plugin_1") != 0)
        tessi_base_add(x->others, sizeof x->others, " %s", name);
}

/* Checks that a plugin file exports its description alone. */
static void exports_no_more(const char *path)
{
    struct exports x = {0};
    ck_assert_msg(tessi_plug_object_exports(path, count_export, &x), "%s", path);
    ck_assert_msg(x.count == 1 && !*x.others, "%s exports%s", path, x.others);
}

/* Shipped plugins export one symbol each, so that no plugin can override another's functions. */
START_TEST(ours_export_their_description_alone)
{
    int ours = 0;
    plug_scan(&fixture);
    for (int64_t i = 0; i < tessi_plug_registry_files(fixture.runtime->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(fixture.runtime->registry, i);
        ck_assert(f->shipped && f->plugin);
        exports_no_more(f->path);
        ours++;
    }
    ck_assert_int_ge(ours, 30);
    exports_no_more(GOOD); /* with a mark of the sanitizer */
}
END_TEST

/* ---- what is remembered ---------------------------------------------------------------------------------------------- */

static void read_list(char *text, size_t capacity)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/cache/tessera/plugins", fixture.folder);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, capacity - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
}

static void write_list(const char *text)
{
    plug_write(&fixture, "cache/tessera/plugins", text);
}

/* A file that passed is not tried again as long as it, and what it was loaded with, are as they were. "signal" tells whether it was: the
 * trial refuses that, and loading does not. */
START_TEST(what_passed_is_not_tried_again)
{
    static char list[1 << 16], other[1 << 16];
    char cache[PATH_MAX];
    snprintf(cache, sizeof cache, "%s/cache", fixture.folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    plug_add(&fixture, "", "rude");
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    read_list(list, sizeof list);
    ck_assert_str_eq(list, ""); /* nothing is kept of one that was refused */
    ck_assert_str_eq(scanned(NULL, 600), "accepted");
    read_list(list, sizeof list);
    ck_assert_ptr_nonnull(strstr(list, "/libc.so"));
    ck_assert_str_eq(scanned("signal", 600), "accepted");

    setenv("LD_LIBRARY_PATH", "/nowhere", 1);
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    unsetenv("LD_LIBRARY_PATH");
    snprintf(other, sizeof other, "%s", list);
    char *size = strrchr(other, '.');
    *size = ',';
    write_list(other); /* a library has another time */
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    write_list("tessera plugins that passed 1\nnothing of the kind");
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    write_list("");
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    write_list(list);
    ck_assert_str_eq(scanned("signal", 600), "accepted");
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
}
END_TEST

/* A second file of the same name and version is tried, and both are remembered. */
START_TEST(one_that_was_rebuilt_is_tried)
{
    static char list[1 << 16];
    char cache[PATH_MAX], path[PATH_MAX], to[PATH_MAX];
    snprintf(cache, sizeof cache, "%s/cache", fixture.folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    plug_add(&fixture, "", "rude");
    ck_assert_str_eq(scanned(NULL, 600), "accepted");
    plug_add(&fixture, "other", "rebuilt");
    snprintf(path, sizeof path, "%s/other/rebuilt.so", fixture.folder);
    snprintf(to, sizeof to, "%s/rude.so", fixture.folder);
    ck_assert_int_eq(rename(path, to), 0);
    ck_assert_ptr_nonnull(strstr(scanned("signal", 600), "for itself"));
    ck_assert_str_eq(scanned(NULL, 600), "accepted");
    read_list(list, sizeof list);
    int lines = 0;
    for (const char *at = list; (at = strchr(at, '\n')); at++)
        lines++;
    ck_assert_int_eq(lines, 3);
    ck_assert_str_eq(scanned("signal", 600), "accepted");
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_no_shared_object);
    tcase_add_test(tests, all_of_them_in_a_folder);
    tcase_add_test(tests, headers_of_something_else);
    tcase_add_test(tests, a_file_cut_off_anywhere);
    tcase_add_test(tests, a_file_damaged_anywhere);
    tcase_add_test(tests, a_file_that_is_rude);
    tcase_add_test(tests, a_file_that_wants_what_nobody_has);
    tcase_add_test(tests, what_was_loaded_stays);
    tcase_add_test(tests, ours_export_their_description_alone);
    tcase_add_test(tests, what_passed_is_not_tried_again);
    tcase_add_test(tests, one_that_was_rebuilt_is_tried);
    return suite_run(suite);
}
