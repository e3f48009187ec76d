/* Export of a model as another program's checkpoint: each weight under the name and in the layout that the architecture's own programs
 * read. Values pass one tensor at a time and keep their bits. SPDX-License-Identifier: MIT */
#include "core/base/aside.h"
#include "core/exchange/exchange_private.h"
#include "core/store/store.h"
#include "core/graph/finite.h"

#include <stdio.h>
#include <string.h>

struct export {
    const struct tessi_exchange *x;
    struct tess_instance *checkpoint, *format;
    struct tess_artefact *model;
    char *names; /* names of the weights, TESS_ENTRY_NAME bytes each */
    struct tess_export_plan plan;
    struct tess_entry *entry; /* entries of the weights that are exported */
    int64_t *source, taken;   /* source: weight that each entry is made of */
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

static int export_model_take(struct tess_context *ctx, struct export *e)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)e->plan.weights * sizeof *e->entry, "a list of tensors", &memory));
    e->entry = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)e->plan.weights * sizeof *e->source, "a list of tensors", &memory));
    e->source = memory;
    size_t max = 0;
    for (int64_t i = 0; i < e->plan.weights; i++) {
        const struct tess_export_weight *w = &e->plan.weight[i];
        if (!*w->theirs && !w->left)
            return ctx->fail(ctx, TESS_E_VALUE, "%s: %s has no name for the weight %s; the model is of another architecture", e->x->from,
                           tess_instance_name(e->checkpoint), w->ours);
        if (!*w->theirs)
            continue;
        if (w->rank > TESS_ENTRY_RANK || !tessi_exchange_layout_fits(w->layout, w->rank, w->dim, &w->shape))
            return ctx->fail(ctx, TESS_E_PLUGIN, "checkpoint/%s: names a shape for %s that is not the weight's",
                           tess_instance_name(e->checkpoint), w->ours);
        struct tess_entry *t = &e->entry[e->taken];
        *t = (struct tess_entry){.name = w->theirs, .dtype = "f32", .is_real = 1, .rank = w->rank};
        memcpy(t->dim, w->dim, sizeof t->dim);
        e->source[e->taken++] = i;
        max = tess_tensor_bytes(&w->shape) > max ? tess_tensor_bytes(&w->shape) : max;
    }
    TESS_TRY(tess_alloc(ctx, max + 1, "a weight", &memory));
    e->there = memory;
    return TESS_OK;
}

static int export_model_values(void *user, struct tess_context *ctx, int64_t i, const float **out)
{
    struct export *e = user;
    const struct tess_export_weight *w = &e->plan.weight[e->source[i]];
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
    *out = e->there;
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
                                 .put = export_model_put};
    TESS_TRY(tessi_base_aside_open(ctx, e->x->to, 0, &e->file));
    TESS_TRY(format->write(tess_instance_self(e->format), ctx, &f));
    return tessi_base_aside_finish(ctx, e->file);
}

static void export_model_report(const struct export *e, FILE *to)
{
    int64_t numbers = 0;
    for (int64_t i = 0; i < e->taken; i++)
        numbers += tess_tensor_count(&e->plan.weight[e->source[i]].shape);
    fprintf(to, "%s: %lld tensors, %lld parameters, of %s\n", e->x->to, (long long)e->taken, (long long)numbers, e->x->from);
    for (int64_t i = 0; i < e->plan.weights; i++)
        if (!*e->plan.weight[i].theirs)
            fprintf(to, "  left      %s: %s\n", e->plan.weight[i].ours, e->plan.weight[i].left);
}

static int export_model_export(struct tess_context *ctx, struct export *e)
{
    TESS_TRY(tessi_exchange_checkpoint_open(ctx, e->x, &e->checkpoint));
    TESS_TRY(tessi_exchange_format_for(ctx, e->x->to, &e->format));
    TESS_TRY(tessi_store_artefact_open(ctx, e->x->from, &e->model));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, e->model));
    TESS_TRY(list_weights(ctx, e));
    e->plan.size = sizeof e->plan;
    e->plan.kind = tess_artefact_kind(e->model);
    e->plan.attrs = tess_artefact_attrs(e->model);
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
    tess_free(e.source);
    tess_free(e.plan.weight);
    tess_free(e.names);
    tessi_store_artefact_close(e.model);
    tess_instance_close(e.format);
    tess_instance_close(e.checkpoint);
    return status;
}
