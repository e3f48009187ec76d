/* `tessera inspect`: what an artefact holds and who made it.
 *
 * The file may be a stranger's: its texts are shown without control characters, so that it cannot speak to the terminal.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "core/base/attributes_private.h"
#include "core/base/json.h"
#include "core/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints a text without control characters; further lines stand under the first. */
static void inspect_print_text(const char *text, int indent)
{
    for (int first = 1; first || *text; first = 0) {
        size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);
        printf("%s%*s%s", first ? "" : "\n", first ? 0 : indent, "", line ? cli_shown(line) : "?");
        free(line);
        text += length + (text[length] == '\n');
    }
    putchar('\n');
}

static void print_pair(const char *name, int width, const char *value)
{
    printf("  %-*s  ", width, cli_shown(name));
    inspect_print_text(value, width + 4);
}

static const char *attr_text(const struct tessi_attr *f, char *buffer, size_t size)
{
    if (f->type == TESSI_ATTR_TEXT)
        return f->text;
    if (f->type == TESSI_ATTR_I64)
        (void)snprintf(buffer, size, "%lld", (long long)f->i64);
    else
        (void)snprintf(buffer, size, "%.9g", f->f64);
    return buffer;
}

static int inspect_wider(int width, const char *name)
{
    int length = (int)strlen(name);
    return length > width && length <= 40 ? length : width;
}

/* "u8 (60000, 7, 7)", "string (3)" */
static const char *shape_text(const struct tess_tensor *shape, char *text, size_t capacity)
{
    char whole[160];
    tess_tensor_text(shape, whole, sizeof whole);
    if (shape->dtype)
        (void)snprintf(text, capacity, "%s", whole);
    else
        (void)snprintf(text, capacity, "string %s", strchr(whole, '('));
    return text;
}

static const char *size_text(int64_t bytes, char *text, size_t capacity)
{
    if (bytes < 10240)
        (void)snprintf(text, capacity, "%lld B", (long long)bytes);
    else if (bytes < 10 << 20)
        (void)snprintf(text, capacity, "%.1f KiB", (double)bytes / 1024);
    else
        (void)snprintf(text, capacity, "%.1f MiB", (double)bytes / 1048576);
    return text;
}

/* 1 for integers stored narrower than their type. */
static int is_packed(const struct tess_tensor *shape, int32_t bits)
{
    return shape->dtype && bits && (size_t)bits < 8 * tess_dtype_size(shape->dtype);
}

/* 1 for a dataset of codes, whose bits a code are to be compared with ceil(log2 K). */
static int is_codes(const char *name, int32_t bits)
{
    return bits && strcmp(name, "codes") == 0;
}

static double bits_each(const struct tess_tensor *shape, int64_t stored)
{
    int64_t count = tess_tensor_count(shape);
    return count ? 8 * (double)stored / (double)count : 0;
}

static void print_datasets(const struct tess_artefact *a)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    const char *name;
    char text[200];
    int wide = 4, wide_shape = 4;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        wide = inspect_wider(wide, name);
        wide_shape = inspect_wider(wide_shape, shape_text(&shape, text, sizeof text));
    }
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        printf("%s  /%-*s  %-*s", i ? "" : "\ndatasets\n", wide, cli_shown(name), wide_shape,
               shape_text(&shape, text, sizeof text));
        if (stored < 0)
            printf("  %10s", "in parts");
        else
            printf("  %10s", size_text(stored, text, sizeof text));
        if (is_packed(&shape, bits))
            printf("  precision %d bits", bits);
        if (is_codes(name, bits) && stored >= 0)
            printf("  %.2f bits a code", bits_each(&shape, stored));
        putchar('\n');
    }
}

static void print_parts(const struct tess_artefact *a)
{
    const char *name, *digest;
    int64_t rows;
    for (int64_t i = 0; (name = tessi_store_part_name(a, i, &rows, &digest)); i++)
        printf("%s  %-24s  %10lld rows  %.12s\n", i ? "" : "\nparts\n", cli_shown(name), (long long)rows, digest);
}

static void print_metrics(const struct tess_artefact *a)
{
    struct tess_metric_value v;
    int wide = 4;
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++)
        wide = inspect_wider(wide, v.name);
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++) {
        printf("%s  %-*s  %.6g", i ? "" : "\nmetrics\n", wide, cli_shown(v.name), v.value);
        if (v.standard_error >= 0.0)
            printf(" +- %.3g", v.standard_error);
        if (v.low <= v.high)
            printf(" [%.6g, %.6g]", v.low, v.high);
        printf("%s%s", *v.unit ? " " : "", cli_shown(v.unit));
        printf(v.better ? " (%s is better)\n" : "\n", cli_better(v.better));
    }
}

static void print_all(const struct tess_artefact *a, int verified)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    const char *name, *value;
    char text[64];
    int wide = 6;
    inspect_print_text(tess_artefact_path(a), 0);
    print_pair("kind", wide, tess_artefact_kind(a));
    printf("  %-*s  %s%s\n", wide, "digest", tess_artefact_digest(a), verified ? "  (the content has it)" : "");

    for (int64_t i = 0; i < f->count; i++)
        wide = inspect_wider(wide, f->item[i].name);
    for (int64_t i = 0; i < f->count; i++) {
        fputs(i ? "" : "\nattributes\n", stdout);
        print_pair(f->item[i].name, wide, attr_text(&f->item[i], text, sizeof text));
    }
    wide = 6;
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++)
        wide = inspect_wider(wide, name);
    fputs("\nprovenance\n", stdout);
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++)
        if (strcmp(name, "digest") != 0)
            print_pair(name, wide, value);
    print_datasets(a);
    print_parts(a);
    print_metrics(a);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------- */

static void json_key(const char *name)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
}

static void json_attrs(const struct tess_attrs *f)
{
    fputs(",\"attributes\":{", stdout);
    for (int64_t i = 0; i < f->count; i++) {
        const struct tessi_attr *attr = &f->item[i];
        fputs(i ? "," : "", stdout);
        json_key(attr->name);
        if (attr->type == TESSI_ATTR_TEXT)
            tessi_base_json_text(stdout, attr->text);
        else if (attr->type == TESSI_ATTR_I64)
            printf("%lld", (long long)attr->i64);
        else
            tessi_base_json_f64(stdout, attr->f64);
    }
    putchar('}');
}

static void json_provenance(const struct tess_artefact *a)
{
    const char *name, *value;
    fputs(",\"provenance\":{", stdout);
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++) {
        fputs(i ? "," : "", stdout);
        json_key(name);
        if (strcmp(name, "seed") == 0 && *value && strlen(value) == strspn(value, "0123456789"))
            fputs(value, stdout);
        else
            tessi_base_json_text(stdout, value);
    }
    putchar('}');
}

static void json_datasets(const struct tess_artefact *a)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    const char *name;
    fputs(",\"datasets\":[", stdout);
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        fputs(i ? ",{" : "{", stdout);
        json_key("name");
        tessi_base_json_text(stdout, name);
        printf(",\"dtype\":\"%s\",\"shape\":[", shape.dtype ? tess_dtype_name(shape.dtype) : "string");
        for (int32_t k = 0; k < shape.rank; k++)
            printf("%s%lld", k ? "," : "", (long long)shape.dim[k]);
        printf("],\"precision\":%d,\"stored\":", bits);
        printf(stored < 0 ? "null" : "%lld", (long long)stored);
        if (is_codes(name, bits) && stored >= 0) {
            fputs(",\"bits_per_code\":", stdout);
            tessi_base_json_f64(stdout, bits_each(&shape, stored));
        }
        putchar('}');
    }
    putchar(']');
}

static void json_parts(const struct tess_artefact *a)
{
    const char *name, *digest;
    int64_t rows;
    if (tessi_store_parts_count(a) == 0)
        return;
    fputs(",\"parts\":[", stdout);
    for (int64_t i = 0; (name = tessi_store_part_name(a, i, &rows, &digest)); i++) {
        fputs(i ? ",{" : "{", stdout);
        json_key("file");
        tessi_base_json_text(stdout, name);
        printf(",\"rows\":%lld,\"digest\":\"%s\"}", (long long)rows, digest);
    }
    putchar(']');
}

static void inspect_print_json(const struct tess_artefact *a, int verified)
{
    putchar('{');
    json_key("path");
    tessi_base_json_text(stdout, tess_artefact_path(a));
    fputs(",\"kind\":", stdout);
    tessi_base_json_text(stdout, tess_artefact_kind(a));
    printf(",\"digest\":\"%s\",\"verified\":%s", tess_artefact_digest(a), verified ? "true" : "false");
    json_attrs(tess_artefact_attrs(a));
    json_provenance(a);
    json_datasets(a);
    json_parts(a);
    putchar(',');
    tessi_store_artefact_results_json(stdout, a);
    puts("}");
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

/* 1 for a shard of an archive of which every item was skipped: it has no rows, which no stage could use, and is whole. */
static int is_empty_shard(const struct tess_artefact *a)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    return strcmp(tess_artefact_kind(a), "codes") == 0 && tess_attrs_i64_or(f, "count", -1) == 0 && tess_attrs_i64_or(f, "items", 0) > 0 &&
           tess_artefact_has(a, "skipped");
}

static int inspect_show(const char *path, int json, int verify)
{
    struct tessi_context context;
    struct tess_artefact *a;
    tessi_base_context_init(&context, NULL);
    int status = tessi_store_artefact_open(&context.context, path, &a);
    if (status == TESS_OK && verify)
        status = tessi_store_artefact_verify(&context.context, a);
    if (status == TESS_OK && verify && !is_empty_shard(a))
        status = tessi_store_artefact_check_attrs(&context.context, a);
    if (status == TESS_OK)
        (json ? inspect_print_json : print_all)(a, verify);
    tessi_store_artefact_close(a);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

struct inspect_options {
    const char *path;
    int json, verify;
};

static int inspect_take_word(void *options, const char *verb, const char *word)
{
    struct inspect_options *o = options;
    if (o->path)
        return cli_usage_error(verb, "wanted one file, found `%s` and `%s`", o->path, word);
    o->path = word;
    return 0;
}

static int inspect(struct cli_globals *g, int argc, char **argv)
{
    struct inspect_options o = {NULL, 0, 0};
    int code = cli_flags_read(g, &cli_inspect, argc, argv, &o, inspect_take_word);
    if (code)
        return code;
    if (!o.path)
        return cli_usage_error(argv[0], "wanted the name of an artefact (runs/NAME/STAGE.h5)");
    return inspect_show(o.path, o.json, o.verify);
}

static const struct cli_flag flags[] = {
    {.name = "--verify",
     .help = "read everything, compute the content's digest and compare; exit code 65 when it differs",
     .type = CLI_SWITCH,
     .offset = offsetof(struct inspect_options, verify)},
    {.name = "--json", .help = "the same as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct inspect_options, json)},
    {.name = NULL}};

const struct cli_verb cli_inspect = {
    .name = "inspect",
    .summary = "what is in an artefact, and who made it",
    .arguments = "FILE.h5",
    .description = "Prints an artefact's kind, attributes and provenance; every dataset with its shape, type and stored size (codes\n"
                   "with their precision and bits a code); the parts of an archive in a folder; and metrics.\n",
    .flags = flags,
    .run = inspect,
};
