/* Decoders on latents larger than those they were trained on: the very network that `record` makes for images of that size, when attention
 * is told to be at the same levels.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/plug_private.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2, D = 5, K = 9, C = 3, H = 8, W = 12, FACTOR = 4 }; /* images trained on: H x W */

/* {use: conv} with attention where images of `height` pixels have it on their second level. */
static struct tess_instance *open_decoder(struct fixture *b, const char *variant, int height)
{
    struct tess_instance *i;
    char config_text[200];
    snprintf(config_text, sizeof config_text,
             "{use: conv, channels: 8, channel_mult: [1, 2, 1], groups: 4, attn_resolutions: [%d], variant: %s}", height / 2, variant);
    fixture_ok(b, tess_instance_open(&b->context.context, "decoder/1", config_text, "test", &i));
    return i;
}

/* The image of a made-up latent of h x w; larger: through record_larger of a decoder for H x W. */
static float *decode(const char *variant, int larger, int64_t h, int64_t w, int64_t *parameters)
{
    struct fixture b;
    struct tess_node *image = NULL;
    struct tess_cost cost = {.size = sizeof cost};
    int64_t n = ROWS * h * FACTOR * w * FACTOR * C;
    float *y = malloc((size_t)n * sizeof *y), *x = malloc((size_t)(ROWS * h * w * D) * sizeof *x);
    fixture_open(&b, 1, ROWS, 1, 0);
    struct tess_instance *i = open_decoder(&b, variant, larger ? H : (int)h * FACTOR);
    const struct tess_decoder_1 *ops = tess_instance_ops(i, "decoder/1");
    struct tess_node *latent = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(ROWS, h, w, D));
    fixture_ok(&b, larger ? ops->record_larger(tess_instance_self(i), &b.context.context, b.graph, latent, H, W, C, &image)
                        : ops->record(tess_instance_self(i), &b.context.context, b.graph, latent, h * FACTOR, w * FACTOR, C, &image));
    tess_output(b.graph, "image", image);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_graph_cost(&b.context.context, b.graph, &cost));
    *parameters = cost.parameters;
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose("latent")};
    tess_random_normal(&s, 0, ROWS * h * w * D, x);
    struct tess_tensor in = tess_tensor_over(x, TESS_F32, 4, DIMS(ROWS, h, w, D)),
                       out = tess_tensor_over(y, TESS_F32, 4, DIMS(ROWS, h * FACTOR, w * FACTOR, C));
    struct tess_batch batch = {.size = sizeof batch, .samples = ROWS, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    tess_instance_close(i);
    fixture_close(&b);
    free(x);
    return y;
}

static const char *const variants[] = {"unleashing", "taming"};

START_TEST(the_network_is_the_same)
{
    static const int64_t size[][2] = {{2, 3}, {2, 5}, {4, 3}, {5, 8}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        int64_t a, b, n = ROWS * size[i][0] * FACTOR * size[i][1] * FACTOR * C;
        float *larger = decode(variants[_i], 1, size[i][0], size[i][1], &a), *own = decode(variants[_i], 0, size[i][0], size[i][1], &b);
        double max = 0.0;
        ck_assert_int_eq(a, b);
        ck_assert(memcmp(larger, own, (size_t)n * sizeof *own) == 0);
        for (int64_t k = 0; k < n; k++)
            max = fmax(max, fabs((double)own[k]));
        ck_assert(max > 0.01 && isfinite(max));
        free(larger);
        free(own);
    }
}
END_TEST

/* A decoder compiled before there was record_larger; maps smaller than the tokenizer's. */
START_TEST(what_cannot_be_decoded)
{
    struct fixture b;
    struct tess_node *image;
    struct tess_instance copy;
    struct tess_component component;
    struct tess_decoder_1 old;
    fixture_open(&b, 1, ROWS, 1, 0);
    struct tess_context *ctx = &b.context.context;
    struct tess_tokenizer t = {.height = H, .width = W, .channels = C, .latent_height = 2, .latent_width = 3, .codebook_size = K,
                               .code_dim = D, .decoder = open_decoder(&b, "unleashing", H)};
    struct tess_instance *decoder = t.decoder;
    fixture_ok(&b, tess_instance_open(ctx, "quantizer/1", "{use: nearest, codebook_size: 9, code_dim: 5}", "test", &t.quantizer));
    ck_assert_int_eq(tess_tokenizer_record_decode_larger(ctx, &t, b.graph, 2, 2), TESS_E_INTERNAL);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "a decoder for maps of 2 x 3 is wanted for 2 x 2"));
    tessi_base_context_clear(ctx);
    const struct tess_decoder_1 *ops = tess_instance_ops(decoder, "decoder/1");
    struct tess_node *latent = tess_input(b.graph, "latent", TESS_F32, 4, DIMS(ROWS, 1, 3, D));
    ck_assert_int_eq(ops->record_larger(tess_instance_self(decoder), ctx, b.graph, latent, H, W, C, &image), TESS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "a latent of 1 x 3 is smaller than that of images of 8 x 12"));
    tessi_base_context_clear(ctx);
    copy = *decoder;
    component = *copy.component;
    memcpy(&old, component.ops, sizeof old);
    old.size = offsetof(struct tess_decoder_1, record_larger);
    component.ops = &old;
    copy.component = &component;
    t.decoder = &copy;
    ck_assert_int_eq(tess_tokenizer_record_decode_larger(ctx, &t, b.graph, 2, 4), TESS_E_VALUE);
    ck_assert_ptr_nonnull(
        strstr(tessi_base_context_message(ctx), "the decoder `conv` takes maps of 2 x 3 codes alone, and 2 x 4 are wanted"));
    tessi_base_context_clear(ctx);
    fixture_ok(&b, tess_tokenizer_record_decode_larger(ctx, &t, b.graph, 2, 3)); /* the decoder's own size does not matter */
    tess_instance_close(t.quantizer);
    tess_instance_close(decoder);
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("larger images");
    TCase *t = tcase_create("larger images");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_network_is_the_same, 0, 2);
    tcase_add_test(t, what_cannot_be_decoded);
    suite_add_tcase(s, t);
    return suite_run(s);
}
