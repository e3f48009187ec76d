/* Crops that another archive tells (port `crops`): each picture gives the rows that it has there, in that order, so that rows of the two
 * archives are of the same parts of the same pictures. What the other archive left out is left out here too; a picture that it does not
 * have, or that has changed since, is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/encode/encode_work.h"

#include <stdio.h>
#include <string.h>

void encode_given_describe(struct encode_work *k, const struct tess_attrs *archive)
{
    k->given = archive != NULL;
    if (!archive)
        return;
    k->given_rows = tess_attrs_i64_or(archive, "count", 0);
    k->given_items = tess_attrs_i64_or(archive, "items", k->given_rows);
    k->given_views = crop_list_views(archive);
}

int encode_given_check(struct tess_context *ctx, const struct encode_work *k)
{
    const struct encode_stage *s = k->s;
    if (!k->given)
        return TESS_OK;
    if (!s->source)
        return ctx->fail(ctx, TESS_E_USAGE, "encode: crops of an archive are cut out of the pictures of a `source: {...}`; found none");
    if (s->crops != CROPS_CENTRE || s->flip || s->to.size || s->to.crop || s->to.pad || s->to.fit)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "encode: the archive at `crops` says which parts of a picture to take; take `crops`, `flip`, `size`, `crop`, `pad` "
            "and `fit` out");
    return TESS_OK;
}

int encode_given_count(struct tess_context *ctx, const struct encode_work *k)
{
    const int64_t items = k->s->offset + k->selection.count;
    if (!k->given || items == k->given_items || (k->s->limit && items < k->given_items))
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_DATA,
        "encode: the source `%s` has %lld images, and the archive at `crops` is of %lld: give it the pictures that archive was "
        "made of, or add new ones to that archive first (tessera encode --append)",
        tess_instance_name(k->s->source), (long long)items, (long long)k->given_items);
}

/* ---- rows of one picture --------------------------------------------------------------------------------------------- */

static int find(struct tess_context *ctx, struct encode_work *k, int64_t item, const char *name, struct crop_list_found *found)
{
    pthread_mutex_lock(&k->listing);
    int status = crop_list_find(ctx, &k->list, item, name, found);
    pthread_mutex_unlock(&k->listing);
    return status;
}

/* A picture without rows in the archive: left out there, or not known at all. */
static int without_rows(struct tess_context *ctx, const struct encode_work *k, const char *name, const struct crop_list_found *found,
                        struct encode_slot *slot)
{
    const char *archive = tess_artefact_path(k->list.archive);
    if (found->first < 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: %s has no crops of such a picture; give the pictures that archive was made of, or add this one to it first "
                         "(tessera encode --append)",
                         name, archive);
    if (!k->s->skip_bad)
        return ctx->fail(ctx, TESS_E_ITEM, "%s: %s left it out (%s); leave such pictures out with `skip_bad: true`", name, archive,
                         found->reason);
    if (!*slot->reason)
        (void)snprintf(slot->reason, sizeof slot->reason, "%s", found->reason);
    return TESS_OK;
}

static int cut_rows(struct tess_context *ctx, const struct encode_work *k, struct image_fit_worker *worker, struct encode_slot *slot)
{
    const struct tess_image *image = &worker->image;
    const struct tess_tokenizer *t = &k->tokenizer;
    const size_t row = (size_t)(t->height * t->width * t->channels);
    TESS_TRY(crop_list_boxes(ctx, &k->list, slot->given, slot->rows, image->height, image->width, slot->box));
    for (int64_t v = 0; v < slot->rows; v++)
        TESS_TRY(crops_apply(ctx, &k->crop, &slot->box[v], worker, t->channels, slot->bytes + (size_t)v * row));
    return TESS_OK;
}

int encode_given_take(struct tess_context *ctx, struct encode_work *k, int64_t item, struct image_fit_worker *worker,
                      struct encode_slot *slot)
{
    struct crop_list_found found;
    const char *name = k->source->names(k->self) ? worker->image.name : NULL;
    TESS_TRY(find(ctx, k, item, name, &found));
    slot->given = found.first;
    slot->has_content = found.has_content;
    memcpy(slot->content, found.content, sizeof slot->content);
    if (!found.rows)
        return without_rows(ctx, k, worker->image.name, &found, slot);
    if (*slot->reason)
        return ctx->fail(ctx, TESS_E_DATA, "%s: cannot be read (%s), and %s has %lld rows of it: the picture has changed since",
                         worker->image.name, slot->reason, tess_artefact_path(k->list.archive), (long long)found.rows);
    TESS_TRY(encode_reserve_rows(ctx, k, slot, found.rows));
    return cut_rows(ctx, k, worker, slot);
}

/* ---- in order ------------------------------------------------------------------------------------------------------------ */

int encode_given_same(struct tess_context *ctx, struct encode_work *k, const struct encode_slot *slot,
                      const uint8_t content[ARCHIVE_CONTENT])
{
    static const uint8_t unknown[ARCHIVE_CONTENT];
    if (!k->given)
        return TESS_OK;
    if (slot->has_content && memcmp(slot->content, unknown, ARCHIVE_CONTENT) != 0 && memcmp(content, unknown, ARCHIVE_CONTENT) != 0 &&
        memcmp(slot->content, content, ARCHIVE_CONTENT) != 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: is not the picture that %s has crops of: its content has changed since; give the pictures that archive was "
                         "made of, or encode without its crops",
                         slot->name, tess_artefact_path(k->list.archive));
    if (slot->rows && slot->given < k->given_last && !k->given_noted) {
        k->given_noted = 1;
        tess_stage_note(k->run,
                        "pictures come in another order than in %s: its rows are those of the same /names, and not of the same number",
                        tess_artefact_path(k->list.archive));
    }
    if (slot->rows)
        k->given_last = slot->given;
    return TESS_OK;
}
