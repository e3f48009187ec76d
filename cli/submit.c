/* `tessera submit`: a pipeline, the variants of a sweep or the shards of an archive as a job of Slurm. The work is that of `run`, `sweep`
 * and `encode`; this writes the batch script that starts them, stops them at a checkpoint before the time limit, and puts the job back into
 * the queue. docs/scale-out.md has the script explained, and how to write it for other schedulers.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "cli/submit.h"
#include "core/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SUBMIT_WORDS = CLI_MAX_OVERRIDES,
    SUBMIT_EXTRAS = 32,
    SUBMIT_GRACE = 120
}; /* grace: seconds before the time limit that work is asked to stop */

struct submit {
    const char *word[SUBMIT_WORDS], *extra[SUBMIT_EXTRAS];
    int words, extras, dry;
    int64_t nodes, tasks, processors, array;
    const char *time, *partition, *account, *launcher;
    const struct cli_globals *globals;
    struct submit_planned planned;
    int encodes; /* 1: the work is that of an archive */
};

static int submit_word(void *options, const char *verb, const char *word)
{
    struct submit *o = options;
    if (o->words == SUBMIT_WORDS)
        return cli_usage_error(verb, "wanted at most %d words", SUBMIT_WORDS);
    o->word[o->words++] = word;
    return 0;
}

static int submit_extra(void *options, const char *verb, const char *value)
{
    struct submit *o = options;
    if (o->extras == SUBMIT_EXTRAS)
        return cli_usage_error(verb, "wanted --sbatch at most %d times", SUBMIT_EXTRAS);
    o->extra[o->extras++] = value;
    return 0;
}

/* ---- the script ---------------------------------------------------------------------------------------------------- */

/* A word as a shell reads it back. */
static void submit_quote(FILE *to, const char *word)
{
    if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%") == strlen(word)) {
        fputs(word, to);
        return;
    }
    putc('\'', to);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", to);
        else
            putc(*word, to);
    putc('\'', to);
}

/* The time limit: as it was asked for, or half as much again as the plan says, of an array a task's share, in whole minutes. */
static void submit_time(const struct submit *o, FILE *to)
{
    double seconds = o->planned.seconds / (double)(o->array > 0 ? o->array : 1);
    if (o->time)
        fprintf(to, "#SBATCH --time=%s\n", o->time);
    else if (seconds > 0.0)
        fprintf(to, "#SBATCH --time=%" PRId64 "\n", (int64_t)(1.5 * seconds / 60.0) + 10);
    else
        fputs("# No --time: nothing like it was run on this machine, so the partition's limit holds; the job resumes after it.\n", to);
}

static void submit_directives(const struct submit *o, const char *after, FILE *to)
{
    fprintf(to, "#!/bin/sh\n#SBATCH --job-name=%s\n#SBATCH --output=%s.slurm-%s.out\n#SBATCH --open-mode=append\n#SBATCH --requeue\n",
            o->planned.name, strchr(o->planned.name, '/') ? strrchr(o->planned.name, '/') + 1 : o->planned.name,
            o->array && !after ? "%A_%a" : "%j");
    fprintf(to, "#SBATCH --signal=B:USR1@%d\n", SUBMIT_GRACE);
    submit_time(o, to);
    if (o->nodes && !after)
        fprintf(to, "#SBATCH --nodes=%" PRId64 "\n", o->nodes);
    fprintf(to, "#SBATCH --ntasks=%" PRId64 "\n", after || !o->tasks ? (int64_t)1 : o->tasks);
    if (o->processors)
        fprintf(to, "#SBATCH --cpus-per-task=%" PRId64 "\n", o->processors);
    if (o->array && !after)
        fprintf(to, "#SBATCH --array=1-%" PRId64 "\n", o->array);
    if (o->partition)
        fprintf(to, "#SBATCH --partition=%s\n", o->partition);
    if (o->account)
        fprintf(to, "#SBATCH --account=%s\n", o->account);
    if (after)
        fprintf(to, "#SBATCH --dependency=afterok:%s\n", after);
    for (int i = 0; i < o->extras; i++)
        fprintf(to, "#SBATCH %s\n", o->extra[i]);
}

/* The command that starts the ranks; NULL: there are none. */
static const char *submit_launcher(const struct submit *o, const char *after)
{
    return o->tasks <= 1 || after ? NULL : o->launcher ? o->launcher : "srun --mpi=pmix";
}

/* The command that does the work: of an array its share, of the job after it the rest. */
static void submit_command(const struct submit *o, const char *program, const char *after, FILE *to)
{
    if (submit_launcher(o, after))
        fprintf(to, "%s ", submit_launcher(o, after));
    submit_quote(to, program);
    if (!o->encodes)
        fputs(o->planned.sweeps ? " sweep" : " run", to);
    for (int i = 0; i < o->words; i++) {
        putc(' ', to);
        submit_quote(to, o->word[i]);
    }
    if (o->globals->workdir) {
        fputs(" --workdir ", to);
        submit_quote(to, o->globals->workdir);
    }
    if (o->processors)
        fprintf(to, " --threads %" PRId64, o->processors);
    if (o->array && !after)
        fprintf(to, " --shard \"$SLURM_ARRAY_TASK_ID/%" PRId64 "\"", o->array);
    fputs(" &\n", to);
}

/* Back into the queue, where the work was stopped by a signal and has a checkpoint. Of the tasks of an array one has the array's number for
 * its own, and that number would requeue all of them. A job that somebody cancels gets the SIGTERM of one that is pre-empted, and Slurm
 * would requeue it all the same; it runs no more by then, and the pre-empted one does. */
static void submit_requeue(const char *job, FILE *to)
{
    fprintf(to,
            "running() { scontrol show job \"%s\" | grep -q JobState=RUNNING; }\n"
            "if [ \"$code\" = 75 ] && { [ \"$stopped\" = USR1 ] || { [ \"$stopped\" = TERM ] && running; }; }; then\n"
            "    scontrol requeue \"%s\" && exit 0\nfi\nexit \"$code\"\n",
            job, job);
}

/* A node that died under the job has files of its step left, and srun starts no step of that number there again: each start of the job does
 * its work in another step. */
static void submit_steps(FILE *to)
{
    fputs("for i in $(seq \"${SLURM_RESTART_COUNT:-0}\"); do srun --mpi=none --nodes=1 --ntasks=1 true; done\n", to);
}

static void submit_script(const struct submit *o, const char *program, const char *folder, const char *after, FILE *to)
{
    submit_directives(o, after, to);
    fprintf(
        to,
        "\n# Work is asked to stop %d s before the time limit, and where another job takes the place of this one: it writes a checkpoint\n"
        "# and ends with 75. The job, unless it was cancelled, then goes back into the queue, and resumes there. A signal reaches this\n# "
        "script while it waits.\n",
        SUBMIT_GRACE);
    int srun = submit_launcher(o, after) && strncmp(submit_launcher(o, after), "srun", 4) == 0;
    /* srun itself would kill its tasks half a minute after a SIGTERM: they are told by Slurm */
    fprintf(to, "stopped=\nstop() { stopped=${stopped:-$1}; %s 2>/dev/null; }\ntrap 'stop USR1' USR1\ntrap 'stop TERM' TERM\n",
            srun ? "scancel --signal=TERM \"$SLURM_JOB_ID\"" : "kill -TERM \"$work\"");
    fputs("cd ", to);
    submit_quote(to, folder);
    fputs(" || exit 1\necho \"job $SLURM_JOB_ID, restart ${SLURM_RESTART_COUNT:-0}, on $SLURM_JOB_NODELIST\"\n\n", to);
    if (srun)
        submit_steps(to);
    submit_command(o, program, after, to);
    fputs(
        "work=$!\nwait \"$work\"\ncode=$?\nwhile [ -n \"$stopped\" ] && kill -0 \"$work\" 2>/dev/null; do wait \"$work\"; code=$?; done\n",
        to);
    submit_requeue(o->array && !after ? "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" : "$SLURM_JOB_ID", to);
}

/* ---- the queue ----------------------------------------------------------------------------------------------------- */

static int submit_failed(const char *what)
{
    fprintf(stderr, "tessera: %s; --dry-run prints the script, which `sbatch` takes where there is a Slurm\n", what);
    return 69;
}

/* Gives a script to sbatch; the job's number in `id`. The exit code, 0 where it was taken. */
static int submit_send(const char *script, size_t bytes, char *id, size_t capacity)
{
    char path[] = "/tmp/tessera-submit-XXXXXX", command[128];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, script, bytes) != (ssize_t)bytes || close(fd) != 0) {
        fprintf(stderr, "tessera: %s: cannot be written: %s\n", path, strerror(errno));
        return 73;
    }
    snprintf(command, sizeof command, "sbatch --parsable %s", path);
    (void)fflush(NULL);
    FILE *from = popen(command, "r");
    id[from ? fread(id, 1, capacity - 1, from) : 0] = '\0';
    int how = from ? pclose(from) : -1;
    (void)unlink(path);
    id[strcspn(id, "\n;")] = '\0';
    if (how == -1 || !WIFEXITED(how) || WEXITSTATUS(how) == 127)
        return submit_failed("there is no `sbatch` on this machine");
    return WEXITSTATUS(how) == 0 && *id ? 0 : submit_failed("sbatch has refused the job, as it says above");
}

/* Writes the script of a job, and prints it or submits it; `after`: the job whose end it waits for, NULL: none. */
static int submit_job(const struct submit *o, const char *after, char *id, size_t capacity)
{
    char program[4096], folder[4096], *script = NULL;
    size_t bytes = 0;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    FILE *to = n > 0 && getcwd(folder, sizeof folder) ? open_memstream(&script, &bytes) : NULL;
    if (!to) {
        fprintf(stderr, "tessera: this program's path or the current folder is not known: %s\n", strerror(errno));
        return 74;
    }
    program[n] = '\0';
    submit_script(o, program, folder, after, to);
    int code = fclose(to) == 0 ? 0 : 1;
    if (code == 0 && o->dry)
        fputs(script, stdout);
    else if (code == 0)
        code = submit_send(script, bytes, id, capacity);
    free(script);
    return code;
}

static int submit_all(const struct submit *o)
{
    char id[64] = "", last[64] = "";
    int code = submit_job(o, NULL, id, sizeof id);
    if (code == 0 && !o->dry)
        printf("submitted %s as job %s\n", o->planned.name, id);
    if (code || !o->encodes || !o->array)
        return code;
    if (o->dry)
        puts("\n# ---- and a second job, which joins the shards once all of the first are done");
    code = submit_job(o, o->dry ? "JOB" : id, last, sizeof last);
    if (code == 0 && !o->dry)
        printf("submitted the joining of its shards as job %s\n", last);
    return code;
}

static int submit_check(const struct submit *o)
{
    if (o->words == 0)
        return cli_usage_error("submit", "wanted a pipeline, a YAML file, or `-- encode ...`");
    if (o->encodes && !o->array)
        return cli_usage_error("submit", "an encode wants --array N, the number of its shares");
    if (o->array && !o->encodes && !o->planned.sweeps)
        return cli_usage_error("submit", "--array is for a sweep or an encode: this pipeline has no `sweep`");
    if (o->array && o->tasks > 1)
        return cli_usage_error("submit", "--array and --ntasks: the tasks of an array work alone");
    return 0;
}

/* Plans the words of an encode, as `encode` itself would begin; the exit code, 0 where it would encode. */
static int submit_plan_encode(const struct submit *o, struct cli_globals *g)
{
    char *argv[SUBMIT_WORDS];
    for (int i = 0; i < o->words; i++)
        argv[i] = (char *)(uintptr_t)o->word[i];
    return cli_encode_plan(g, o->words, argv, o->array);
}

static int submit_run(struct cli_globals *g, int argc, char **argv)
{
    static struct submit o;
    struct tessi_context context;
    o = (struct submit){.globals = g, .planned = {.name = "encode", .seconds = -1.0}};
    int code = cli_flags_read(g, &cli_submit, argc, argv, &o, submit_word);
    if (code)
        return code;
    o.encodes = o.words > 0 && strcmp(o.word[0], "encode") == 0;
    tessi_base_context_init(&context, NULL);
    if (o.words > 0 && !o.encodes) {
        int status = cli_submit_plan(&context.context, g, o.words, o.word, &o.planned);
        if (status != TESS_OK)
            return *tess_message(&context.context) ? cli_failed(&context.context, status) : 2;
    }
    code = submit_check(&o);
    if (code == 0 && o.encodes)
        code = submit_plan_encode(&o, g);
    return code ? code : submit_all(&o);
}

#define SUBMIT(member) .offset = offsetof(struct submit, member)
static const struct cli_flag flags[] = {
    {.name = "--dry-run", .brief = "-n", .help = "print the script, submit nothing", .type = CLI_SWITCH, SUBMIT(dry)},
    {.name = "--nodes", .value = "N", .help = "machines", .type = CLI_INTEGER, SUBMIT(nodes), .lo = 1, .hi = 100000},
    {.name = "--ntasks",
     .value = "N",
     .help = "ranks of a pipeline",
     .initial = "1",
     .type = CLI_INTEGER,
     SUBMIT(tasks),
     .lo = 1,
     .hi = 4096},
    {.name = "--cpus-per-task", .value = "N", .help = "threads a rank", .type = CLI_INTEGER, SUBMIT(processors), .lo = 1, .hi = 4096},
    {.name = "--time",
     .value = "TIME",
     .help = "limit, as sbatch takes it; without it half as much again as `tessera plan` says",
     .type = CLI_TEXT,
     SUBMIT(time)},
    {.name = "--array",
     .value = "N",
     .help = "tasks that share a sweep's variants, or an archive's shards",
     .type = CLI_INTEGER,
     SUBMIT(array),
     .lo = 1,
     .hi = 100000},
    {.name = "--partition", .value = "NAME", .help = "where it is queued", .type = CLI_TEXT, SUBMIT(partition)},
    {.name = "--account", .value = "NAME", .help = "who it is charged to", .type = CLI_TEXT, SUBMIT(account)},
    {.name = "--launcher",
     .value = "COMMAND",
     .help = "starts the ranks",
     .initial = "srun --mpi=pmix",
     .type = CLI_TEXT,
     SUBMIT(launcher)},
    {.name = "--sbatch", .value = "OPTION", .help = "another #SBATCH line (may be repeated)", .type = CLI_EACH, .take = submit_extra},
    {.name = NULL}};

const struct cli_verb cli_submit = {
    .name = "submit",
    .summary = "run a pipeline, a sweep or an encode as a job of Slurm",
    .arguments = "P.yaml [key=value ...]",
    .description =
        "Writes a batch script and gives it to sbatch. The job stops at a checkpoint before its time limit and where it is pre-empted,\n"
        "goes back into the queue, and resumes. With --ntasks a pipeline runs on ranks; a sweep is an array of tasks that share\n"
        "the cache; `-- encode ...` is an array of shares, and a job after it that joins them.\n",
    .flags = flags,
    .notes = "  tessera submit P.yaml --nodes 4 --ntasks 8 --cpus-per-task 16\n"
             "  tessera submit sweep.yaml --array 20\n"
             "  tessera submit --array 8 -- encode photographs -m tokenizer.h5 -o archive --skip-bad\n",
    .run = submit_run,
};
