/* The head of an artefact: root attributes (kind, format, attributes) and provenance, read whole. An attribute of a type we do not write is
 * refused, for the digest could not cover it. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX (16 << 20) /* largest size of an attribute, in bytes */

int tessi_store_foreign(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: /%s %s; tessera does not write such files: get the file again from its source", a->path, name,
                   what);
}

static int read_text(struct tess_context *ctx, const struct tess_artefact *a, const char *where, hid_t attribute, hid_t type,
                     struct tessi_value *out)
{
    size_t bytes = H5Tget_size(type);
    void *memory;
    if (bytes == 0 || bytes > TEXT_MAX)
        return tessi_store_foreign(ctx, a, where, "has an attribute of a foreign type");
    TESS_TRY(tess_alloc(ctx, bytes + 1, "an attribute", &memory));
    out->text = memory;
    return H5Aread(attribute, type, memory) < 0 ? tessi_store_fail(ctx, a, where) : TESS_OK;
}

static int read_typed(struct tess_context *ctx, const struct tess_artefact *a, const char *where, hid_t attribute, hid_t type,
                      struct tessi_value *out)
{
    herr_t bad = 0;
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_INTEGER && H5Tget_size(type) == 8) {
        out->type = TESSI_ATTR_I64;
        out->is_unsigned = H5Tget_sign(type) == H5T_SGN_NONE;
        bad = H5Aread(attribute, out->is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64, &out->i64);
    } else if (class == H5T_FLOAT && H5Tget_size(type) == 8) {
        out->type = TESSI_ATTR_F64;
        bad = H5Aread(attribute, H5T_NATIVE_DOUBLE, &out->f64);
    } else if (class == H5T_STRING && H5Tis_variable_str(type) == 0) {
        out->type = TESSI_ATTR_TEXT;
        return read_text(ctx, a, where, attribute, type, out);
    } else {
        return tessi_store_foreign(ctx, a, where, "has an attribute of a foreign type");
    }
    return bad < 0 ? tessi_store_fail(ctx, a, where) : TESS_OK;
}

int tessi_store_read_value(struct tess_context *ctx, const struct tess_artefact *a, const char *where, hid_t attribute,
                           struct tessi_value *out)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    int status;
    *out = (struct tessi_value){0};
    if (type < 0 || space < 0)
        status = tessi_store_fail(ctx, a, where);
    else if (H5Sget_simple_extent_type(space) != H5S_SCALAR)
        status = tessi_store_foreign(ctx, a, where, "has an attribute that is no single value");
    else
        status = read_typed(ctx, a, where, attribute, type, out);
    tessi_store_close(type);
    tessi_store_close(space);
    return status;
}

typedef int take(struct tess_context *ctx, struct tess_artefact *a, const char *name, struct tessi_value *v);

static int read_attribute(struct tess_context *ctx, struct tess_artefact *a, const char *where, hid_t attribute, take *to)
{
    char name[1024];
    struct tessi_value v = {0};
    ssize_t length = H5Aget_name(attribute, sizeof name, name);
    if (length < 0)
        return tessi_store_fail(ctx, a, where);
    if (length >= (ssize_t)sizeof name)
        return tessi_store_foreign(ctx, a, where, "has an attribute of a very long name");
    int status = tessi_store_read_value(ctx, a, where, attribute, &v);
    if (status == TESS_OK)
        status = to(ctx, a, name, &v);
    tess_free(v.text);
    return status;
}

/* Reads the attributes of an object in the order they were written, where the file has that order. */
static int read_attributes(struct tess_context *ctx, struct tess_artefact *a, hid_t object, const char *where, take *to)
{
    int n = H5Aget_num_attrs(object);
    if (n < 0)
        return tessi_store_fail(ctx, a, where);
    H5_index_t index = H5_INDEX_CRT_ORDER;
    for (int i = 0; i < n; i++) {
        hid_t attribute = H5Aopen_by_idx(object, ".", index, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute < 0 && i == 0) {
            tessi_store_forget();
            index = H5_INDEX_NAME;
            attribute = H5Aopen_by_idx(object, ".", index, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT, H5P_DEFAULT);
        }
        if (attribute < 0)
            return tessi_store_fail(ctx, a, where);
        int status = read_attribute(ctx, a, where, attribute, to);
        H5Aclose(attribute);
        TESS_TRY(status);
    }
    return TESS_OK;
}

static int take_attr(struct tess_context *ctx, struct tess_artefact *a, const char *name, struct tessi_value *v)
{
    if (strcmp(name, "kind") == 0)
        return v->type == TESSI_ATTR_TEXT && !a->kind ? tess_copy_text(ctx, v->text, &a->kind) : TESS_OK;
    if (strcmp(name, "format") == 0) {
        if (v->type != TESSI_ATTR_I64 || v->i64 < 1)
            return tessi_store_foreign(ctx, a, "", "has a `format` that is no version");
        if (v->i64 > TESSI_FORMAT)
            return ctx->fail(ctx, TESS_E_DATA, "%s: is of format %lld, this tessera knows up to %d; use a newer tessera", a->path,
                           (long long)v->i64, TESSI_FORMAT);
        return TESS_OK;
    }
    if (v->type == TESSI_ATTR_I64)
        return v->is_unsigned ? tessi_store_foreign(ctx, a, "", "has an attribute of a foreign type")
                              : tess_attrs_set_i64(ctx, a->attrs, name, v->i64);
    if (v->type == TESSI_ATTR_F64)
        return tess_attrs_set_f64(ctx, a->attrs, name, v->f64);
    return tess_attrs_set_text(ctx, a->attrs, name, v->text);
}

static int take_note(struct tess_context *ctx, struct tess_artefact *a, const char *name, struct tessi_value *v)
{
    char number[40];
    const char *text = v->text;
    if (v->type == TESSI_ATTR_I64)
        (void)snprintf(number, sizeof number, v->is_unsigned ? "%llu" : "%lld", (unsigned long long)v->i64);
    else if (v->type == TESSI_ATTR_F64)
        (void)snprintf(number, sizeof number, "%.17g", v->f64);
    TESS_TRY(tess_reserve(ctx, &a->note, &a->note_capacity, a->notes + 1, sizeof *a->note, "attributes of an artefact"));
    struct tessi_note *note = &a->note[a->notes++];
    TESS_TRY(tess_copy_text(ctx, name, &note->name));
    return tess_copy_text(ctx, v->type == TESSI_ATTR_TEXT ? text : number, &note->value);
}

int tessi_store_read_head(struct tess_context *ctx, struct tess_artefact *a)
{
    htri_t ours = H5Aexists(a->file, "format") > 0 && H5Aexists(a->file, "kind") > 0;
    if (!ours)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is an HDF5 file, but no artefact of tessera: it has no `kind` and `format`; check the name",
                       a->path);
    hid_t root = H5Gopen2(a->file, "/", H5P_DEFAULT);
    if (root < 0)
        return tessi_store_fail(ctx, a, "");
    int status = read_attributes(ctx, a, root, "", take_attr);
    H5Gclose(root);
    TESS_TRY(status);
    if (!a->kind)
        return tessi_store_foreign(ctx, a, "", "has a `kind` that is no text");
    return TESS_OK;
}

int tessi_store_read_provenance(struct tess_context *ctx, struct tess_artefact *a)
{
    hid_t group = H5Gopen2(a->file, "provenance", H5P_DEFAULT);
    if (group < 0)
        return tessi_store_fail(ctx, a, "provenance");
    int status = read_attributes(ctx, a, group, "provenance", take_note);
    H5Gclose(group);
    TESS_TRY(status);
    const char *digest = tessi_store_artefact_provenance(a, "digest");
    if (!digest || strlen(digest) != TESS_DIGEST_TEXT - 1 || strspn(digest, "0123456789abcdef") != TESS_DIGEST_TEXT - 1)
        return tessi_store_foreign(ctx, a, "provenance", "has no digest");
    memcpy(a->digest, digest, TESS_DIGEST_TEXT);
    return TESS_OK;
}
