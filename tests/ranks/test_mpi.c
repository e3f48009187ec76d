/* The program under mpirun, where there is one that fits the MPI it was built with; skipped otherwise. SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77

static const char *const stage[] = {"images", "tokenizer", "codes", "prior", "samples", NULL};
static const char *mpirun;

/* Runs a line in a shell, its output in the file `said`; gives the exit status. */
static int shell(const char *line, char *said, size_t capacity)
{
    char full[2048];
    snprintf(full, sizeof full, "%s > said 2>&1", line);
    int how = system(full);
    FILE *f = fopen("said", "r");
    said[f ? fread(said, 1, capacity - 1, f) : 0] = '\0';
    if (f)
        (void)fclose(f);
    return how == -1 ? -1 : how >> 8;
}

/* The launcher that starts two ranks of this program's MPI: Open MPI's or MPICH's. */
static const char *find_mpirun(void)
{
    static const char *const list[] = {"mpirun.openmpi --oversubscribe", "mpirun.mpich", "mpirun --oversubscribe", "mpirun"};
    char line[512];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(line, sizeof line, "cd /tmp && timeout 60 %s -n 2 " TEST_PROGRAM " run /dev/null 2>&1 | grep -q '/dev/null'", list[i]);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(list[i], " "), list[i]);
        char which[128];
        snprintf(which, sizeof which, "command -v %s > /dev/null 2>&1", name);
        if (system(which) == 0 && system(line) == 0)
            return list[i];
    }
    return NULL;
}

static void setup(void)
{
    (void)small_folder_enter();
}

START_TEST(mpi_does_not_change_a_bit)
{
    char line[1024], said[8192];
    (void)command_ends(0, "", "run small.yaml -q --threads 2 --workdir alone");
    for (int n = 2; n <= 3; n++) {
        snprintf(line, sizeof line, "%s -n %d " TEST_PROGRAM " run small.yaml --threads 1 --workdir mpi%d", mpirun, n, n);
        int code = shell(line, said, sizeof said);
        ck_assert_msg(code == 0, "%d: %s", code, said);
        ck_assert_msg(!strstr(said, "nothing to do"), "%s", said);
        snprintf(line, sizeof line, "mpi%d", n);
        command_same_and_whole(stage, "alone", line, "under mpirun");
    }
}
END_TEST

/* Two programs of which one has another pipeline. */
START_TEST(ranks_that_differ_are_refused)
{
    char line[1024], said[8192];
    snprintf(line, sizeof line,
             "%s -n 1 " TEST_PROGRAM " run small.yaml --workdir two : -n 1 " TEST_PROGRAM " run small.yaml tokenizer.lr=0.5 --workdir two",
             mpirun);
    int code = shell(line, said, sizeof said);
    ck_assert_msg(code == 2, "%d: %s", code, said);
    ck_assert_msg(strstr(said, "rank 1 (") && strstr(said, "differs from rank 0 in the pipeline"), "%s", said);
    snprintf(line, sizeof line,
             "%s -n 1 " TEST_PROGRAM " run small.yaml --workdir two : -n 1 " TEST_PROGRAM " run small.yaml --workdir three", mpirun);
    code = shell(line, said, sizeof said);
    ck_assert_msg(code == 2, "%d: %s", code, said);
    ck_assert_msg(strstr(said, "the folder") && strstr(said, "shared file system"), "%s", said);
    code = shell("mkdir other && cp $(dirname " TEST_PROGRAM ")/plugins/quantizers/.libs/ema.so other && (echo >> other/ema.so)", said,
                 sizeof said);
    ck_assert_msg(code == 0, "%s", said);
    snprintf(line, sizeof line,
             "%s -n 1 " TEST_PROGRAM " run small.yaml --workdir two : -n 1 env TESSERA_PLUGIN_PATH=other " TEST_PROGRAM
             " run small.yaml --workdir two",
             mpirun);
    code = shell(line, said, sizeof said);
    ck_assert_msg(code == 2, "%d: %s", code, said);
    ck_assert_msg(strstr(said, "differs from rank 0 in plugin tessera-ema: wanted"), "%s", said); /* and not another, for its place */
}
END_TEST

/* A rank that ends before it has joined, as where its machine has no such pipeline: some launchers leave the others waiting. */
START_TEST(a_rank_that_never_joins_ends_the_run)
{
    char line[1024], said[8192];
    snprintf(line, sizeof line,
             "%s -n 1 " TEST_PROGRAM " run small.yaml --workdir two --patience 3 : -n 1 " TEST_PROGRAM " run small.yaml --no-such-flag",
             mpirun);
    ck_assert(shell(line, said, sizeof said) != 0);
    ck_assert_msg(strstr(said, "--no-such-flag"), "%s", said);
}
END_TEST

/* The launcher of another MPI, where one is installed: each process would be alone, and run the whole. */
START_TEST(a_launcher_of_another_mpi_is_refused)
{
    static const char *const other[] = {"mpirun.openmpi", "mpirun.mpich"};
    char line[1024], said[8192];
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        snprintf(line, sizeof line, "command -v %s", other[i]);
        if (strncmp(mpirun, other[i], strlen(other[i])) == 0 || shell(line, said, sizeof said) != 0)
            continue;
        snprintf(line, sizeof line, "%s -n 2 " TEST_PROGRAM " run small.yaml --workdir stray", other[i]);
        ck_assert(shell(line, said, sizeof said) != 0);
        ck_assert_msg(strstr(said, "a launcher started 2 processes") && strstr(said, "of another MPI"), "%s", said);
        ck_assert(access("stray", F_OK) != 0);
    }
    ck_assert(shell(TEST_PROGRAM " run small.yaml --workdir stray --transport mpi", said, sizeof said) == 2);
    ck_assert_msg(strstr(said, "no launcher started this process as a rank"), "%s", said);
}
END_TEST

int main(void)
{
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    /* MPI leaves memory behind, in modules that are unloaded by then; our own leaks are looked for over the transport `local`. */
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    mpirun = find_mpirun();
    if (!mpirun) {
        printf("left out: no mpirun starts ranks of this build; on Debian install `openmpi-bin` or `mpich`, and configure with that MPI\n");
        return SKIPPED;
    }
    Suite *s = suite_create("ranks under mpirun");
    TCase *t = tcase_create("mpi");
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, mpi_does_not_change_a_bit);
    tcase_add_test(t, ranks_that_differ_are_refused);
    tcase_add_test(t, a_rank_that_never_joins_ends_the_run);
    tcase_add_test(t, a_launcher_of_another_mpi_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
