/* SPDX-License-Identifier: MIT */
#include "tests/support/noise_fixture.h"

#include <math.h>
#include <stdio.h>

void noise_open(struct noise *n, const char *use, const char *settings, int64_t rows, int training)
{
    char config_text[256];
    snprintf(config_text, sizeof config_text, "{use: %s%s%s}", use, *settings ? ", " : "", settings);
    fixture_open(&n->fixture, 1, rows, 1, training);
    fixture_ok(&n->fixture, tess_instance_open(&n->fixture.context.context, "noise/1", config_text, "test", &n->instance));
    n->ops = tess_instance_ops(n->instance, "noise/1");
    n->self = tess_instance_self(n->instance);
}

void noise_close(struct noise *n)
{
    tess_graph_free(n->fixture.graph); /* the graph may refer to the instance, and the instance to the runtime */
    n->fixture.graph = NULL;
    tess_instance_close(n->instance);
    fixture_close(&n->fixture);
}

void noise_fits(const char *what, const int64_t *count, const double *p, int cells)
{
    double n = 0.0, chi = 0.0;
    int free_cells = -1;
    for (int i = 0; i < cells; i++)
        n += (double)count[i];
    for (int i = 0; i < cells; i++) {
        if (p[i] < 1e-12) {
            ck_assert_msg(count[i] == 0, "%s: cell %d is impossible", what, i);
            continue;
        }
        chi += pow((double)count[i] - n * p[i], 2.0) / (n * p[i]);
        free_cells++;
    }
    ck_assert_msg(chi <= free_cells + 4.0 * sqrt(2.0 * free_cells) + 4.0, "%s: chi-square %.1f of %d degrees", what, chi, free_cells);
}

struct tess_reverse noise_reverse(int64_t codes, const float *logits, const int32_t *x, int32_t *next, int64_t tokens, double from,
                                  double to)
{
    return (struct tess_reverse){.size = sizeof(struct tess_reverse),
                                 .last = to == 0.0,
                                 .tokens = tokens,
                                 .codebook_size = codes,
                                 .from = from,
                                 .to = to,
                                 .temperature = 1.0,
                                 .logits = logits,
                                 .x = x,
                                 .next = next,
                                 .random = {.seed = 6, .purpose = tess_purpose("reverse")}};
}
