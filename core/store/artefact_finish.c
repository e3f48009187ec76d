/* The end of writing: attributes, digest and provenance, then the file goes under its final name. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

static int check_complete(struct tess_context *ctx, const struct tess_artefact *a)
{
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, the file is given up; run again", a->path);
    for (int64_t i = 0; i < a->entries; i++) {
        const struct tessi_entry *e = &a->entry[i];
        if (e->dataset >= 0)
            return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s has %lld of its %lld rows", a->path, e->name, (long long)e->rows,
                           (long long)e->dim[0]);
    }
    for (int64_t i = 0; i < a->attrs->count; i++) {
        const char *name = a->attrs->item[i].name;
        int parts = strcmp(name, "parts") == 0 && !tessi_store_entry_find(a, "parts/file");
        if (strcmp(name, "kind") == 0 || strcmp(name, "format") == 0 || parts || !*name)
            return ctx->fail(ctx, TESS_E_INTERNAL, "%s: an attribute may not be called `%s`", a->path, name);
    }
    return TESS_OK;
}

static herr_t write_attrs(const struct tess_artefact *a)
{
    int64_t format = TESSI_FORMAT;
    herr_t bad = tessi_store_attribute_text(a->file, "kind", a->kind) < 0 ||
                 tessi_store_attribute_number(a->file, "format", H5T_STD_I64LE, H5T_NATIVE_INT64, &format) < 0;
    for (int64_t i = 0; i < a->attrs->count && !bad; i++) {
        const struct tessi_attr *f = &a->attrs->item[i];
        if (f->type == TESSI_ATTR_I64)
            bad = tessi_store_attribute_number(a->file, f->name, H5T_STD_I64LE, H5T_NATIVE_INT64, &f->i64) < 0;
        else if (f->type == TESSI_ATTR_F64)
            bad = tessi_store_attribute_number(a->file, f->name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &f->f64) < 0;
        else
            bad = tessi_store_attribute_text(a->file, f->name, f->text) < 0;
    }
    return bad ? -1 : 0;
}

/* Adds a provenance text, kept as it will be written, for the sum. */
static int artefact_finish_note(struct tess_context *ctx, struct tess_artefact *a, const char *name, const char *value)
{
    if (!value)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &a->note, &a->note_capacity, a->notes + 1, sizeof *a->note, "attributes of an artefact"));
    struct tessi_note *note = &a->note[a->notes++];
    TESS_TRY(tess_copy_text(ctx, name, &note->name));
    return tess_copy_text(ctx, value, &note->value);
}

static int list_provenance(struct tess_context *ctx, struct tess_artefact *a, const struct tessi_provenance *p)
{
    const char *const names[] = {"stage", "plugin", "parameters", "key", "numeric_mode", "tool"};
    const char *const values[] = {p->stage, p->plugin, p->parameters, p->key, p->numeric_mode, p->tool};
    char text[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        TESS_TRY(artefact_finish_note(ctx, a, names[i], values[i]));
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)p->seed);
    TESS_TRY(artefact_finish_note(ctx, a, "seed", text));
    (void)snprintf(text, sizeof text, "%lld", (long long)p->epoch);
    TESS_TRY(artefact_finish_note(ctx, a, "epoch", p->epoch ? text : NULL));
    (void)snprintf(text, sizeof text, "%lld", (long long)p->abi);
    TESS_TRY(artefact_finish_note(ctx, a, "abi", p->abi ? text : NULL));
    TESS_TRY(artefact_finish_note(ctx, a, "run", p->run));
    TESS_TRY(artefact_finish_note(ctx, a, "run_id", p->run_id && *p->run_id ? p->run_id : NULL));
    TESS_TRY(artefact_finish_note(ctx, a, "warning", p->warning));
    TESS_TRY(artefact_finish_note(ctx, a, "imported", p->imported));
    TESS_TRY(artefact_finish_note(ctx, a, "files", p->files));
    for (int64_t i = 0; i < p->inputs; i++) {
        (void)snprintf(text, sizeof text, "input.%s", p->input_port[i]);
        TESS_TRY(artefact_finish_note(ctx, a, text, p->input_digest[i] ? p->input_digest[i] : ""));
    }
    TESS_TRY(artefact_finish_note(ctx, a, TESSI_NOTE_DIGEST, a->digest));
    TESS_TRY(tessi_store_digest_notes(ctx, a, text));
    return artefact_finish_note(ctx, a, TESSI_NOTE_SUM, text);
}

static herr_t write_note(hid_t group, const struct tessi_note *n, const struct tessi_provenance *p)
{
    if (strcmp(n->name, "seed") == 0)
        return tessi_store_attribute_number(group, n->name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &p->seed);
    if (strcmp(n->name, "epoch") == 0)
        return tessi_store_attribute_number(group, n->name, H5T_STD_I64LE, H5T_NATIVE_INT64, &p->epoch);
    if (strcmp(n->name, "abi") == 0)
        return tessi_store_attribute_number(group, n->name, H5T_STD_I64LE, H5T_NATIVE_INT64, &p->abi);
    return tessi_store_attribute_text(group, n->name, n->value);
}

static herr_t write_provenance(const struct tess_artefact *a, const struct tessi_provenance *p)
{
    hid_t make = H5Pcreate(H5P_GROUP_CREATE), group = -1;
    if (make >= 0 && H5Pset_obj_track_times(make, 0) >= 0 &&
        (a->disk.portable || H5Pset_attr_creation_order(make, H5P_CRT_ORDER_TRACKED) >= 0) && H5Pset_attr_phase_change(make, 64, 32) >= 0)
        group = H5Gcreate2(a->file, "provenance", H5P_DEFAULT, make, H5P_DEFAULT);
    herr_t bad = group < 0;
    for (int64_t i = 0; i < a->notes && !bad; i++)
        bad = write_note(group, &a->note[i], p) < 0;
    if (group >= 0)
        bad = H5Gclose(group) < 0 || bad;
    tessi_store_close(make);
    return bad ? -1 : 0;
}

/* Closes the file, flushing it first, so that a failure leaves a handle that can still be closed, in vain, by the caller. What H5Fclose
 * itself still writes may fail as well; a second H5Fclose of that handle would follow a NULL. */
static int close_file(struct tess_context *ctx, struct tess_artefact *a)
{
    if (H5Fflush(a->file, H5F_SCOPE_LOCAL) < 0)
        return tessi_store_fail(ctx, a, "");
    a->disk.closing = 1;
    herr_t bad = H5Fclose(a->file) < 0;
    a->file = -1;
    return bad || a->disk.error ? tessi_store_fail(ctx, a, "") : TESS_OK;
}

static int artefact_finish_finish(struct tess_context *ctx, struct tess_artefact *a, const struct tessi_provenance *p)
{
    static const struct tessi_provenance nothing;
    TESS_TRY(check_complete(ctx, a));
    TESS_TRY(tessi_store_digest_content(ctx, a, a->digest));
    p = p ? p : &nothing;
    TESS_TRY(list_provenance(ctx, a, p));
    if (write_attrs(a) < 0)
        return tessi_store_fail(ctx, a, "");
    if (write_provenance(a, p) < 0)
        return tessi_store_fail(ctx, a, "provenance");
    TESS_TRY(close_file(ctx, a));
    TESS_TRY(tessi_store_file_sum_write(ctx, a));
    return tessi_base_aside_finish(ctx, a->disk.aside);
}

int tessi_store_artefact_digest_written(struct tess_context *ctx, const struct tess_artefact *a, char digest[65])
{
    TESS_TRY(check_complete(ctx, a));
    return tessi_store_digest_content(ctx, a, digest);
}

int tessi_store_artefact_finish(struct tess_context *ctx, struct tess_artefact *a, const struct tessi_provenance *p, char digest[65])
{
    tessi_store_lock();
    int status = artefact_finish_finish(ctx, a, p);
    tessi_store_unlock();
    if (digest)
        (void)snprintf(digest, TESS_DIGEST_TEXT, "%s", status == TESS_OK ? a->digest : "");
    tessi_store_artefact_close(a);
    return status;
}
