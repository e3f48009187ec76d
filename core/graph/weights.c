/* Named weights: declaration, layout, initial values, views. core/model/weights_file.c has them in files. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"
#include "core/graph/weight_store.h"

#include <assert.h>
#include <tessera/random.h>

#include <math.h>
#include <string.h>

int tess_weights_new(struct tess_context *ctx, uint64_t seed, struct tess_weights **out)
{
    void *memory;
    if (!out)
        return ctx->fail(ctx, TESS_E_VALUE, "a store of weights: there is no place for it (NULL)");
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_weights), "weights", &memory));
    *out = memory;
    (*out)->seed = seed;
    (*out)->version = 1;
    return TESS_OK;
}

void tess_weights_free(struct tess_weights *w)
{
    if (!w)
        return;
    for (int64_t i = 0; i < w->count; i++)
        tess_free(w->item[i].name);
    for (int r = 0; r < TESS_ROLES; r++)
        tess_free(w->role[r]);
    for (int64_t i = 0; i < w->graphs; i++)
        w->graph[i]->weights = NULL;
    tess_free(w->graph);
    tess_free(w->rounded);
    tess_free(w->item);
    tess_free(w);
}

int64_t tess_weights_index(const struct tess_weights *w, const char *name)
{
    for (int64_t i = 0; w && name && i < w->count; i++)
        if (strcmp(w->item[i].name, name) == 0)
            return i;
    return -1;
}

/* The first declaration of a weight decides whether it is trained: so a stage keeps a model as it is by declaring its weights as buffers
 * before the model is recorded. The shape must be the same. */
static int weights_agree(struct tess_context *ctx, const struct tessi_weight *item, const struct tess_tensor *shape)
{
    char was[96], is[96];
    if (tess_tensor_same_shape(&item->shape, shape))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE, "weight %s was declared as %s and is now %s", item->name,
                     tess_tensor_text(&item->shape, was, sizeof was), tess_tensor_text(shape, is, sizeof is));
}

/* A weight `a.b` lies in the folder `a` of a file, so no weight can be named `a`. */
static int weights_check_name(struct tess_context *ctx, const struct tess_weights *w, const char *name)
{
    size_t n = strlen(name);
    for (int64_t i = 0; i < w->count; i++) {
        const char *other = w->item[i].name;
        size_t m = strlen(other), common = n < m ? n : m;
        if (n != m && strncmp(name, other, common) == 0 && (n < m ? other : name)[common] == '.')
            return ctx->fail(ctx, TESS_E_VALUE, "weight %s: there is a weight %s, and one's name cannot be a scope of the other's", name,
                             other);
    }
    return TESS_OK;
}

static int weights_check_init(struct tess_context *ctx, const char *name, const struct tess_init *init)
{
    if (init->kind < TESS_INIT_CONSTANT || init->kind > TESS_INIT_NORMAL)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "weight %s: there is no initial value of kind %d; TESS_INIT_CONSTANT is %d, TESS_INIT_NORMAL %d", name,
                         (int)init->kind, (int)TESS_INIT_CONSTANT, (int)TESS_INIT_NORMAL);
    if (!isfinite(init->centre) || !isfinite(init->spread))
        return ctx->fail(ctx, TESS_E_VALUE, "weight %s: its initial values are around %g, spread by %g", name, init->centre, init->spread);
    if (init->flags & ~(uint32_t)(TESS_WEIGHT_NO_DECAY | TESS_WEIGHT_EXTERNAL))
        return ctx->fail(ctx, TESS_E_VALUE, "weight %s: there are no flags %#x", name, (unsigned)init->flags);
    return TESS_OK;
}

int tessi_graph_weights_declare(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t rank, const int64_t *dim,
                                const struct tess_init *init, int64_t *index)
{
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, rank, dim);
    int64_t i = tess_weights_index(w, name);
    *index = i;
    if (!init || !TESS_HAS(init, spread))
        return ctx->fail(ctx, TESS_E_VALUE, "weight %s: its struct tess_init %s; set its size to sizeof(struct tess_init)", name,
                         init ? "is too small" : "is NULL");
    if (i >= 0)
        return weights_agree(ctx, &w->item[i], &shape);
    if (w->sealed)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "weight %s is declared after the store was sealed: graphs of training and of inference declare the same weights",
                         name);
    TESS_TRY(weights_check_name(ctx, w, name));
    TESS_TRY(weights_check_init(ctx, name, init));
    char *copy;
    TESS_TRY(tess_reserve(ctx, &w->item, &w->capacity, w->count + 1, sizeof *w->item, "weights"));
    TESS_TRY(tess_copy_text(ctx, name, &copy));
    w->item[w->count] = (struct tessi_weight){.name = copy, .shape = shape, .init = *init};
    *index = w->count++;
    return TESS_OK;
}

int tessi_graph_weight_is_external(const struct tessi_weight *w)
{
    return (w->init.flags & TESS_WEIGHT_EXTERNAL) == TESS_WEIGHT_EXTERNAL;
}

void tessi_graph_weights_layout(struct tess_weights *w)
{
    int64_t at = 0;
    for (int pass = 0; pass < 3; pass++) {
        for (int64_t i = 0; i < w->count; i++) {
            struct tessi_weight *item = &w->item[i];
            int place = tessi_graph_weight_is_external(item) ? 2 : (item->init.flags & TESS_WEIGHT_BUFFER) != 0;
            if (place != pass)
                continue;
            item->offset = at;
            assert(at % 16 == 0); /* a cache line of floats */
            at += (tess_tensor_count(&item->shape) + 15) / 16 * 16;
        }
        if (pass == 0)
            w->trained = at;
        if (pass == 1)
            w->kept = at;
    }
    w->all = at;
}

static void weights_initialise(const struct tess_weights *w, const struct tessi_weight *item)
{
    int64_t n = tess_tensor_count(&item->shape);
    float *value = w->role[TESS_ROLE_VALUE] + item->offset;
    struct tess_stream s = {.seed = w->seed, .purpose = tess_purpose("weights"), .step = tess_purpose(item->name)};
    float centre = (float)item->init.centre, spread = (float)item->init.spread;
    if (item->init.kind == TESS_INIT_UNIFORM)
        tess_random_uniform(&s, 0, n, value);
    else if (item->init.kind == TESS_INIT_NORMAL)
        tess_random_normal(&s, 0, n, value);
    for (int64_t i = 0; i < n; i++) {
        float draw = item->init.kind == TESS_INIT_UNIFORM ? 2.0f * value[i] - 1.0f : value[i];
        value[i] = item->init.kind == TESS_INIT_CONSTANT ? centre : centre + spread * draw;
    }
}

struct weights_beginning {
    const struct tess_weights *w;
    int all_read;
};

static int weights_given(struct tess_context *ctx, const struct tess_weights *w, const char *what)
{
    return w ? TESS_OK : ctx->fail(ctx, TESS_E_VALUE, "weights, %s: the store is NULL", what);
}

/* Initial values of a weight, unless it is one that is read next. */
static void weights_begin_one(void *user, int worker, int64_t i)
{
    const struct weights_beginning *b = user;
    const struct tessi_weight *item = &b->w->item[i];
    (void)worker;
    if (!b->all_read || tessi_graph_weight_is_external(item))
        weights_initialise(b->w, item);
}

int tessi_graph_weights_begin(struct tess_context *ctx, struct tess_weights *w, int all_read)
{
    const struct tessi_runtime *runtime = tessi_base_runtime_of(ctx);
    struct weights_beginning b = {w, all_read};
    if (w->sealed)
        return TESS_OK;
    tessi_graph_weights_layout(w);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)w->all * sizeof(float) + 64, "the weights", &memory));
    w->role[TESS_ROLE_VALUE] = memory;
    w->sealed = 1;
    if (runtime && runtime->workers)
        tessi_base_workers_run(runtime->workers, w->count, weights_begin_one, &b);
    else
        for (int64_t i = 0; i < w->count; i++)
            weights_begin_one(&b, 0, i);
    w->version++;
    return TESS_OK;
}

int tess_weights_seal(struct tess_context *ctx, struct tess_weights *w)
{
    TESS_TRY(weights_given(ctx, w, "seal"));
    return tessi_graph_weights_begin(ctx, w, 0);
}

int tessi_graph_weights_role(struct tess_context *ctx, struct tess_weights *w, int32_t role, float **out)
{
    TESS_TRY(tess_weights_seal(ctx, w));
    if (!w->role[role]) {
        void *memory;
        TESS_TRY(tess_alloc(ctx, (size_t)w->trained * sizeof(float) + 64, "the optimiser's state", &memory));
        w->role[role] = memory;
        memset(memory, 0, (size_t)w->trained * sizeof(float)); /* has the pages now: else each is had twice, for its first read and write */
        if (role == TESS_ROLE_AVERAGE && w->trained)
            memcpy(w->role[role], w->role[TESS_ROLE_VALUE], (size_t)w->trained * sizeof(float));
    }
    *out = w->role[role];
    return TESS_OK;
}

int tessi_graph_weights_rounded(struct tess_context *ctx, struct tess_weights *w)
{
    void *memory;
    if (w->rounded)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)w->all * sizeof *w->rounded, "the weights in bf16", &memory));
    w->rounded = memory;
    return TESS_OK;
}

int tessi_graph_weights_watch(struct tess_context *ctx, struct tess_weights *w, struct tess_graph *g)
{
    TESS_TRY(tess_reserve(ctx, &w->graph, &w->graph_capacity, w->graphs + 1, sizeof *w->graph, "a list of graphs"));
    w->graph[w->graphs++] = g;
    return TESS_OK;
}

void tessi_graph_weights_unwatch(struct tess_graph *g)
{
    struct tess_weights *w = g->weights;
    for (int64_t i = 0; w && i < w->graphs; i++)
        if (w->graph[i] == g)
            w->graph[i--] = w->graph[--w->graphs];
}

int64_t tess_weights_count(const struct tess_weights *w)
{
    return w ? w->count : 0;
}

int64_t tess_weights_size(const struct tess_weights *w)
{
    int64_t n = 0;
    for (int64_t i = 0; w && i < w->count; i++)
        if (!(w->item[i].init.flags & TESS_WEIGHT_BUFFER))
            n += tess_tensor_count(&w->item[i].shape);
    return n;
}

int64_t tess_weights_bytes(const struct tess_weights *w)
{
    int64_t n = 0;
    for (int64_t i = 0; w && i < w->count; i++)
        n += (tess_tensor_count(&w->item[i].shape) + 15) / 16 * (w->item[i].rounds ? 96 : 64);
    return n;
}

const char *tess_weights_name(const struct tess_weights *w, int64_t i)
{
    return w && i >= 0 && i < w->count ? w->item[i].name : NULL;
}

int tess_weights_view(struct tess_context *ctx, struct tess_weights *w, int64_t i, int32_t role, struct tess_tensor *out)
{
    TESS_TRY(weights_given(ctx, w, "view"));
    if (!out)
        return ctx->fail(ctx, TESS_E_VALUE, "a view of a weight: there is no place for it (NULL)");
    if (i < 0 || i >= w->count || role < 0 || role >= TESS_ROLES)
        return ctx->fail(ctx, TESS_E_VALUE, "there is no weight %lld in role %d", (long long)i, (int)role);
    const struct tessi_weight *item = &w->item[i];
    *out = item->shape;
    if (!w->sealed)
        return TESS_OK;
    if (item->given_back)
        return ctx->fail(ctx, TESS_E_VALUE, "weight %s: its values were given back when the weights were settled for inference",
                         item->name);
    float *block;
    int buffer = (item->init.flags & TESS_WEIGHT_BUFFER) != 0;
    TESS_TRY(tessi_graph_weights_role(ctx, w, buffer ? TESS_ROLE_VALUE : role, &block));
    out->data = block + item->offset;
    return TESS_OK;
}

int tess_weights_find(struct tess_context *ctx, struct tess_weights *w, const char *name, int32_t role, struct tess_tensor *out)
{
    int64_t i = tess_weights_index(w, name);
    TESS_TRY(weights_given(ctx, w, "find"));
    if (i < 0)
        return ctx->fail(ctx, TESS_E_DATA, "there is no weight named %s", name ? name : "NULL");
    return tess_weights_view(ctx, w, i, role, out);
}

void tess_weights_touch(struct tess_weights *w)
{
    if (w)
        w->version++;
}

int tess_weights_take_averages(struct tess_context *ctx, struct tess_weights *w)
{
    TESS_TRY(weights_given(ctx, w, "averages"));
    for (int64_t i = 0; i < w->count; i++) {
        struct tess_tensor value, average;
        TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_VALUE, &value));
        TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_AVERAGE, &average));
        if (value.data != average.data) /* a buffer has none */
            memcpy(value.data, average.data, tess_tensor_bytes(&value));
    }
    tess_weights_touch(w);
    return TESS_OK;
}
