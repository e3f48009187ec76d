/* The decoder on a test host: its shape, its gradient, what it refuses. SPDX-License-Identifier: MIT */
#include <tessera/kind/decoder.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    const struct tess_instance *i = (const struct tess_instance *)user;
    const struct tess_decoder_1 *decoder = (const struct tess_decoder_1 *)tess_instance_ops(i, "decoder/1");
    return decoder->record(tess_instance_self(i), ctx, g, in[0], 6, 4, 1, &out[0]);
}

static int test_decoder(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t dim[4] = {2, 3, 2, 5}, wanted[4] = {2, 6, 4, 1};
    struct tess_tensor latent, image, shape = tess_tensor_over(NULL, TESS_F32, 4, wanted);
    struct tess_test_graph t;
    memset(&t, 0, sizeof t);
    memset(&image, 0, sizeof latent);
    if (check(h, tess_test_normal(ctx, 1, 4, dim, &latent), "a latent"))
        return 1;
    t.size = sizeof t;
    t.inputs = t.outputs = 1;
    t.in = &latent;
    t.record = record;
    t.user = i;
    int wrong = check(h, tess_test_run(ctx, &t, &image), "recorded and run");
    wrong += check(h, tess_check_finite(ctx, "image", &image), "finite");
    printf("%-40s %s\n", "a patch for each vector", tess_tensor_same_shape(&image, &shape) ? "ok" : "not");
    wrong += !tess_tensor_same_shape(&image, &shape);
    wrong += check(h, tess_check_gradient(ctx, &t, NULL, NULL), "gradients are slopes");
    latent.dim[1] = 2; /* a smaller latent in the same memory */
    tess_free(image.data);
    int refused = tess_test_run(ctx, &t, &image);
    printf("%-40s %s\n", "oblong patches are refused", refused == TESS_E_SHAPE ? "ok" : "not");
    tess_free(image.data);
    tess_free(latent.data);
    return wrong + (refused != TESS_E_SHAPE);
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong =
        wrong || check(h, tess_instance_open(tess_test_context(h), "decoder/1", "{use: template-name, channels: 8}", "test", &i), "opened");
    wrong = wrong || test_decoder(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
