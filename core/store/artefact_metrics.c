/* Metrics: scalar datasets with attributes, written and read. SPDX-License-Identifier: MIT */
#include "core/base/json.h"
#include "core/store/store_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static herr_t write_interval(hid_t dataset, const double interval[2])
{
    hid_t space = H5Screate_simple(1, (const hsize_t[]){2}, NULL);
    hid_t attribute = space < 0 ? -1 : H5Acreate2(dataset, "interval", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t bad = attribute < 0 || H5Awrite(attribute, H5T_NATIVE_DOUBLE, interval) < 0;
    if (attribute >= 0)
        bad = H5Aclose(attribute) < 0 || bad;
    tessi_store_close(space);
    return bad ? -1 : 0;
}

/* Writes the attributes of a metric, those that it has. */
static herr_t write_metric_attributes(hid_t dataset, const struct tessi_metric *f)
{
    herr_t bad = tessi_store_attribute_text(dataset, "unit", f->unit) < 0;
    if (f->better)
        bad = tessi_store_attribute_text(dataset, "better", f->better == TESS_METRIC_LOWER ? "lower" : "higher") < 0 || bad;
    if (f->standard_error >= 0.0)
        bad = tessi_store_attribute_number(dataset, "standard_error", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &f->standard_error) < 0 || bad;
    if (f->low <= f->high)
        bad = write_interval(dataset, (const double[]){f->low, f->high}) < 0 || bad;
    return bad ? -1 : 0;
}

/* Writes a metric as a compact scalar dataset, which lies in its own header. */
static herr_t write_metric(const struct tess_artefact *a, const struct tessi_metric *f)
{
    char path[TESSI_NAME_MAX + 16];
    (void)snprintf(path, sizeof path, "metrics/%s", f->name);
    hid_t space = H5Screate(H5S_SCALAR), layout = H5Pcreate(H5P_DATASET_CREATE), dataset = -1;
    if (space >= 0 && layout >= 0 && H5Pset_layout(layout, H5D_COMPACT) >= 0 && H5Pset_obj_track_times(layout, 0) >= 0)
        dataset = H5Dcreate2(a->file, path, H5T_IEEE_F64LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    herr_t bad = dataset < 0 || H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &f->value) < 0 ||
                 write_metric_attributes(dataset, f) < 0;
    if (dataset >= 0)
        bad = H5Dclose(dataset) < 0 || bad;
    tessi_store_close(layout);
    tessi_store_close(space);
    return bad ? -1 : 0;
}

/* Appends a metric to the artefact's list, with copies of its texts. */
static int add_metric(struct tess_context *ctx, struct tess_artefact *a, const struct tess_metric_value *v)
{
    struct tessi_metric f = {.value = v->value, .better = v->better, .standard_error = -1.0, .low = 1.0, .high = 0.0};
    if (v->standard_error >= 0.0)
        f.standard_error = v->standard_error;
    if (v->low <= v->high) {
        f.low = v->low;
        f.high = v->high;
    }
    int status = tess_copy_text(ctx, v->name, &f.name);
    if (status == TESS_OK)
        status = tess_copy_text(ctx, v->unit ? v->unit : "", &f.unit);
    if (status == TESS_OK)
        status = tess_reserve(ctx, &a->metric, &a->metric_capacity, a->metrics + 1, sizeof *a->metric, "metrics of an artefact");
    if (status != TESS_OK) {
        tess_free(f.name);
        tess_free(f.unit);
        return status;
    }
    a->metric[a->metrics++] = f;
    return TESS_OK;
}

static int put_metric(struct tess_context *ctx, struct tess_artefact *a, const struct tess_metric_value *v)
{
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    TESS_TRY(tessi_store_check_line(ctx, a, v->name, "name for a metric"));
    TESS_TRY(tessi_store_check_line(ctx, a, v->unit ? v->unit : "", "unit for a metric"));
    if (strchr(v->name, '/') || !*v->name)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%s` is no name for a metric", a->path, v->name);
    if (v->better < TESS_METRIC_LOWER || v->better > TESS_METRIC_HIGHER)
        return ctx->fail(ctx, TESS_E_INTERNAL,
                         "%s: the metric `%s` has direction %d; TESS_METRIC_LOWER, TESS_METRIC_HIGHER or 0 was wanted", a->path, v->name,
                         (int)v->better);
    if (isnan(v->value) || isnan(v->standard_error) || isnan(v->low) || isnan(v->high))
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "%s: the metric `%s` came out as no number (NaN): what it is of overflowed; look at the model, it may have diverged", a->path,
            v->name);
    for (int64_t i = 0; i < a->metrics; i++)
        if (strcmp(a->metric[i].name, v->name) == 0)
            return ctx->fail(ctx, TESS_E_INTERNAL, "%s: the metric `%s` is written twice", a->path, v->name);
    if (!a->metrics && tessi_store_ordered_group(a, "metrics") < 0)
        return tessi_store_give_up(ctx, a, "metrics");
    TESS_TRY(add_metric(ctx, a, v));
    return write_metric(a, &a->metric[a->metrics - 1]) < 0 ? tessi_store_give_up(ctx, a, "metrics") : TESS_OK;
}

int tess_artefact_put_metric_value(struct tess_context *ctx, struct tess_artefact *a, const struct tess_metric_value *v)
{
    tessi_store_lock();
    int status = put_metric(ctx, a, v);
    tessi_store_unlock();
    return status;
}

int tess_artefact_put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value, const char *unit)
{
    const struct tess_metric_value v = TESS_METRIC_VALUE(name, value, unit, 0);
    return tess_artefact_put_metric_value(ctx, a, &v);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Reads an attribute of a single value, of the type wanted. Absent: TESS_OK, and out->type is 0. */
static int read_metric_attribute(struct tess_context *ctx, const struct tess_artefact *a, const char *name, hid_t dataset, const char *key,
                                 int32_t type, struct tessi_value *out)
{
    *out = (struct tessi_value){0};
    htri_t there = H5Aexists(dataset, key);
    if (there == 0)
        return TESS_OK;
    hid_t attribute = there < 0 ? -1 : H5Aopen(dataset, key, H5P_DEFAULT);
    if (attribute < 0)
        return tessi_store_fail(ctx, a, name);
    int status = tessi_store_read_value(ctx, a, name, attribute, out);
    H5Aclose(attribute);
    if (status == TESS_OK && out->type == type)
        return TESS_OK;
    tess_free(out->text);
    out->text = NULL;
    if (status != TESS_OK)
        return status;
    return tessi_store_foreign(
        ctx, a, name, type == TESSI_ATTR_TEXT ? "has a unit or direction that is no text" : "has a standard error that is no float64");
}

static int read_better(struct tess_context *ctx, const struct tess_artefact *a, const char *name, hid_t dataset, int32_t *better)
{
    struct tessi_value text;
    TESS_TRY(read_metric_attribute(ctx, a, name, dataset, "better", TESSI_ATTR_TEXT, &text));
    int lower = text.text && strcmp(text.text, "lower") == 0, higher = text.text && strcmp(text.text, "higher") == 0;
    int known = !text.text || lower || higher;
    *better = lower ? TESS_METRIC_LOWER : higher ? TESS_METRIC_HIGHER : 0;
    tess_free(text.text);
    return known ? TESS_OK : tessi_store_foreign(ctx, a, name, "has a direction that is neither `lower` nor `higher`");
}

static int read_standard_error(struct tess_context *ctx, const struct tess_artefact *a, const char *name, hid_t dataset, double *error)
{
    struct tessi_value number;
    TESS_TRY(read_metric_attribute(ctx, a, name, dataset, "standard_error", TESSI_ATTR_F64, &number));
    if (number.type == 0)
        return TESS_OK;
    *error = number.f64;
    return number.f64 >= 0.0 ? TESS_OK : tessi_store_foreign(ctx, a, name, "has a standard error below zero");
}

static int read_interval(struct tess_context *ctx, const struct tess_artefact *a, const char *name, hid_t dataset, double interval[2])
{
    htri_t there = H5Aexists(dataset, "interval");
    if (there == 0)
        return TESS_OK;
    hid_t attribute = there < 0 ? -1 : H5Aopen(dataset, "interval", H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute), space = attribute < 0 ? -1 : H5Aget_space(attribute);
    int status = TESS_OK;
    if (type < 0 || space < 0)
        status = tessi_store_fail(ctx, a, name);
    else if (H5Tget_class(type) != H5T_FLOAT || H5Tget_size(type) != 8 || H5Sget_simple_extent_ndims(space) != 1 ||
             H5Sget_simple_extent_npoints(space) != 2)
        status = tessi_store_foreign(ctx, a, name, "has an interval that is no pair of float64");
    else if (H5Aread(attribute, H5T_NATIVE_DOUBLE, interval) < 0)
        status = tessi_store_fail(ctx, a, name);
    else if (!(interval[0] <= interval[1]))
        status = tessi_store_foreign(ctx, a, name, "has an interval that ends before it begins");
    tessi_store_close(space);
    tessi_store_close(type);
    tessi_store_close(attribute);
    return status;
}

int tessi_store_metric_read(struct tess_context *ctx, struct tess_artefact *a, const char *name, hid_t dataset)
{
    struct tess_metric_value v = TESS_METRIC_VALUE(strchr(name, '/') + 1, 0.0, NULL, 0);
    struct tessi_value unit;
    double interval[2] = {v.low, v.high};
    if (H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &v.value) < 0)
        return tessi_store_fail(ctx, a, name);
    TESS_TRY(read_better(ctx, a, name, dataset, &v.better));
    TESS_TRY(read_standard_error(ctx, a, name, dataset, &v.standard_error));
    TESS_TRY(read_interval(ctx, a, name, dataset, interval));
    TESS_TRY(read_metric_attribute(ctx, a, name, dataset, "unit", TESSI_ATTR_TEXT, &unit));
    if (!unit.text)
        return tessi_store_foreign(ctx, a, name, "has no unit, and is no metric");
    v.unit = unit.text;
    v.low = interval[0];
    v.high = interval[1];
    int status = add_metric(ctx, a, &v);
    tess_free(unit.text);
    return status;
}

static void artefact_metrics_json(FILE *to, const struct tess_metric_value *v)
{
    fputs("{\"name\":", to);
    tessi_base_json_text(to, v->name);
    fputs(",\"value\":", to);
    tessi_base_json_f64(to, v->value);
    fputs(",\"unit\":", to);
    tessi_base_json_text(to, v->unit);
    fputs(v->better == TESS_METRIC_LOWER    ? ",\"better\":\"lower\""
          : v->better == TESS_METRIC_HIGHER ? ",\"better\":\"higher\""
                                            : ",\"better\":null",
          to);
    fputs(",\"standard_error\":", to);
    if (v->standard_error >= 0.0)
        tessi_base_json_f64(to, v->standard_error);
    else
        fputs("null", to);
    fputs(v->low <= v->high ? ",\"interval\":[" : ",\"interval\":null", to);
    if (v->low <= v->high) {
        tessi_base_json_f64(to, v->low);
        putc(',', to);
        tessi_base_json_f64(to, v->high);
        putc(']', to);
    }
    putc('}', to);
}

void tessi_store_artefact_results_json(FILE *to, const struct tess_artefact *a)
{
    struct tess_metric_value v;
    const char *name;
    fputs("\"metrics\":[", to);
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++) {
        fputs(i ? "," : "", to);
        artefact_metrics_json(to, &v);
    }
    fputs("],\"pictures\":[", to);
    for (int64_t i = 0; (name = tessi_store_artefact_picture_at(a, i)); i++) {
        fputs(i ? "," : "", to);
        tessi_base_json_text(to, name);
    }
    putc(']', to);
}
