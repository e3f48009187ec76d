/* Kind denoiser/1: dependence of the logits on exactly the inputs that they may depend on. SPDX-License-Identifier: MIT */
#include "core/judge/judge_denoiser.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const int64_t judge_denoiser_size[][2] = {{2, 4}, {4, 4}, {8, 8}};

/* ---- recording ----------------------------------------------------------------------------------------------------- */

/* Optional inputs of a denoiser, or-ed. */
enum { WITH_TIME = 1, WITH_MASK = 2, WITH_POSITIONS = 4, WITH_CAUSAL = 8, WITH_LABEL = 16, WITH_LEVELS = 32 };

static int denoiser_record_with(struct judge_piece *p, int with, int64_t height, int64_t width)
{
    const struct tess_denoiser_1 *ops = p->ops;
    struct tess_node *logits = NULL;
    int64_t tokens = height * width, picked = with & WITH_POSITIONS ? DENOISER_PICKED : tokens;
    struct tess_denoiser_input in = {.size = sizeof in,
                                     .vocabulary = DENOISER_CODES + (with & WITH_MASK ? 1 : 0),
                                     .codebook_size = DENOISER_CODES,
                                     .height = height,
                                     .width = width,
                                     .causal = with & WITH_CAUSAL ? 1 : 0};
    if (with & WITH_LEVELS) { /* two levels a position, of half the codebook size each */
        in.width = width / 2;
        in.depth = 2;
    }
    in.tokens = judge_input(p, "tokens", TESS_I32, 2, (const int64_t[]){p->rows, tokens}, JUDGE_FILL_CODES, in.vocabulary);
    if (with & WITH_TIME)
        in.time = judge_input(p, "time", TESS_F32, 1, &p->rows, JUDGE_FILL_TIMES, 0);
    if (with & WITH_POSITIONS)
        in.positions = judge_input(p, "positions", TESS_I32, 2, (const int64_t[]){p->rows, picked}, JUDGE_FILL_CODES, tokens);
    if (with & WITH_LABEL) {
        in.label = judge_input(p, "label", TESS_I32, 1, &p->rows, JUDGE_FILL_CODES, DENOISER_CLASSES + 1);
        in.classes = DENOISER_CLASSES;
    }
    TESS_TRY(ops->record(p->self, p->ctx, p->graph, &in, &logits));
    judge_gives(p, "logits", logits, TESS_F32, 3, (const int64_t[]){p->rows, picked, DENOISER_CODES});
    return TESS_OK;
}

#define DENOISER_RECORD(name, with)                                                                                                        \
    static int name(struct judge_piece *p)                                                                                                 \
    {                                                                                                                                      \
        return denoiser_record_with(p, with, judge_denoiser_size[p->size][0], judge_denoiser_size[p->size][1]);                            \
    }

DENOISER_RECORD(denoiser_plain, WITH_MASK)
DENOISER_RECORD(denoiser_timed, WITH_TIME)
DENOISER_RECORD(denoiser_picked, WITH_MASK | WITH_POSITIONS)
DENOISER_RECORD(denoiser_causal, WITH_CAUSAL)
DENOISER_RECORD(denoiser_labelled, WITH_MASK | WITH_LABEL)
DENOISER_RECORD(denoiser_levels, WITH_MASK | WITH_LEVELS)

static int denoiser_picks(const void *table)
{
    const struct tess_denoiser_1 *ops = table;
    return TESS_HAS(ops, picks_positions) && ops->picks_positions;
}

static int denoiser_is_causal(const void *table)
{
    const struct tess_denoiser_1 *ops = table;
    return TESS_HAS(ops, causal) && ops->causal;
}

static int denoiser_reads_depth(const void *table)
{
    const struct tess_denoiser_1 *ops = table;
    return TESS_HAS(ops, reads_depth) && ops->reads_depth;
}

static int denoiser_takes_labels(const void *table)
{
    const struct tess_denoiser_1 *ops = table;
    return TESS_HAS(ops, takes_labels) && ops->takes_labels;
}

const struct judge_workload judge_denoiser_workloads[] = {
    {.name = "record", .smooth = 1, .sizes = DENOISER_SIZES, .record = denoiser_plain},
    {.name = "record with time", .training = 1, .sizes = DENOISER_SIZES, .record = denoiser_timed},
    {.name = "record of positions", .sizes = DENOISER_SIZES, .record = denoiser_picked, .has = denoiser_picks},
    {.name = "record, causal", .smooth = 1, .sizes = DENOISER_SIZES, .record = denoiser_causal, .has = denoiser_is_causal},
    {.name = "record with labels", .sizes = DENOISER_SIZES, .record = denoiser_labelled, .has = denoiser_takes_labels},
    {.name = "record of levels", .smooth = 1, .sizes = DENOISER_SIZES, .record = denoiser_levels, .has = denoiser_reads_depth},
    {.name = NULL}};

/* ---- at work ------------------------------------------------------------------------------------------------------- */

int judge_denoiser_open(struct judge *j, struct tess_instance *i, const struct judge_workload *w, struct denoiser_case *c)
{
    memset(c, 0, sizeof *c);
    c->p = (struct judge_piece){.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 1, .microbatches = 1};
    if (w->has && !w->has(tess_instance_ops(i, "denoiser/1"))) {
        return judge_unfit(j, "it says that it cannot: %s", w->name);
    }
    return judge_piece_begin(&c->p);
}

void judge_denoiser_close(struct denoiser_case *c)
{
    if (c->p.graph)
        judge_piece_close(&c->p);
}

int64_t judge_denoiser_tokens(const struct denoiser_case *c)
{
    return judge_denoiser_size[c->p.size][0] * judge_denoiser_size[c->p.size][1];
}

int judge_denoiser_run(struct denoiser_case *c)
{
    return judge_ok(c->p.j, c->p.ctx, c->p.work->name, judge_piece_run(&c->p, 0));
}

int judge_denoiser_run_first(struct denoiser_case *c)
{
    JUDGE_TRY(judge_denoiser_run(c));
    memcpy(c->first, c->p.out[0].value.data, tess_tensor_bytes(&c->p.out[0].value));
    return TESS_OK;
}

/* 1 where the logits of row k differ from those of the first run. */
static int denoiser_moved(const struct denoiser_case *c, int64_t k)
{
    const float *now = c->p.out[0].value.data;
    for (int64_t at = k * DENOISER_CODES; at < (k + 1) * DENOISER_CODES; at++)
        if (fabsf(now[at] - c->first[at]) > 1e-6f * (1.0f + fabsf(c->first[at])))
            return 1;
    return 0;
}

/* Runs the case again with another token at `k`. */
static int denoiser_change(struct denoiser_case *c, int64_t k)
{
    int32_t *token = (int32_t *)c->p.in[0].value.data + k, kept = *token;
    *token = (kept + 1) % DENOISER_CODES;
    int status = judge_denoiser_run(c);
    *token = kept;
    return status;
}

/* ---- dependences --------------------------------------------------------------------------------------------------- */

static int denoiser_sees_all_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case c;
    int status = judge_denoiser_open(j, i, DENOISER_PLAIN, &c);
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&c);
    for (int64_t k = 0; status == TESS_OK && k < judge_denoiser_tokens(&c); k++) {
        status = denoiser_change(&c, k);
        for (int64_t other = 0; status == TESS_OK && other < judge_denoiser_tokens(&c); other++)
            if (!denoiser_moved(&c, other))
                status = judge_fail(j, "wanted the logits of token %lld to depend on token %lld, found that they do not", (long long)other,
                                    (long long)k);
    }
    judge_denoiser_close(&c);
    return status;
}

static int denoiser_sees_all(struct judge *j)
{
    return judge_over(j, 1, denoiser_sees_all_body);
}

/* Checks causality: token k may change the logits of later tokens alone, and must change the next one's. */
static int denoiser_order(struct judge *j, struct denoiser_case *c, int64_t k)
{
    JUDGE_TRY(denoiser_change(c, k));
    for (int64_t other = 0; other <= k; other++)
        if (denoiser_moved(c, other))
            return judge_fail(j,
                              "wanted the logits of token %lld to be made of the tokens before it alone, found that token %lld moves them",
                              (long long)other, (long long)k);
    for (int64_t other = k + 1; other < judge_denoiser_tokens(c); other++)
        if (!denoiser_moved(c, other))
            return judge_fail(j, "wanted the logits of token %lld to depend on token %lld before it, found that they do not",
                              (long long)other, (long long)k);
    return TESS_OK;
}

static int denoiser_causal_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case c;
    int status = judge_denoiser_open(j, i, DENOISER_CAUSAL, &c);
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&c);
    for (int64_t k = 0; status == TESS_OK && k < judge_denoiser_tokens(&c); k++)
        status = denoiser_order(j, &c, k);
    judge_denoiser_close(&c);
    return status;
}

static int denoiser_sees_before(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, denoiser_causal_body);
}

static int denoiser_time_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case c;
    int status = judge_denoiser_open(j, i, DENOISER_TIMED, &c);
    if (status == TESS_OK)
        ((float *)c.p.in[1].value.data)[0] = 0.1f;
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&c);
    if (status == TESS_OK)
        ((float *)c.p.in[1].value.data)[0] = 0.9f;
    if (status == TESS_OK)
        status = judge_denoiser_run(&c);
    for (int64_t k = 0; status == TESS_OK && k < judge_denoiser_tokens(&c); k++)
        if (!denoiser_moved(&c, k))
            status = judge_fail(j, "wanted the logits of token %lld to depend on the time that it is told, found that they do not",
                                (long long)k);
    judge_denoiser_close(&c);
    return status;
}

static int denoiser_sees_time(struct judge *j)
{
    return judge_over(j, 1, denoiser_time_body);
}

/* Checks sequences with masks: the mask is a token like any other, id K. */
static int denoiser_mask_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case c;
    int status = judge_denoiser_open(j, i, DENOISER_PLAIN, &c);
    if (status == TESS_OK)
        ((int32_t *)c.p.in[0].value.data)[2] = 0;
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&c);
    if (status == TESS_OK)
        ((int32_t *)c.p.in[0].value.data)[2] = DENOISER_CODES;
    if (status == TESS_OK)
        status = judge_denoiser_run(&c);
    if (status == TESS_OK && !denoiser_moved(&c, 2) && !denoiser_moved(&c, 3))
        status = judge_fail(j, "wanted a masked token (%d) to be another than code 0, found the same logits", DENOISER_CODES);
    judge_denoiser_close(&c);
    return status;
}

static int denoiser_sees_mask(struct judge *j)
{
    return judge_over(j, 1, denoiser_mask_body);
}

static int denoiser_label_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case c;
    int status = judge_denoiser_open(j, i, DENOISER_LABELLED, &c);
    if (status == TESS_OK)
        ((int32_t *)c.p.in[1].value.data)[0] = 0;
    if (status == TESS_OK)
        status = judge_denoiser_run_first(&c);
    for (int32_t label = 1; status == TESS_OK && label <= DENOISER_CLASSES; label++) {
        ((int32_t *)c.p.in[1].value.data)[0] = label;
        status = judge_denoiser_run(&c);
        for (int64_t k = 0; status == TESS_OK && k < judge_denoiser_tokens(&c); k++)
            if (!denoiser_moved(&c, k))
                status = judge_fail(j, "wanted the logits of token %lld to depend on the label, found the same for label 0 and %s%d",
                                    (long long)k, label == DENOISER_CLASSES ? "the null label, " : "", (int)label);
    }
    judge_denoiser_close(&c);
    return status;
}

static int denoiser_sees_label(struct judge *j)
{
    return judge_over(j, 1, denoiser_label_body);
}

/* Checks that without labels there are no weights for them, and that with labels all others are unchanged. */
static int denoiser_label_weights_body(struct judge *j, struct tess_instance *i)
{
    struct denoiser_case without, with;
    int status = judge_denoiser_open(j, i, DENOISER_PLAIN, &without);
    memset(&with, 0, sizeof with);
    if (status == TESS_OK)
        status = judge_denoiser_open(j, i, DENOISER_LABELLED, &with);
    if (status == TESS_OK && tess_weights_count(with.p.weights) <= tess_weights_count(without.p.weights))
        status = judge_fail(j, "wanted weights for labels where there are labels alone, found as many without");
    for (int64_t k = 0; status == TESS_OK && k < tess_weights_count(without.p.weights); k++)
        if (tess_weights_index(with.p.weights, tess_weights_name(without.p.weights, k)) < 0)
            status = judge_fail(j, "wanted the weight %s with labels as well, found none", tess_weights_name(without.p.weights, k));
    judge_denoiser_close(&with);
    judge_denoiser_close(&without);
    return status;
}

static int denoiser_label_weights(struct judge *j)
{
    return judge_over(j, 1, denoiser_label_weights_body);
}

/* ---- maps of other sizes ------------------------------------------------------------------------------------------- */

static int denoiser_map(struct judge_piece *p)
{
    static const int64_t size[5][2] = {{1, 1}, {1, 7}, {5, 3}, {4, 4}, {8, 8}};
    return denoiser_record_with(p, WITH_MASK | WITH_TIME, size[p->size][0], size[p->size][1]);
}

/* Workload of a single size: the others are not tried in its place. */
static const struct judge_workload map_workload = {.name = "record", .sizes = 0, .record = denoiser_map};

static int denoiser_maps_body(struct judge *j, struct tess_instance *i)
{
    int64_t took = 0;
    for (int size = 0; size < 5; size++) {
        struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &map_workload, .instance = i, .rows = 2, .microbatches = 1, .size = size};
        int status = judge_ok(j, j->ctx, "record", judge_piece_record(&p));
        if (status == TESS_OK && p.fault == JUDGE_REFUSED && p.status != TESS_E_SHAPE && p.status != TESS_E_VALUE)
            status =
                judge_fail(j, "wanted a map that does not fit refused with TESS_E_SHAPE or TESS_E_VALUE, found %d: %s", p.status, p.why);
        else if (status == TESS_OK && p.fault != JUDGE_FINE && p.fault != JUDGE_REFUSED)
            status = judge_fail(j, "%s", p.why);
        took += p.fault == JUDGE_FINE;
        judge_piece_close(&p);
        tess_forget(j->ctx);
        JUDGE_TRY(status);
    }
    return took ? TESS_OK : judge_unfit(j, "all maps of 1 x 1 to 8 x 8 are refused");
}

static int denoiser_maps(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, denoiser_maps_body);
}

static const struct judge_test tests[] = {
    {"sees-all", 1, "each token's logits depend on every token", denoiser_sees_all},
    {"sees-before", 1, "where it is causal, each token's logits depend on the tokens before it, all of them and no other",
     denoiser_sees_before},
    {"sees-time", 1, "logits depend on the time that it is told", denoiser_sees_time},
    {"sees-mask", 1, "a masked token is another than a code", denoiser_sees_mask},
    {"sees-label", 1, "logits depend on the label, and the null label is another", denoiser_sees_label},
    {"label-weights", 1, "weights for labels are declared where there are labels alone", denoiser_label_weights},
    {"positions", 1, "logits of picked positions are those of all, in any order and twice", judge_denoiser_positions},
    {"next", 1, "record_next gives token by token what record gives, and again from the first", judge_denoiser_next_agrees},
    {"next-weights", 1, "record_next declares the weights of record", judge_denoiser_next_weights},
    {"maps", 1, "maps of other sizes are taken, or refused with a message", denoiser_maps},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_denoiser = {"denoiser/1", tests, judge_denoiser_workloads};
