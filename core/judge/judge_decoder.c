/* Kind decoder/1: latents to images. Which latents belong to images of a size is the decoder's affair: sides smaller by powers of two are
 * tried. SPDX-License-Identifier: MIT */
#include "core/judge/judge_images.h"
#include "core/judge/judge_private.h"

#include <stdio.h>
#include <string.h>

enum { DECODER_FACTORS = 6 };

enum { DECODER_PLAIN, DECODER_HEAD, DECODER_LARGER };

/* Records a decoder for the latent of an image of height x width, at a factor; `grown`, by record_larger, for maps of twice the side. */
static int decoder_record_of(struct judge_piece *p, int what, int64_t height, int64_t width, int64_t channels, int64_t factor,
                             int64_t grown)
{
    const struct tess_decoder_1 *ops = p->ops;
    struct tess_node *image = NULL, *log_sigma = NULL;
    int64_t h = height / factor, w = width / factor;
    if (h < 1 || w < 1)
        return p->ctx->fail(p->ctx, TESS_E_SHAPE, "there is no smaller latent");
    struct tess_node *latent =
        judge_input(p, "latent", TESS_F32, 4, (const int64_t[]){p->rows, h * grown, w * grown, IMAGE_CODE_DIM}, JUDGE_FILL_NORMAL, 0);
    const int64_t shape[4] = {p->rows, height * grown, width * grown, channels};
    if (what == DECODER_HEAD)
        TESS_TRY(ops->record_likelihood(p->self, p->ctx, p->graph, latent, height, width, channels, &image, &log_sigma));
    else
        TESS_TRY((what == DECODER_LARGER ? ops->record_larger : ops->record)(p->self, p->ctx, p->graph, latent, height, width, channels,
                                                                             &image));
    /* A wrong factor gives an image of another size: not fit, the next is tried. */
    struct tess_tensor made = tess_shape(image);
    if (image && made.rank == 4 && (made.dim[1] != shape[1] || made.dim[2] != shape[2]) && p->size + 1 < p->work->sizes)
        return p->ctx->fail(p->ctx, TESS_E_SHAPE, "an image of another size");
    judge_gives(p, "image", image, TESS_F32, 4, shape);
    if (what == DECODER_HEAD)
        judge_gives(p, "log_sigma", log_sigma, TESS_F32, 4, shape);
    return TESS_OK;
}

#define DECODER_RECORD(name, what, grown)                                                                                                  \
    static int name(struct judge_piece *p)                                                                                                 \
    {                                                                                                                                      \
        int64_t side = image_side[p->size / DECODER_FACTORS];                                                                              \
        return decoder_record_of(p, what, side, side, IMAGE_CHANNELS, (int64_t)1 << (DECODER_FACTORS - 1 - p->size % DECODER_FACTORS),     \
                                 grown);                                                                                                   \
    }

DECODER_RECORD(decoder_plain, DECODER_PLAIN, 1)
DECODER_RECORD(decoder_head, DECODER_HEAD, 1)
DECODER_RECORD(decoder_same, DECODER_LARGER, 1)
DECODER_RECORD(decoder_larger, DECODER_LARGER, 2)

static int decoder_has_head(const void *table)
{
    const struct tess_decoder_1 *ops = table;
    return TESS_HAS(ops, record_likelihood) && ops->record_likelihood;
}

static int decoder_has_larger(const void *table)
{
    const struct tess_decoder_1 *ops = table;
    return TESS_HAS(ops, record_larger) && ops->record_larger;
}

enum { SIZES = 2 * DECODER_FACTORS };

static const struct judge_workload workloads[] = {
    {.name = "record", .smooth = 1, .sizes = SIZES, .record = decoder_plain},
    {.name = "record_likelihood", .smooth = 1, .sizes = SIZES, .record = decoder_head, .has = decoder_has_head},
    {.name = "record_larger", .sizes = SIZES, .record = decoder_larger, .has = decoder_has_larger},
    {.name = NULL}};
static const struct judge_workload same = {.name = "record_larger", .sizes = SIZES, .record = decoder_same, .has = decoder_has_larger};

/* ---- one against another ------------------------------------------------------------------------------------------- */

/* Compares `image` of two of its functions over the same weights, bit for bit. */
static int decoder_compare(struct judge *j, struct tess_instance *i, const struct judge_workload *other)
{
    char text[160];
    struct judge_piece a = {.j = j, .ctx = j->ctx, .work = other, .instance = i, .rows = 2, .microbatches = 1}, b = a;
    struct judge_piece *const both[2] = {&a, &b};
    b.work = workloads;
    if (!other->has(tess_instance_ops(i, "decoder/1"))) {
        return judge_unfit(j, "it has no `%s`", other->name);
    }
    int status = judge_pieces_begin(both, 2);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, other->name, judge_piece_run(&a, 0));
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "record", judge_piece_run(&b, 0));
    if (status == TESS_OK && judge_differs(judge_output(&a, "image"), judge_output(&b, "image"), 0, 0, text, sizeof text))
        status = judge_fail(j, "wanted the image of %s to be that of record, bit for bit, found that %s", other->name, text);
    if (b.graph)
        judge_piece_close(&b);
    judge_piece_close(&a);
    return status;
}

static int decoder_head_body(struct judge *j, struct tess_instance *i)
{
    return decoder_compare(j, i, &workloads[1]);
}

static int decoder_head_image(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, decoder_head_body);
}

static int decoder_same_body(struct judge *j, struct tess_instance *i)
{
    return decoder_compare(j, i, &same);
}

static int decoder_larger_same(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, decoder_same_body);
}

/* Checks that weights of the head are declared by record_likelihood alone, and that it declares all of record's. */
static int decoder_head_weights_body(struct judge *j, struct tess_instance *i)
{
    struct judge_piece head = {.j = j, .ctx = j->ctx, .work = &workloads[1], .instance = i, .rows = 1, .microbatches = 1}, bare = head;
    bare.work = workloads;
    if (!decoder_has_head(tess_instance_ops(i, "decoder/1"))) {
        return judge_unfit(j, "it has no `record_likelihood`");
    }
    int status = judge_piece_begin(&head);
    if (status == TESS_OK)
        status = judge_piece_begin(&bare);
    for (int64_t k = 0; status == TESS_OK && k < tess_weights_count(bare.weights); k++)
        if (tess_weights_index(head.weights, tess_weights_name(bare.weights, k)) < 0)
            status = judge_fail(j, "wanted the weight %s of record in record_likelihood, found none", tess_weights_name(bare.weights, k));
    if (status == TESS_OK && tess_weights_count(head.weights) <= tess_weights_count(bare.weights))
        status = judge_fail(j, "wanted weights of the head that record does not declare, found none");
    if (bare.graph)
        judge_piece_close(&bare);
    judge_piece_close(&head);
    return status;
}

static int decoder_head_weights(struct judge *j)
{
    return judge_over(j, 1, decoder_head_weights_body);
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

/* Records a decoder at the size in detail: height, width, channels, factor. */
static int decoder_sized(struct judge_piece *p)
{
    return decoder_record_of(p, DECODER_PLAIN, p->detail[0], p->detail[1], p->detail[2], p->detail[3], 1);
}

static const struct judge_workload sized = {.name = "record", .record = decoder_sized};

static int decoder_try(struct judge *j, struct tess_instance *i, const int64_t detail[4], int *took)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &sized, .instance = i, .rows = 2, .microbatches = 1};
    memcpy(p.detail, detail, sizeof p.detail);
    int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
    *took = p.fault == JUDGE_FINE;
    if (status == TESS_OK && p.fault != JUDGE_FINE && p.fault != JUDGE_REFUSED)
        status = judge_fail(j, "%s", p.why);
    judge_piece_close(&p);
    tess_forget(j->ctx);
    return status;
}

/* Finds the factor between image and latent; 0: none of those tried. */
static int decoder_factor(struct judge *j, struct tess_instance *i, int64_t *factor, int64_t *side)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = workloads, .instance = i, .rows = 1, .microbatches = 1};
    int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
    *side = image_side[p.size / DECODER_FACTORS];
    *factor = p.fault == JUDGE_FINE ? (int64_t)1 << (DECODER_FACTORS - 1 - p.size % DECODER_FACTORS) : 0;
    judge_piece_close(&p);
    tess_forget(j->ctx);
    return status;
}

/* An encoder's shape is inverted: latents of h x w give images of h f x w f, oblong ones and of any channels too. */
static int decoder_shapes_body(struct judge *j, struct tess_instance *i)
{
    static const int64_t map[4][2] = {{4, 4}, {4, 8}, {7, 5}, {1, 1}}, channels[3] = {1, 3, 4};
    int64_t factor, side;
    int took;
    JUDGE_TRY(decoder_factor(j, i, &factor, &side));
    if (factor == 0)
        return JUDGE_UNFIT;
    for (int k = 0; k < 4; k++) /* each image either has its size or is refused */
        JUDGE_TRY(decoder_try(j, i, (const int64_t[]){map[k][0] * factor, map[k][1] * factor, IMAGE_CHANNELS, factor}, &took));
    for (int c = 0; c < 3; c++) {
        JUDGE_TRY(decoder_try(j, i, (const int64_t[]){side, side, channels[c], factor}, &took));
        if (!took)
            return judge_fail(j, "wanted images of %lld channels as well as others, found them refused", (long long)channels[c]);
    }
    return TESS_OK;
}

static int decoder_shapes(struct judge *j)
{
    return judge_over(j, 1 + 4 * (int64_t)j->level, decoder_shapes_body);
}

static const struct judge_test tests[] = {
    {"shapes", 1, "latents become images of the size and channels that are asked for", decoder_shapes},
    {"head-image", 1, "record_likelihood gives the image of record, bit for bit", decoder_head_image},
    {"head-weights", 1, "record_likelihood declares the weights of record, and those of its head", decoder_head_weights},
    {"larger-same", 1, "record_larger of a map of the usual size gives the image of record, bit for bit", decoder_larger_same},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_decoder = {"decoder/1", tests, workloads};
