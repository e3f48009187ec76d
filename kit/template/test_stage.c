/* The stage's own arithmetic, and that a host accepts it; `make run` runs it within a pipeline. It is compiled in, so that its functions
 * can be called. SPDX-License-Identifier: MIT */
#include "template-source"

#include <tessera/test.h>

#include <stdio.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int near(double a, double b, const char *what)
{
    printf("%-40s %s\n", what, fabs(a - b) < 1e-12 ? "ok" : "not");
    return fabs(a - b) >= 1e-12;
}

int main(void)
{
    static const uint8_t black_and_white[2] = {0, 255}, white[2] = {255, 255};
    double pixel[2] = {0.0, 0.0};
    struct sums sums;
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_plugin(h, &tess_plugin_1), "the plugin is accepted");
    wrong = wrong || check(h, tess_instance_open(tess_test_context(h), "stage/1", "{use: template-name, batch: 2}", "test", &i), "opened");
    memset(&sums, 0, sizeof sums);
    sums.pixel = pixel;
    add_image(&sums, black_and_white, 2);
    wrong += near(mean_of(&sums), 0.5, "half of it is white") + near(deviation_of(&sums), 0.5, "and half is not");
    add_image(&sums, white, 2);
    wrong += near(mean_of(&sums), 0.75, "more white") + near(sums.pixel[0], 1.0, "each pixel by itself");
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
