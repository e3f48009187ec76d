/* The tensors of a file of weights as a digest: two saves of the same weights are one content, whatever their writers put beside the
 * tensors and in whichever order. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/exchange/exchange_private.h"
#include "core/host/file_digests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    const struct tess_format_1 *format;
    void *self;
    struct named {
        const struct tess_entry *entry;
        int64_t place;
    } * named;
    int64_t count; /* entries of real numbers */
    float *value;
};

static int tensors_digest_compare(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->entry->name, ((const struct named *)b)->entry->name);
}

static size_t entry_values(const struct tess_entry *e)
{
    size_t n = 1;
    for (int32_t d = 0; d < e->rank; d++)
        n *= (size_t)e->dim[d];
    return n;
}

/* The entries in the order of their names, and space for the largest. */
static int tensors_digest_list(struct tess_context *ctx, struct list *l)
{
    int64_t n = l->format->count(l->self);
    size_t max = 0;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *l->named, "a list of tensors", &memory));
    l->named = memory;
    for (int64_t i = 0; i < n; i++) {
        const struct tess_entry *e = l->format->entry(l->self, i);
        if (!e->is_real)
            continue;
        max = entry_values(e) > max ? entry_values(e) : max;
        l->named[l->count++] = (struct named){e, i};
    }
    qsort(l->named, (size_t)l->count, sizeof *l->named, tensors_digest_compare);
    TESS_TRY(tess_alloc(ctx, max * sizeof(float) + 1, "a tensor", &memory));
    l->value = memory;
    return TESS_OK;
}

/* "3 64 3 3 " */
static const char *tensors_digest_shape(const struct tess_entry *e, char *text, size_t capacity)
{
    size_t at = 0;
    *text = '\0';
    for (int32_t k = 0; k < e->rank; k++)
        at += (size_t)snprintf(text + at, capacity - at, "%lld ", (long long)e->dim[k]);
    return text;
}

static int tensors_digest_add(struct tess_context *ctx, struct list *l, struct tess_digest *d)
{
    char text[TESS_ENTRY_RANK * 24];
    for (int64_t i = 0; i < l->count; i++) {
        const struct tess_entry *e = l->named[i].entry;
        TESS_TRY(l->format->read(l->self, ctx, l->named[i].place, l->value));
        tess_digest_add_text(d, e->name);
        tess_digest_add_text(d, tensors_digest_shape(e, text, sizeof text));
        tess_digest_add(d, l->value, entry_values(e) * sizeof(float));
    }
    return TESS_OK;
}

static int tensors_digest_read(struct tess_context *ctx, const char *path, struct tess_digest *d)
{
    struct tess_instance *format = NULL;
    int status = tessi_exchange_format_read(ctx, path, "", &format);
    struct list l = {.format = format ? tess_instance_ops(format, "format/1") : NULL, .self = format ? tess_instance_self(format) : NULL};
    if (status == TESS_OK)
        status = tensors_digest_list(ctx, &l);
    if (status == TESS_OK)
        status = tensors_digest_add(ctx, &l, d);
    tess_free(l.named);
    tess_free(l.value);
    tess_instance_close(format);
    return status;
}

int tessi_exchange_digest_of_tensors(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    tess_digest_start(&d);
    int status = tensors_digest_read(ctx, path, &d);
    if (status == TESS_E_DATA) {
        struct tessi_witness *before = tessi_host_witness_set(ctx, NULL); /* who has the file already */
        tessi_base_context_clear(ctx);
        tess_digest_start(&d);
        status = tess_digest_add_files(ctx, &d, 1, &path);
        (void)tessi_host_witness_set(ctx, before);
    }
    tess_digest_end(&d, digest);
    return status;
}
