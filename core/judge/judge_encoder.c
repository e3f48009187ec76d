/* Kind encoder/1: images to latents. SPDX-License-Identifier: MIT */
#include "core/judge/judge_images.h"
#include "core/judge/judge_private.h"

#include <stdio.h>
#include <string.h>

static int encoder_record_of(struct judge_piece *p, int64_t height, int64_t width, int64_t channels, int64_t code_dim)
{
    const struct tess_encoder_1 *ops = p->ops;
    struct tess_node *latent = NULL;
    struct tess_node *image = judge_input(p, "image", TESS_F32, 4, (const int64_t[]){p->rows, height, width, channels}, JUDGE_FILL_UNIT, 0);
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, image, code_dim, &latent));
    judge_gives(p, "latent", latent, TESS_F32, 4, (const int64_t[]){p->rows, -1, -1, code_dim});
    return TESS_OK;
}

static int encoder_record(struct judge_piece *p)
{
    int64_t side = image_side[p->size];
    return encoder_record_of(p, side, side, IMAGE_CHANNELS, IMAGE_CODE_DIM);
}

static const struct judge_workload workloads[] = {{.name = "record", .smooth = 1, .sizes = IMAGE_SIDES, .record = encoder_record},
                                                  {.name = NULL}};

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

/* Records an encoder at the sizes in detail: height, width, channels, width of the latent. */
static int encoder_sized(struct judge_piece *p)
{
    return encoder_record_of(p, p->detail[0], p->detail[1], p->detail[2], p->detail[3]);
}

static const struct judge_workload sized = {.name = "record", .record = encoder_sized};

/* Tries one size: *took 1 where it is taken, 0 where it is refused as it should be; else the test's failure. */
static int encoder_try(struct judge *j, struct tess_instance *i, const int64_t detail[4], int *took)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &sized, .instance = i, .rows = 2, .microbatches = 1};
    memcpy(p.detail, detail, sizeof p.detail);
    int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
    *took = p.fault == JUDGE_FINE;
    if (status == TESS_OK && p.fault == JUDGE_REFUSED && p.status != TESS_E_SHAPE)
        status = judge_fail(j, "wanted an image of %lld x %lld x %lld that does not fit refused with TESS_E_SHAPE (%d), found %d: %s",
                            (long long)detail[0], (long long)detail[1], (long long)detail[2], TESS_E_SHAPE, p.status, p.why);
    else if (status == TESS_OK && p.fault != JUDGE_FINE && p.fault != JUDGE_REFUSED)
        status = judge_fail(j, "%s", p.why);
    judge_piece_close(&p);
    tess_forget(j->ctx);
    return status;
}

static int encoder_sizes_body(struct judge *j, struct tess_instance *i)
{
    static const int64_t size[8][2] = {{16, 16}, {32, 32}, {64, 64}, {28, 28}, {17, 23}, {1, 1}, {16, 48}, {3, 128}};
    int any = 0, took;
    for (int k = 0; k < 8; k++) {
        JUDGE_TRY(encoder_try(j, i, (const int64_t[]){size[k][0], size[k][1], IMAGE_CHANNELS, IMAGE_CODE_DIM}, &took));
        any |= took;
    }
    return any ? TESS_OK : JUDGE_UNFIT;
}

static int encoder_sizes(struct judge *j)
{
    return judge_over(j, 1 + 4 * (int64_t)j->level, encoder_sizes_body);
}

/* Tries every width, and grey, colour and more channels, at the first side that is accepted at all. */
static int encoder_channels_body(struct judge *j, struct tess_instance *i)
{
    static const int64_t channels[3] = {1, 3, 4}, width[3] = {1, 8, 33};
    int took = 0;
    int64_t side = 0;
    for (int k = 0; k < IMAGE_SIDES && !took; k++) {
        side = image_side[k];
        JUDGE_TRY(encoder_try(j, i, (const int64_t[]){side, side, IMAGE_CHANNELS, IMAGE_CODE_DIM}, &took));
    }
    if (!took)
        return JUDGE_UNFIT;
    for (int c = 0; c < 3; c++)
        for (int w = 0; w < 3; w++) {
            JUDGE_TRY(encoder_try(j, i, (const int64_t[]){side, side, channels[c], width[w]}, &took));
            if (!took)
                return judge_fail(j, "wanted images of %lld channels and codes of width %lld as well as others, found them refused",
                                  (long long)channels[c], (long long)width[w]);
        }
    return TESS_OK;
}

static int encoder_channels(struct judge *j)
{
    return judge_over(j, 1, encoder_channels_body);
}

/* ---- dependences --------------------------------------------------------------------------------------------------- */

/* Checks that a patch of the image, replaced by white, changes the latent. */
static int encoder_sees_body(struct judge *j, struct tess_instance *i)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = workloads, .instance = i, .rows = 1, .microbatches = 1};
    int status = judge_piece_begin(&p);
    void *first = NULL;
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "record", judge_piece_run(&p, 0));
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, tess_tensor_bytes(&p.out[0].value), "a copy", &first));
    for (int corner = 0; status == TESS_OK && corner < 4; corner++) {
        struct tess_tensor *image = &p.in[0].value;
        int64_t side = image->dim[1], channels = image->dim[3], y = corner / 2 ? side - 2 : 0, x = corner % 2 ? side - 2 : 0;
        memcpy(first, p.out[0].value.data, tess_tensor_bytes(&p.out[0].value));
        for (int64_t k = 0; k < 4; k++) {
            float *pixel = (float *)image->data + ((y + k / 2) * side + x + k % 2) * channels;
            for (int64_t c = 0; c < channels; c++)
                pixel[c] = 1.0f - pixel[c];
        }
        status = judge_ok(j, j->ctx, "record", judge_piece_run(&p, 0));
        if (status == TESS_OK && memcmp(first, p.out[0].value.data, tess_tensor_bytes(&p.out[0].value)) == 0)
            status = judge_fail(j, "wanted the latent to depend on every corner of the image, found that it does not on pixel %lld, %lld",
                                (long long)y, (long long)x);
    }
    tess_free(first);
    judge_piece_close(&p);
    return status;
}

static int encoder_sees(struct judge *j)
{
    return judge_over(j, 1, encoder_sees_body);
}

static const struct judge_test tests[] = {{"sizes", 1, "images of other sizes are taken, or refused with TESS_E_SHAPE", encoder_sizes},
                                          {"channels", 1, "images of 1, 3 and 4 channels, and latents of any width", encoder_channels},
                                          {"sees-image", 1, "the latent depends on every corner of the image", encoder_sees},
                                          {NULL, 0, NULL, NULL}};

const struct judge_kind judge_encoder = {"encoder/1", tests, workloads};
