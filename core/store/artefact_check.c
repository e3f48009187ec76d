/* Whether an artefact keeps what its kind promises: facts in their ranges, datasets of the types and dimensions that facts say. The digest
 * tells what was written, not that it makes sense: a file from a stranger may have any facts beside any datasets. One table, asked
 * wherever an artefact is given to a stage, so that a stage may rely on it. Values are not looked at. Kinds that are not in
 * the table belong to plugins, which know them.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

#define CURE "the file contradicts itself: make it again, or get it again from its source"

enum { BYTES = 1, INTEGERS, REALS, TEXTS };
enum { NEEDED = 0, MAY_LACK = 1 };

/* Largest values that cannot overflow what is computed of them: rows x pixels x channels, tokens^2 x heads. */
#define ROWS_MOST ((int64_t)1 << 40)
#define SIDE_MOST ((int64_t)1 << 16)
#define MAP_MOST ((int64_t)1 << 12)
#define WIDTH_MOST ((int64_t)1 << 20)
#define CODES_MOST ((int64_t)1 << TESSI_FILE_BITS_MOST)
#define CLASSES_MOST ((int64_t)1 << 16)

struct number {
    const char *name; /* NULL ends */
    int64_t least, most;
    int lack;
    const char *bound; /* another fact it is at most */
};

struct data {
    const char *name; /* NULL ends */
    int type;
    const char *dim[TESS_MAX_RANK]; /* the facts that its dimensions are; NULL: no more */
    const char *when;               /* it must be there where this fact is above 0; "": always; NULL: never */
};

struct kind {
    const char *name;
    const struct number *number;
    const char *text[4]; /* facts that must be there; NULL ends */
    const struct data *data;
};

static const struct number images_number[] = {{"count", 1, ROWS_MOST, NEEDED, NULL},
                                              {"train_count", 1, ROWS_MOST, MAY_LACK, "count"},
                                              {"height", 1, SIDE_MOST, NEEDED, NULL},
                                              {"width", 1, SIDE_MOST, NEEDED, NULL},
                                              {"channels", 1, WIDTH_MOST, NEEDED, NULL},
                                              {"classes", 0, CLASSES_MOST, MAY_LACK, NULL},
                                              {NULL, 0, 0, 0, NULL}};
static const struct data images_data[] = {{"images", BYTES, {"count", "height", "width", "channels"}, ""},
                                          {"labels", INTEGERS, {"count"}, "classes"},
                                          {"names", TEXTS, {"count"}, NULL},
                                          {"classes", TEXTS, {"classes"}, NULL},
                                          {"flipped", INTEGERS, {"count"}, NULL},
                                          {NULL, 0, {NULL}, NULL}};

static const struct number codes_number[] = {
    {"count", 1, ROWS_MOST, NEEDED, NULL},          {"train_count", 1, ROWS_MOST, MAY_LACK, "count"},
    {"height", 1, MAP_MOST, NEEDED, NULL},          {"width", 1, MAP_MOST, NEEDED, NULL},
    {"codebook_size", 1, CODES_MOST, NEEDED, NULL}, {"code_dim", 1, WIDTH_MOST, MAY_LACK, NULL},
    {"classes", 0, CLASSES_MOST, MAY_LACK, NULL},   {NULL, 0, 0, 0, NULL}};
static const struct data codes_data[] = {{"codes", INTEGERS, {"count", "height", "width"}, ""},
                                         {"codebook", REALS, {"codebook_size", "code_dim"}, NULL},
                                         {"labels", INTEGERS, {"count"}, "classes"},
                                         {"names", TEXTS, {"count"}, NULL},
                                         {"classes", TEXTS, {"classes"}, NULL},
                                         {"flipped", INTEGERS, {"count"}, NULL},
                                         {NULL, 0, {NULL}, NULL}};

static const struct number samples_number[] = {{"count", 1, ROWS_MOST, NEEDED, NULL},
                                               {"height", 1, MAP_MOST, NEEDED, NULL},
                                               {"width", 1, MAP_MOST, NEEDED, NULL},
                                               {"codebook_size", 1, CODES_MOST, NEEDED, NULL},
                                               {"image_height", 0, SIDE_MOST, MAY_LACK, NULL},
                                               {"image_width", 0, SIDE_MOST, MAY_LACK, NULL},
                                               {"image_channels", 0, WIDTH_MOST, MAY_LACK, NULL},
                                               {"images", 1, ROWS_MOST, MAY_LACK, "count"},
                                               {"variants", 1, ROWS_MOST, MAY_LACK, "count"},
                                               {NULL, 0, 0, 0, NULL}};
static const struct data samples_data[] = {{"codes", INTEGERS, {"count", "height", "width"}, ""},
                                           {"images", BYTES, {"count", "image_height", "image_width", "image_channels"}, "image_channels"},
                                           {"regenerated", INTEGERS, {"images", "height", "width"}, NULL},
                                           {NULL, 0, {NULL}, NULL}};

static const struct number autoencoder_number[] = {
    {"height", 1, SIDE_MOST, NEEDED, NULL},         {"width", 1, SIDE_MOST, NEEDED, NULL},       {"channels", 1, WIDTH_MOST, NEEDED, NULL},
    {"latent_height", 1, MAP_MOST, NEEDED, NULL},   {"latent_width", 1, MAP_MOST, NEEDED, NULL}, {"code_dim", 1, WIDTH_MOST, NEEDED, NULL},
    {"codebook_size", 1, CODES_MOST, NEEDED, NULL}, {"likelihood", 0, 1, MAY_LACK, NULL},        {NULL, 0, 0, 0, NULL}};

static const struct number prior_number[] = {{"codebook_size", 1, CODES_MOST, NEEDED, NULL},
                                             {"height", 1, MAP_MOST, NEEDED, NULL},
                                             {"width", 1, MAP_MOST, NEEDED, NULL},
                                             {NULL, 0, 0, 0, NULL}};

static const struct number features_number[] = {
    {"channels", 1, WIDTH_MOST, NEEDED, NULL}, {"classes", 2, CLASSES_MOST, NEEDED, NULL}, {NULL, 0, 0, 0, NULL}};

static const struct data no_data[] = {{NULL, 0, {NULL}, NULL}};

static const struct kind kinds[] = {
    {"images", images_number, {NULL}, images_data},
    {"codes", codes_number, {NULL}, codes_data},
    {"samples", samples_number, {NULL}, samples_data},
    {"autoencoder", autoencoder_number, {"encoder", "quantizer", "decoder", NULL}, no_data},
    {"prior", prior_number, {"noise", "denoiser", NULL}, no_data},
    {"features", features_number, {"network", NULL}, no_data},
};

/* ---- facts --------------------------------------------------------------------------------------------------------- */

static const struct tessi_fact *fact_of(const struct tess_artefact *a, const char *name)
{
    for (int64_t i = 0; i < a->facts->count; i++)
        if (strcmp(a->facts->item[i].name, name) == 0)
            return &a->facts->item[i];
    return NULL;
}

static int lacks_fact(struct tess_call *c, const struct tess_artefact *a, const char *name, const char *type)
{
    return c->fail(c, TESS_E_DATA, "%s: the fact `%s` is %s; an artefact of kind `%s` has it as %s: make the file again", a->path, name,
                   fact_of(a, name) ? "of another type" : "missing", a->kind, type);
}

static int check_number(struct tess_call *c, const struct tess_artefact *a, const struct number *n)
{
    const struct tessi_fact *f = fact_of(a, n->name);
    if (!f && n->lack == MAY_LACK)
        return TESS_OK;
    if (!f || f->type != TESSI_FACT_I64)
        return lacks_fact(c, a, n->name, "an integer");
    if (f->i64 < n->least || f->i64 > n->most)
        return c->fail(c, TESS_E_DATA, "%s: the fact `%s` is %lld, %lld .. %lld was wanted; " CURE, a->path, n->name, (long long)f->i64,
                       (long long)n->least, (long long)n->most);
    int64_t bound = n->bound ? tess_facts_i64_or(a->facts, n->bound, n->most) : n->most;
    if (f->i64 > bound)
        return c->fail(c, TESS_E_DATA, "%s: the fact `%s` is %lld, at most the fact `%s`, %lld, was wanted; " CURE, a->path, n->name,
                       (long long)f->i64, n->bound, (long long)bound);
    return TESS_OK;
}

static int check_facts(struct tess_call *c, const struct tess_artefact *a, const struct kind *k)
{
    for (const struct number *n = k->number; n->name; n++)
        TESS_TRY(check_number(c, a, n));
    for (int i = 0; k->text[i]; i++) {
        const struct tessi_fact *f = fact_of(a, k->text[i]);
        if (!f || f->type != TESSI_FACT_TEXT)
            return lacks_fact(c, a, k->text[i], "a text");
    }
    return TESS_OK;
}

/* ---- datasets ------------------------------------------------------------------------------------------------------ */

static int32_t rank_of(const struct data *d)
{
    int32_t rank = 0;
    while (rank < TESS_MAX_RANK && d->dim[rank])
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

/* "integers (count, height, width)" */
static const char *wanted(const struct data *d, char *text, size_t room)
{
    static const char *const type[] = {[BYTES] = "u8", [INTEGERS] = "integers", [REALS] = "f32", [TEXTS] = "strings"};
    size_t at = (size_t)snprintf(text, room, "%s (", type[d->type]);
    for (int32_t i = 0; i < rank_of(d) && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%s", i ? ", " : "", d->dim[i]);
    if (at < room)
        (void)snprintf(text + at, room - at, ")");
    return text;
}

/* "u8 (64, 8, 8)" */
static const char *found(const struct tessi_entry *e, char *text, size_t room)
{
    size_t at = (size_t)snprintf(text, room, "%s (", e->dtype == TESSI_TEXT ? "strings" : tess_dtype_name(e->dtype));
    for (int32_t i = 0; i < e->rank && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%lld", i ? ", " : "", (long long)e->dim[i]);
    if (at < room)
        (void)snprintf(text + at, room - at, ")");
    return text;
}

static int check_data(struct tess_call *c, const struct tess_artefact *a, const struct data *d)
{
    const struct tessi_entry *e = tessi_entry_find(a, d->name);
    char want[120], have[160];
    int must = d->when && (!*d->when || tess_facts_i64_or(a->facts, d->when, 0) > 0);
    if (!e && must)
        return c->fail(c, TESS_E_DATA, "%s: there is no dataset /%s; an artefact of kind `%s`%s%s%s has it, %s: make the file again",
                       a->path, d->name, a->kind, *d->when ? " whose fact `" : "", d->when, *d->when ? "` is above 0" : "",
                       wanted(d, want, sizeof want));
    if (!e)
        return TESS_OK;
    if (!is_of_type(e, d->type) || e->rank != rank_of(d))
        return c->fail(c, TESS_E_DATA, "%s: /%s is %s, %s was wanted; " CURE, a->path, d->name, found(e, have, sizeof have),
                       wanted(d, want, sizeof want));
    for (int32_t i = 0; i < e->rank; i++) {
        int64_t value = tess_facts_i64_or(a->facts, d->dim[i], e->dim[i]);
        if (value != e->dim[i])
            return c->fail(c, TESS_E_DATA, "%s: the fact `%s` is %lld, and /%s is %s where %s was wanted; " CURE, a->path, d->dim[i],
                           (long long)value, d->name, found(e, have, sizeof have), wanted(d, want, sizeof want));
    }
    return TESS_OK;
}

/* Those of models: a graph asks each for its shape when it reads it. */
static int check_weights(struct tess_call *c, const struct tess_artefact *a)
{
    char have[160];
    for (int64_t i = 0; i < a->entries; i++)
        if (strncmp(a->entry[i].name, "weights/", 8) == 0 && a->entry[i].dtype != TESS_F32)
            return c->fail(c, TESS_E_DATA, "%s: /%s is %s, a weight is f32; " CURE, a->path, a->entry[i].name,
                           found(&a->entry[i], have, sizeof have));
    return TESS_OK;
}

int tessi_artefact_check_facts(struct tess_call *c, const struct tess_artefact *a)
{
    const struct kind *k = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        k = strcmp(kinds[i].name, a->kind) == 0 ? &kinds[i] : k;
    if (!k)
        return TESS_OK;
    TESS_TRY(check_facts(c, a, k));
    for (const struct data *d = k->data; d->name; d++)
        TESS_TRY(check_data(c, a, d));
    return check_weights(c, a);
}
