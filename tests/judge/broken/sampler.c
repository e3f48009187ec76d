/* Samplers that each break one promise: the noise's own steps, and something else. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <math.h>

enum {
    HONEST = 0,
    UNFINISHED = 1,
    LIKELIEST = 2,
    READS_NONE = 3,
    UNKEYED = 4,
    NAN_PASSES = 5,
    MANY_CALLS = 6,
    REFUSES_BADLY = 7,
    WRITES_LOGITS = 8,
    REMEMBERS = 9,
    LARGE_STATE = 10,
    NEGATIVE_STATE = 11,
    KEEPS_STATE = 12,
    MARKS_TWO = 13,
    COUNTS_WRONG = 14,
    MOVES_UNREAD = 16,
    IN_PAIRS = 17,
    BIG_STATE = 18,
    READS_AND_WRITES = 19,
    MARKS_BEYOND = 20
};

static int64_t drawn;

static int check(void *self, struct tess_context *ctx, const struct tess_prior *p)
{
    if (tess_prior_causal(p) || tess_prior_vocabulary(p) != p->codebook_size + 1)
        return ctx->fail(ctx, broken_how(self) == REFUSES_BADLY ? TESS_E_DATA : TESS_E_VALUE, "a noise with a mask is wanted");
    return TESS_OK;
}

static int64_t reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    int64_t n = tess_prior_changes(s->prior, s->reverse, where);
    if (broken_how(self) == READS_NONE || broken_how(self) == MOVES_UNREAD)
        return where ? (int64_t)(memset(where, 0, (size_t)s->reverse->tokens), 0) : 0;
    for (int64_t i = 0; where && broken_how(self) == MARKS_TWO && i < s->reverse->tokens; i++)
        where[i] = (uint8_t)(2 * where[i]);
    if (broken_how(self) == READS_AND_WRITES)
        ((int32_t *)(uintptr_t)s->reverse->x)[0] = 0;
    if (where && broken_how(self) == MARKS_BEYOND)
        where[s->reverse->tokens] = 0;
    return broken_how(self) == COUNTS_WRONG ? n + 1 : n;
}

/* The likeliest code in place of a draw. */
static void likeliest(const struct tess_reverse *r)
{
    for (int64_t i = 0; i < r->tokens; i++) {
        const float *logits = r->logits + (r->row ? r->row[i] : i) * r->codebook_size;
        int32_t best = 0;
        for (int32_t k = 1; k < r->codebook_size; k++)
            best = logits[k] > logits[best] ? k : best;
        r->next[i] = r->x[i] == r->codebook_size ? best : r->x[i];
    }
}

static int draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    int64_t how = broken_how(self);
    struct tess_reverse r = *s->reverse;
    if (how == WRITES_LOGITS)
        ((float *)r.logits)[0] = 0.0f;
    if (how == MOVES_UNREAD) { /* codes without a look at the logits */
        for (int64_t i = 0; i < r.tokens; i++)
            r.next[i] = r.x[i] == r.codebook_size ? 0 : r.x[i];
        return TESS_OK;
    }
    if (how == KEEPS_STATE)
        ++*(int64_t *)s->state;
    if (how == LIKELIEST || (how == NAN_PASSES && isnan(r.logits[0]))) {
        likeliest(&r);
        return TESS_OK;
    }
    if (how == UNKEYED)
        r.random.sample = (uint32_t)drawn++;
    if (how == REMEMBERS)
        r.random.sample += (uint32_t)(((struct broken *)self)->count++ / 5);
    if (how == UNFINISHED && s->left == 1) {
        memmove(r.next, r.x, (size_t)r.tokens * sizeof *r.x);
        r.next[0] = (int32_t)r.codebook_size;
        return TESS_OK;
    }
    TESS_TRY(tess_prior_reverse(ctx, s->prior, &r));
    for (int64_t i = 1; how == IN_PAIRS && s->left == 1 && i < r.tokens; i += 2)
        r.next[i] = r.next[i - 1];
    return TESS_OK;
}

static int64_t state_size(void *self, int64_t tokens, int64_t codes)
{
    int64_t how = broken_how(self);
    (void)codes;
    return how == LARGE_STATE      ? TESS_SAMPLER_STATE_MAX + INT64_C(1)
           : how == NEGATIVE_STATE ? -1
           : how == BIG_STATE      ? 8192 * tokens
           : how == KEEPS_STATE    ? 8
                                   : 0;
}

static int64_t calls(void *self, int64_t left, int64_t steps)
{
    (void)left;
    (void)steps;
    return broken_how(self) == MANY_CALLS ? 1000 : 1;
}

static const struct tess_sampler_1 ops = {
    .size = sizeof ops, .check = check, .reads = reads, .draw = draw, .calls = calls, .state_size = state_size};
static const struct tess_sampler_1 all_read = {.size = sizeof all_read, .draw = draw};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "unfinished")                                                                                                                     \
    X(2, "likeliest")                                                                                                                      \
    X(3, "reads-none")                                                                                                                     \
    X(4, "unkeyed")                                                                                                                        \
    X(5, "nan-passes")                                                                                                                     \
    X(6, "many-calls")                                                                                                                     \
    X(7, "refuses-badly")                                                                                                                  \
    X(8, "writes-logits")                                                                                                                  \
    X(9, "remembers")                                                                                                                      \
    X(10, "large-state")                                                                                                                   \
    X(11, "negative-state")                                                                                                                \
    X(12, "keeps-state")                                                                                                                   \
    X(13, "marks-two")                                                                                                                     \
    X(14, "counts-wrong") X(16, "moves-unread") X(17, "in-pairs") X(18, "big-state") X(19, "reads-and-writes") X(20, "marks-beyond")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "sampler/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW) BROKEN_ROW("all-read", "sampler/1", 0, &all_read), {.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-samplers", "1", "MIT", needs, components);
