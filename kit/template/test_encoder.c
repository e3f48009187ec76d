/* The encoder on a test host: its shape, its gradient, what it refuses. SPDX-License-Identifier: MIT */
#include <tessera/kind/encoder.h>
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
    const struct tess_encoder_1 *encoder = (const struct tess_encoder_1 *)tess_instance_ops(i, "encoder/1");
    return encoder->record(tess_instance_self(i), ctx, g, in[0], 3, &out[0]);
}

static int test_encoder(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t dim[4] = {2, 6, 4, 1}, wanted[4] = {2, 3, 2, 3};
    struct tess_tensor image, latent, shape = tess_tensor_over(NULL, TESS_F32, 4, wanted);
    struct tess_test_graph t;
    memset(&t, 0, sizeof t);
    memset(&latent, 0, sizeof latent);
    if (check(h, tess_test_normal(ctx, 1, 4, dim, &image), "an image"))
        return 1;
    t.size = sizeof t;
    t.inputs = t.outputs = 1;
    t.in = &image;
    t.record = record;
    t.user = i;
    int wrong = check(h, tess_test_run(ctx, &t, &latent), "recorded and run");
    wrong += check(h, tess_check_finite(ctx, "latent", &latent), "finite");
    printf("%-40s %s\n", "a vector for each patch", tess_tensor_same_shape(&latent, &shape) ? "ok" : "not");
    wrong += !tess_tensor_same_shape(&latent, &shape);
    wrong += check(h, tess_check_gradient(ctx, &t, NULL, NULL), "gradients are slopes");
    image.dim[1] = 3; /* a smaller image in the same memory */
    tess_free(latent.data);
    int refused = tess_test_run(ctx, &t, &latent);
    printf("%-40s %s\n", "half a patch is refused", refused == TESS_E_SHAPE ? "ok" : "not");
    tess_free(latent.data);
    tess_free(image.data);
    return wrong + (refused != TESS_E_SHAPE);
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong =
        wrong || check(h, tess_instance_open(tess_test_context(h), "encoder/1", "{use: template-name, channels: 8}", "test", &i), "opened");
    wrong = wrong || test_encoder(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
