/* The plugins that a stage's key lists, and its artefact names: the stage's own, those of its parameters, those of the models it reads,
 * each once, and no other of the same name.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static void setup(void)
{
    (void)small_folder_enter();
}

/* "stage/1 encode; encoder/1 conv; ..." without the plugins' identities and versions */
static const char *parts_of(const char *stage)
{
    static char parts[1024];
    const struct command_result *r = command_ends(0, "", "inspect runs/small/%s.h5", stage);
    const char *at = strstr(r->out, "\n  plugin "), *end = at ? strchr(at + 1, '\n') : NULL;
    ck_assert_ptr_nonnull(end);
    at += strlen("\n  plugin ");
    at += strspn(at, " ");
    parts[0] = '\0';
    while (at < end) {
        size_t piece = strcspn(at, ";\n"), name = strcspn(at, ",");
        ck_assert(name < piece);
        snprintf(parts + strlen(parts), sizeof parts - strlen(parts), "%s%.*s", *parts ? "; " : "", (int)name, at);
        at += piece + (at[piece] == ';' ? 2 : 1);
    }
    return parts;
}

#define MODEL "encoder/1 conv; quantizer/1 ema; decoder/1 conv"
#define PRIOR "noise/1 absorbing; denoiser/1 transformer"

START_TEST(parts_are_listed)
{
    static const struct {
        const char *stage, *parts;
    } all[] = {{"images", "stage/1 import; source/1 idx"},
               {"tokenizer", "stage/1 train-autoencoder; encoder/1 conv; decoder/1 conv; quantizer/1 ema"},
               {"codes", "stage/1 encode; " MODEL},
               {"prior", "stage/1 train-prior; " PRIOR},
               {"samples", "stage/1 sample; sampler/1 maskgit; " PRIOR "; " MODEL},
               {"decoded", "stage/1 decode; " MODEL},
               {"metrics", "stage/1 evaluate; metric/1 mse; metric/1 psnr; " MODEL "; " PRIOR}};
    (void)command_ends(0, "", "run small.yaml -q tokenizer.steps=1 prior.steps=1 samples.sampler=maskgit metrics.metrics=[mse,psnr]");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_str_eq(parts_of(all[i].stage), all[i].parts);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parts");
    TCase *t = tcase_create("parts");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, parts_are_listed);
    suite_add_tcase(s, t);
    return suite_run(s);
}
