/* Lifecycle of a graph: creation, failure, scopes, release. record.c takes its operations, graph_named.c what has a name, graph_seal.c ends
 * recording. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/node.h"
#include "core/graph/overlay.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *tessi_graph_alloc(struct tess_graph *g, size_t bytes)
{
    struct tessi_context context;
    void *memory = NULL;
    tessi_base_context_init(&context, g->runtime ? &g->runtime->host : NULL);
    if (tess_alloc(&context.context, bytes, "a graph", &memory) != TESS_OK)
        tess_graph_fail(g, TESS_E_MEMORY, "%s", tessi_base_context_message(&context.context));
    return memory;
}

char *tessi_graph_text(struct tess_graph *g, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = tessi_graph_alloc(g, n);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

int tessi_graph_reserve(struct tess_graph *g, void *list, int64_t *capacity, int64_t wanted, size_t size)
{
    struct tessi_context context;
    tessi_base_context_init(&context, g->runtime ? &g->runtime->host : NULL);
    if (tess_reserve(&context.context, list, capacity, wanted, size, "a graph") == TESS_OK)
        return 1;
    tess_graph_fail(g, TESS_E_MEMORY, "%s", tessi_base_context_message(&context.context));
    return 0;
}

int tess_graph_new(struct tess_context *ctx, struct tess_weights *w, const struct tess_graph_options *o, struct tess_graph **out)
{
    void *memory;
    if (!out)
        return ctx->fail(ctx, TESS_E_VALUE, "a graph: there is no place for it (NULL)");
    *out = NULL;
    if (!w || !o)
        return ctx->fail(ctx, TESS_E_VALUE, "a graph needs a store of weights and options, and %s NULL",
                         w ? "the options are" : "its store is");
    if (!TESS_HAS(o, seed))
        return ctx->fail(ctx, TESS_E_VALUE, "struct tess_graph_options: its size is %u; set it to sizeof(struct tess_graph_options)",
                         (unsigned)o->size);
    if (o->microbatch < 1 || o->microbatches < 1 || o->microbatch > INT32_MAX || o->microbatches > TESSI_MICROBATCHES_MAX ||
        o->microbatches > INT32_MAX / o->microbatch)
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "a graph of %lld rows in each of %lld microbatches: at least one of each, at most %d microbatches and %d rows in all "
            "are possible",
            (long long)o->microbatch, (long long)o->microbatches, TESSI_MICROBATCHES_MAX, INT32_MAX);
    struct tessi_runtime *r;
    TESS_TRY(tessi_base_runtime_need(ctx, &r));
    TESS_TRY(tessi_host_runtime_compute(ctx, r));
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_graph), "a graph", &memory));
    struct tess_graph *g = memory;
    g->runtime = r;
    g->weights = w;
    g->training = o->training;
    g->recompute = TESS_HAS(o, recompute) && o->recompute;
    g->microbatch = o->microbatch;
    g->microbatches = o->microbatches;
    g->seed = o->seed;
    g->training_steps = TESS_HAS(o, training_steps) ? o->training_steps : 0;
    *out = g;
    return TESS_OK;
}

static void free_named(struct tessi_named *list, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        tess_free(list[i].name);
    tess_free(list);
}

void tess_graph_free(struct tess_graph *g)
{
    if (!g)
        return;
    tessi_graph_weights_unwatch(g);
    for (int64_t i = 0; i < g->steps; i++) {
        struct tessi_step *s = g->step[i];
        if (s->extra && s->extra->drop)
            s->extra->drop(g, s);
        tess_free(s->attr);
        tess_free(s->state);
        tess_free(s);
    }
    for (int64_t i = 0; i < g->nodes; i++) {
        tess_free(g->node[i]->gradient);
        tess_free(g->node[i]->needed);
        tess_free(g->node[i]->array);
        tess_free(g->node[i]);
    }
    for (int32_t i = 0; i < g->objectives; i++) {
        tess_free(g->objective[i].name);
        tess_free(g->objective[i].prefixes);
    }
    for (int i = 0; i < g->slots; i++) {
        tess_free(g->slot[i].arena);
        tess_free(g->slot[i].pad);
    }
    for (int64_t i = 0; i < g->scope_texts; i++)
        tess_free(g->scope_text[i]);
    tess_free(g->scope_text);
    free_named(g->input, g->inputs);
    free_named(g->output, g->outputs);
    free_named(g->total, g->totals);
    tessi_graph_gradient_sum_free(g->gradients);
    tessi_graph_overlay_free(g->overlay);
    tessi_graph_sums_free(g->sums);
    tess_free(g->gradient_probe);
    tess_free(g->adaptive_weight);
    tess_free(g->objective);
    tess_free(g->column);
    tess_free(g->slot);
    tess_free(g->total_offset);
    tess_free(g->pack);
    tess_free(g->packed);
    tess_free(g->back);
    tess_free(g->buffer);
    tess_free(g->step);
    tess_free(g->node);
    tess_free(g);
}

/* Prefix of a message: the scope in which recording failed, "encoder.block1: ". */
static size_t scope_prefix(const struct tess_graph *g, char *text, size_t capacity)
{
    size_t n = strlen(g->scope);
    int told = n ? snprintf(text, capacity, "%.*s: ", (int)n - 1, g->scope) : 0;
    return told < 0 ? 0 : (size_t)told < capacity ? (size_t)told : capacity - 1;
}

struct tess_node *tess_graph_fail(struct tess_graph *g, int code, const char *format, ...)
{
    if (!g || g->status != TESS_OK)
        return NULL;
    size_t at = scope_prefix(g, g->message, sizeof g->message);
    if (format) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(g->message + at, sizeof g->message - at, format, arguments);
        va_end(arguments);
    } else {
        (void)snprintf(g->message + at, sizeof g->message - at, "recording failed, and whoever found out gave no message");
    }
    g->status = code < 0 ? code : TESS_E_PLUGIN;
    return NULL;
}

int64_t tess_graph_microbatch(const struct tess_graph *g)
{
    return g ? g->microbatch : 0;
}

int tess_graph_training(const struct tess_graph *g)
{
    return g ? g->training : 0;
}

int tess_graph_status(const struct tess_graph *g)
{
    return g ? g->status : TESS_E_VALUE;
}

/* ---- scopes ---- */

void tess_scope(struct tess_graph *g, const char *format, ...)
{
    if (!g)
        return;
    size_t at = strlen(g->scope);
    va_list arguments;
    if (!format || g->scope_depth >= TESSI_SCOPES_MAX) {
        tess_graph_fail(g, TESS_E_VALUE, format ? "scopes are nested more than %d deep" : "a scope of name NULL inside %d", g->scope_depth);
        return;
    }
    g->scope_mark[g->scope_depth++] = at;
    va_start(arguments, format);
    int n = vsnprintf(g->scope + at, sizeof g->scope - at, format, arguments);
    va_end(arguments);
    if (n < 0 || at + (size_t)n + 2 > sizeof g->scope) {
        g->scope[at] = 0;
        tess_graph_fail(g, TESS_E_VALUE, "the name of a scope is too long: %d characters, with those around it", n + (int)at);
    } else if (!tessi_graph_is_line(g->scope + at)) {
        g->scope[at] = 0;
        tess_graph_fail(g, TESS_E_VALUE, "the name of a scope: a line of UTF-8 is wanted, found other text");
    } else if (n > 0) {
        g->scope[at + (size_t)n] = '.';
        g->scope[at + (size_t)n + 1] = 0;
    }
}

void tess_scope_end(struct tess_graph *g)
{
    if (!g)
        return;
    if (g->scope_depth > 0)
        g->scope[g->scope_mark[--g->scope_depth]] = 0;
    else
        tess_graph_fail(g, TESS_E_VALUE, "a scope ends that did not begin: one tess_scope_end too many");
}

const char *tessi_graph_scope(struct tess_graph *g)
{
    size_t n = strlen(g->scope);
    n -= n > 0; /* drops the dot at the end */
    for (int64_t i = g->scope_texts; i-- > 0;)
        if (strlen(g->scope_text[i]) == n && strncmp(g->scope_text[i], g->scope, n) == 0)
            return g->scope_text[i];
    int fits = tessi_graph_reserve(g, &g->scope_text, &g->scope_capacity, g->scope_texts + 1, sizeof *g->scope_text);
    char *copy = fits ? tessi_graph_text(g, g->scope) : NULL;
    if (!copy)
        return NULL;
    copy[n] = 0;
    return g->scope_text[g->scope_texts++] = copy;
}
