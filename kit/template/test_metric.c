/* The metric on a test host: its value by hand, blocks that are merged, states as bytes. SPDX-License-Identifier: MIT */
#include <tessera/kind/metric.h>
#include <tessera/test.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int holds(int fact, const char *what)
{
    printf("%-40s %s\n", what, fact ? "ok" : "not");
    return !fact;
}

static int keep(void *to, struct tess_context *ctx, const struct tess_metric_value *v)
{
    (void)ctx;
    *(double *)to = v->value;
    return TESS_OK;
}

/* Two images of 1 x 2 pixels, their reconstructions off by 0.5, 0.01, 0.1 and 0. */
static uint8_t pixel[4] = {0, 51, 102, 255};
static float made[4] = {0.5f, 0.21f, 0.5f, 1.0f};

static int add(const struct tess_metric_1 *m, void *self, struct tess_context *ctx, void *state, int64_t first, int64_t count)
{
    const int64_t dim[4] = {count, 1, 2, 1};
    const struct tess_tensor a = tess_tensor_over(pixel + 2 * first, TESS_U8, 4, dim),
                             b = tess_tensor_over(made + 2 * first, TESS_F32, 4, dim);
    struct tess_metric_rows rows;
    memset(&rows, 0, sizeof rows);
    rows.size = sizeof rows;
    rows.first = first;
    rows.count = count;
    rows.image = &a;
    rows.made = &b;
    return m->accumulate(self, ctx, state, &rows);
}

static int test_metric(struct tess_test_host *h, const struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const struct tess_metric_1 *m = (const struct tess_metric_1 *)tess_instance_ops(i, "metric/1");
    void *self = tess_instance_self(i), *one = NULL, *next = NULL, *again = NULL;
    struct tess_metric_shape shape;
    struct tess_metric_sink sink;
    char bytes[64];
    double value = 0.0;
    memset(&shape, 0, sizeof shape);
    memset(&sink, 0, sizeof sink);
    shape.size = sizeof shape;
    shape.rows[0] = 2;
    shape.height = shape.channels = 1;
    shape.width = 2;
    sink.size = sizeof sink;
    sink.to = &value;
    sink.value = keep;
    int wrong = check(h, m->open(self, ctx, &shape, &one), "a state");
    wrong += check(h, m->open(self, ctx, &shape, &next), "the state of the next block");
    wrong += check(h, m->open(self, ctx, &shape, &again), "a state to unpack into");
    if (!wrong) {
        wrong += check(h, add(m, self, ctx, one, 0, 1), "the first image");
        wrong += check(h, add(m, self, ctx, next, 1, 1), "the second");
        wrong += check(h, m->unpack(self, ctx, again, bytes, m->pack(self, next, bytes)), "packed and unpacked");
        wrong += check(h, m->merge(self, ctx, one, again), "merged");
        wrong += check(h, m->finish(self, ctx, one, &sink), "finished");
        wrong += holds(fabs(value - (0.48 + 0.08) / 4.0) < 1e-7, "the mean of what is beyond 0.02");
        wrong += holds(m->unpack(self, ctx, again, bytes, 3) == TESS_E_DATA, "other bytes are refused");
    }
    m->close(self, one);
    m->close(self, next);
    m->close(self, again);
    return wrong;
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong = wrong || check(h, tess_instance_open(tess_test_context(h), "metric/1", "{use: template-name}", "test", &i), "opened");
    wrong = wrong || test_metric(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
