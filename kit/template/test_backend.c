/* The backend at work in graphs: products and convolutions, forward and backward. SPDX-License-Identifier: MIT */
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

/* A convolution of stride 2 with a border, a transposed one back, and a linear layer. */
static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    const struct tess_init init = {sizeof init, TESS_INIT_NORMAL, 0, 0.0, 0.3};
    const struct tess_conv conv = {sizeof conv, 2, 1, 1, 1, 1};
    const int64_t down[4] = {3, 4, 4, 2}, up[4] = {3, 4, 4, 2}, linear[2] = {5, 2}, bias[1] = {3};
    (void)user;
    (void)ctx;
    struct tess_node *x = tess_conv2d(g, in[0], tess_weight(g, "down", 4, down, &init), tess_weight(g, "bias", 1, bias, &init), &conv);
    x = tess_conv2d_transpose(g, tess_tanh(g, x), tess_weight(g, "up", 4, up, &init), NULL, &conv);
    out[0] = tess_linear(g, x, tess_weight(g, "linear", 2, linear, &init), NULL);
    return TESS_OK;
}

int main(void)
{
    struct tess_test_options options;
    struct tess_test_host *h = NULL;
    struct tess_tensor x;
    struct tess_test_graph t;
    const int64_t dim[4] = {2, 6, 4, 2};
    memset(&options, 0, sizeof options);
    memset(&t, 0, sizeof t);
    memset(&x, 0, sizeof x);
    options.size = sizeof options;
    options.plugin_path = "."; /* the folder that it has just been built in */
    options.backend = "template-name";
    int wrong = check(h, tess_test_host_open(&options, &h), "a host that computes with it");
    wrong = wrong || check(h, tess_test_normal(tess_test_context(h), 1, 4, dim, &x), "values");
    t.size = sizeof t;
    t.inputs = t.outputs = 1;
    t.in = &x;
    t.record = record;
    wrong = wrong || check(h, tess_check_gradient(tess_test_context(h), &t, NULL, NULL), "forward and backward agree");
    tess_free(x.data);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
