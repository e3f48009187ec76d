/* Kind quantizer/1: codes against their vectors. SPDX-License-Identifier: MIT */
#include "core/judge/judge_quantizer.h"

#include <math.h>
#include <string.h>

/* Workload `record` outside training, without its random draws. */
static const struct judge_workload quantizer_still = {.name = "record", .sizes = 1, .record = judge_quantizer_record};

/* ---- assignment and look-up ---------------------------------------------------------------------------------------- */

/* Opens pieces of `assign` and `lookup` over the same weights; and of `record`, unless NULL. */
static int quantizer_pair_open(struct judge *j, struct tess_instance *i, int64_t rows, struct judge_piece *assign,
                               struct judge_piece *lookup, struct judge_piece *record)
{
    const struct judge_piece fresh = {.j = j, .ctx = j->ctx, .instance = i, .rows = rows, .microbatches = 1};
    *assign = fresh;
    *lookup = fresh;
    assign->work = &judge_quantizer_workloads[1];
    lookup->work = &judge_quantizer_workloads[2];
    if (record) {
        *record = fresh;
        record->work = &quantizer_still;
    }
    struct judge_piece *const all[3] = {assign, lookup, record};
    return judge_pieces_begin(all, record ? 3 : 2);
}

static void quantizer_pair_close(struct judge_piece *assign, struct judge_piece *lookup)
{
    if (lookup->graph)
        judge_piece_close(lookup);
    judge_piece_close(assign);
}

static int quantizer_assign(struct judge_piece *assign, const float *latents)
{
    struct tess_tensor *in = &assign->in[0].value;
    if (latents != in->data)
        memcpy(in->data, latents, tess_tensor_bytes(in));
    return judge_quantizer_run(assign);
}

static int quantizer_lookup(struct judge_piece *lookup, const int32_t *codes)
{
    struct tess_tensor *in = &lookup->in[0].value;
    if (codes != in->data)
        memcpy(in->data, codes, tess_tensor_bytes(in));
    return judge_quantizer_run(lookup);
}

static int64_t quantizer_positions(const struct judge_piece *p)
{
    return p->rows * QUANTIZER_HEIGHT * QUANTIZER_WIDTH;
}

/* Reads the vectors of all codes of one level, K x D. */
static int quantizer_codebook(struct judge_piece *lookup, int64_t k, int64_t d, float *codebook)
{
    int64_t n = quantizer_positions(lookup);
    int32_t *codes = lookup->in[0].value.data;
    for (int64_t first = 0; first < k; first += n) {
        for (int64_t i = 0; i < n; i++)
            codes[i] = (int32_t)(first + i < k ? first + i : k - 1);
        JUDGE_TRY(quantizer_lookup(lookup, codes));
        int64_t rows = k - first < n ? k - first : n;
        memcpy(codebook + first * d, lookup->out[0].value.data, (size_t)(rows * d) * sizeof(float));
    }
    return TESS_OK;
}

static double quantizer_distance(const float *a, const float *b, int64_t d)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

enum { QUANTIZER_ROWS = 24, QUANTIZER_CODES = 4096 };

/* Compares each latent with all vectors; a code as near as the nearest but for rounding will do. */
static int quantizer_nearest_in(struct judge *j, struct judge_piece *assign, const float *codebook, int64_t k, int64_t d)
{
    const float *z = assign->in[0].value.data;
    const int32_t *codes = assign->out[0].value.data;
    for (int64_t n = quantizer_positions(assign), i = 0; i < n; i++) {
        int64_t best = 0;
        double least = INFINITY;
        if (codes[i] < 0 || codes[i] >= k)
            return judge_skip(j, "its codes are out of range, as the test `range` says");
        for (int64_t c = 0; c < k; c++) {
            double at = quantizer_distance(z + i * d, codebook + c * d, d);
            if (at < least) {
                least = at;
                best = c;
            }
        }
        double found = quantizer_distance(z + i * d, codebook + codes[i] * d, d);
        if (found > least * (1.0 + 1e-5) + 1e-12)
            return judge_fail(j, "wanted the nearest code, %lld at a squared distance of %.7g, found %d at %.7g", (long long)best, least,
                              (int)codes[i], found);
    }
    return TESS_OK;
}

/* JUDGE_UNFIT for a quantizer whose codes are no points of the latent's space, or of several levels. */
static int quantizer_in_space(const struct tess_quantizer_1 *ops, void *self)
{
    return !judge_quantizer_outside(ops, self) && judge_quantizer_depth(ops, self) == 1 && ops->codebook_size(self) <= QUANTIZER_CODES;
}

static int quantizer_not_in_space(struct judge *j)
{
    return judge_unfit(j, "its codes are not points of the latent's space, are of several levels, or are more than %d", QUANTIZER_CODES);
}

static int quantizer_nearest_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    void *self = tess_instance_self(i), *memory = NULL;
    struct judge_piece assign, lookup;
    if (!quantizer_in_space(ops, self))
        return quantizer_not_in_space(j);
    int64_t k = ops->codebook_size(self), d = ops->code_dim(self);
    int status = quantizer_pair_open(j, i, QUANTIZER_ROWS, &assign, &lookup, NULL);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, (size_t)(k * d) * sizeof(float), "a codebook", &memory));
    if (status == TESS_OK)
        status = quantizer_codebook(&lookup, k, d, memory);
    for (int scale = 0; status == TESS_OK && scale < 2; scale++) { /* latents spread as drawn, then over the vectors themselves */
        float *z = assign.in[0].value.data;
        for (int64_t n = quantizer_positions(&assign) * d, at = 0; scale && at < n; at++)
            z[at] = ((const float *)memory)[at % (k * d)] + 0.1f * z[at];
        status = quantizer_assign(&assign, z);
        if (status == TESS_OK)
            status = quantizer_nearest_in(j, &assign, memory, k, d);
    }
    tess_free(memory);
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_nearest(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, quantizer_nearest_body);
}

/* Checks codes -> vectors -> codes: the same, or codes of the same vector. */
static int quantizer_inverts(struct judge *j, struct judge_piece *assign, struct judge_piece *lookup, const int32_t *codes)
{
    char text[160];
    struct tess_tensor *rows = &lookup->out[0].value, once = *rows;
    JUDGE_TRY(quantizer_lookup(lookup, codes));
    void *copy = NULL;
    JUDGE_TRY(judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, tess_tensor_bytes(rows), "a copy", &copy)));
    memcpy(copy, rows->data, tess_tensor_bytes(rows));
    once.data = copy;
    int status = quantizer_assign(assign, copy);
    if (status == TESS_OK)
        status = quantizer_lookup(lookup, assign->out[0].value.data);
    if (status == TESS_OK && judge_differs(rows, &once, 0, 0, text, sizeof text))
        status = judge_fail(j, "wanted each code to be assigned to what it stands for, found another there: %s", text);
    tess_free(copy);
    return status;
}

static int quantizer_inverts_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    void *self = tess_instance_self(i);
    struct judge_piece assign, lookup;
    if (!quantizer_in_space(ops, self))
        return quantizer_not_in_space(j);
    int64_t k = ops->codebook_size(self);
    int status = quantizer_pair_open(j, i, QUANTIZER_ROWS, &assign, &lookup, NULL);
    int64_t n = status == TESS_OK ? quantizer_positions(&lookup) : 0;
    for (int64_t first = 0; status == TESS_OK && first < k; first += n) {
        int32_t *codes = lookup.in[0].value.data;
        for (int64_t c = 0; c < n; c++)
            codes[c] = (int32_t)((first + c) % k);
        status = quantizer_inverts(j, &assign, &lookup, codes);
    }
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_lookup_inverts(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, quantizer_inverts_body);
}

/* Checks that lookup(assign(z)), assigned again, gives itself. */
static int quantizer_fixed_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    struct judge_piece assign, lookup;
    if (judge_quantizer_outside(ops, tess_instance_self(i)) || judge_quantizer_depth(ops, tess_instance_self(i)) > 1) {
        return judge_unfit(j, "its codes are not points of the latent's space, or sums of several levels");
    }
    int status = quantizer_pair_open(j, i, QUANTIZER_ROWS, &assign, &lookup, NULL);
    if (status == TESS_OK)
        status = quantizer_assign(&assign, assign.in[0].value.data);
    if (status == TESS_OK)
        status = judge_quantizer_codes_fit(j, &assign, "drawn latents");
    if (status == TESS_OK)
        status = quantizer_inverts(j, &assign, &lookup, assign.out[0].value.data);
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_fixed_point(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, quantizer_fixed_body);
}

/* Checks that different codes have different vectors: half of a codebook that is one vector over and over is lost. */
static int quantizer_distinct_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(i, "quantizer/1");
    void *self = tess_instance_self(i), *memory = NULL;
    struct judge_piece assign, lookup;
    int64_t k = ops->codebook_size(self), d = ops->code_dim(self), same = 0;
    if (judge_quantizer_depth(ops, self) > 1 || k > QUANTIZER_CODES)
        return quantizer_not_in_space(j);
    int status = quantizer_pair_open(j, i, QUANTIZER_ROWS, &assign, &lookup, NULL);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the test", tess_alloc(j->ctx, (size_t)(k * d) * sizeof(float), "a codebook", &memory));
    if (status == TESS_OK)
        status = quantizer_codebook(&lookup, k, d, memory);
    const float *row = memory;
    for (int64_t c = 1; status == TESS_OK && c < k; c++)
        same += memcmp(row, row + c * d, (size_t)d * sizeof *row) == 0;
    if (status == TESS_OK && same > k / 2)
        status = judge_fail(j, "wanted %lld codes to stand for different rows, found %lld of them to stand for what the first does",
                            (long long)k, (long long)same);
    tess_free(memory);
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_distinct(struct judge *j)
{
    return judge_over(j, 1, quantizer_distinct_body);
}

/* ---- record against the others ------------------------------------------------------------------------------------- */

/* Sets *draws to 1 where record gives other codes at another step: then it draws them, and record_assign need not agree. */
static int quantizer_draws(struct judge_piece *record, int *draws)
{
    char text[160];
    struct tess_tensor codes = *judge_output(record, "codes"), first = codes;
    JUDGE_TRY(judge_quantizer_run(record));
    void *copy = NULL;
    JUDGE_TRY(judge_ok(record->j, record->ctx, "the test", tess_alloc(record->ctx, tess_tensor_bytes(&codes), "a copy", &copy)));
    memcpy(copy, codes.data, tess_tensor_bytes(&codes));
    first.data = copy;
    record->step = 1;
    int status = judge_quantizer_run(record);
    *draws = status == TESS_OK && judge_differs(&first, &codes, 0, 0, text, sizeof text);
    tess_free(copy);
    return status;
}

static int quantizer_agrees_body(struct judge *j, struct tess_instance *i)
{
    char text[160];
    int draws = 0;
    struct judge_piece assign, lookup, record;
    int status = quantizer_pair_open(j, i, QUANTIZER_ROWS, &assign, &lookup, &record);
    if (status == TESS_OK)
        status = quantizer_draws(&record, &draws);
    if (status == TESS_OK)
        status = quantizer_assign(&assign, record.in[0].value.data);
    if (status == TESS_OK && !draws && judge_differs(judge_output(&record, "codes"), &assign.out[0].value, 0, 0, text, sizeof text))
        status = judge_fail(j, "wanted record and record_assign to give the same codes, found that %s", text);
    if (status == TESS_OK)
        status = quantizer_lookup(&lookup, judge_output(&record, "codes")->data);
    if (status == TESS_OK && judge_differs(judge_output(&record, "quantised"), &lookup.out[0].value, 1e-5, 1e-5, text, sizeof text))
        status = judge_fail(j, "wanted what record quantises to be what record_lookup gives of its codes, found that %s", text);
    if (record.graph)
        judge_piece_close(&record);
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_agrees(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, quantizer_agrees_body);
}

/* Tries weights of any bits, as a file could hold them: a failure with a message, or codes in range. */
static int quantizer_weights_body(struct judge *j, struct tess_instance *i)
{
    struct judge_piece assign, lookup;
    int status = quantizer_pair_open(j, i, 4, &assign, &lookup, NULL);
    for (int round = 0; status == TESS_OK && round < 8; round++) {
        struct tess_tensor t;
        for (int64_t w = 0; w < tess_weights_count(assign.weights); w++) {
            const struct tess_stream s = {.seed = j->seed, .purpose = tess_purpose("bits"), .step = (uint32_t)round, .sample = (uint32_t)w};
            if (tess_weights_view(j->ctx, assign.weights, w, TESS_ROLE_VALUE, &t) == TESS_OK)
                tess_random_u32(&s, 0, tess_tensor_count(&t), t.data);
        }
        tess_weights_touch(assign.weights);
        int ran = judge_piece_run(&assign, 0);
        status = judge_status(j, j->ctx, "record_assign", ran);
        if (status == TESS_OK && ran == TESS_OK)
            status = judge_quantizer_codes_fit(j, &assign, "random bits as weights");
        tess_forget(j->ctx);
        ran = status == TESS_OK ? judge_piece_run(&lookup, 0) : TESS_OK;
        if (status == TESS_OK)
            status = judge_status(j, j->ctx, "record_lookup", ran);
        tess_forget(j->ctx);
    }
    quantizer_pair_close(&assign, &lookup);
    return status;
}

int judge_quantizer_random_weights(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, quantizer_weights_body);
}
