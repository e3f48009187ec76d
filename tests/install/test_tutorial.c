/* docs/writing-a-plugin.md, followed to the letter: its listings are written, its commands run, in order and in one shell, against a moved
 * installation. Only images and steps are a test's.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/install_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT TEST_SOURCE "/docs/writing-a-plugin.md"

/* Lines of the document, so that all that is fenced becomes one script: ```sh as it is, ```c FILE and ```yaml FILE as that file. */
struct script {
    FILE *out;
    int inside, listing, blocks, listings;
};

static void take_line(struct script *s, const char *line)
{
    char file[64];
    if (strncmp(line, "```", 3) != 0) {
        if (!s->inside)
            return;
        if (strncmp(line, "IMAGES=", 7) == 0)
            fputs("IMAGES=$PWD/images\n", s->out);
        else if (strncmp(line, "STEPS=", 6) == 0)
            fputs("STEPS=2\n", s->out);
        else
            fputs(line, s->out);
    } else if (s->inside) {
        if (s->listing)
            fputs("END_OF_LISTING\n", s->out);
        s->inside = s->listing = 0;
    } else {
        s->inside = 1;
        s->listing = sscanf(line, "```%*s %63s", file) == 1;
        s->blocks++;
        s->listings += s->listing;
        if (s->listing)
            fprintf(s->out, "cat > %s <<'END_OF_LISTING'\n", file);
        else
            ck_assert_str_eq(line, "```sh\n");
    }
}

static struct script write_script(const char *name)
{
    struct script s = {.out = fopen(name, "w")};
    FILE *f = fopen(DOCUMENT, "r");
    char line[1024];
    ck_assert(f && s.out);
    while (fgets(line, sizeof line, f))
        take_line(&s, line);
    fclose(f);
    ck_assert_int_eq(fclose(s.out), 0);
    s.out = NULL;
    return s;
}

START_TEST(every_command_of_the_tutorial_works)
{
    small_make_data(SMALL_COUNT);
    struct script s = write_script("script.sh");
    ck_assert_int_ge(s.blocks, 12);
    ck_assert_int_eq(s.listings, 3);
    const char *said = install_shell("set -e; cc() { $CC $CFLAGS \"$@\"; }; . ./script.sh");
    install_says(said, "there are backend, ");
    install_says(said, "the nearest code");
    install_says(said, "with-smallest  codes used");
    install_says(said, "the loss has the gradient of its slope");
    install_says(said, "broken.so: wanted");
    install_says(said, "no parameter `codebook_siez`; did you mean `codebook_size`?");
}
END_TEST

START_TEST(the_smallest_quantizer_has_thirty_lines)
{
    (void)write_script("script.sh");
    install_says(install_shell("sed -n '/^cat > smallest.c/,/^END_OF_LISTING/p' script.sh | sed '1d;$d' > smallest.c; "
                               "wc -l < smallest.c"),
                 "30\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tutorial");
    TCase *tests = tcase_create("writing-a-plugin.md");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, install_enter, install_leave);
    tcase_add_test(tests, every_command_of_the_tutorial_works);
    tcase_add_test(tests, the_smallest_quantizer_has_thirty_lines);
    return suite_run(suite);
}
