/* The program as a user meets it: what each verb prints, the one line that says what is wrong and where, the exit code, and that nothing
 * half-written is left behind as if it were complete.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, BAD_DATA = 65, NO_PLUGIN = 69, NO_CREATE = 73, IO = 74, STOPPED = 75 };

static void setup(void)
{
    (void)small_folder_enter();
}

/* Fails the test unless stderr is a single line that begins with the program's name. */
static void one_line(const struct command_result *r)
{
    const char *end = strchr(r->err, '\n');
    ck_assert_msg(strncmp(r->err, "tessera", 7) == 0 && end && end[1] == '\0', "not one line: %s", r->err);
}

static int count_files(const char *folder, const char *suffix)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t length = strlen(e->d_name), tail = strlen(suffix);
        n += length >= tail && strcmp(e->d_name + length - tail, suffix) == 0;
    }
    if (d)
        closedir(d);
    return n;
}

/* ---- a pipeline with one thing wrong -------------------------------------------------------------------------------- */

static void small_with(const char *find, const char *put)
{
    static char text[8192];
    const char *at = strstr(small_pipeline, find);
    ck_assert_msg(at != NULL, "the pipeline has no `%s`", find);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - small_pipeline), small_pipeline, put, at + strlen(find));
    small_write("bad.yaml", text);
}

static const struct {
    const char *find, *put;
    int code;
    const char *where, *words;
} slip[] = {
    {"    batch: 12", "    bacth: 12", USAGE, ":10:5: ", "no parameter `bacth`; did you mean `batch`?"},
    {"use: ema", "use: emma", NO_PLUGIN, ":13:22: ", "no quantizer is called `emma`; did you mean `ema`?"},
    {"use: encode", "use: encoed", NO_PLUGIN, ":14:16: ", "did you mean `encode`?"},
    {"stages:", "stage:", USAGE, ":4:1: ", "no key `stage`; did you mean `stages`?"},
    {"seed: 3", "precision: f16", USAGE, ":3:12: ", "precision is auto, f32 or bf16, found `f16`"},
    {"    batch: 12", "    steps: 13", USAGE, ":10:5: ", "`steps` is there twice; the first is at line 9"},
    {"steps: 12", "steps: twelve", USAGE, ":9:12: ", "`steps` wants an integer 0 .. 1000000000, found the text \"twelve\""},
    {"steps: 12", "steps: 1.5", USAGE, ":9:12: ", "wants an integer 0 .. 1000000000, found 1.5"},
    {"steps: 12", "steps: -3", USAGE, ":9:12: ", "0 .. 1000000000, found -3"},
    {"steps: 12", "steps: [1, 2]", USAGE, ":9:12: ", "wants an integer"},
    {"seed: 3", "seed: x", USAGE, ":3:7: ", "`seed` wants an integer 0 .. 9223372036854775807, found the text \"x\""},
    {"in: {codes: codes}", "in: {codes: samples}", USAGE, ":15:3: ", "wait for each other: prior -> samples -> prior"},
    {"codes: codes, model", "codes: code, model", USAGE, ":23:38: ", "there is no stage `code`; did you mean `codes`?"},
    {"in: {codes: codes}", "in: {code: codes}", USAGE, ":17:10: ", "no input `code`; did you mean `codes`?"},
    {"in: {codes: codes}", "in: {codes: images}", USAGE, ":17:17: ", "wants an artefact of kind codes; `images` is of kind images"},
    {"images: images, model: tokenizer}}", "images: images}}", USAGE, ":14:3: ", "wants `in: {model: ...}`"},
    {"tessera: 1", "tessera: 2", USAGE, ":1:10: ", "wanted `tessera: 1`, found 2"},
    {"tessera: 1\n", "", USAGE, ":1:1: ", "wanted `tessera: 1`"},
    {"name: small", "name: ../x", USAGE, ":2:7: ", "found `../x`"},
    {"use: conv, channels", "channels", USAGE, ":11:14: ", "wanted `use: NAME` to say which encoder"},
    {"decoder: {use: conv}", "decoder: {use: conv", USAGE, ":13:14: ", "this is not YAML"},
    {"  codes: {use", "\tcodes: {use", USAGE, ":14:1: ", "found a tab in the indentation"},
    {"labels: labels", "labels: \"${labls}\"", USAGE, ":5:68: ", "`${labls}`: there is no such name under params"},
    {"channel_mult: [1, 1]", "channel_mult: [1, 1, 1, 1, 1]", USAGE,
     ":6:3: ", "images of 8 x 12 cannot be halved 4 times; crop or pad them"},
    {"channels: 32", "channels: 30", USAGE, ":11:14: ", "set `channels` to a multiple of 32"},
    {"heads: 2", "heads: 3", USAGE, ":21:15: ", "3 heads do not divide embed_dim 32"},
    {"images: images,", "images: imagse,", IO, ":5:33: ", "imagse: cannot be read: No such file or directory"},
};

START_TEST(a_slip_in_the_pipeline)
{
    char wanted[64];
    small_with(slip[_i].find, slip[_i].put);
    const struct command_result *r = command_ends(slip[_i].code, slip[_i].words, "run bad.yaml");
    snprintf(wanted, sizeof wanted, "tessera: bad.yaml%s", slip[_i].where);
    ck_assert_msg(strncmp(r->err, wanted, strlen(wanted)) == 0, "wanted it at %s\nfound %s", wanted, r->err);
    one_line(r);
    ck_assert_str_eq(r->out, "");
    ck_assert_int_eq(count_files("runs/small", ".h5"), 0);
    r = command_ends(slip[_i].code, slip[_i].words, "plan bad.yaml"); /* the plan says it as well */
    one_line(r);
}
END_TEST

/* ---- images that are not what they say ------------------------------------------------------------------------------ */

static void edit(const char *from, const char *to, long keep, const char *tail, int at, char byte)
{
    char bytes[8192];
    FILE *f = fopen(from, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (at >= 0)
        bytes[at] = byte;
    f = fopen(to, "wb");
    fwrite(bytes, 1, keep ? (size_t)keep : n, f);
    fputs(tail, f);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(damaged_images)
{
    static const struct {
        long keep;
        const char *tail;
        int at;
        char byte;
        const char *words;
    } damage[] = {
        {4000, "", -1, 0, "is truncated: 4240 bytes wanted, 4000 found"},
        {9, "", -1, 0, "truncated"},
        {0, "xx", -1, 0, "goes on after the 4240 bytes"},
        {0, "", 2, 0x0d, "holds elements of type 0d; bytes (type 08) are wanted"},
        {0, "", 3, 1, "are `images` and `labels` exchanged?"},
        {0, "", 0, 'x', "is not an IDX file"},
        {0, "", 7, 43, "44 labels for the 43 images"},
    };
    small_with("images: images,", "images: damaged,");
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        edit("images", "damaged", damage[i].keep, damage[i].tail, damage[i].at, damage[i].byte);
        one_line(command_ends(BAD_DATA, damage[i].words, "run bad.yaml -q"));
        ck_assert_int_eq(count_files("runs/small", ".h5"), 0);
    }
    small_make_data(43);
    edit("labels", "damaged", 0, "", -1, 0);
    small_make_data(44);
    small_with("labels: labels", "labels: damaged");
    one_line(command_ends(BAD_DATA, "43 labels for the 44 images", "run bad.yaml -q"));
}
END_TEST

/* ---- the command line ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *line;
    int code;
    const char *words;
} request[] = {
    {"rum small.yaml", USAGE, "there is no verb `rum`; did you mean `run`?"},
    {"--thread 2 run small.yaml", USAGE, "there is no flag `--thread`; did you mean `--threads`?"},
    {"run", USAGE, "wanted a pipeline"},
    {"run nothing.yaml", IO, "nothing.yaml: cannot be read: No such file or directory"},
    {"run small.yaml more.yaml", USAGE, "wanted one pipeline and then key=value, found `more.yaml`"},
    {"run small.yaml --untill codes", USAGE, "no flag `--untill`; did you mean `--until`?"},
    {"run small.yaml --until cods", USAGE, "--until: there is no stage `cods`; did you mean `codes`?"},
    {"run small.yaml --force cods", USAGE, "--force: there is no stage `cods`; did you mean `codes`?"},
    {"run small.yaml tokeniser.steps=3", USAGE, "there is no stage `tokeniser`; did you mean `tokenizer`?"},
    {"run small.yaml tokenizer.stepz=3", USAGE, "no parameter `stepz`; did you mean `steps`?"},
    {"run small.yaml --threads 0", USAGE, "--threads wants an integer 1 .. 1024, found `0`"},
    {"run small.yaml --threads", USAGE, "--threads wants a value"},
    {"run small.yaml --backend blas", NO_PLUGIN, "no backend is called `blas`"},
    {"run small.yaml --plugin-path nowhere", USAGE, "--plugin-path wants folders, found `nowhere`"},
    {"run small.yaml --workdir images", NO_CREATE, "images: the folder cannot be made"},
    {"-C nowhere run small.yaml", USAGE, "-C nowhere: No such file or directory"},
    {"inspect", USAGE, "wanted"},
    {"inspect nothing.h5", IO, "nothing.h5: no such file"},
    {"inspect images", BAD_DATA, "images: is no HDF5 file"},
    {"view", USAGE, "wanted the name of an artefact"},
    {"view nothing.h5 -o x.png", IO, "nothing.h5: no such file"},
    {"view images -o x.png", BAD_DATA, "images: is no HDF5 file"},
    {"view small.yaml --count none", USAGE, "--count wants an integer"},
    {"bench small_encod", USAGE, "there is no case `small_encod`; did you mean `small_encode`?"},
    {"bench encode --repeat 0", USAGE, "--repeat wants an integer 1 .. 1000, found `0`"},
    {"bench encode --precision f16", USAGE, "precision is auto, f32 or bf16, found `f16`"},
    {"bench encode --backend blas", NO_PLUGIN, "no backend is called `blas`"},
    {"check", USAGE, "wanted a plugin: its file, or KIND/NAME of one that is found"},
    {"check quantizer/emma", NO_PLUGIN, "found `quantizer/emma`; did you mean `quantizer/ema`?"},
    {"check quantizer/ema --level 11", USAGE, "--level wants an integer 1 .. 10, found `11`"},
    {"check quantizer/ema --set codebook_size", USAGE, "--set wants KEY=VALUE, at most 64 times, found `codebook_size`"},
    {"check quantizer/ema --only nearst", USAGE, "found none called `nearst` at level 1; did you mean `nearest`?"},
    {"check quantizer/ema --expect nowhere", IO, "nowhere: cannot be read: No such file or directory"},
    {"check images.so", NO_PLUGIN, "images.so"},
    {"check --list tokenizer", USAGE, "there is no kind `tokenizer`"},
    {"plugins nois", NO_PLUGIN, "did you mean `noise`?"},
    {"plugins noise/absorbin", NO_PLUGIN, "did you mean `noise/absorbing`?"},
};

START_TEST(a_slip_on_the_command_line)
{
    const struct command_result *r = command_ends(request[_i].code, request[_i].words, "%s", request[_i].line);
    one_line(r);
    ck_assert_str_eq(r->out, "");
}
END_TEST

START_TEST(help_of_every_verb)
{
    static const char *const verb[] = {"run", "plan", "graph", "plugins", "inspect", "view", "import", "export", "bench", "check"};
    const struct command_result *r = command_ends(DONE, "", "--help");
    for (size_t i = 0; i < sizeof verb / sizeof *verb; i++)
        ck_assert(strstr(r->out, verb[i]));
    for (size_t i = 0; i < sizeof verb / sizeof *verb; i++) {
        r = command_ends(DONE, "", "%s --help", verb[i]);
        ck_assert(strncmp(r->out, "usage: tessera ", 15) == 0 && strstr(r->out, verb[i]));
    }
    r = command_ends(DONE, "", "--version");
    ck_assert(strstr(r->out, "tessera "));
    r = command_ends(USAGE, "usage: tessera", "%s", "");
    ck_assert_str_eq(r->out, "");
}
END_TEST

START_TEST(plugins_are_listed_and_described)
{
    static const char *const kind[] = {"backend", "source", "encoder", "decoder", "quantizer", "noise", "denoiser", "stage"};
    const struct command_result *r = command_ends(DONE, "", "plugins");
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++)
        ck_assert_msg(strstr(r->out, kind[i]) != NULL, "%s", kind[i]);
    r = command_ends(DONE, "", "plugins quantizer/ema");
    ck_assert(strstr(r->out, "codebook_size") && strstr(r->out, "0 .. 100") && strstr(r->out, "weight of the commitment term"));
    r = command_ends(DONE, "", "plugins quantizer --json");
    ck_assert(*r->out == '[' || *r->out == '{');
    r = command_ends(DONE, "", "plugins --why");
    ck_assert(strstr(r->out, "ema.so"));
}
END_TEST

START_TEST(fixture_says_what_it_measured)
{
    static const char *const key[] = {
        "\"case\":\"small_denoise\"", "\"precision\":\"f32\"", "\"threads\":2",    "\"seconds\":",     "\"rate\":",
        "\"unit\":\"sequences/s\"",   "\"gflops\":",           "\"peak_gflops\":", "\"peak_unit\":\"", "\"peak_rss_bytes\":"};
    const struct command_result *r = command_ends(DONE, "", "bench --list");
    ck_assert(strstr(r->out, "encode") && strstr(r->out, "small_sample"));
    r = command_ends(DONE, "", "bench small_denoise --json --repeat 1 --threads 2 --precision f32");
    for (size_t i = 0; i < sizeof key / sizeof *key; i++)
        ck_assert_msg(strstr(r->out, key[i]) != NULL, "no %s in %s", key[i], r->out);
}
END_TEST

START_TEST(a_plugin_is_judged)
{
    const struct command_result *r = command_ends(DONE, "", "check --list quantizer");
    ck_assert(strstr(r->out, "lookup-inverts") && strstr(r->out, "one-symbol"));
    r = command_ends(DONE, "", "check quantizer/ema --only sizes");
    ck_assert(strstr(r->out, "1 tests ran at level 1 with seed 1: 1 passed, 0 failed"));
    r = command_ends(DONE, "", "check quantizer/ema --only sizes --json");
    ck_assert(strstr(r->out, "\"test\":\"sizes\"") && strstr(r->out, "\"outcome\":\"passed\"") && strstr(r->out, "\"ran\":1,"));
    r = command_ends(DONE, "", "check sampler/maskgit --only exact");
    ck_assert_msg(strstr(r->out, "0 passed, 0 failed, 1 expected to fail") != NULL, "%s", r->out);
    r = command_ends(FAILED, "", "check sampler/maskgit --only exact --expect /dev/null");
    ck_assert(strstr(r->out, "FAILED    sampler/maskgit exact: wanted code"));
    ck_assert(strstr(r->out, "again: tessera check sampler/maskgit --level 1 --seed 1 --only sampler/maskgit:exact"));
    /* a test that can only be skipped has tried nothing */
    r = command_ends(FAILED, "", "check sampler/ancestral --only ends");
    ck_assert(strstr(r->out, "skipped   sampler/ancestral ends: it has no parameters") && strstr(r->out, "0 tests ran"));
}
END_TEST

/* ---- a run, and what is asked of its results ------------------------------------------------------------------------ */

static void digests(const char *workdir, char text[7][128])
{
    static const char *const stage[] = {"images", "tokenizer", "codes", "prior", "samples", "decoded", "metrics"};
    for (int i = 0; i < 7; i++) {
        const struct command_result *r = command_ends(DONE, "", "inspect %s/runs/small/%s.h5", workdir, stage[i]);
        const char *at = strstr(r->out, "digest");
        ck_assert_ptr_nonnull(at);
        snprintf(text[i], 128, "%.*s", (int)strcspn(at, "\n"), at);
    }
}

static void same_results(const char *one, const char *two)
{
    char a[7][128], b[7][128];
    digests(one, a);
    digests(two, b);
    for (int i = 0; i < 7; i++)
        ck_assert_str_eq(a[i], b[i]);
}

static void is_png(const char *path)
{
    char head[8] = "";
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f && fread(head, 1, 8, f) == 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0, "%s is no picture", path);
    fclose(f);
}

START_TEST(a_run_and_a_second_one)
{
    const struct command_result *r = command_ends(DONE, "computed", "run small.yaml");
    ck_assert(strstr(r->out, "reconstruction PSNR") && strstr(r->out, "prior's bound") && strstr(r->out, "codes used"));
    ck_assert(strstr(r->out, "  better  unit\n") && strstr(r->out, "  higher  dB\n") && strstr(r->out, "  lower   bits/code\n"));
    ck_assert_int_eq(count_files("runs/small", ".h5"), 7);
    ck_assert_int_eq(count_files("runs/.cache", ".partial"), 0);
    ck_assert_int_eq(access("runs/small/resolved.yaml", R_OK), 0);
    ck_assert_int_eq(access("runs/small/log.jsonl", R_OK), 0);
    is_png("runs/small/samples.samples.png");
    is_png("runs/small/metrics.reconstructions.png");
    (void)command_ends(DONE, "nothing to do: 7 stages cached", "run small.yaml");
    r = command_ends(DONE, "", "plan small.yaml prior.steps=10");
    ck_assert(strstr(r->out, "steps: 9 -> 10") && strstr(r->out, "3 to run, 4 cached"));
    r = command_ends(DONE, "", "plan small.yaml --json");
    ck_assert(*r->out == '{' && strstr(r->out, "\"cached\":true") && strstr(r->out, "\"peak_bytes\":") && strstr(r->out, "\"flops\":"));
    r = command_ends(DONE, "", "run small.yaml -q");
    ck_assert_str_eq(r->err, "");
    r = command_ends(DONE, "", "run runs/small/resolved.yaml --workdir again -q"); /* the resolved pipeline is the same pipeline */
    same_results(".", "again");
}
END_TEST

START_TEST(results_are_looked_at)
{
    (void)command_ends(DONE, "", "run small.yaml -q");
    const struct command_result *r = command_ends(DONE, "", "inspect runs/small/codes.h5");
    ck_assert(strstr(r->out, "kind    codes") && strstr(r->out, "/codes") && strstr(r->out, "precision 4 bits") &&
              strstr(r->out, "provenance"));
    r = command_ends(DONE, "", "inspect runs/small/codes.h5 --json");
    ck_assert(*r->out == '{' && strstr(r->out, "\"digest\""));
    r = command_ends(DONE, "", "inspect runs/small/metrics.h5 --json");
    ck_assert(strstr(r->out, "\"unit\":\"dB\",\"better\":\"higher\",\"standard_error\":null,\"interval\":null"));
    ck_assert(strstr(r->out, "\"name\":\"images\"") && strstr(r->out, "\"better\":null"));
    r = command_ends(DONE, "", "inspect runs/small/metrics.h5");
    ck_assert(strstr(r->out, " dB (higher is better)\n") && strstr(r->out, " bits/code (lower is better)\n"));
    (void)command_ends(DONE, "", "view runs/small/samples.h5 -o samples.png");
    is_png("samples.png");
    (void)command_ends(DONE, "", "view runs/small/images.h5 --count 4 --across 2 -o images.png");
    is_png("images.png");
    (void)command_ends(DONE, "", "view runs/small/codes.h5 -m runs/small/tokenizer.h5 -o codes.png");
    is_png("codes.png");
    r = command_ends(DONE, "", "view runs/small/samples.h5 -o /dev/stdout");
    ck_assert_int_eq(memcmp(r->out, "\x89PNG", 4), 0);
    one_line(command_ends(BAD_DATA, "", "view runs/small/codes.h5 -m runs/small/prior.h5 -o x.png"));
    ck_assert_int_ne(access("x.png", F_OK), 0);
}
END_TEST

START_TEST(codes_of_another_tokenizer)
{
    (void)command_ends(DONE, "", "run small.yaml -q --until codes");
    (void)command_ends(DONE, "", "run small.yaml -q --until tokenizer --workdir other --seed 4");
    one_line(
        command_ends(BAD_DATA, "give the one they were made with", "view runs/small/codes.h5 -m other/runs/small/tokenizer.h5 -o x.png"));
    small_write("bad.yaml", "tessera: 1\nname: bad\nstages:\n"
                            "  decoded: {use: decode, in: {codes: runs/small/codes.h5, model: other/runs/small/tokenizer.h5}}\n");
    one_line(command_ends(BAD_DATA, "codes of another tokenizer", "run bad.yaml -q"));
    ck_assert_int_eq(count_files("runs/bad", ".h5"), 0);
}
END_TEST

/* ---- disks that are full, files that are damaged, a user who stops it ----------------------------------------------- */

/* Wherever room ends, the run says so and leaves nothing unfinished; with room, the same command ends as one never disturbed. */
START_TEST(disk_is_full)
{
    static const long capacity[] = {2000, 9000, 20000, 60000, 300000, 900000};
    char text[64];
    int failed = 0;
    (void)command_ends(DONE, "", "run small.yaml -q --workdir calm");
    for (size_t i = 0; i < sizeof capacity / sizeof *capacity; i++) {
        struct command_limits limits = {.file_bytes = capacity[i]};
        const struct command_result *r = command_wait(command_start("run small.yaml -q", &limits));
        snprintf(text, sizeof text, "room for %ld: %d", capacity[i], r->code);
        ck_assert_msg(r->code == DONE || r->code == IO || r->code == NO_CREATE, "%s %s", text, r->err);
        if (r->code != DONE) {
            ck_assert_msg(strstr(r->err, "cannot be written") && strstr(r->err, "then run again"), "%s %s", text, r->err);
            one_line(r);
            failed++;
        }
        ck_assert_int_eq(count_files("runs/.cache", ".partial"), 0);
    }
    ck_assert_int_ge(failed, 3);
    (void)command_ends(DONE, "", "run small.yaml -q");
    same_results("calm", ".");
    if (access("/dev/full", W_OK) == 0) {
        one_line(command_ends(IO, "the disk is full", "view runs/small/samples.h5 -o /dev/full"));
        struct stat st;
        ck_assert(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode)); /* a device stays one */
    }
}
END_TEST

START_TEST(an_artefact_in_the_cache_is_damaged)
{
    (void)command_ends(DONE, "", "run small.yaml -q --workdir calm");
    (void)command_ends(DONE, "", "run small.yaml -q");
    struct stat st;
    ck_assert_int_eq(stat("runs/small/codes.h5", &st), 0);
    FILE *f = fopen("runs/small/codes.h5", "r+b");
    for (long at = 0; at < st.st_size; at += 97) { /* here and there, some of it in the codes */
        fseek(f, at, SEEK_SET);
        fputc('#', f);
    }
    fclose(f);
    one_line(command_ends(BAD_DATA, "--force codes", "run small.yaml -q prior.steps=10"));
    (void)command_ends(DONE, "", "run small.yaml -q --force codes");
    ck_assert_int_eq(truncate("runs/small/prior.h5", 1000), 0);
    one_line(command_ends(BAD_DATA, "--force prior", "run small.yaml -q"));
    (void)command_ends(DONE, "", "run small.yaml -q --force prior");
    same_results("calm", ".");
}
END_TEST

static const struct command_result *stopped_by(const char *plan)
{
    return command_within(&(struct command_limits){.inject = plan}, "run small.yaml");
}

START_TEST(stopped_by_the_user)
{
    const struct command_result *r = stopped_by("int@step:5");
    ck_assert_msg(r->code == -SIGINT && strstr(r->err, "the same command resumes at its checkpoint of step "), "%d %s", r->code, r->err);
    ck_assert_int_eq(count_files("runs/small", "tokenizer.h5"), 0);
    r = stopped_by("term@step:2");
    ck_assert_msg(r->code == STOPPED, "%d %s", r->code, r->err);
}
END_TEST

/* `graph`: what a stage records, without computing it. */
START_TEST(graphs_of_a_stage_are_shown)
{
    const struct command_result *r = command_ends(DONE, "", "graph --stage tokenizer small.yaml");
    ck_assert_msg(strstr(r->out, "tokenizer, graph 1\ngraph: microbatches of") == r->out, "%s", r->out);
    ck_assert(strstr(r->out, "encoder.") && strstr(r->out, "conv2d"));
    r = command_ends(DONE, "", "graph --format dot --graph 1 --stage=codes small.yaml");
    ck_assert(strncmp(r->out, "digraph ", 8) == 0);
    (void)command_ends(USAGE, "--graph wants --stage NAME", "graph --graph 1 small.yaml");
    (void)command_ends(USAGE, "--stage images: this stage plans without a graph", "graph --stage images small.yaml");
    (void)command_ends(USAGE, "--stage nothing: the pipeline has no stage of that name", "graph --stage nothing small.yaml");
    (void)command_ends(USAGE, "--graph 9: stage `codes` has 1", "graph --stage codes --graph 9 small.yaml");
    (void)command_ends(USAGE, "--graph wants an integer 1 .. 1000000, found `none`", "graph --stage codes --graph none small.yaml");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("command");
    TCase *t = tcase_create("command");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, a_slip_in_the_pipeline, 0, sizeof slip / sizeof *slip);
    tcase_add_loop_test(t, a_slip_on_the_command_line, 0, sizeof request / sizeof *request);
    tcase_add_test(t, damaged_images);
    tcase_add_test(t, help_of_every_verb);
    tcase_add_test(t, plugins_are_listed_and_described);
    tcase_add_test(t, a_plugin_is_judged);
    tcase_add_test(t, fixture_says_what_it_measured);
    tcase_add_test(t, a_run_and_a_second_one);
    tcase_add_test(t, results_are_looked_at);
    tcase_add_test(t, codes_of_another_tokenizer);
    tcase_add_test(t, disk_is_full);
    tcase_add_test(t, an_artefact_in_the_cache_is_damaged);
    tcase_add_test(t, stopped_by_the_user);
    tcase_add_test(t, graphs_of_a_stage_are_shown);
    suite_add_tcase(s, t);
    return suite_run(s);
}
