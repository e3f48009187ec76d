/* Export of a model as another program's checkpoint: each weight under the name and in the layout that the architecture's own programs
 * read. Values pass one tensor at a time and keep their bits. SPDX-License-Identifier: MIT */
#include "core/base/aside.h"
#include "core/exchange/exchange_private.h"
#include "core/store/store.h"
#include "core/graph/finite.h"

#include <stdio.h>
#include <string.h>

/* Origin of an entry: weight `weight`, or else an extra tensor whose values are given, or all `value`. */
struct origin {
    int64_t weight; /* -1: none */
    const float *values;
    float value;
};

struct export {
    const struct tessi_exchange *x;
    struct tess_instance *checkpoint, *format;
    struct tess_artefact *model;
    char *names; /* names of the weights, TESS_ENTRY_NAME bytes each */
    struct tess_export_plan plan;
    struct tess_entry *entry; /* entries of the weights that are exported, then of what is added */
    struct origin *origin;    /* [entry] */
    int64_t *same;            /* [entry]: as of struct tess_format_file */
    int64_t taken, extras, entry_capacity, origin_capacity, same_capacity;
    struct tess_export_extra *extra; /* extras in the order in which the plan added them; names, dtypes and values are copies */
    int64_t extra_capacity;
    struct tessi_aside *file;
    float *there;
    struct tess_tensor held; /* the weight in there, to be freed */
};

static const char prefix[] = "weights/";

/* weights/encoder/blocks/0/weight -> encoder.blocks.0.weight; 0 for a dataset that is no weight. */
static int export_model_name_of(const char *path, char *name)
{
    size_t length = strlen(path);
    if (strncmp(path, prefix, sizeof prefix - 1) != 0 || length - (sizeof prefix - 1) >= TESS_ENTRY_NAME)
        return 0;
    memcpy(name, path + sizeof prefix - 1, length - (sizeof prefix - 1) + 1);
    for (char *p = name; *p; p++)
        if (*p == '/')
            *p = '.';
    return 1;
}

static int list_weights(struct tess_context *ctx, struct export *e)
{
    const char *path;
    struct tess_tensor shape;
    int64_t n = 0, stored;
    int32_t bits;
    void *memory;
    while (tessi_store_artefact_dataset_at(e->model, n, &shape, &bits, &stored))
        n++;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * TESS_ENTRY_NAME, "names", &memory));
    e->names = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *e->plan.weight, "a list of weights", &memory));
    e->plan.weight = memory;
    for (int64_t i = 0; (path = tessi_store_artefact_dataset_at(e->model, i, &shape, &bits, &stored)); i++) {
        char *name = e->names + i * TESS_ENTRY_NAME;
        if (shape.dtype == TESS_F32 && export_model_name_of(path, name))
            e->plan.weight[e->plan.weights++] = (struct tess_export_weight){.ours = name, .shape = shape};
    }
    if (e->plan.weights == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s` and holds no weights; a model was wanted", e->x->from,
                       tess_artefact_kind(e->model));
    return TESS_OK;
}

static int64_t export_model_numbers(const struct tess_entry *e)
{
    int64_t n = 1;
    for (int32_t i = 0; i < e->rank; i++)
        n *= e->dim[i];
    return n;
}

static int export_model_reserve(struct tess_context *ctx, struct export *e)
{
    TESS_TRY(tess_reserve(ctx, &e->entry, &e->entry_capacity, e->taken + 1, sizeof *e->entry, "a list of tensors"));
    TESS_TRY(tess_reserve(ctx, &e->origin, &e->origin_capacity, e->taken + 1, sizeof *e->origin, "a list of tensors"));
    return tess_reserve(ctx, &e->same, &e->same_capacity, e->taken + 1, sizeof *e->same, "a list of tensors");
}

static int export_model_take_weight(struct tess_context *ctx, struct export *e, int64_t i)
{
    const struct tess_export_weight *w = &e->plan.weight[i];
    if (!*w->theirs && !w->left)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: %s has no name for the weight %s; the model is of another architecture", e->x->from,
                         tess_instance_name(e->checkpoint), w->ours);
    if (!*w->theirs)
        return TESS_OK;
    if (w->rank > TESS_ENTRY_RANK || !tessi_exchange_layout_fits(w->layout, w->rank, w->dim, &w->shape))
        return ctx->fail(ctx, TESS_E_PLUGIN, "checkpoint/%s: names a shape for %s that is not the weight's",
                         tess_instance_name(e->checkpoint), w->ours);
    TESS_TRY(export_model_reserve(ctx, e));
    struct tess_entry *t = &e->entry[e->taken];
    *t = (struct tess_entry){.name = w->theirs, .dtype = "f32", .is_real = 1, .rank = w->rank};
    memcpy(t->dim, w->dim, sizeof t->dim);
    e->same[e->taken] = -1;
    e->origin[e->taken++] = (struct origin){.weight = i};
    return TESS_OK;
}

static int64_t export_model_entry_of(const struct export *e, int64_t weight)
{
    for (int64_t i = 0; i < e->taken; i++)
        if (e->origin[i].weight == weight)
            return i;
    return -1;
}

/* The function `add` of the plan: keeps a copy, since the weights' entries come first. */
static int export_model_add(void *host, struct tess_context *ctx, const struct tess_export_extra *t)
{
    struct export *e = host;
    const struct tess_entry shape = {.rank = t->rank,
                                     .dim = {t->dim[0], t->dim[1], t->dim[2], t->dim[3], t->dim[4], t->dim[5], t->dim[6], t->dim[7]}};
    char *name;
    void *memory;
    TESS_TRY(tess_reserve(ctx, &e->extra, &e->extra_capacity, e->extras + 1, sizeof *e->extra, "a list of tensors"));
    TESS_TRY(tess_copy_text(ctx, t->theirs, &name));
    struct tess_export_extra *own = &e->extra[e->extras++];
    *own = *t;
    own->theirs = name;
    own->dtype = t->dtype && strcmp(t->dtype, "i64") == 0 ? "i64" : "f32";
    own->values = NULL;
    if (!t->values || t->is_same)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)export_model_numbers(&shape) * sizeof(float), "a tensor", &memory));
    memcpy(memory, t->values, (size_t)export_model_numbers(&shape) * sizeof(float));
    own->values = memory;
    return TESS_OK;
}

static int export_model_take_extra(struct tess_context *ctx, struct export *e, const struct tess_export_extra *x)
{
    TESS_TRY(export_model_reserve(ctx, e));
    struct tess_entry *t = &e->entry[e->taken];
    *t = (struct tess_entry){.name = x->theirs, .dtype = x->dtype, .is_real = strcmp(x->dtype, "f32") == 0, .rank = x->rank};
    memcpy(t->dim, x->dim, sizeof t->dim);
    e->origin[e->taken] = (struct origin){.weight = -1, .values = x->values, .value = x->value};
    e->same[e->taken] = -1;
    if (x->is_same) {
        int64_t other = export_model_entry_of(e, x->weight);
        if (other < 0)
            return TESS_OK; /* the weight itself is left */
        *t = e->entry[other];
        t->name = x->theirs;
        e->origin[e->taken] = e->origin[other];
        e->same[e->taken] = other;
    }
    e->taken++;
    return TESS_OK;
}

static int export_model_take(struct tess_context *ctx, struct export *e)
{
    int64_t max = 1;
    void *memory;
    for (int64_t i = 0; i < e->plan.weights; i++)
        TESS_TRY(export_model_take_weight(ctx, e, i));
    for (int64_t i = 0; i < e->extras; i++)
        TESS_TRY(export_model_take_extra(ctx, e, &e->extra[i]));
    for (int64_t i = 0; i < e->taken; i++)
        max = export_model_numbers(&e->entry[i]) > max ? export_model_numbers(&e->entry[i]) : max;
    TESS_TRY(tess_alloc(ctx, (size_t)max * sizeof(float), "a weight", &memory));
    e->there = memory;
    return TESS_OK;
}

static int export_model_read_weight(struct tess_context *ctx, struct export *e, const struct tess_export_weight *w)
{
    char path[TESS_ENTRY_NAME + sizeof prefix];
    (void)snprintf(path, sizeof path, "%s%s", prefix, w->ours);
    for (char *p = path; *p; p++)
        if (*p == '.')
            *p = '/';
    tess_free(e->held.data);
    e->held.data = NULL;
    TESS_TRY(tess_artefact_load(ctx, e->model, path, TESS_F32, &e->held));
    if (!tessi_graph_all_finite(tess_tensor_count(&e->held), e->held.data))
        return ctx->fail(ctx, TESS_E_DATA, "%s: the weight %s has a value that is not finite; the model diverged, train it again",
                         e->x->from, w->ours);
    tessi_exchange_layout_move(w->layout, &w->shape, 1, e->held.data, e->there);
    return TESS_OK;
}

static int export_model_values(void *user, struct tess_context *ctx, int64_t i, const float **out)
{
    struct export *e = user;
    const struct origin *o = &e->origin[i];
    *out = o->values ? o->values : e->there;
    if (o->weight >= 0)
        return export_model_read_weight(ctx, e, &e->plan.weight[o->weight]);
    for (int64_t k = 0; !o->values && k < export_model_numbers(&e->entry[i]); k++)
        e->there[k] = o->value;
    return TESS_OK;
}

static int export_model_put(void *user, struct tess_context *ctx, const void *bytes, size_t count)
{
    return tessi_base_aside_put(ctx, ((struct export *)user)->file, bytes, count);
}

static int export_model_write_file(struct tess_context *ctx, struct export *e)
{
    const struct tess_format_1 *format = tess_instance_ops(e->format, "format/1");
    const char *const note[] = {"tool", "tessera " PACKAGE_VERSION, "architecture", tess_instance_config_text(e->checkpoint), "model",
                                tess_artefact_digest(e->model)};
    struct tess_format_file f = {.size = sizeof f,
                                 .notes = 3,
                                 .note = note,
                                 .entries = e->taken,
                                 .entry = e->entry,
                                 .user = e,
                                 .values = export_model_values,
                                 .put = export_model_put,
                                 .same = e->same,
                                 .within = e->plan.within};
    TESS_TRY(tessi_base_aside_open(ctx, e->x->to, 0, &e->file));
    TESS_TRY(format->write(tess_instance_self(e->format), ctx, &f));
    return tessi_base_aside_finish(ctx, e->file);
}

static void export_model_report(const struct export *e, FILE *to)
{
    int64_t numbers = 0, weights = 0;
    for (int64_t i = 0; i < e->taken; i++) {
        int of_model = e->origin[i].weight >= 0 && e->same[i] < 0;
        weights += of_model;
        numbers += of_model ? export_model_numbers(&e->entry[i]) : 0;
    }
    fprintf(to, "%s: %lld tensors, %lld parameters, of %s\n", e->x->to, (long long)weights, (long long)numbers, e->x->from);
    if (e->taken > weights)
        fprintf(to, "  added     %lld: what the program has beside them (%s%s)\n", (long long)(e->taken - weights), e->entry[weights].name,
                e->taken - weights > 1 ? " ..." : "");
    for (int64_t i = 0; i < e->plan.weights; i++)
        if (!*e->plan.weight[i].theirs)
            fprintf(to, "  left      %s: %s\n", e->plan.weight[i].ours, e->plan.weight[i].left);
}

static int export_model_export(struct tess_context *ctx, struct export *e)
{
    TESS_TRY(tessi_exchange_checkpoint_open(ctx, e->x, &e->checkpoint));
    TESS_TRY(tessi_exchange_format_for(ctx, e->x->to, e->x->format, &e->format));
    TESS_TRY(tessi_store_artefact_open(ctx, e->x->from, &e->model));
    TESS_TRY(tessi_store_artefact_check_bytes(ctx, e->model)); /* small weights have no checksum of their own */
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, e->model));
    TESS_TRY(list_weights(ctx, e));
    e->plan.size = sizeof e->plan;
    e->plan.kind = tess_artefact_kind(e->model);
    e->plan.attrs = tess_artefact_attrs(e->model);
    e->plan.add = export_model_add;
    e->plan.host = e;
    const struct tess_checkpoint_1 *checkpoint = tess_instance_ops(e->checkpoint, "checkpoint/1");
    int status = checkpoint->plan_export(tess_instance_self(e->checkpoint), ctx, &e->plan);
    if (status != TESS_OK) {
        tess_prepend_message(ctx, "%s", e->x->from);
        return status;
    }
    TESS_TRY(export_model_take(ctx, e));
    TESS_TRY(export_model_write_file(ctx, e));
    if (e->x->report)
        export_model_report(e, e->x->report);
    return TESS_OK;
}

int tessi_exchange_export_model(struct tess_context *ctx, const struct tessi_exchange *x)
{
    struct export e = {.x = x};
    int status = export_model_export(ctx, &e);
    tessi_base_aside_close(e.file);
    tess_free(e.held.data);
    tess_free(e.there);
    tess_free(e.entry);
    tess_free(e.origin);
    tess_free(e.same);
    for (int64_t i = 0; i < e.extras; i++) {
        tess_free((void *)(uintptr_t)e.extra[i].theirs);
        tess_free((void *)(uintptr_t)e.extra[i].values);
    }
    tess_free(e.extra);
    tess_free(e.plan.weight);
    tess_free(e.names);
    tessi_store_artefact_close(e.model);
    tess_instance_close(e.format);
    tess_instance_close(e.checkpoint);
    return status;
}
