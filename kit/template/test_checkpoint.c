/* The names that a model's weights get, and the parts that parameters are. A file's way in and out is shown in the pipeline's comment.
 * SPDX-License-Identifier: MIT */
#include <tessera/exchange.h>
#include <tessera/plugin.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

#define PARTS "encoder: {use: conv, channels: 32}, decoder: {use: conv}, quantizer: {use: nearest}"

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

static int test_export(struct tess_test_host *h, struct tess_instance *i)
{
    const struct tess_checkpoint_1 *c = (const struct tess_checkpoint_1 *)tess_instance_ops(i, "checkpoint/1");
    const int64_t dim[2] = {3, 4};
    struct tess_export_weight weight;
    struct tess_export_plan plan;
    memset(&weight, 0, sizeof weight);
    memset(&plan, 0, sizeof plan);
    weight.ours = "encoder.conv_in.weight";
    weight.shape = tess_tensor_over(NULL, TESS_F32, 2, dim);
    plan.size = sizeof plan;
    plan.kind = "autoencoder";
    plan.weights = 1;
    plan.weight = &weight;
    int wrong = check(h, c->plan_export(tess_instance_self(i), tess_test_context(h), &plan), "a model is planned");
    wrong += holds(strcmp(weight.theirs, "model.encoder.conv_in.weight") == 0, "a weight has its name there");
    wrong += holds(weight.rank == 2 && weight.dim[0] == 3 && weight.dim[1] == 4, "and its shape");
    plan.kind = "prior";
    return wrong + holds(c->plan_export(tess_instance_self(i), tess_test_context(h), &plan) == TESS_E_VALUE, "a prior is refused");
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    if (!wrong) {
        struct tess_context *ctx = tess_test_context(h);
        wrong += holds(tess_instance_open(ctx, "checkpoint/1", "{use: template-name, factor: 3, " PARTS "}", "test", &i) == TESS_E_VALUE,
                       "images that do not divide are refused");
        tess_forget(ctx);
        wrong += check(h, tess_instance_open(ctx, "checkpoint/1", "{use: template-name, " PARTS "}", "test", &i), "opened with its parts");
        wrong += i ? test_export(h, i) : 0;
        tess_instance_close(i);
    }
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
