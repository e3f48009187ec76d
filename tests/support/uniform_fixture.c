/* SPDX-License-Identifier: MIT */
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct options options_of(int i)
{
    return (struct options){.schedule = i & 1, .step = i >> 1 & 1, .first_step = i >> 2 & 1, .residual = i >> 3 & 1};
}

const char *settings_of(const struct options *o, int steps)
{
    static char text[160];
    snprintf(text, sizeof text, "steps: %d, schedule: %s, step: %s, first_step: %s, residual: %d", steps,
             o->schedule ? "cosine-root" : "cosine", o->step ? "plug-in" : "marginal", o->first_step ? "published" : "direct", o->residual);
    return text;
}

void near(const char *what, double got, double want, double tolerance)
{
    ck_assert_msg(fabs(got - want) <= tolerance * (1.0 + fabs(want)), "%s: %.15g, wanted %.15g", what, got, want);
}

void some_logits(uint32_t which, int codebook_size, double *logits)
{
    float draws[MAX];
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose("logits"), .sample = which};
    tess_random_normal(&s, 0, codebook_size, draws);
    for (int k = 0; k < codebook_size; k++)
        logits[k] = (double)draws[k] * (which % 3 == 0 ? 0.3 : which % 3 == 1 ? 2.0 : 9.0);
}

void softmax(const double *logits, int codebook_size, double *p)
{
    double sum = 0.0;
    for (int k = 0; k < codebook_size; k++)
        sum += p[k] = exp(logits[k]);
    for (int k = 0; k < codebook_size; k++)
        p[k] /= sum;
}

/* ---- the matrices ---- */

void chain(const double *bar, int codebook_size, int s, int t, matrix out)
{
    memset(out, 0, sizeof(matrix));
    for (int i = 0; i < codebook_size; i++)
        out[i][i] = 1.0;
    for (int r = s + 1; r <= t; r++) {
        matrix product = {{0}};
        double a = bar[r] / bar[r - 1];
        for (int i = 0; i < codebook_size; i++)
            for (int j = 0; j < codebook_size; j++)
                for (int k = 0; k < codebook_size; k++)
                    product[i][j] += out[i][k] * ((k == j ? a : 0.0) + (1.0 - a) / codebook_size);
        memcpy(out, product, sizeof(matrix));
    }
}

void posterior(matrix early, matrix late, int codebook_size, int x, int z, double *q)
{
    double sum = 0.0;
    for (int k = 0; k < codebook_size; k++)
        sum += q[k] = early[z][k] * late[k][x];
    for (int k = 0; k < codebook_size; k++)
        q[k] /= sum;
}

void model(matrix early, matrix late, int codebook_size, int kind, int x, const double *p, double *step)
{
    double sum = 0.0, q[MAX];
    memset(step, 0, (size_t)codebook_size * sizeof *step);
    for (int z = 0; z < codebook_size; z++) {
        posterior(early, late, codebook_size, x, z, q);
        for (int k = 0; k < codebook_size; k++)
            step[k] += p[z] * (kind == UNIFORM_MARGINAL ? q[k] : early[z][k] * late[k][x]);
    }
    for (int k = 0; k < codebook_size; k++)
        sum += step[k];
    for (int k = 0; k < codebook_size; k++)
        step[k] /= sum;
}

double divergence(const double *q, const double *p, int codebook_size)
{
    double sum = 0.0;
    for (int k = 0; k < codebook_size; k++)
        sum += q[k] > 0.0 ? q[k] * log(q[k] / p[k]) : 0.0;
    return sum;
}

double divergence_of(matrix early, matrix late, int codebook_size, int kind, int x, int z, const double *logits)
{
    double p[MAX], q[MAX], step[MAX];
    softmax(logits, codebook_size, p);
    posterior(early, late, codebook_size, x, z, q);
    model(early, late, codebook_size, kind, x, p, step);
    return divergence(q, step, codebook_size);
}
