/* Checks that an artefact keeps what its kind promises: attributes in their ranges, datasets of the types and dimensions that attributes
 * say. The digest tells what was written, not that it makes sense: a file from a stranger may have any attributes beside any datasets. One
 * table, asked wherever an artefact is given to a stage, so that a stage may rely on it. Values are not looked at. Kinds that are not in
 * the table belong to plugins, which know them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <tessera/levels.h>

#include <stdio.h>
#include <string.h>

#define CURE "the file contradicts itself: make it again, or get it again from its source"

enum { BYTES = 1, INTEGERS, REALS, TEXTS };
enum { NEEDED = 0, MAY_LACK = 1 };

/* Largest values that cannot overflow what is computed of them: rows x pixels x channels, tokens^2 x heads. */
#define ROWS_MAX ((int64_t)1 << 40)
#define SIDE_MAX ((int64_t)1 << 16)
#define MAP_MAX ((int64_t)1 << 12)
#define WIDTH_MAX ((int64_t)1 << 20)
#define CODES_MAX ((int64_t)1 << TESSI_FILE_BITS_MAX)
#define CLASSES_MAX ((int64_t)1 << 16)

struct number {
    const char *name; /* NULL ends */
    int64_t least, max;
    int lack;
    const char *bound; /* another attribute, whose value is an upper bound; NULL: none */
};

struct data {
    const char *name; /* NULL ends */
    int type;
    const char *dim[TESS_MAX_RANK]; /* names of the attributes that its dimensions equal; NULL: no more */
    const char *when;               /* attribute that must be above 0 for the dataset to be required; "": always required; NULL: never */
};

struct kind {
    const char *name;
    const struct number *number;
    const char *text[4]; /* required text attributes; NULL ends */
    const struct data *data;
};

static const struct number images_number[] = {{"count", 1, ROWS_MAX, NEEDED, NULL},
                                              {"train_count", 1, ROWS_MAX, MAY_LACK, "count"},
                                              {"height", 1, SIDE_MAX, NEEDED, NULL},
                                              {"width", 1, SIDE_MAX, NEEDED, NULL},
                                              {"channels", 1, WIDTH_MAX, NEEDED, NULL},
                                              {"classes", 0, CLASSES_MAX, MAY_LACK, NULL},
                                              {NULL, 0, 0, 0, NULL}};
static const struct data images_data[] = {{"images", BYTES, {"count", "height", "width", "channels"}, ""},
                                          {"labels", INTEGERS, {"count"}, "classes"},
                                          {"names", TEXTS, {"count"}, NULL},
                                          {"classes", TEXTS, {"classes"}, NULL},
                                          {"flipped", INTEGERS, {"count"}, NULL},
                                          {NULL, 0, {NULL}, NULL}};

static const struct number codes_number[] = {{"count", 1, ROWS_MAX, NEEDED, NULL},
                                             {"train_count", 1, ROWS_MAX, MAY_LACK, "count"},
                                             {"height", 1, MAP_MAX, NEEDED, NULL},
                                             {"width", 1, MAP_MAX, NEEDED, NULL},
                                             {"codebook_size", 1, CODES_MAX, NEEDED, NULL},
                                             {"code_dim", 1, WIDTH_MAX, MAY_LACK, NULL},
                                             {"classes", 0, CLASSES_MAX, MAY_LACK, NULL},
                                             {"depth", 2, TESS_DEPTH_MAX, MAY_LACK, NULL},
                                             {NULL, 0, 0, 0, NULL}};
static const struct data codes_data[] = {{"codes", INTEGERS, {"count", "height", "width", "depth"}, ""},
                                         {"codebook", REALS, {"codebook_size", "code_dim"}, NULL},
                                         {"labels", INTEGERS, {"count"}, "classes"},
                                         {"names", TEXTS, {"count"}, NULL},
                                         {"classes", TEXTS, {"classes"}, NULL},
                                         {"flipped", INTEGERS, {"count"}, NULL},
                                         {NULL, 0, {NULL}, NULL}};

static const struct number samples_number[] = {
    {"count", 1, ROWS_MAX, NEEDED, NULL},         {"height", 1, MAP_MAX, NEEDED, NULL},
    {"width", 1, MAP_MAX, NEEDED, NULL},          {"codebook_size", 1, CODES_MAX, NEEDED, NULL},
    {"depth", 2, TESS_DEPTH_MAX, MAY_LACK, NULL}, {"image_height", 0, SIDE_MAX, MAY_LACK, NULL},
    {"image_width", 0, SIDE_MAX, MAY_LACK, NULL}, {"image_channels", 0, WIDTH_MAX, MAY_LACK, NULL},
    {"images", 1, ROWS_MAX, MAY_LACK, "count"},   {"variants", 1, ROWS_MAX, MAY_LACK, "count"},
    {"classes", 0, CLASSES_MAX, MAY_LACK, NULL},  {NULL, 0, 0, 0, NULL}};
static const struct data samples_data[] = {{"codes", INTEGERS, {"count", "height", "width", "depth"}, ""},
                                           {"images", BYTES, {"count", "image_height", "image_width", "image_channels"}, "image_channels"},
                                           {"regenerated", INTEGERS, {"images", "height", "width"}, NULL},
                                           {"labels", INTEGERS, {"count"}, "classes"},
                                           {NULL, 0, {NULL}, NULL}};

static const struct number autoencoder_number[] = {
    {"height", 1, SIDE_MAX, NEEDED, NULL},         {"width", 1, SIDE_MAX, NEEDED, NULL},
    {"channels", 1, WIDTH_MAX, NEEDED, NULL},      {"latent_height", 1, MAP_MAX, NEEDED, NULL},
    {"latent_width", 1, MAP_MAX, NEEDED, NULL},    {"code_dim", 1, WIDTH_MAX, NEEDED, NULL},
    {"codebook_size", 1, CODES_MAX, NEEDED, NULL}, {"likelihood", 0, 1, MAY_LACK, NULL},
    {"depth", 2, TESS_DEPTH_MAX, MAY_LACK, NULL},  {NULL, 0, 0, 0, NULL}};

static const struct number prior_number[] = {{"codebook_size", 1, CODES_MAX, NEEDED, NULL}, {"height", 1, MAP_MAX, NEEDED, NULL},
                                             {"width", 1, MAP_MAX, NEEDED, NULL},           {"depth", 2, TESS_DEPTH_MAX, MAY_LACK, NULL},
                                             {"classes", 1, CLASSES_MAX, MAY_LACK, NULL},   {NULL, 0, 0, 0, NULL}};

static const struct number features_number[] = {
    {"channels", 1, WIDTH_MAX, NEEDED, NULL}, {"classes", 2, CLASSES_MAX, NEEDED, NULL}, {NULL, 0, 0, 0, NULL}};

static const struct data no_data[] = {{NULL, 0, {NULL}, NULL}};

static const struct kind kinds[] = {
    {"images", images_number, {NULL}, images_data},
    {"codes", codes_number, {NULL}, codes_data},
    {"samples", samples_number, {NULL}, samples_data},
    {"autoencoder", autoencoder_number, {"encoder", "quantizer", "decoder", NULL}, no_data},
    {"prior", prior_number, {"noise", "denoiser", NULL}, no_data},
    {"features", features_number, {"network", NULL}, no_data},
};

/* ---- attributes --------------------------------------------------------------------------------------------------------- */

static const struct tessi_attr *attr_of(const struct tess_artefact *a, const char *name)
{
    for (int64_t i = 0; i < a->attrs->count; i++)
        if (strcmp(a->attrs->item[i].name, name) == 0)
            return &a->attrs->item[i];
    return NULL;
}

static int lacks_attr(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const char *type)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: the attribute `%s` is %s; an artefact of kind `%s` has it as %s: make the file again", a->path,
                     name, attr_of(a, name) ? "of another type" : "missing", a->kind, type);
}

/* 1 for codes of which there are none, as in a shard whose items were all skipped. */
static int artefact_check_is_empty(const struct tess_artefact *a)
{
    const struct tessi_entry *codes = tessi_store_entry_find(a, "codes");
    return strcmp(a->kind, "codes") == 0 && tess_attrs_i64_or(a->attrs, "items", 0) > 0 && (!codes || codes->dim[0] == 0);
}

static int artefact_check_number(struct tess_context *ctx, const struct tess_artefact *a, const struct number *n)
{
    const struct tessi_attr *f = attr_of(a, n->name);
    if (!f && n->lack == MAY_LACK)
        return TESS_OK;
    if (!f || f->type != TESSI_ATTR_I64)
        return lacks_attr(ctx, a, n->name, "an integer");
    if (f->i64 == 0 && strcmp(n->name, "count") == 0 && artefact_check_is_empty(a))
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: has no rows: all its %lld items were skipped, for the reasons in /skipped; give other images", a->path,
                         (long long)tess_attrs_i64_or(a->attrs, "items", 0));
    if (f->i64 < n->least || f->i64 > n->max)
        return ctx->fail(ctx, TESS_E_DATA, "%s: the attribute `%s` is %lld, %lld .. %lld was wanted; " CURE, a->path, n->name,
                         (long long)f->i64, (long long)n->least, (long long)n->max);
    int64_t bound = n->bound ? tess_attrs_i64_or(a->attrs, n->bound, n->max) : n->max;
    if (f->i64 > bound)
        return ctx->fail(ctx, TESS_E_DATA, "%s: the attribute `%s` is %lld, at most the attribute `%s`, %lld, was wanted; " CURE, a->path,
                         n->name, (long long)f->i64, n->bound, (long long)bound);
    return TESS_OK;
}

static int artefact_check_attrs(struct tess_context *ctx, const struct tess_artefact *a, const struct kind *k)
{
    for (const struct number *n = k->number; n->name; n++)
        TESS_TRY(artefact_check_number(ctx, a, n));
    for (int i = 0; k->text[i]; i++) {
        const struct tessi_attr *f = attr_of(a, k->text[i]);
        if (!f || f->type != TESSI_ATTR_TEXT)
            return lacks_attr(ctx, a, k->text[i], "a text");
    }
    return TESS_OK;
}

/* ---- datasets ------------------------------------------------------------------------------------------------------ */

/* Rank of a dataset: codes have a dimension `depth` where they have levels, and the attribute. */
static int32_t rank_of(const struct tess_artefact *a, const struct data *d)
{
    int32_t rank = 0;
    while (rank < TESS_MAX_RANK && d->dim[rank] && (strcmp(d->dim[rank], "depth") != 0 || attr_of(a, "depth")))
        rank++;
    return rank;
}

static int is_of_type(const struct tessi_entry *e, int type)
{
    return type == BYTES   ? e->dtype == TESS_U8
           : type == REALS ? e->dtype == TESS_F32
           : type == TEXTS ? e->dtype == TESSI_TEXT
                           : e->dtype == TESS_U8 || e->dtype == TESS_U16 || e->dtype == TESS_I32;
}

/* Words for the expected type and dimensions, "integers (count, height, width)". */
static const char *artefact_check_wanted(const struct tess_artefact *a, const struct data *d, char *text, size_t capacity)
{
    static const char *const type[] = {[BYTES] = "u8", [INTEGERS] = "integers", [REALS] = "f32", [TEXTS] = "strings"};
    size_t at = (size_t)snprintf(text, capacity, "%s (", type[d->type]);
    for (int32_t i = 0; i < rank_of(a, d) && at < capacity; i++)
        at += (size_t)snprintf(text + at, capacity - at, "%s%s", i ? ", " : "", d->dim[i]);
    if (at < capacity)
        (void)snprintf(text + at, capacity - at, ")");
    return text;
}

/* Words for the type and dimensions found, "u8 (64, 8, 8)". */
static const char *artefact_check_found(const struct tessi_entry *e, char *text, size_t capacity)
{
    size_t at = (size_t)snprintf(text, capacity, "%s (", e->dtype == TESSI_TEXT ? "strings" : tess_dtype_name(e->dtype));
    for (int32_t i = 0; i < e->rank && at < capacity; i++)
        at += (size_t)snprintf(text + at, capacity - at, "%s%lld", i ? ", " : "", (long long)e->dim[i]);
    if (at < capacity)
        (void)snprintf(text + at, capacity - at, ")");
    return text;
}

static int check_data(struct tess_context *ctx, const struct tess_artefact *a, const struct data *d)
{
    const struct tessi_entry *e = tessi_store_entry_find(a, d->name);
    char want[120], have[160];
    int must = d->when && (!*d->when || tess_attrs_i64_or(a->attrs, d->when, 0) > 0);
    if (!e && must)
        return ctx->fail(ctx, TESS_E_DATA, "%s: there is no dataset /%s; an artefact of kind `%s`%s%s%s has it, %s: make the file again",
                         a->path, d->name, a->kind, *d->when ? " whose attribute `" : "", d->when, *d->when ? "` is above 0" : "",
                         artefact_check_wanted(a, d, want, sizeof want));
    if (!e)
        return TESS_OK;
    if (!is_of_type(e, d->type) || e->rank != rank_of(a, d))
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is %s, %s was wanted; " CURE, a->path, d->name,
                         artefact_check_found(e, have, sizeof have), artefact_check_wanted(a, d, want, sizeof want));
    for (int32_t i = 0; i < e->rank; i++) {
        int64_t value = tess_attrs_i64_or(a->attrs, d->dim[i], e->dim[i]);
        if (value != e->dim[i])
            return ctx->fail(ctx, TESS_E_DATA, "%s: the attribute `%s` is %lld, and /%s is %s where %s was wanted; " CURE, a->path,
                             d->dim[i], (long long)value, d->name, artefact_check_found(e, have, sizeof have),
                             artefact_check_wanted(a, d, want, sizeof want));
    }
    return TESS_OK;
}

/* Checks that weights are f32. Their shapes are checked when a graph reads them. */
static int artefact_check_weights(struct tess_context *ctx, const struct tess_artefact *a)
{
    char have[160];
    for (int64_t i = 0; i < a->entries; i++)
        if (strncmp(a->entry[i].name, "weights/", 8) == 0 && a->entry[i].dtype != TESS_F32)
            return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is %s, a weight is f32; " CURE, a->path, a->entry[i].name,
                           artefact_check_found(&a->entry[i], have, sizeof have));
    return TESS_OK;
}

int tessi_store_artefact_check_attrs(struct tess_context *ctx, const struct tess_artefact *a)
{
    const struct kind *k = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        k = strcmp(kinds[i].name, a->kind) == 0 ? &kinds[i] : k;
    if (!k)
        return TESS_OK;
    TESS_TRY(artefact_check_attrs(ctx, a, k));
    for (const struct data *d = k->data; d->name; d++)
        TESS_TRY(check_data(ctx, a, d));
    return artefact_check_weights(ctx, a);
}
