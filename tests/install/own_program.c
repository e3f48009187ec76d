/* A program of one's own that is linked with libtessera: here, one that tests a component. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <tessera/kind/encoder.h>
#include <tessera/test.h>

static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_instance *i = user;
    const struct tess_encoder_1 *ops = tess_instance_ops(i, "encoder/1");
    return ops->record(tess_instance_self(i), ctx, g, in[0], 4, out);
}

static int run(struct tess_test_host *h)
{
    struct tess_context *ctx = tess_test_context(h);
    struct tess_instance *i = NULL;
    struct tess_tensor image = {0}, latent = {0};
    const int64_t dim[4] = {2, 8, 8, 1};
    TESS_TRY(tess_instance_open(ctx, "encoder/1", "{use: conv, channels: 32, channel_mult: [1, 1]}", "test", &i));
    int status = tess_test_normal(ctx, 1, 4, dim, &image);
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 1, .in = &image, .record = record, .user = i};
    if (status == TESS_OK)
        status = tess_test_run(ctx, &t, &latent);
    if (status == TESS_OK)
        status = tess_check_finite(ctx, "latent", &latent);
    if (status == TESS_OK)
        printf("latent %lld x %lld\n", (long long)latent.dim[1], (long long)latent.dim[3]);
    tess_free(latent.data);
    tess_free(image.data);
    tess_instance_close(i);
    return status;
}

int main(void)
{
    struct tess_test_host *h = NULL;
    int status = tess_test_host_open(NULL, &h);
    if (status == TESS_OK)
        status = run(h);
    if (status != TESS_OK)
        printf("%s\n", tess_test_message(h));
    printf("leaked %lld\n", (long long)tess_test_host_close(h));
    return status != TESS_OK;
}
