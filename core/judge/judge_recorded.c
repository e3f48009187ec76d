/* Tests of recorded graphs, for every kind that records: nodes, scopes, names, and values for one row and for several.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/graph/node.h"

#include <stdio.h>
#include <string.h>

static struct judge_piece recorded_piece(struct judge *j, struct tess_instance *i, const struct judge_workload *w, int64_t rows,
                                         int64_t microbatches)
{
    return (struct judge_piece){.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = rows, .microbatches = microbatches};
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

/* Records a workload, and fails where it has one of two faults. */
static int recorded_fault(struct judge *j, struct tess_instance *i, const struct judge_workload *w, enum judge_fault a, enum judge_fault b)
{
    struct judge_piece p = recorded_piece(j, i, w, 2, 1);
    int status = judge_piece_record(&p);
    if (status != TESS_OK)
        status = judge_ok(j, j->ctx, w->name, status);
    else if (p.fault == a || p.fault == b)
        status = judge_fail(j, "%s", p.why);
    judge_piece_close(&p);
    return status;
}

static int recorded_records(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    return recorded_fault(j, i, w, JUDGE_BAD_STATUS, JUDGE_REFUSED);
}

static int recorded_status(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    return recorded_fault(j, i, w, JUDGE_BAD_STATUS, JUDGE_BAD_STATUS);
}

static int recorded_nodes(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    return recorded_fault(j, i, w, JUDGE_BAD_NODE, JUDGE_BAD_NODE);
}

static int recorded_scopes(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    return recorded_fault(j, i, w, JUDGE_BAD_SCOPE, JUDGE_BAD_SCOPE);
}

/* Checks that the defaults can be recorded, at one of the sizes. */
static int judge_records_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_records);
}

static int judge_status_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_status);
}

static int judge_nodes_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_nodes);
}

static int judge_scopes_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_scopes);
}

static int judge_records(struct judge *j)
{
    return judge_over(j, 1, judge_records_body);
}

static int judge_statuses(struct judge *j)
{
    return judge_over(j, 4 + 4 * (int64_t)j->level, judge_status_body);
}

static int judge_nodes(struct judge *j)
{
    return judge_over(j, 4 + 4 * (int64_t)j->level, judge_nodes_body);
}

static int judge_scopes(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, judge_scopes_body);
}

/* ---- weights ------------------------------------------------------------------------------------------------------- */

/* Checks names of weights, "encoder.blocks.0.weight": under the kind's scope, no part of it empty. */
static int recorded_names(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = recorded_piece(j, i, w, 2, 1);
    int status = judge_piece_record(&p), length = tessi_plug_kind_length(j->component->kind);
    if (status == TESS_OK && p.fault != JUDGE_FINE)
        status = JUDGE_UNFIT;
    for (int64_t k = 0; status == TESS_OK && k < tess_weights_count(p.weights); k++) {
        const char *name = tess_weights_name(p.weights, k);
        if (strncmp(name, j->component->kind, (size_t)length) != 0 || name[length] != '.')
            status = judge_fail(j, "%s: wanted weights under `%.*s.`, found `%s`", w->name, length, j->component->kind, name);
        else if (strstr(name, "..") || name[strlen(name) - 1] == '.' || strlen(name) + 16 > TESS_WEIGHT_PATH)
            status = judge_fail(j, "%s: wanted a name for each weight, found `%s`", w->name, name);
    }
    judge_piece_close(&p);
    return status;
}

static int judge_names_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_names);
}

static int judge_names(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, judge_names_body);
}

/* Checks that recording again over the same weights declares nothing new. */
static int recorded_weights(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece a = recorded_piece(j, i, w, 2, 1), b = recorded_piece(j, i, w, 2, 1);
    int status = judge_piece_record(&a);
    int64_t declared = a.weights ? tess_weights_count(a.weights) : 0;
    if (status == TESS_OK && a.fault != JUDGE_FINE)
        status = JUDGE_UNFIT;
    b.weights = a.weights;
    b.size = a.size;
    if (status == TESS_OK)
        status = judge_piece_record(&b);
    if (status == TESS_OK && b.fault != JUDGE_FINE)
        status = judge_fail(j, "wanted it recorded a second time over the same weights, found: %s", b.why);
    else if (status == TESS_OK && tess_weights_count(a.weights) != declared)
        status = judge_fail(j, "%s: wanted the same %lld weights when recorded a second time, found %lld", w->name, (long long)declared,
                            (long long)tess_weights_count(a.weights));
    if (b.graph)
        judge_piece_close(&b);
    judge_piece_close(&a);
    return status;
}

static int judge_weights_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_weights);
}

static int judge_weights(struct judge *j)
{
    return judge_over(j, 1, judge_weights_body);
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static int recorded_outputs_finite(struct judge *j, const struct judge_piece *p, const char *of)
{
    char text[120];
    for (int32_t k = 0; k < p->outputs; k++)
        if (judge_not_finite(&p->out[k].value, text, sizeof text))
            return judge_fail(j, "%s, %s of %s: wanted finite values, found that %s", p->work->name, p->out[k].name, of, text);
    return TESS_OK;
}

/* Runs a piece; a failure is a failure of the test. */
static int recorded_run(struct judge *j, struct judge_piece *p, int64_t samples)
{
    return judge_ok(j, p->ctx, p->work->name, judge_piece_run(p, samples));
}

static int recorded_finite(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = recorded_piece(j, i, w, 2, 2);
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = recorded_run(j, &p, 0);
    if (status == TESS_OK)
        status = recorded_outputs_finite(j, &p, "drawn inputs");
    judge_piece_close(&p);
    return status;
}

static int judge_finite_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_finite);
}

static int judge_finite(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, judge_finite_body);
}

/* Sets every real input to `value`; pixels within their range. */
static void recorded_flatten(struct judge_piece *p, float value)
{
    for (int32_t k = 0; k < p->inputs; k++) {
        struct judge_port *port = &p->in[k];
        float *x = port->value.data;
        if (port->fill != JUDGE_FILL_UNIT && port->fill != JUDGE_FILL_NORMAL)
            continue;
        for (int64_t n = tess_tensor_count(&port->value), at = 0; at < n; at++)
            x[at] = port->fill == JUDGE_FILL_UNIT && value > 1.0f ? 1.0f : value;
    }
}

static int recorded_extremes(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    const float value[3] = {0.0f, 1.0f, 1000.0f};
    char of[40];
    struct judge_piece p = recorded_piece(j, i, w, 2, 1);
    int status = judge_piece_begin(&p);
    for (int k = 0; status == TESS_OK && k < 3; k++) {
        recorded_flatten(&p, value[k]);
        snprintf(of, sizeof of, "inputs that are all %g", (double)value[k]);
        status = recorded_run(j, &p, 0);
        if (status == TESS_OK)
            status = recorded_outputs_finite(j, &p, of);
    }
    judge_piece_close(&p);
    return status;
}

static int judge_extremes_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_extremes);
}

static int judge_extremes(struct judge *j)
{
    return judge_over(j, 1, judge_extremes_body);
}

static int recorded_inputs_kept(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = recorded_piece(j, i, w, 3, 1);
    void *copy[JUDGE_PORTS] = {NULL};
    int status = judge_piece_begin(&p);
    for (int32_t k = 0; status == TESS_OK && k < p.inputs; k++) {
        status = tess_alloc(j->ctx, tess_tensor_bytes(&p.in[k].value) + 1, "a copy", &copy[k]);
        if (status == TESS_OK)
            memcpy(copy[k], p.in[k].value.data, tess_tensor_bytes(&p.in[k].value));
    }
    if (status == TESS_OK)
        status = recorded_run(j, &p, 0);
    for (int32_t k = 0; k < p.inputs; k++) {
        if (status == TESS_OK && memcmp(copy[k], p.in[k].value.data, tess_tensor_bytes(&p.in[k].value)) != 0)
            status = judge_fail(j, "%s: wanted the input `%s` left as it was, found it changed by a run", w->name, p.in[k].name);
        tess_free(copy[k]);
    }
    judge_piece_close(&p);
    return status;
}

static int judge_inputs_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_inputs_kept);
}

static int judge_inputs(struct judge *j)
{
    return judge_over(j, 1, judge_inputs_body);
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

/* Compares output k of the piece of one row with row `row` of the other's; products of fewer rows may be rounded otherwise. */
static int recorded_same_row(struct judge *j, const struct judge_piece *one, const struct judge_piece *all, int32_t k, int64_t row)
{
    char text[160];
    struct tess_tensor a = one->out[k].value, b = all->out[k].value;
    b.dim[0] = 1;
    b.data = (char *)b.data + (size_t)row * tess_tensor_bytes(&b);
    double loose = a.dtype == TESS_F32 ? 2e-4 : 0.0;
    if (!judge_differs(&a, &b, loose, loose, text, sizeof text))
        return TESS_OK;
    return judge_fail(j, "%s, %s of row %lld: wanted the same alone and beside others, found that %s", one->work->name, one->out[k].name,
                      (long long)row, text);
}

static int recorded_row(struct judge *j, const struct judge_piece *all, int64_t row)
{
    struct judge_piece one = recorded_piece(j, all->instance, all->work, 1, 1);
    one.first = row;
    one.size = all->size;
    int status = judge_piece_begin(&one);
    if (status == TESS_OK)
        status = recorded_run(j, &one, 0);
    for (int32_t k = 0; status == TESS_OK && k < one.outputs; k++)
        if (!all->out[k].total)
            status = recorded_same_row(j, &one, all, k, row);
    judge_piece_close(&one);
    return status;
}

/* Compares three rows together with each by itself. */
static int recorded_rows(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece all = recorded_piece(j, i, w, 3, 1);
    int status = w->mixes ? judge_unfit(j, "a row may depend on the others of its microbatch") : judge_piece_begin(&all);
    if (status == TESS_OK)
        status = recorded_run(j, &all, 0);
    for (int64_t row = 0; status == TESS_OK && row < 3; row++)
        status = recorded_row(j, &all, row);
    if (all.graph)
        judge_piece_close(&all);
    return status;
}

static int judge_rows_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_rows);
}

static int judge_rows(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, judge_rows_body);
}

static int recorded_one_row(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = recorded_piece(j, i, w, 1, 1);
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = recorded_run(j, &p, 0);
    if (status == TESS_OK)
        status = recorded_outputs_finite(j, &p, "one row");
    judge_piece_close(&p);
    return status;
}

static int judge_one_row_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_one_row);
}

static int judge_one_row(struct judge *j)
{
    return judge_over(j, 1, judge_one_row_body);
}

/* Runs a batch that ends within a microbatch: rows before its end are those of the whole batch, bit for bit; a batch of no rows is refused.
 * */
static int recorded_short(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    char text[160];
    struct judge_piece whole = recorded_piece(j, i, w, 2, 2), part = whole;
    int status = judge_piece_begin(&whole);
    for (int32_t k = 0; status == TESS_OK && k < whole.outputs; k++)
        status = whole.out[k].total ? judge_unfit(j, "it has totals, which whole microbatches alone are added to") : TESS_OK;
    if (status == TESS_OK)
        status = judge_piece_begin(&part);
    if (status == TESS_OK && tess_graph_total_at(part.graph, 0, NULL))
        status = judge_unfit(j, "it has totals, which whole microbatches alone are added to");
    if (status == TESS_OK)
        status = recorded_run(j, &whole, 0);
    if (status == TESS_OK)
        status = recorded_run(j, &part, 3);
    for (int32_t k = 0; status == TESS_OK && !w->mixes && k < whole.outputs; k++) {
        struct tess_tensor a = part.out[k].value, b = whole.out[k].value;
        a.dim[0] = a.dim[0] / 4 * 3;
        if (judge_differs(&a, &b, 0, 0, text, sizeof text))
            status = judge_fail(j, "%s, %s: wanted the first 3 rows of a batch of 3 to be those of a batch of 4, found that %s", w->name,
                                whole.out[k].name, text);
    }
    if (part.graph)
        judge_piece_close(&part);
    judge_piece_close(&whole);
    return status;
}

static int judge_short_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, recorded_short);
}

static int judge_short(struct judge *j)
{
    return judge_over(j, 1, judge_short_body);
}

const struct judge_test judge_recorded_tests[] = {
    {"records", 1, "every function records with the default parameters", judge_records},
    {"status", 1, "functions that record give 0, or a negative code with a message", judge_statuses},
    {"nodes", 1, "every node is there, with the dtype and the shape that the kind's header says", judge_nodes},
    {"scopes", 1, "each scope that is opened is closed again", judge_scopes},
    {"names", 1, "weights have names, under the kind's scope", judge_names},
    {"weights", 1, "recorded a second time, no further weight is declared", judge_weights},
    {"finite", 1, "finite outputs of drawn inputs", judge_finite},
    {"extremes", 1, "finite outputs of inputs that are all 0, 1 or 1000", judge_extremes},
    {"inputs-kept", 1, "a run leaves its inputs as they are", judge_inputs},
    {"one-row", 1, "a batch of one row", judge_one_row},
    {"rows", 1, "a row's outputs depend on that row alone", judge_rows},
    {"short-batch", 1, "a batch that ends within a microbatch", judge_short},
    {NULL, 0, NULL, NULL}};
