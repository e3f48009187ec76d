/* Kind denoiser/1: logits of picked positions, and of the next token. SPDX-License-Identifier: MIT */
#include "core/judge/judge_denoiser.h"

#include <string.h>

/* ---- positions ----------------------------------------------------------------------------------------------------- */

static int denoiser_positions_body(struct judge *j, struct tess_instance *i)
{
    static const int32_t asked[3][DENOISER_PICKED] = {{0, 1, 2, 3, 4, 5}, {7, 3, 5, 0, 6, 1}, {4, 4, 2, 4, 7, 2}};
    struct denoiser_case all, few;
    char text[160];
    memset(&few, 0, sizeof few);
    int status = judge_denoiser_open(j, i, DENOISER_PLAIN, &all);
    if (status == TESS_OK)
        status = judge_denoiser_open(j, i, DENOISER_PICKS, &few);
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&all);
    for (int k = 0; status == TESS_OK && k < 3; k++) {
        memcpy(few.p.in[1].value.data, asked[k], sizeof asked[k]);
        status = judge_denoiser_run(&few);
        for (int64_t row = 0; status == TESS_OK && row < DENOISER_PICKED; row++) {
            struct tess_tensor a =
                tess_tensor_over((float *)few.p.out[0].value.data + row * DENOISER_CODES, TESS_F32, 1, (const int64_t[]){DENOISER_CODES});
            struct tess_tensor b = tess_tensor_over(all.first + asked[k][row] * DENOISER_CODES, TESS_F32, 1, a.dim);
            if (judge_differs(&a, &b, 1e-4, 1e-4, text, sizeof text))
                status =
                    judge_fail(j, "wanted row %lld to be the logits of token %d, found that %s", (long long)row, (int)asked[k][row], text);
        }
    }
    judge_denoiser_close(&few);
    judge_denoiser_close(&all);
    return status;
}

int judge_denoiser_positions(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, denoiser_positions_body);
}

/* ---- the next token ------------------------------------------------------------------------------------------------ */

struct denoiser_next {
    struct tess_cache *cache;
    struct denoiser_case all;
    struct judge_piece p;
};

/* Cache of record_next, which is the caller's: a workload has no other place for it, and tests run one at a time. */
static _Thread_local struct tess_cache *denoiser_cache;

static int denoiser_record_next(struct judge_piece *p)
{
    const struct tess_denoiser_1 *ops = p->ops;
    const int64_t dim[2] = {p->rows, 1};
    struct tess_node *logits = NULL;
    struct tess_denoiser_next in = {.size = sizeof in,
                                    .cache = denoiser_cache,
                                    .vocabulary = DENOISER_CODES,
                                    .codebook_size = DENOISER_CODES,
                                    .height = judge_denoiser_size[p->size][0],
                                    .width = judge_denoiser_size[p->size][1]};
    in.token = judge_input(p, "token", TESS_I32, 2, dim, JUDGE_FILL_CODES, DENOISER_CODES);
    in.position = judge_input(p, "position", TESS_I32, 2, dim, JUDGE_FILL_CODES, 1);
    TESS_TRY(ops->record_next(p->self, p->ctx, p->graph, &in, &logits));
    judge_gives(p, "logits", logits, TESS_F32, 3, (const int64_t[]){p->rows, 1, DENOISER_CODES});
    return TESS_OK;
}

static const struct judge_workload next_workload = {.name = "record_next", .sizes = DENOISER_SIZES, .record = denoiser_record_next};

static int next_open(struct judge *j, struct tess_instance *i, struct denoiser_next *n)
{
    const struct tess_denoiser_1 *ops = tess_instance_ops(i, "denoiser/1");
    memset(n, 0, sizeof *n);
    if (!TESS_HAS(ops, record_next) || !ops->record_next) {
        return judge_unfit(j, "it has no `record_next`");
    }
    JUDGE_TRY(judge_ok(j, j->ctx, "a cache", tess_cache_new(j->ctx, DENOISER_TOKENS, &n->cache)));
    struct judge_piece *const both[2] = {&n->all.p, &n->p};
    denoiser_cache = n->cache;
    n->p = (struct judge_piece){.j = j, .ctx = j->ctx, .work = &next_workload, .instance = i, .rows = 1, .microbatches = 1};
    n->all.p = n->p;
    n->all.p.work = DENOISER_CAUSAL;
    return judge_pieces_begin(both, 2);
}

static void next_close(struct denoiser_next *n)
{
    if (n->p.graph)
        judge_piece_close(&n->p);
    judge_denoiser_close(&n->all);
    tess_cache_free(n->cache);
}

/* Runs all positions in turn, and compares with the rows of the whole sequence. */
static int next_pass(struct judge *j, struct denoiser_next *n, const char *what)
{
    char text[160];
    const int32_t *tokens = n->all.p.in[0].value.data;
    for (int32_t k = 0; k < judge_denoiser_tokens(&n->all); k++) {
        *(int32_t *)n->p.in[0].value.data = k ? tokens[k - 1] : 0;
        *(int32_t *)n->p.in[1].value.data = k;
        JUDGE_TRY(judge_ok(j, j->ctx, "record_next", judge_piece_run(&n->p, 0)));
        struct tess_tensor a = tess_tensor_over(n->p.out[0].value.data, TESS_F32, 1, (const int64_t[]){DENOISER_CODES});
        struct tess_tensor b = tess_tensor_over(n->all.first + k * DENOISER_CODES, TESS_F32, 1, a.dim);
        if (judge_differs(&a, &b, 1e-4, 1e-4, text, sizeof text))
            return judge_fail(j, "%s: wanted record_next to give at position %d what record gives, found that %s", what, (int)k, text);
    }
    return TESS_OK;
}

static int next_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_next n;
    int status = next_open(j, i, &n);
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&n.all);
    if (status == TESS_OK)
        status = next_pass(j, &n, "the first time");
    if (status == TESS_OK)
        status = next_pass(j, &n, "from position 0 again");
    next_close(&n);
    return status;
}

int judge_denoiser_next_agrees(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, next_body);
}

static int next_weights_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_next n;
    int status = next_open(j, i, &n);
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &next_workload, .instance = i, .rows = 1, .microbatches = 1};
    struct tess_cache *cache = NULL;
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "a cache", tess_cache_new(j->ctx, DENOISER_TOKENS, &cache));
    denoiser_cache = cache;
    if (status == TESS_OK)
        status = judge_piece_begin(&p);
    struct denoiser_case alone;
    memset(&alone, 0, sizeof alone);
    if (status == TESS_OK)
        status = judge_denoiser_open(j, i, DENOISER_CAUSAL, &alone);
    for (int64_t k = 0; status == TESS_OK && k < tess_weights_count(alone.p.weights); k++)
        if (tess_weights_index(p.weights, tess_weights_name(alone.p.weights, k)) < 0)
            status = judge_fail(j, "wanted the weight %s of record in record_next, found none", tess_weights_name(alone.p.weights, k));
    if (status == TESS_OK && tess_weights_count(p.weights) != tess_weights_count(alone.p.weights))
        status = judge_fail(j, "wanted record_next to declare the %lld weights of record, found %lld",
                            (long long)tess_weights_count(alone.p.weights), (long long)tess_weights_count(p.weights));
    judge_denoiser_close(&alone);
    if (p.graph)
        judge_piece_close(&p);
    tess_cache_free(cache);
    next_close(&n);
    return status;
}

int judge_denoiser_next_weights(struct judge *j)
{
    return judge_over(j, 1, next_weights_body);
}
