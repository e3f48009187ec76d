/* Quantizers that each break one promise. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#define BROKEN_OPEN broken_open
#define BROKEN_CLOSE broken_close
#include "tests/judge/broken/broken.h"

#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum {
    HONEST = 0,
    FARTHEST = 1,
    CODE_K = 2,
    LOOKUP_NEXT = 3,
    WIDE = 4,
    NO_LOSS = 5,
    NAN_LOSS = 6,
    NO_GRADIENT = 7,
    NO_MESSAGE = 8,
    POSITIVE = 9,
    OPEN_SCOPE = 10,
    HIDDEN_STATE = 11,
    NAN_CODEBOOK = 12,
    LEAK = 13,
    WRONG_MEMORY = 14,
    BAD_REBUILD = 15,
    CRASH = 16,
    HANG = 17,
    ONE_CODE = 18,
    UNKEYED = 19,
    DEPTH_0 = 20,
    OTHER_CODES = 21,
    ENDS = 22,
    HEAVY = 23,
    WRITES_INPUT = 24,
    COUNTS_THREADS = 25,
    TALKS = 26,
    ROUNDS = 27,
    KEEPS_FILE = 28,
    BEYOND_SELF = 29,
    BAD_CLOSE = 30,
    MIXES_ROWS = 31,
    SHARED = 32,
    COUNTS_RUNS = 33,
    SWALLOWS = 34,
    NO_NAME = 35,
    OUTSIDE = 36
};

enum { CODES = 8, DIM = 4 };

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int broken_open(void *self, struct tess_context *ctx)
{
    struct broken *b = self;
    if (b->how == TALKS)
        puts("hello");
    if (b->how == ROUNDS)
        fesetround(FE_DOWNWARD);
    if (b->how == KEEPS_FILE && open("/dev/null", O_RDONLY) < 0)
        return ctx->fail(ctx, TESS_E_IO, "no /dev/null");
    if (b->how == BEYOND_SELF)
        ((volatile char *)self)[sizeof *b + 8] = 1;
    if (b->how == LEAK)
        return tess_alloc(ctx, 100, "lost", &b->memory);
    if (tess_alloc(ctx, 64, "a broken thing", &b->memory) != TESS_OK) {
        tess_forget(ctx);
        return b->how == WRONG_MEMORY ? ctx->fail(ctx, TESS_E_DATA, "there is no room") : ctx->fail(ctx, TESS_E_MEMORY, "there is no room");
    }
    return TESS_OK;
}

static void broken_close(void *self)
{
    struct broken *b = self;
    if (b->how == BAD_CLOSE)
        *(volatile char *)b->memory = 0; /* there is none when `open` failed */
    if (b->how != LEAK)
        tess_free(b->memory);
    b->memory = NULL;
}

/* ---- an operation that misbehaves ---------------------------------------------------------------------------------- */

static const void *last_self;
static int64_t runs;

static double broken_tasks(void)
{
    double n = 0.0;
    DIR *d = opendir("/proc/self/task");
    while (d && readdir(d))
        n += 1.0;
    if (d)
        (void)closedir(d);
    return n;
}

static float broken_add(const struct broken *b)
{
    float add = 0.0f;
    if (b->how == COUNTS_THREADS)
        add = (float)broken_tasks();
    if (b->how == SHARED && last_self && last_self != b)
        add = 1.0f;
    last_self = b;
    runs++;
    return b->how == COUNTS_RUNS ? (float)runs : add;
}

static int misbehave_forward(const struct tess_op_run *r)
{
    const struct broken *b = *(const struct broken *const *)r->attr;
    int64_t n = tess_tensor_count(&r->in[0]);
    const float *x = r->in[0].data;
    float *y = r->out[0].data, add = broken_add(b);
    double mean = 0.0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + add + (b->how == MIXES_ROWS ? (float)mean : 0.0f);
    if (b->how == WRITES_INPUT)
        ((float *)r->in[0].data)[0] += 1.0f;
    if (b->how == HEAVY) {
        volatile char *much = malloc((size_t)300 << 20);
        for (size_t at = 0; much && at < (size_t)300 << 20; at += 4096)
            much[at] = 1;
    }
    return TESS_OK;
}

static int misbehave_backward(const struct tess_op_run *r)
{
    if (r->din[0].data)
        memcpy(r->din[0].data, r->dout[0].data, tess_tensor_bytes(&r->din[0]));
    return TESS_OK;
}

static struct tess_node *misbehave(const struct broken *b, struct tess_graph *g, struct tess_node *x)
{
    static const struct tess_op op = {.size = sizeof op, .name = "misbehave", .forward = misbehave_forward, .backward = misbehave_backward};
    struct tess_tensor shape = tess_shape(x);
    struct tess_node *out = NULL;
    if (!x)
        return NULL;
    tess_custom(g, &op, &b, sizeof b, 1, &x, 1, &shape, 0, 0.0, &out);
    return out;
}

/* ---- what it records ----------------------------------------------------------------------------------------------- */

static int64_t codebook_size(void *self)
{
    (void)self;
    return CODES;
}

static int64_t code_dim(void *self)
{
    (void)self;
    return DIM;
}

static int64_t depth(void *self)
{
    return broken_how(self) == DEPTH_0 ? 0 : 1;
}

static struct tess_node *codebook(const struct broken *b, struct tess_graph *g)
{
    struct tess_init init = {.size = sizeof init, .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    if (b->how == OUTSIDE)
        tess_scope_end(g);
    struct tess_node *w = tess_weight(g, b->how == NO_NAME ? "" : "codebook", 2, (const int64_t[]){CODES, DIM}, &init);
    if (b->how == OUTSIDE)
        tess_scope(g, "quantizer");
    return w;
}

/* Codes c + add, at most `most`. */
static int add_forward(const struct tess_op_run *r)
{
    const int32_t *how = r->attr, *c = r->in[0].data;
    int32_t *y = r->out[0].data;
    for (int64_t n = tess_tensor_count(&r->in[0]), i = 0; i < n; i++)
        y[i] = how[1] ? (c[i] + how[0]) % how[1] : how[0];
    return TESS_OK;
}

static struct tess_node *add_code(struct tess_graph *g, struct tess_node *codes, int32_t add, int32_t modulo)
{
    static const struct tess_op op = {.size = sizeof op, .name = "add code", .forward = add_forward};
    const int32_t attr[2] = {add, modulo};
    struct tess_tensor shape = tess_shape(codes);
    struct tess_node *out = NULL;
    if (!codes)
        return NULL;
    tess_custom(g, &op, attr, sizeof attr, 1, &codes, 1, &shape, 0, 0.0, &out);
    return out;
}

static struct tess_node *assign(const struct broken *b, struct tess_graph *g, struct tess_node *latent)
{
    struct tess_node *x = b->how >= HEAVY && b->how <= COUNTS_RUNS && b->how != MIXES_ROWS ? misbehave(b, g, latent) : latent;
    if (b->how == MIXES_ROWS)
        x = misbehave(b, g, latent);
    if (b->how == FARTHEST)
        x = tess_affine(g, x, -1.0f, 0.0f);
    struct tess_node *codes = tess_nearest(g, x, codebook(b, g));
    if (b->how == CODE_K)
        return add_code(g, codes, 1, CODES + 1);
    return b->how == ONE_CODE ? add_code(g, codes, 3, 0) : codes;
}

static int record_assign(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)ctx;
    *codes = assign(self, g, latent);
    return TESS_OK;
}

static int record_lookup(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised)
{
    (void)ctx;
    if (broken_how(self) == LOOKUP_NEXT)
        codes = add_code(g, codes, 1, CODES);
    *quantised = tess_embedding(g, codes, codebook(self, g));
    return TESS_OK;
}

static int before_record(const struct broken *b, struct tess_context *ctx, struct tess_graph *g)
{
    void *memory;
    if (b->how == CRASH)
        *(volatile int *)(uintptr_t)(8 * (b->how - CRASH)) = 1;
    while (b->how == HANG)
        usleep(1000);
    if (b->how == ENDS)
        _exit(3);
    if (b->how == NO_MESSAGE)
        return TESS_E_VALUE;
    if (b->how == POSITIVE)
        return 3;
    if (b->how == OPEN_SCOPE)
        tess_scope(g, "left");
    if (b->how == SWALLOWS && tess_alloc(ctx, 10, "of no use", &memory) == TESS_OK)
        return tess_alloc(ctx, 10, "lost", &memory);
    return TESS_OK;
}

static int record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct broken *b = self;
    struct tess_node *counts, *sums;
    TESS_TRY(before_record(b, ctx, g));
    out->codes = assign(b, g, latent);
    if (b->how == OTHER_CODES)
        out->codes = add_code(g, out->codes, 1, CODES);
    struct tess_node *rows = tess_embedding(g, b->how == CODE_K ? add_code(g, out->codes, 0, CODES) : out->codes, codebook(b, g));
    out->loss = tess_mean_all(g, tess_square(g, tess_sub(g, latent, tess_stop_gradient(g, rows))));
    out->quantised = b->how == NO_GRADIENT ? tess_stop_gradient(g, rows) : tess_straight_through(g, rows, latent);
    if (b->how == WIDE)
        out->quantised = tess_concat(g, out->quantised, out->quantised, 3);
    if (b->how == NO_LOSS)
        out->loss = NULL;
    if (b->how == NAN_LOSS)
        out->loss = tess_log(g, tess_affine(g, tess_square(g, out->loss), -1.0f, -1.0f));
    tess_code_statistics(g, b->how == CODE_K ? add_code(g, out->codes, 0, CODES) : out->codes, latent, CODES, &counts, &sums);
    tess_total(g, "quantizer.counts", counts);
    return TESS_OK;
}

static int react(void *self, struct tess_context *ctx, const struct tess_react *r)
{
    struct broken *b = self;
    struct tess_tensor t;
    char name[80];
    snprintf(name, sizeof name, "%s.codebook", r->scope);
    if (b->how == NO_NAME || b->how == OUTSIDE)
        return TESS_OK;
    TESS_TRY(tess_weights_find(ctx, r->weights, name, TESS_ROLE_VALUE, &t));
    float *x = t.data;
    x[0] += 0.01f;
    if (b->how == HIDDEN_STATE)
        x[1] += (float)b->count++;
    if (b->how == UNKEYED)
        x[1] += (float)runs++;
    if (b->how == NAN_CODEBOOK)
        x[2] = NAN;
    tess_weights_touch(r->weights);
    return TESS_OK;
}

static int rebuild(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *book)
{
    (void)seed;
    const float *from = pool->data;
    for (int64_t i = 0, n = tess_tensor_count(pool); i < n; i++)
        if (!isfinite(from[i]))
            return ctx->fail(ctx, TESS_E_VALUE, "the pool has values that are no numbers");
    for (int64_t i = 0, n = tess_tensor_count(pool); i < CODES * DIM; i++)
        ((float *)book->data)[i] = broken_how(self) == BAD_REBUILD ? NAN : from[i % n];
    return TESS_OK;
}

static int in_latent_space(void *self)
{
    (void)self;
    return 0;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_size,
                                            .code_dim = code_dim,
                                            .record = record,
                                            .record_assign = record_assign,
                                            .record_lookup = record_lookup,
                                            .react = react,
                                            .rebuild = rebuild,
                                            .depth = depth,
                                            .outside_latent_space = in_latent_space};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "farthest")                                                                                                                       \
    X(2, "code-k") X(3, "lookup-next") X(4, "wide") X(5, "no-loss") X(6, "nan-loss") X(7, "no-gradient") X(8, "no-message")                \
        X(9, "positive") X(10, "open-scope") X(11, "hidden-state") X(12, "nan-codebook") X(13, "leak") X(14, "wrong-memory")               \
            X(15, "bad-rebuild") X(16, "crash") X(17, "hang") X(18, "one-code") X(19, "unkeyed") X(20, "depth-0") X(21, "other-codes")     \
                X(22, "ends") X(23, "heavy") X(24, "writes-input") X(25, "counts-threads") X(26, "talks") X(27, "rounds")                  \
                    X(28, "keeps-file") X(29, "beyond-self") X(30, "bad-close") X(31, "mixes-rows") X(32, "shared") X(33, "counts-runs")   \
                        X(34, "swallows") X(35, "no-name") X(36, "outside")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "quantizer/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW){.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-quantizers", "1", "MIT", needs, components);
