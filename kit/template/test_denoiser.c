/* The denoiser on a test host: the shape of its logits, those of some positions, and its gradient. SPDX-License-Identifier: MIT */
#include <tessera/kind/denoiser.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

/* tokens (N, 6) of 5 codes and a mask, times (N), positions (N, 2) -> all logits, and those of the positions */
static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_instance *i = (struct tess_instance *)user;
    const struct tess_denoiser_1 *d = (const struct tess_denoiser_1 *)tess_instance_ops(i, "denoiser/1");
    struct tess_denoiser_input input;
    memset(&input, 0, sizeof input);
    input.size = sizeof input;
    input.tokens = in[0];
    input.time = in[1];
    input.vocabulary = 6;
    input.codebook_size = 5;
    input.height = 2;
    input.width = 3;
    TESS_TRY(d->record(tess_instance_self(i), ctx, g, &input, &out[0]));
    input.positions = in[2];
    return d->record(tess_instance_self(i), ctx, g, &input, &out[1]);
}

static int test_denoiser(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t tokens[2] = {2, 6}, places[2] = {2, 2}, whole[3] = {2, 6, 5}, some[3] = {2, 2, 5};
    float time[2] = {0.25f, 1.0f}, picked[2 * 2 * 5];
    int32_t place[4] = {1, 4, 0, 0};
    struct tess_tensor in[3], out[2], all = tess_tensor_over(NULL, TESS_F32, 3, whole), two = tess_tensor_over(picked, TESS_F32, 3, some);
    struct tess_test_graph t;
    memset(&t, 0, sizeof t);
    if (check(h, tess_test_codes(ctx, 1, 6, 2, tokens, &in[0]), "tokens"))
        return 1;
    in[1] = tess_tensor_over(time, TESS_F32, 1, tokens);
    in[2] = tess_tensor_over(place, TESS_I32, 2, places);
    t.size = sizeof t;
    t.inputs = 3;
    t.outputs = 2;
    t.in = in;
    t.record = record;
    t.user = i;
    int wrong = check(h, tess_test_run(ctx, &t, out), "recorded and run");
    if (!wrong) {
        printf("%-40s %s\n", "logits of each token", tess_tensor_same_shape(&out[0], &all) ? "ok" : "not");
        wrong += !tess_tensor_same_shape(&out[0], &all);
        for (int k = 0; k < 4; k++)
            memcpy(picked + 5 * k, (const float *)out[0].data + (k / 2 * 6 + place[k]) * 5, 5 * sizeof *picked);
        wrong += check(h, tess_check_near(ctx, "logits", &out[1], &two, 1e-5, 1e-5), "and of those that are asked for");
        tess_free(out[0].data);
        tess_free(out[1].data);
        wrong += check(h, tess_check_gradient(ctx, &t, NULL, NULL), "gradients are slopes");
    }
    tess_free(in[0].data);
    return wrong;
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong =
        wrong ||
        check(h, tess_instance_open(tess_test_context(h), "denoiser/1", "{use: template-name, width: 8, layers: 1}", "test", &i), "opened");
    wrong = wrong || test_denoiser(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
