/* SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"

#include <stdio.h>
#include <string.h>

const char *fixture_backend, *fixture_precision;
int fixture_recompute;

void fixture_ok(struct fixture *b, int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tessi_base_context_message(&b->context.context));
}

void fixture_open(struct fixture *b, int threads, int64_t rows, int64_t microbatches, int training)
{
    struct tessi_runtime_options o = {.threads = threads, .backend = fixture_backend, .precision = fixture_precision};
    struct tess_graph_options g = {.size = sizeof g,
                                   .microbatch = rows,
                                   .microbatches = microbatches,
                                   .training = training,
                                   .seed = 11,
                                   .recompute = fixture_recompute};
    memset(b, 0, sizeof *b);
    tessi_base_context_init(&b->context, NULL);
    fixture_ok(b, tessi_host_runtime_new(&b->context.context, &o, &b->runtime));
    fixture_ok(b, tess_weights_new(&b->context.context, 5, &b->weights));
    fixture_ok(b, tess_graph_new(&b->context.context, b->weights, &g, &b->graph));
}

void fixture_close(struct fixture *b)
{
    tess_instance_close(b->sampler);
    b->sampler = NULL;
    tess_graph_free(b->graph);
    tess_weights_free(b->weights);
    tessi_host_runtime_free(b->runtime);
}

int fixture_backends(char name[BENCH_BACKENDS][64])
{
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    const struct tess_component *k;
    int n = 0;
    tessi_base_context_init(&context, NULL);
    if (tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &r) != TESS_OK)
        return 0;
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->registry, i, NULL)) && n < BENCH_BACKENDS; i++)
        if (strcmp(k->kind, "backend/1") == 0)
            snprintf(name[n++], sizeof name[0], "%s", k->name);
    tessi_host_runtime_free(r);
    return n;
}

int fixture_can_bf16(const char *backend, int *by_itself)
{
    struct tessi_runtime_options o = {.threads = 1, .backend = backend};
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    tessi_base_context_init(&context, NULL);
    int can = 0, own = 0;
    if (tessi_host_runtime_new(&context.context, &o, &r) == TESS_OK && tessi_host_runtime_compute(&context.context, r) == TESS_OK) {
        own = r->backend_ops->multiplies && r->backend_ops->multiplies(r->backend_self, TESS_BF16);
        can = own || !r->backend_ops->multiplies;
    }
    if (by_itself)
        *by_itself = own;
    tessi_host_runtime_free(r);
    return can;
}

int fixture_everywhere(const char *title, void (*fill)(TCase *t, int first))
{
    static const char *const precision[] = {"f32", "bf16"};
    char name[BENCH_BACKENDS][64], full[160];
    int failed = 0, backends = fixture_backends(name);
    for (int i = 0; i < 2 * backends; i++) {
        fixture_backend = name[i / 2];
        fixture_precision = precision[i % 2];
        if (i % 2 && !fixture_can_bf16(fixture_backend, NULL))
            continue;
        snprintf(full, sizeof full, "%s, %s, %s", title, fixture_backend, fixture_precision);
        Suite *s = suite_create(full);
        TCase *t = tcase_create(full);
        tcase_set_timeout(t, 120);
        fill(t, i == 0);
        suite_add_tcase(s, t);
        failed += suite_failures(s);
    }
    fixture_backend = fixture_precision = NULL;
    return failed || !backends ? EXIT_FAILURE : EXIT_SUCCESS;
}

struct tess_node *normal_weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim, double centre, double spread)
{
    return tess_weight(g, name, rank, dim, TESS_INIT(.kind = TESS_INIT_NORMAL, .centre = centre, .spread = spread));
}

const struct tess_instance *fixture_sampler(struct fixture *b, const char *config_text)
{
    tess_instance_close(b->sampler);
    b->sampler = NULL;
    fixture_ok(b, tess_instance_open(&b->context.context, "sampler/1", config_text, "test", &b->sampler));
    return b->sampler;
}
