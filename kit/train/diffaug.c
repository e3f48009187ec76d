/* Colour and place are linear in the image but for an offset, so one pass over the pixels does all of it, and the gradient is the same pass
 * with the shift undone: the mixing of channels and the mean are their own transposes. SPDX-License-Identifier: MIT */
#include "kit/train/diffaug.h"

#include <math.h>
#include <string.h>

/* ---- draws ---- */

static int draws_forward(const struct tess_op_run *r)
{
    struct tess_stream s = r->random;
    float *u = r->out[0].data;
    s.purpose = *(const uint32_t *)r->attr;
    for (int64_t n = 0; n < r->rows; n++, s.sample++, u += DIFFAUG_DRAWS)
        tess_random_uniform(&s, 0, DIFFAUG_DRAWS, u);
    return TESS_OK;
}

struct tess_node *diffaug_draws(struct tess_graph *g, const char *purpose)
{
    static const struct tess_op op = {.size = sizeof op, .name = "diffaug_draws", .forward = draws_forward};
    uint32_t key = tess_purpose(purpose);
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){tess_graph_microbatch(g), DIFFAUG_DRAWS});
    struct tess_node *draws;
    tess_custom(g, &op, &key, sizeof key, 0, NULL, 1, &shape, 0, 0.0, &draws);
    return draws;
}

/* ---- one image ---- */

int64_t diffaug_shift(float draw, int64_t size)
{
    int64_t max = (int64_t)((double)size * 0.125 + 0.5);
    return (int64_t)floor((double)draw * (double)(2 * max + 1)) - max;
}

/* (18.1): own x + grey (mean of the pixel's channels) + all (mean of the image) + light; and (18.3): the part of the result that shows the
 * image, whose pixel (i, j) is made of (i + down, j + right). */
struct change {
    float own, grey, all, light;
    int64_t width, channels; /* sizes of the image */
    int64_t row, column, rows, columns, down, right;
};

/* First position and length of an axis of the result that show the image. */
static void diffaug_overlap(int64_t size, int64_t shift, int64_t *first, int64_t *count)
{
    int64_t end = size - (shift > 0 ? shift : 0);
    *first = shift < 0 ? -shift : 0;
    *count = end > *first ? end - *first : 0;
}

static struct change change_of(const struct tess_tensor *image, const struct tess_tensor *draws, int64_t n)
{
    const float *u = (const float *)draws->data + n * DIFFAUG_DRAWS;
    float s = 2.0f * u[DIFFAUG_SATURATION], k = u[DIFFAUG_CONTRAST] + 0.5f;
    struct change c = {.own = k * s,
                       .grey = k * (1.0f - s),
                       .all = 1.0f - k,
                       .light = u[DIFFAUG_BRIGHTNESS] - 0.5f,
                       .width = image->dim[2],
                       .channels = image->dim[3],
                       .down = diffaug_shift(u[DIFFAUG_DOWN], image->dim[1]),
                       .right = diffaug_shift(u[DIFFAUG_RIGHT], image->dim[2])};
    diffaug_overlap(image->dim[1], c.down, &c.row, &c.rows);
    diffaug_overlap(image->dim[2], c.right, &c.column, &c.columns);
    return c;
}

static int64_t diffaug_row_of(const struct change *c, int64_t i, int64_t down, int64_t right)
{
    return ((c->row + i + down) * c->width + c->column + right) * c->channels;
}

static double diffaug_sum_of(const float *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum;
}

/* y = own x + grey (mean of the pixel's channels) + offset */
static void diffaug_mix(const struct change *c, const float *x, float offset, float *y)
{
    int64_t channels = c->channels;
    float share = c->grey / (float)channels;
    for (int64_t j = 0; j < c->columns; j++, x += channels, y += channels) {
        float sum = 0.0f;
        for (int64_t k = 0; k < channels; k++)
            sum += x[k];
        for (int64_t k = 0; k < channels; k++)
            y[k] = c->own * x[k] + share * sum + offset;
    }
}

static int diffaug_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *image = &r->in[0];
    int64_t size = tess_tensor_count(image) / image->dim[0];
    memset(r->out[0].data, 0, tess_tensor_bytes(&r->out[0]));
    for (int64_t n = 0; n < image->dim[0]; n++) {
        const struct change c = change_of(image, &r->in[1], n);
        const float *x = (const float *)image->data + n * size;
        float *y = (float *)r->out[0].data + n * size, offset = c.all * (float)(diffaug_sum_of(x, size) / (double)size) + c.light;
        for (int64_t i = 0; i < c.rows; i++)
            diffaug_mix(&c, x + diffaug_row_of(&c, i, c.down, c.right), offset, y + diffaug_row_of(&c, i, 0, 0));
    }
    return TESS_OK;
}

/* (18.4): what fell outside has a part in the result by its part in the mean alone. */
static int diffaug_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *image = &r->in[0];
    int64_t size = tess_tensor_count(image) / image->dim[0];
    if (!r->din[0].data)
        return TESS_OK;
    for (int64_t n = 0; n < image->dim[0]; n++) {
        const struct change c = change_of(image, &r->in[1], n);
        const float *dy = (const float *)r->dout[0].data + n * size;
        float *dx = (float *)r->din[0].data + n * size;
        double sum = 0.0;
        for (int64_t i = 0; i < c.rows; i++)
            sum += diffaug_sum_of(dy + diffaug_row_of(&c, i, 0, 0), c.columns * c.channels);
        float offset = c.all * (float)(sum / (double)size);
        for (int64_t i = 0; i < size; i++)
            dx[i] = offset;
        for (int64_t i = 0; i < c.rows; i++)
            diffaug_mix(&c, dy + diffaug_row_of(&c, i, 0, 0), offset, dx + diffaug_row_of(&c, i, c.down, c.right));
    }
    return TESS_OK;
}

struct tess_node *diffaug(struct tess_graph *g, struct tess_node *image, struct tess_node *draws)
{
    static const struct tess_op op = {
        .size = sizeof op, .name = "diffaug", .keep_in = 2, .forward = diffaug_forward, .backward = diffaug_backward};
    struct tess_tensor shape = tess_shape(image), u = tess_shape(draws);
    struct tess_node *in[2] = {image, tess_stop_gradient(g, draws)}, *y;
    char a[96], b[96];
    if (!image || !draws)
        return NULL;
    if (shape.rank != 4 || shape.dtype != TESS_F32 || u.rank != 2 || u.dim[0] != shape.dim[0] || u.dim[1] != DIFFAUG_DRAWS)
        return tess_graph_fail(g, TESS_E_SHAPE, "diffaug wants f32 (N, H, W, C) and draws (N, %d), not %s and %s", DIFFAUG_DRAWS,
                               tess_tensor_text(&shape, a, sizeof a), tess_tensor_text(&u, b, sizeof b));
    tess_custom(g, &op, NULL, 0, 2, in, 1, &shape, 0, 6.0 * (double)tess_tensor_count(&shape), &y);
    return y;
}
