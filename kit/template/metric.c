/* metric/1 `template-name`: mean absolute error of reconstructions, of what is beyond a tolerance.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/base.h>
#include <tessera/kind/metric.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct template_name {
    double tolerance; /* a parameter, filled by the host from the table below */
};

/* Accumulated state: sums over the rows seen, so that two states are merged by adding. */
struct state {
    double sum;
    int64_t count;
};

static int template_name_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *shape, void **state)
{
    (void)self;
    (void)shape;
    return tess_alloc(ctx, sizeof(struct state), "sums", state);
}

static void template_name_close(void *self, void *state)
{
    (void)self;
    tess_free(state);
}

/* image (count, H, W, C) u8 and made (count, H, W, C) f32 of about 0 .. 1 */
static int template_name_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    const struct template_name *m = (const struct template_name *)self;
    struct state *s = (struct state *)state;
    const uint8_t *image = (const uint8_t *)rows->image->data;
    const float *made = (const float *)rows->made->data;
    const int64_t n = tess_tensor_count(rows->image);
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double error = fabs((double)made[i] - (double)image[i] / 255.0);
        sum += error > m->tolerance ? error - m->tolerance : 0.0;
    }
    if (!isfinite(sum))
        return ctx->fail(ctx, TESS_E_FAILED, "template-name: reconstructions from image %lld on are not finite", (long long)rows->first);
    s->sum += sum;
    s->count += n;
    return TESS_OK;
}

static int template_name_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct state *s = (struct state *)state;
    const struct state *n = (const struct state *)next;
    (void)self;
    (void)ctx;
    s->sum += n->sum;
    s->count += n->count;
    return TESS_OK;
}

static int template_name_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct state *s = (const struct state *)state;
    (void)self;
    const struct tess_metric_value v = TESS_METRIC_VALUE("template-name", s->sum / (double)s->count, "", TESS_METRIC_LOWER);
    return sink->value(sink->to, ctx, &v);
}

static int64_t template_name_pack(void *self, const void *state, void *bytes)
{
    (void)self;
    if (bytes)
        memcpy(bytes, state, sizeof(struct state));
    return (int64_t)sizeof(struct state);
}

static int template_name_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct state s = {0.0, -1};
    (void)self;
    if (count == (int64_t)sizeof s)
        memcpy(&s, bytes, sizeof s);
    if (s.count < 0 || !isfinite(s.sum))
        return ctx->fail(ctx, TESS_E_DATA, "template-name: %lld bytes are no sums that were kept", (long long)count);
    memcpy(state, &s, sizeof s);
    return TESS_OK;
}

static const struct tess_metric_1 ops = {sizeof(struct tess_metric_1),
                                         TESS_METRIC_PAIRS,
                                         "pixels in 0 .. 1, not clamped",
                                         NULL, /* check: images of any size are accepted */
                                         NULL, /* bytes: next to no memory */
                                         template_name_open,
                                         template_name_close,
                                         template_name_accumulate,
                                         template_name_merge,
                                         template_name_finish,
                                         template_name_pack,
                                         template_name_unpack};

static const struct tess_param params[] = {
    TESS_PARAM_F64(struct template_name, tolerance, 0, 1, 0.02, "errors up to this count as none, pixels in 0 .. 1"), TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("template-name", "metric/1", "mean absolute error beyond a tolerance", sizeof(struct template_name), params,
                           NULL, NULL, &ops));
