/* `tessera submit`: the batch scripts, run by a shell in place of Slurm's, with an `sbatch`, an `srun` and an `scontrol` that note their
 * arguments. SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tool(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    (void)fclose(f);
    ck_assert_int_eq(chmod(name, 0755), 0);
}

static void setup(void)
{
    (void)small_folder_enter();
}

static int shell(const char *line)
{
    int how = system(line);
    return how == -1 ? -1 : how >> 8;
}

static const char *slurp(const char *name)
{
    static char text[16384];
    FILE *f = fopen(name, "r");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f)
        (void)fclose(f);
    return text;
}

static void has(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "wanted `%s` in:\n%s", words, text);
}

START_TEST(a_pipeline_on_ranks)
{
    const struct command_result *r = command_ends(
        0, "", "submit small.yaml tokenizer.steps=3 --nodes 2 --ntasks 4 --cpus-per-task 8 --time 1:00:00 --partition fast -n");
    static const char *const words[] = {"#!/bin/sh\n",
                                        "#SBATCH --job-name=small\n",
                                        "#SBATCH --nodes=2\n",
                                        "#SBATCH --ntasks=4\n",
                                        "#SBATCH --cpus-per-task=8\n",
                                        "#SBATCH --time=1:00:00\n",
                                        "#SBATCH --partition=fast\n",
                                        "#SBATCH --signal=B:USR1@120\n",
                                        "#SBATCH --requeue\n",
                                        "\nsrun --mpi=pmix ",
                                        " run small.yaml tokenizer.steps=3",
                                        " --threads 8 &\n",
                                        "SLURM_RESTART_COUNT",
                                        "scontrol requeue",
                                        "scancel --signal=TERM"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        has(r->out, words[i]);
}
END_TEST

/* The limit is the plan's time and half of that, where it is known. */
START_TEST(the_plan_proposes_a_limit)
{
    has(command_ends(0, "", "submit small.yaml -n")->out, "# No --time: nothing like it");
    (void)command_ends(0, "", "run small.yaml -q --until codes --threads 1");
    has(command_ends(0, "",
                     "submit small.yaml tokenizer.steps=13 prior=null samples=null decoded=null metrics=null "
                     "--threads 1 -n")
            ->out,
        "#SBATCH --time=10\n");
}
END_TEST

/* A sweep is planned whole: its definition, each variant, and the time of all, of which each task of an array has its share. */
START_TEST(a_sweep_is_planned)
{
    small_write("sweep.yaml", "tessera: 1\nname: many\nextends: small.yaml\nsweep: {axis: {tokenizer.steps: [2, 3]}}\n");
    (void)command_ends(2, "did you mean `axes`", "submit sweep.yaml --array 2 -n");
    const struct command_result *r = command_ends(0, "", "submit small.yaml seed=1,2 --array 2 -n");
    has(r->out, " sweep small.yaml seed=1,2 --shard ");
    (void)command_ends(2, "stepz", "submit small.yaml tokenizer.stepz=1,2 --array 2 -n");
    (void)command_ends(0, "tokenizer.quantizer.codebook_size=0 will fail",
                       "submit small.yaml tokenizer.quantizer.codebook_size=0,12 --array 2 -n");
    (void)command_ends(2, "wants", "submit small.yaml tokenizer.quantizer.codebook_size=0,1 --array 2 -n");
}
END_TEST

/* The end of the script, as job 7, that is signalled while its work is at a training's step. */
static int stopped_script(const char *signal)
{
    char line[1024];
    snprintf(line, sizeof line,
             "export PATH=$PWD:$PATH SLURM_JOB_ID=7 TESSERA_INJECT=pause@step:60; sh ./script > said 2>&1 & script=$!; "
             "until work=$(tr -d ' ' < /proc/$script/task/$script/children) && [ -n \"$work\" ] && "
             "grep -q '^State:.T' /proc/$work/status; do sleep 0.05; done; "
             "kill -%s $script; kill -CONT $work; wait $script",
             signal);
    return shell(line);
}

/* The work is stopped by the script's signal, and the job requeued; any other end is the job's. */
START_TEST(the_script_requeues)
{
    tool("scontrol", "echo \"$@\" > requeued");
    (void)command_ends(0, "", "submit small.yaml --threads 1 tokenizer.steps=100000 -n");
    ck_assert_int_eq(rename("out", "script"), 0);
    ck_assert_int_eq(stopped_script("USR1"), 0);
    has(slurp("requeued"), "requeue 7");
    has(slurp("said"), "job 7, restart 0");
    (void)remove("requeued");
    /* one that was cancelled stays away from the queue; its work has a checkpoint all the same */
    tool("scontrol", "[ $1 = show ] && echo '   JobState=COMPLETING Reason=None' && exit; echo \"$@\" > requeued");
    ck_assert_int_eq(stopped_script("TERM"), 75);
    has(slurp("said"), "resumes at its checkpoint");
    ck_assert_int_ne(access("requeued", F_OK), 0);
    tool("scontrol", "[ $1 = show ] && echo '   JobState=RUNNING Reason=None' && exit; echo \"$@\" > requeued");
    ck_assert_int_eq(stopped_script("TERM"), 0); /* pre-empted */
    has(slurp("requeued"), "requeue 7");
    (void)remove("requeued");
    (void)command_ends(0, "", "submit small.yaml --threads 1 -n");
    (void)remove("images"); /* the work fails */
    ck_assert_int_ne(shell("PATH=$PWD:$PATH SLURM_JOB_ID=8 sh ./out > said 2>&1"), 0);
    ck_assert_int_ne(access("requeued", F_OK), 0);
}
END_TEST

/* Work is another step each time that the job begins, as a node that died keeps the files of the step that it had. */
START_TEST(each_start_is_a_step_of_its_own)
{
    tool("srun", "echo \"$1 $2 $3\" >> steps");
    (void)command_ends(0, "", "submit small.yaml --nodes 2 --ntasks 2 -n");
    ck_assert_int_eq(rename("out", "script"), 0);
    ck_assert_int_eq(shell("PATH=$PWD:$PATH SLURM_JOB_ID=7 sh ./script > said 2>&1"), 0);
    ck_assert_msg(strncmp(slurp("steps"), "--mpi=pmix ", 11) == 0, "%s", slurp("steps"));
    (void)remove("steps");
    ck_assert_int_eq(shell("PATH=$PWD:$PATH SLURM_JOB_ID=7 SLURM_RESTART_COUNT=2 sh ./script > said 2>&1"), 0);
    static const char dummy[] = "--mpi=none --nodes=1 --ntasks=1\n";
    const char *steps = slurp("steps");
    ck_assert_msg(strncmp(steps, dummy, strlen(dummy)) == 0 && strncmp(steps + strlen(dummy), dummy, strlen(dummy)) == 0 &&
                      strncmp(steps + 2 * strlen(dummy), "--mpi=pmix ", 11) == 0,
                  "%s", steps);
    (void)command_ends(0, "", "submit small.yaml --ntasks 2 --launcher mpirun -n");
    ck_assert_ptr_null(strstr(slurp("out"), "srun"));
}
END_TEST

START_TEST(arrays)
{
    small_write("sweep.yaml", "tessera: 1\nname: many\nextends: small.yaml\nsweep: {axes: {tokenizer.steps: [2, 3]}}\n");
    const struct command_result *r = command_ends(0, "", "submit sweep.yaml --array 2 -n");
    has(r->out, "#SBATCH --array=1-2\n");
    has(r->out, " sweep sweep.yaml --shard \"$SLURM_ARRAY_TASK_ID/2\" &\n");
    /* one of the tasks has the array's number, which would requeue all of them */
    has(r->out, "scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"");
    ck_assert_msg(!strstr(r->err, "this is its base alone"), "%s", r->err);
    (void)command_ends(2, "this pipeline has no `sweep`", "submit small.yaml --array 2 -n");
    (void)command_ends(2, "wants --array N", "submit -n -- encode pictures -m model.h5 -o archive");
    (void)command_ends(2, "wanted a pipeline", "submit -n");
    (void)command_ends(2, "stepz", "submit small.yaml tokenizer.stepz=3 -n");
}
END_TEST

/* Words of an encode are planned before anything is queued, as those of a pipeline are. */
START_TEST(an_encode_is_planned)
{
    static const char *const wrong[][2] = {{"images -m model.h5 -o archive", "model.h5"},
                                           {"images -m runs/small/tokenizer.h5", "wanted -o"},
                                           {"images -m runs/small/images.h5 -o archive", "is of kind images"},
                                           {"pictures -m runs/small/tokenizer.h5 -o archive", "pictures: cannot be opened"},
                                           {"images -m runs/small/tokenizer.h5 -o archive --sice 3", "--size"},
                                           {"images -m runs/small/tokenizer.h5 -o archive --set source.alfa=drop", "alfa"},
                                           {"images -m runs/small/tokenizer.h5 -o archive.h5", "archive.h5 is one file"},
                                           {"images -m runs/small/tokenizer.h5 -o archive --shard 1/2", "have their own --shard"},
                                           {"- -m runs/small/tokenizer.h5 -o archive", "no standard input"}};
    (void)command_ends(0, "", "run small.yaml -q --until tokenizer tokenizer.steps=2 --threads 1");
    ck_assert_int_eq(mkdir("tmp", 0755), 0);
    (void)setenv("TMPDIR", "tmp", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct command_result *r = command("submit --array 3 -n -- encode %s", wrong[i][0]);
        ck_assert_msg(r->code > 0 && strstr(r->err, wrong[i][1]) && !*r->out, "%s: %d: %s%s", wrong[i][0], r->code, r->out, r->err);
    }
    const struct command_result *r =
        command_ends(0, "1 shard, so of 3 tasks", "submit --array 3 -n -- encode images -m runs/small/tokenizer.h5 -o archive");
    has(r->out, " encode images -m runs/small/tokenizer.h5 -o archive --shard \"$SLURM_ARRAY_TASK_ID/3\" &\n");
    has(r->out, "#SBATCH --dependency=afterok:JOB\n");
    has(r->out, " encode images -m runs/small/tokenizer.h5 -o archive &\n");
    ck_assert_int_eq(shell("[ -z \"$(ls -A tmp)\" ] && ! [ -e archive ]"), 0); /* nothing was encoded, and nothing is left */
}
END_TEST

/* Further #SBATCH lines that a site wants, and words that a shell would take apart. */
START_TEST(words_and_lines_of_the_users)
{
    const struct command_result *r =
        command_ends(0, "", "--workdir it's submit small.yaml --account lab --sbatch --constraint=epyc --sbatch --exclusive -n");
    has(r->out, "#SBATCH --account=lab\n");
    has(r->out, "#SBATCH --constraint=epyc\n#SBATCH --exclusive\n");
    has(r->out, " --workdir 'it'\\''s' ");
    (void)command_ends(2, "--array and --ntasks: the tasks of an array work alone",
                       "submit --array 2 --ntasks 2 -n -- encode pictures -m model.h5 -o archive");
}
END_TEST

START_TEST(what_sbatch_says)
{
    char *path = strdup(getenv("PATH")), here[4096];
    (void)setenv("PATH", getcwd(here, sizeof here), 1);
    (void)command_ends(69, "sbatch", "submit small.yaml");
    (void)setenv("PATH", path, 1);
    char line[8192];
    snprintf(line, sizeof line, "%s:%s", here, path);
    (void)setenv("PATH", line, 1);
    tool("sbatch", "cp \"$2\" given; echo '4711;cluster'");
    has(command_ends(0, "", "submit small.yaml")->out, "submitted small as job 4711\n");
    has(slurp("given"), " run small.yaml &\n");
    tool("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1");
    (void)command_ends(69, "sbatch has refused the job", "submit small.yaml");
    (void)setenv("PATH", path, 1);
    free(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("submit");
    TCase *t = tcase_create("submit");
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_pipeline_on_ranks);
    tcase_add_test(t, the_plan_proposes_a_limit);
    tcase_add_test(t, a_sweep_is_planned);
    tcase_add_test(t, the_script_requeues);
    tcase_add_test(t, each_start_is_a_step_of_its_own);
    tcase_add_test(t, arrays);
    tcase_add_test(t, an_encode_is_planned);
    tcase_add_test(t, words_and_lines_of_the_users);
    tcase_add_test(t, what_sbatch_says);
    suite_add_tcase(s, t);
    return suite_run(s);
}
