/* The quantizer on a test host: codes, the way back, and the loss. SPDX-License-Identifier: MIT */
#include <tessera/kind/quantizer.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

/* latent -> loss, codes as in training, codes as when encoding, and what these stand for */
static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_instance *i = (struct tess_instance *)user;
    const struct tess_quantizer_1 *q = (const struct tess_quantizer_1 *)tess_instance_ops(i, "quantizer/1");
    struct tess_quantized made;
    memset(&made, 0, sizeof made);
    made.size = sizeof made;
    TESS_TRY(q->record(tess_instance_self(i), ctx, g, in[0], &made));
    out[0] = made.loss;
    out[1] = made.codes;
    TESS_TRY(q->record_assign(tess_instance_self(i), ctx, g, in[0], &out[2]));
    return q->record_lookup(tess_instance_self(i), ctx, g, out[2], &out[3]);
}

static int test_quantizer(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t dim[4] = {2, 1, 2, 3};
    float latent[12] = {-0.5f, -1, -2, 1, -1, -1, 0.1f, 1, 1, -1, 1, 1}, signs[12];
    int32_t wanted[4] = {0, 1, 7, 6};
    const struct tess_tensor in = tess_tensor_over(latent, TESS_F32, 4, dim), codes = tess_tensor_over(wanted, TESS_I32, 3, dim),
                             rows = tess_tensor_over(signs, TESS_F32, 4, dim);
    struct tess_tensor out[4];
    struct tess_test_graph t;
    memset(&t, 0, sizeof t);
    t.size = sizeof t;
    t.inputs = 1;
    t.outputs = 4;
    t.in = &in;
    t.record = record;
    t.user = i;
    for (int k = 0; k < 12; k++)
        signs[k] = latent[k] > 0 ? 1.0f : -1.0f;
    if (check(h, tess_test_run(ctx, &t, out), "recorded and run"))
        return 1;
    int wrong = check(h, tess_check_same(ctx, "codes", &out[2], &codes), "each sign is a bit");
    wrong += check(h, tess_check_same(ctx, "codes", &out[1], &out[2]), "the same codes in training");
    wrong += check(h, tess_check_same(ctx, "quantised", &out[3], &rows), "a code stands for its signs");
    for (int k = 0; k < 4; k++)
        tess_free(out[k].data);
    return wrong + check(h, tess_check_gradient(ctx, &t, NULL, NULL), "the loss has the gradient of its slope");
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong =
        wrong || check(h, tess_instance_open(tess_test_context(h), "quantizer/1", "{use: template-name, bits: 3}", "test", &i), "opened");
    wrong = wrong || test_quantizer(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
