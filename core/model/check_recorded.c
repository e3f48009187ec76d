/* See check_recorded.h. SPDX-License-Identifier: MIT */
#include "core/model/check_recorded.h"

#include "core/graph/node.h"
#include "core/base/text.h"
#include "core/plug/blame.h"
#include "core/plug/registry.h"

#include <stdio.h>
#include <string.h>

enum { PART_TEXT = 200 };

const char *tessi_model_part_text(const struct tess_instance *part, const char *kind, char *text)
{
    snprintf(text, PART_TEXT, "%s `%.60s` (plugin %.60s)", kind, tess_instance_name(part), tessi_plug_instance_plugin(part)->id);
    return text;
}

struct tessi_recording tessi_model_recording(const struct tess_instance *part, const char *kind, const char *function, struct tess_graph *g,
                                             const char *scope)
{
    if (scope)
        tess_scope(g, "%s", scope);
    struct tessi_recording r = {.part = part, .kind = kind, .function = function, .g = g};
    if (g) {
        r.scope_depth = g->scope_depth;
        r.status = g->status;
        r.inputs = g->inputs;
        r.objectives = g->objectives;
    }
    tessi_plug_process_look(&r.process);
    return r;
}

/* Adds to the failure that a user's plugin left in the graph, whose text has no more than the scope, who it was. */
static void name_recorder(const struct tessi_recording *r)
{
    char who[PART_TEXT];
    struct tessi_blamed b;
    void *const table = (void *)(uintptr_t)tessi_plug_instance_plugin(r->part);
    if (r->g->status == TESS_OK || r->status != TESS_OK)
        return;
    tessi_plug_blame(&table, 1, &b);
    if (b.plugin && !b.own)
        tessi_base_add(r->g->message, sizeof r->g->message, "; recorded by %s, %s", tessi_model_part_text(r->part, r->kind, who),
                       r->function);
}

/* Checks what the call did beside its results. */
static int recording_left(struct tess_context *ctx, const struct tessi_recording *r)
{
    char who[PART_TEXT];
    TESS_TRY(tessi_plug_instance_left(ctx, r->part, r->kind, r->function, &r->process));
    if (r->g && (r->g->inputs != r->inputs || r->g->objectives != r->objectives))
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: declares %s, `%s`, which is for its caller to do",
                         tessi_model_part_text(r->part, r->kind, who), r->function,
                         r->g->inputs != r->inputs ? "an input of the graph" : "an objective",
                         r->g->inputs != r->inputs ? r->g->input[r->inputs].name : r->g->objective[r->objectives].name);
    return TESS_OK;
}

int tessi_model_returned(struct tess_context *ctx, const struct tessi_recording *r, int status)
{
    char who[PART_TEXT];
    TESS_TRY(tess_instance_returned(ctx, r->part, r->kind, r->function, status));
    TESS_TRY(recording_left(ctx, r));
    if (!r->g)
        return TESS_OK;
    name_recorder(r);
    if (r->g->status != TESS_OK)
        return TESS_OK;
    int opened = r->g->scope_depth - r->scope_depth;
    if (opened != 0)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: %s %d; wanted a tess_scope_end for each tess_scope",
                         tessi_model_part_text(r->part, r->kind, who), r->function,
                         opened > 0 ? "scopes left open:" : "scopes closed that are not its own:", opened > 0 ? opened : -opened);
    return TESS_OK;
}

/* "f32 (8, 4, 4, any)" */
static void recorded_wanted(int32_t dtype, int32_t rank, const int64_t *dim, char *text, size_t capacity)
{
    size_t n = (size_t)snprintf(text, capacity, "%s (", tess_dtype_name(dtype));
    for (int32_t i = 0; i < rank && n < capacity; i++)
        n += (size_t)(dim[i] == TESSI_ANY ? snprintf(text + n, capacity - n, "%sany", i ? ", " : "")
                                          : snprintf(text + n, capacity - n, "%s%lld", i ? ", " : "", (long long)dim[i]));
    if (n < capacity)
        snprintf(text + n, capacity - n, ")");
}

int tessi_model_gave(struct tess_context *ctx, const struct tessi_recording *r, const char *what, const struct tess_node *x, int32_t dtype,
                     int32_t rank, const int64_t *dim)
{
    char who[PART_TEXT], wanted[160], found[96];
    int fits = 1;
    if (r->g->status != TESS_OK)
        return TESS_OK;
    tessi_model_part_text(r->part, r->kind, who);
    recorded_wanted(dtype, rank, dim, wanted, sizeof wanted);
    if (!x)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: wanted %s %s, found none (NULL)", who, r->function, what, wanted);
    if (x->graph != r->g)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: wanted %s %s, found a node of another graph", who, r->function, what, wanted);
    for (int32_t i = 0; i < rank && x->shape.rank == rank; i++)
        fits &= dim[i] == TESSI_ANY || x->shape.dim[i] == dim[i];
    if (x->shape.dtype == dtype && x->shape.rank == rank && fits)
        return TESS_OK;
    return ctx->fail(ctx, x->shape.dtype == dtype && x->shape.rank == rank ? TESS_E_SHAPE : TESS_E_PLUGIN, "%s, %s: wanted %s %s, found %s",
                     who, r->function, what, wanted, tess_tensor_text(&x->shape, found, sizeof found));
}

int tessi_model_needs(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int there)
{
    char who[PART_TEXT];
    return there ? TESS_OK
                 : ctx->fail(ctx, TESS_E_PLUGIN, "%s: wanted the function `%s`, found none in its table",
                             tessi_model_part_text(part, kind, who), function);
}

int tessi_model_number(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int64_t value,
                       int64_t lo, int64_t hi)
{
    char who[PART_TEXT], what[200];
    if (tessi_plug_numbers_changed(what, sizeof what))
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: %s", tessi_model_part_text(part, kind, who), function, what);
    if (value >= lo && value <= hi)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: wanted %lld .. %lld, found %lld", tessi_model_part_text(part, kind, who), function,
                     (long long)lo, (long long)hi, (long long)value);
}

int tessi_model_same(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int64_t first,
                     int64_t second)
{
    char who[PART_TEXT];
    if (first == second)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: wanted the same number each time, found %lld and then %lld",
                     tessi_model_part_text(part, kind, who), function, (long long)first, (long long)second);
}
