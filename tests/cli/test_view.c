/* `view` as people use it, on terminals of several kinds and sizes and into files; and that every case of `bench` works.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pseudo-terminals, limits of another process */

#include "core/base/context.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/craft.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DONE = 0, USAGE = 2, BAD_DATA = 65, IO = 74, WORDS = 16 };

/* ---- a terminal ---------------------------------------------------------------------------------------------------- */

struct terminal {
    int columns;              /* 0: it does not say */
    const char *name, *colours; /* TERM and COLORTERM; NULL: not set */
};

static char shown[1 << 20];

static void use_terminal(const struct terminal *t, int slave, const char *line)
{
    char text[500], program[] = "tessera", *word[WORDS + 2] = {program}, *next;
    int n = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok_r(text, " ", &next); at && n <= WORDS; at = strtok_r(NULL, " ", &next))
        word[n++] = at;
    unsetenv("COLUMNS");
    unsetenv("NO_COLOR");
    (void)(t->name ? setenv("TERM", t->name, 1) : unsetenv("TERM"));
    (void)(t->colours ? setenv("COLORTERM", t->colours, 1) : unsetenv("COLORTERM"));
    const struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)t->columns};
    if (ioctl(slave, TIOCSWINSZ, &size) != 0 || dup2(slave, STDOUT_FILENO) < 0 || dup2(slave, STDERR_FILENO) < 0)
        _exit(126);
    execv(TEST_PROGRAM, word);
    _exit(127);
}

/* True where pseudo-terminals can be opened; false without /dev/pts, as in a bare chroot. */
static bool there_are_terminals(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    bool are = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && access(ptsname(master), R_OK | W_OK) == 0;
    if (master >= 0)
        close(master);
    if (!are)
        fputs("what terminals show is left out: this system has no pseudo-terminals (/dev/pts)\n", stderr);
    return are;
}

/* Runs the command on a pseudo-terminal; its output goes into `shown`. Gives the exit code. */
static int draw(const struct terminal *t, const char *line)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), how;
    ck_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        use_terminal(t, slave, line);
    close(slave);
    size_t used = 0;
    for (ssize_t n; used < sizeof shown - 1 && (n = read(master, shown + used, sizeof shown - 1 - used)) > 0;)
        used += (size_t)n; /* the last read fails, as the other side is closed */
    shown[used] = '\0';
    close(master);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

/* Characters of the longest line, without escape sequences. */
static int widest(const char *text)
{
    int max = 0, n = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '\033')
            at += strcspn(at, "mK");
        else if (*at == '\n')
            n = 0;
        else if (*at != '\r' && ((unsigned char)*at & 0xc0) != 0x80)
            n++;
        max = n > max ? n : max;
    }
    return max;
}

/* ---- things to look at --------------------------------------------------------------------------------------------- */

static void setup(void)
{
    (void)small_folder_enter();
}

/* Colour images higher than wide, of an odd size. */
static void make_colour(void)
{
    enum { N = 5, H = 9, W = 7 };
    static uint8_t all[N * H * W * 3];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)(i * 31 % 256);
    small_write_idx("colour", 4, (const int64_t[]){N, H, W, 3}, all, sizeof all);
    small_write("colour.yaml", "tessera: 1\nname: colour\nstages:\n  images: {use: import, source: {use: idx, images: colour}}\n");
    (void)command_ends(DONE, "", "run colour.yaml -q");
}

static int64_t png_side(const char *path, int height)
{
    unsigned char head[24] = {0};
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_uint_eq(fread(head, 1, sizeof head, f), sizeof head);
    fclose(f);
    ck_assert_int_eq(memcmp(head, "\x89PNG", 4), 0);
    const unsigned char *at = head + 16 + 4 * height;
    return (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

START_TEST(on_terminals)
{
    static const struct terminal all[] = {{80, "xterm-256color", "truecolor"}, {80, "xterm", "24bit"}, {33, "xterm-256color", NULL},
                                          {20, "screen", "yes"}, {0, "vt220", NULL}, {2, "xterm", "truecolor"}};
    make_colour();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int full = all[i].colours && strcmp(all[i].colours, "yes") != 0, columns = all[i].columns ? all[i].columns : 80;
        ck_assert_int_eq(draw(&all[i], "view runs/colour/images.h5"), DONE);
        ck_assert_msg(widest(shown) <= columns && widest(shown) > 0, "%d of %d columns", widest(shown), columns);
        ck_assert((count(shown, "[38;2;") > 0) == full && (count(shown, "[38;5;") > 0) != full);
        ck_assert_int_eq(count(shown, "\033[0m"), count(shown, "\n")); /* each line gives the colours back */
    }
    ck_assert_int_eq(draw(&all[0], "view runs/colour/images.h5 --no-color"), DONE);
    ck_assert_ptr_null(strchr(shown, '\033'));
}
END_TEST

/* Progress lines that are redrawn are shorter than the terminal's width; a terminal without escape sequences gets none. */
START_TEST(a_run_on_terminals)
{
    static const struct terminal narrow = {24, "xterm", NULL}, dumb = {80, "dumb", "truecolor"}, nameless = {80, NULL, NULL};
    ck_assert_int_eq(draw(&narrow, "run small.yaml tokenizer.steps=40 --until tokenizer"), DONE);
    int pieces = 0;
    for (const char *at = shown; (at = strchr(at, '\r')) != NULL; at++) {
        const char *end = strstr(at, "\033[K");
        if (at[1] == '\n' || !end || strcspn(at + 1, "\r\n") < (size_t)(end - at - 1))
            continue;
        ck_assert_msg(end - at - 1 < 24, "%.*s", (int)(end - at - 1), at + 1);
        ck_assert_msg(end == at + 1 || strstr(at, "/40") < end || strstr(at, "/44") < end, "%.*s", (int)(end - at - 1), at + 1);
        pieces++;
    }
    ck_assert_int_gt(pieces, 1);
    ck_assert_int_eq(draw(&dumb, "run small.yaml tokenizer.steps=41 --until tokenizer tokenizer.lr=10"), 1);
    ck_assert_ptr_null(strchr(shown, '\033'));
    ck_assert_int_eq(draw(&nameless, "run small.yaml tokenizer.steps=12 --until tokenizer"), DONE);
    ck_assert_ptr_null(strchr(shown, '\033'));
}
END_TEST

START_TEST(grey_is_grey)
{
    const struct terminal t = {80, "xterm-256color", NULL}, full = {80, "xterm", "truecolor"};
    (void)command_ends(DONE, "", "run small.yaml -q --until images");
    ck_assert_int_eq(draw(&t, "view runs/small/images.h5 --count 3 --across 3"), DONE);
    for (const char *at = shown; (at = strstr(at, "8;5;")) != NULL; at += 4) {
        int colour = (int)strtol(at + 4, NULL, 10);
        ck_assert_msg(colour == 16 || colour == 231 || colour >= 232, "%d", colour);
    }
    ck_assert_int_eq(draw(&full, "view runs/small/images.h5 --count 1"), DONE);
    int r, g, b;
    ck_assert_int_eq(sscanf(strstr(shown, "[38;2;"), "[38;2;%d;%d;%dm", &r, &g, &b), 3);
    ck_assert(r == g && g == b);
    ck_assert_int_eq(count(shown, "\n"), SMALL_H / 2); /* two pixels a line */
}
END_TEST

/* Without a terminal: characters, as wide as COLUMNS says. */
START_TEST(as_characters)
{
    make_colour();
    (void)setenv("COLUMNS", "12", 1);
    const struct command_result *r = command_ends(DONE, "", "view runs/colour/images.h5");
    ck_assert_int_le(widest(r->out), 12);
    ck_assert_uint_eq(strspn(r->out, " .:-=+*#%@\n"), strlen(r->out));
    (void)setenv("COLUMNS", "wide", 1);
    r = command_ends(DONE, "", "view runs/colour/images.h5 --across 2 --zoom 20");
    ck_assert_int_eq(widest(r->out), 80); /* 281 pixels, made smaller */
    unsetenv("COLUMNS");
}
END_TEST

START_TEST(into_files)
{
    make_colour();
    (void)command_ends(DONE, "", "view runs/colour/images.h5 -o a.png --across 2 --zoom 3 --count 3");
    ck_assert_int_eq(png_side("a.png", 0), 2 * 7 * 3 + 2);
    ck_assert_int_eq(png_side("a.png", 1), 2 * 9 * 3 + 2);
    (void)command_ends(DONE, "", "view --output=b.png --count=1 --zoom=1 -- runs/colour/images.h5");
    ck_assert(png_side("b.png", 0) == 7 && png_side("b.png", 1) == 9);
    (void)command_ends(DONE, "", "view b.png -o c.png");
    ck_assert(png_side("c.png", 0) == 7 && png_side("c.png", 1) == 9);
    const struct command_result *r = command_ends(DONE, "", "view b.png");
    ck_assert_int_eq(count(r->out, "\n"), 5);
}
END_TEST

START_TEST(codes_and_pictures)
{
    (void)command_ends(DONE, "", "run small.yaml -q");
    (void)command_ends(DONE, "", "view runs/small/codes.h5 -o false.png --count 4");
    ck_assert(png_side("false.png", 0) > 0);
    const struct command_result *r = command_ends(DONE, "", "view runs/small/codes.h5 -m runs/small/tokenizer.h5 --count 2");
    ck_assert_int_gt(count(r->out, "\n"), 3);
    r = command_ends(DONE, "", "view runs/small/tokenizer.h5");
    ck_assert(strstr(r->out, "training") && strstr(r->out, "reconstructions"));
    (void)command_ends(DONE, "", "view runs/small/tokenizer.h5 --picture training -o t.png");
    ck_assert(png_side("t.png", 0) > 0);
    (void)command_ends(USAGE, "has several pictures", "view runs/small/tokenizer.h5 -o u.png");
    (void)command_ends(USAGE, "has no picture `nothing`", "view runs/small/tokenizer.h5 --picture nothing");
    (void)command_ends(BAD_DATA, "has no codes to decode", "view runs/small/images.h5 -m runs/small/tokenizer.h5");
    (void)command_ends(BAD_DATA, "an autoencoder was wanted", "view runs/small/codes.h5 -m runs/small/prior.h5");
    ck_assert_int_ne(access("u.png", F_OK), 0);
}
END_TEST

START_TEST(what_cannot_be_shown)
{
    static const struct {
        int code;
        const char *words, *line;
    } all[] = {
        {USAGE, "wanted the name of an artefact", "view"},
        {USAGE, "wanted one file", "view a b"},
        {USAGE, "there is no flag `--wide`", "view --wide a"},
        {USAGE, "--count wants an integer 1 .. 100000, found `0`", "view --count 0 a"},
        {USAGE, "--zoom wants an integer", "view --zoom=2x a"},
        {USAGE, "wants a value", "view a --across"},
        {USAGE, "wants a value", "view a -j"},
        {IO, "nothing.h5", "view nothing.h5"},
        {BAD_DATA, "small.yaml", "view small.yaml"},
        {BAD_DATA, "cut.png", "view cut.png"},
    };
    (void)command_ends(DONE, "", "run small.yaml -q --until images");
    (void)command_ends(DONE, "", "view runs/small/images.h5 -o cut.png");
    ck_assert_int_eq(truncate("cut.png", 60), 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        (void)command_ends(all[i].code, all[i].words, "%s", all[i].line);
    (void)command_ends(73, "", "view runs/small/images.h5 -o no/such/folder/x.png");
}
END_TEST

/* An artefact as another program may write it, of one dataset or none. */
static void make_artefact(const char *path, const char *name, const struct tess_tensor *values)
{
    struct tessi_context context;
    struct tess_artefact *a;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_store_artefact_create(&context.context, path, "other", &a), TESS_OK);
    if (name)
        ck_assert_int_eq(tess_artefact_put(&context.context, a, name, values, NULL), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_finish(&context.context, a, NULL, NULL), TESS_OK);
}

START_TEST(what_others_write)
{
    static float values[24] = {0.0f, 0.5f, 1.0f, -7.0f, 7.0f}, bad[24] = {NAN};
    static int32_t codes[24];
    const struct tess_tensor grey = tess_tensor_over(values, TESS_F32, 3, (int64_t[]){1, 4, 6}),
                             nan = tess_tensor_over(bad, TESS_F32, 4, (int64_t[]){1, 4, 6, 1}),
                             flat = tess_tensor_over(values, TESS_F32, 2, (int64_t[]){4, 6}),
                             two = tess_tensor_over(values, TESS_F32, 4, (int64_t[]){1, 3, 4, 2}),
                             real = tess_tensor_over(values, TESS_F32, 3, (int64_t[]){1, 4, 6}),
                             map = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){1, 3, 8}),
                             levels = tess_tensor_over(codes, TESS_I32, 4, (int64_t[]){1, 3, 4, 2});
    make_artefact("grey.h5", "images", &grey);
    (void)command_ends(DONE, "", "view grey.h5 -o grey.png --zoom 1");
    ck_assert(png_side("grey.png", 0) == 6 && png_side("grey.png", 1) == 4);
    const struct command_result *r = command_ends(DONE, "", "view grey.h5");
    ck_assert_str_eq(r->out, " := = \n      \n"); /* below 0 and above 1 is cut; two rows make one of letters */
    make_artefact("nan.h5", "images", &nan);
    (void)command_ends(BAD_DATA, "no numbers (NaN)", "view nan.h5");
    make_artefact("flat.h5", "images", &flat);
    (void)command_ends(BAD_DATA, "flat.h5: /images holds nothing that can be shown", "view flat.h5");
    make_artefact("two.h5", "images", &two);
    (void)command_ends(BAD_DATA, "two.h5: /images holds nothing that can be shown", "view two.h5");
    make_artefact("real.h5", "codes", &real);
    (void)command_ends(BAD_DATA, "real.h5: /codes holds no maps of codes", "view real.h5");
    make_artefact("none.h5", NULL, NULL);
    (void)command_ends(BAD_DATA, "none.h5: has no images, codes or pictures to show", "view none.h5");
    (void)command_ends(BAD_DATA, "none.h5: has no pictures", "view none.h5 --picture x");
    (void)command_ends(DONE, "", "run small.yaml -q --until codes tokenizer.steps=1");
    make_artefact("map.h5", "codes", &map);
    (void)command_ends(BAD_DATA, "map.h5: maps of 3 x 8 codes, the tokenizer", "view map.h5 -m runs/small/tokenizer.h5");
    make_artefact("levels.h5", "codes", &levels);
    (void)command_ends(BAD_DATA, "levels.h5: 2 codes a position, the tokenizer", "view levels.h5 -m runs/small/tokenizer.h5");
    craft("runs/small/codes.h5", "strange.h5", &(struct craft){.attr = "tokenizer", .text = 1, .as = "0123456789abcdef"});
    (void)command_ends(BAD_DATA, "strange.h5: its codes are of the tokenizer 0123456789ab", "view strange.h5 -m runs/small/tokenizer.h5");
}
END_TEST

/* ---- bench --------------------------------------------------------------------------------------------------------- */

START_TEST(every_case_of_bench_works)
{
    static struct command_result list;
    list = *command_ends(DONE, "", "bench --list");
    const struct command_result *r = command_ends(DONE, "", "bench --quick -j 2 --precision f32");
    int cases = 0;
    for (const char *at = list.out; *at; at += strcspn(at, "\n") + 1, cases++) {
        char name[40];
        snprintf(name, sizeof name, "\n%.*s ", (int)strcspn(at, " "), at);
        ck_assert_msg(strstr(r->out, name) != NULL, "no%sin\n%s", name, r->out);
    }
    ck_assert_int_eq(cases, 14);
    ck_assert(strstr(r->out, "of the peak") != NULL && strstr(r->out, "nan") == NULL && strstr(r->out, "inf") == NULL);
    (void)command_ends(DONE, "", "bench --quick small_ae_step small_encode --recompute --json -j 1");
    (void)command_ends(USAGE, "did you mean `encode`", "bench encod");
    (void)command_ends(USAGE, "there is no case `zzzzzzzzz`", "bench zzzzzzzzz");
    (void)command_ends(USAGE, "there is no flag `--slow`", "bench --slow");
    (void)command_ends(USAGE, "--repeat wants an integer", "bench --repeat 0");
    ck_assert_int_ne(command("bench encode --quick --precision f16")->code, DONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("view");
    TCase *t = tcase_create("view");
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    if (there_are_terminals()) {
        tcase_add_test(t, on_terminals);
        tcase_add_test(t, a_run_on_terminals);
        tcase_add_test(t, grey_is_grey);
    }
    tcase_add_test(t, as_characters);
    tcase_add_test(t, into_files);
    tcase_add_test(t, codes_and_pictures);
    tcase_add_test(t, what_cannot_be_shown);
    tcase_add_test(t, what_others_write);
    tcase_add_test(t, every_case_of_bench_works);
    suite_add_tcase(s, t);
    return suite_run(s);
}
