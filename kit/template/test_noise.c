/* The noise on a test host: share of masked tokens, loss, and reverse steps. SPDX-License-Identifier: MIT */
#include <tessera/kind/noise.h>
#include <tessera/test.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CODES = 4, TOKENS = 3, STEPS = 5 };

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int holds(int condition, const char *what)
{
    printf("%-40s %s\n", what, condition ? "ok" : "not");
    return !condition;
}

static const struct tess_noise_1 *noise_of(struct tess_instance *i)
{
    return (const struct tess_noise_1 *)tess_instance_ops(i, "noise/1");
}

/* Share of tokens that are masked at step 2 of 5: (2 / 5)^2, within four standard deviations. */
static int test_share(struct tess_context *ctx, struct tess_instance *i)
{
    enum { MANY = 10000 };
    static int32_t x0[MANY], xt[MANY];
    struct tess_stream random = {7, 0, 0, 0};
    double masked = 0.0;
    if (noise_of(i)->corrupt(tess_instance_self(i), ctx, &random, MANY, CODES, 2, x0, xt) != TESS_OK)
        return holds(0, "tokens are masked");
    for (int k = 0; k < MANY; k++)
        masked += xt[k] == CODES;
    return holds(fabs(masked / MANY - 0.16) < 4.0 * sqrt(0.16 * 0.84 / MANY), "as many tokens are masked as should be");
}

static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_instance *i = (struct tess_instance *)user;
    struct tess_noise_loss loss;
    memset(&loss, 0, sizeof loss);
    loss.size = sizeof loss;
    TESS_TRY(noise_of(i)->record_loss(tess_instance_self(i), ctx, g, in[0], in[1], in[2], in[3], &loss));
    out[0] = loss.bound;
    out[1] = loss.loss;
    return TESS_OK;
}

/* Loss where nothing is known of the codes (logits 0) and all are masked: the bound of step t is T (2 t - 1) / t^2 log2 K bits. */
static int test_loss(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t dim[3] = {STEPS, TOKENS, CODES};
    float logits[STEPS * TOKENS * CODES] = {0}, t[STEPS], wanted[STEPS];
    int32_t x0[STEPS * TOKENS] = {0}, xt[STEPS * TOKENS];
    struct tess_tensor in[4], out[2], bound = tess_tensor_over(wanted, TESS_F32, 1, dim);
    struct tess_test_graph graph;
    memset(&graph, 0, sizeof graph);
    in[0] = tess_tensor_over(logits, TESS_F32, 3, dim);
    in[1] = tess_tensor_over(x0, TESS_I32, 2, dim);
    in[2] = tess_tensor_over(xt, TESS_I32, 2, dim);
    in[3] = tess_tensor_over(t, TESS_F32, 1, dim);
    for (int k = 0; k < STEPS * TOKENS; k++)
        xt[k] = CODES;
    for (int k = 0; k < STEPS; k++) {
        t[k] = (float)(k + 1);
        wanted[k] = STEPS * (2.0f * t[k] - 1.0f) / (t[k] * t[k]) * 2.0f;
    }
    graph.size = sizeof graph;
    graph.inputs = 4;
    graph.outputs = 2;
    graph.in = in;
    graph.record = record;
    graph.user = i;
    if (check(h, tess_test_run(ctx, &graph, out), "the loss is recorded and run"))
        return 1;
    int wrong = check(h, tess_check_near(ctx, "bound", &out[0], &bound, 0.0, 1e-5), "the bound of codes nobody knows");
    tess_free(out[0].data);
    tess_free(out[1].data);
    return wrong + check(h, tess_check_gradient(ctx, &graph, NULL, NULL), "gradients are slopes");
}

/* The last step decides every token, here for the code that the logits leave no doubt of. */
static int test_reverse(struct tess_context *ctx, struct tess_instance *i)
{
    float logits[TOKENS * CODES] = {0, 99, 0, 0, 99, 0, 0, 0, 0, 0, 0, 99};
    int32_t x[TOKENS], wanted[TOKENS] = {1, 0, 3};
    struct tess_reverse r;
    memset(&r, 0, sizeof r);
    r.size = sizeof r;
    r.last = 1;
    r.tokens = TOKENS;
    r.codebook_size = CODES;
    r.from = 0.5;
    r.temperature = 1.0;
    r.logits = logits;
    r.x = r.next = x;
    int status = noise_of(i)->start(tess_instance_self(i), ctx, &r.random, TOKENS, CODES, x);
    int wrong = holds(status == TESS_OK && x[0] == CODES && x[2] == CODES, "sampling starts with masks");
    status = noise_of(i)->reverse(tess_instance_self(i), ctx, &r);
    return wrong + holds(status == TESS_OK && memcmp(x, wanted, sizeof x) == 0, "the last step decides every token");
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong = wrong || check(h, tess_instance_open(tess_test_context(h), "noise/1", "{use: template-name, steps: 5}", "test", &i), "opened");
    wrong = wrong || test_share(tess_test_context(h), i) + test_loss(h, i) + test_reverse(tess_test_context(h), i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
