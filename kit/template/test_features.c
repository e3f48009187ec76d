/* The network on a test host: its maps, its gradient, and the names of its weights. SPDX-License-Identifier: MIT */
#include <tessera/kind/features.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

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

static const struct tess_features_1 *network_of(struct tess_instance *i)
{
    return (const struct tess_features_1 *)tess_instance_ops(i, "features/1");
}

static int record(void *user, struct tess_context *ctx, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_instance *i = (struct tess_instance *)user;
    struct tess_features features;
    memset(&features, 0, sizeof features);
    features.size = sizeof features;
    features.trained = 1;
    TESS_TRY(network_of(i)->record(tess_instance_self(i), ctx, g, in[0], &features));
    for (int k = 0; k < 3; k++)
        out[k] = k < features.count ? features.map[k] : NULL;
    return TESS_OK;
}

static int test_maps(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const int64_t dim[4] = {2, 8, 4, 1}, smallest[4] = {2, 2, 1, 8};
    struct tess_tensor image, out[3], shape = tess_tensor_over(NULL, TESS_F32, 4, smallest);
    struct tess_test_graph t;
    memset(&t, 0, sizeof t);
    if (check(h, tess_test_normal(ctx, 1, 4, dim, &image), "an image"))
        return 1;
    t.size = sizeof t;
    t.inputs = 1;
    t.outputs = 3;
    t.in = &image;
    t.record = record;
    t.user = i;
    int wrong = check(h, tess_test_run(ctx, &t, out), "recorded and run");
    if (!wrong) {
        wrong += holds(tess_tensor_same_shape(&out[2], &shape), "the smallest map is a quarter as large");
        for (int k = 0; k < 3; k++)
            tess_free(out[k].data);
        wrong += check(h, tess_check_gradient(ctx, &t, NULL, NULL), "gradients are slopes");
    }
    tess_free(image.data);
    return wrong;
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    char ours[TESS_ENTRY_NAME];
    int32_t layout;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong = wrong ||
            check(h, tess_instance_open(tess_test_context(h), "features/1", "{use: template-name, channels: 2}", "test", &i), "opened");
    wrong = wrong || test_maps(h, i);
    wrong = wrong || holds(network_of(i)->place(tess_instance_self(i), "layers.1.bias", ours, &layout) == 1, "a weight of a file is known");
    wrong = wrong || holds(network_of(i)->place(tess_instance_self(i), "layers.9.bias", ours, &layout) == 0, "another is not");
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
