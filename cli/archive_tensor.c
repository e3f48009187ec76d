/* Codes in a file of tensors: of torch.save, as "Unleashing Transformers" (`*_train_latents`) and VQ-DDM keep them, or safetensors.
 * SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "core/exchange/exchange.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int archive_tensor_is_integers(const struct tess_entry *e)
{
    return (e->dtype[0] == 'i' || e->dtype[0] == 'u') && e->dtype[1] >= '0' && e->dtype[1] <= '9';
}

/* The only tensor of integers, or -1. */
static int64_t archive_tensor_find(const struct tess_format_1 *f, void *self, int64_t *found)
{
    int64_t at = -1;
    *found = 0;
    for (int64_t i = 0; i < f->count(self); i++)
        if (archive_tensor_is_integers(f->entry(self, i))) {
            at = i;
            ++*found;
        }
    return *found == 1 ? at : -1;
}

static int archive_tensor_header(struct tess_context *ctx, const char *path, const struct tess_instance *format, struct npy_header *h)
{
    const struct tess_format_1 *f = tess_instance_ops(format, "format/1");
    void *self = tess_instance_self(format);
    struct tess_place place = {.size = sizeof place};
    int64_t found, i = archive_tensor_find(f, self, &found);
    if (i < 0 || !TESS_HAS(f, place) || !f->place)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld tensors of integers; codes are one, (N, ...)", path, (long long)found);
    const struct tess_entry *e = f->entry(self, i);
    TESS_TRY(f->place(self, ctx, i, &place));
    *h =
        (struct npy_header){.kind = place.is_signed ? 'i' : 'u', .bytes = place.bytes, .rank = e->rank, .offset = place.offset, .count = 1};
    if (e->rank > NPY_MAX_RANK || place.bytes > 8)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` has more than %d dimensions or is of no integers", path, e->name, NPY_MAX_RANK);
    for (int32_t k = 0; k < e->rank; k++) {
        h->dim[k] = e->dim[k];
        h->count *= e->dim[k];
    }
    return TESS_OK;
}

static int archive_tensor_ends(const char *path, const char *ending)
{
    size_t n = strlen(path), e = strlen(ending);
    return n > e && strcasecmp(path + n - e, ending) == 0;
}

static int is_npy(const char *path)
{
    struct stat st;
    return archive_tensor_ends(path, ".npy") || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

int cli_archive_arrays(struct tess_context *ctx, struct code_arrays *a, const char *path, int64_t tokens)
{
    struct tess_instance *format = NULL;
    struct npy_header header;
    if (is_npy(path))
        return code_arrays_open(ctx, a, path, tokens);
    a->fd = -1;
    int status = tessi_exchange_format_read(ctx, path, archive_tensor_ends(path, ".safetensors") ? "" : ".", &format);
    if (status == TESS_OK)
        status = archive_tensor_header(ctx, path, format, &header);
    tess_instance_close(format);
    return status == TESS_OK ? code_arrays_open_given(ctx, a, path, &header, tokens) : status;
}
