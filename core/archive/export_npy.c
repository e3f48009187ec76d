/* NPY, as NumPy writes it: one file of all codes; labels and codebook in files beside it. SPDX-License-Identifier: MIT */
#include "core/archive/export_private.h"
#include "core/base/files.h"

#include <stdio.h>
#include <string.h>

int64_t tessi_archive_npy_header(const struct tess_tensor *shape, int64_t width, char header[TESSI_NPY_HEADER])
{
    char text[160], dims[48] = ""; /* four dimensions, one of them large */
    for (int32_t i = 0; i < shape->rank; i++)
        (void)snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%s%lld", i ? ", " : "", (long long)shape->dim[i]);
    (void)snprintf(text, sizeof text, "{'descr': '%s%c%lld', 'fortran_order': False, 'shape': (%s%s), }", width == 1 ? "|" : "<",
                   width < 0 ? 'f' : 'u', (long long)(width < 0 ? -width : width), dims, shape->rank == 1 ? "," : "");
    memset(header, ' ', TESSI_NPY_HEADER);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = TESSI_NPY_HEADER - 10;
    header[9] = 0;
    memcpy(header + 10, text, strnlen(text, TESSI_NPY_HEADER - 11));
    header[TESSI_NPY_HEADER - 1] = '\n';
    return TESSI_NPY_HEADER;
}

/* "out.npy" and "labels" make "out.labels.npy". */
static int npy_beside(struct tess_context *ctx, const char *path, const char *what, char **out)
{
    size_t length = strlen(path);
    int ends = length > 4 && strcmp(path + length - 4, ".npy") == 0;
    return tessi_base_format(ctx, out, "%.*s.%s.npy", (int)(ends ? length - 4 : length), path, what);
}

struct npy {
    const struct tessi_archive_exporter *x;
    struct tessi_aside *codes;
};

static int npy_take(void *user, struct tess_context *ctx, const struct tessi_archive_block *b)
{
    const struct npy *n = user;
    return tessi_base_aside_put(ctx, n->codes, b->codes, (size_t)(b->rows * n->x->row * n->x->width));
}

/* Writes a whole dataset as a file beside the codes; nothing where there is none. */
static int npy_write_beside(struct tess_context *ctx, const struct tessi_archive_exporter *x, const char *dataset)
{
    char header[TESSI_NPY_HEADER], *path = NULL;
    struct tessi_aside *to = NULL;
    struct tess_tensor t;
    if (!tess_artefact_has(x->a, dataset))
        return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, x->a, dataset, &t));
    int real = t.dtype == TESS_F32;
    TESS_TRY(tess_artefact_load(ctx, x->a, dataset, real ? TESS_F32 : TESS_I32, &t));
    int status = npy_beside(ctx, x->o->to, dataset, &path);
    if (status == TESS_OK)
        status = tessi_base_aside_open(ctx, path, 0, &to);
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, to, header, (size_t)tessi_archive_npy_header(&t, real ? -4 : 4, header));
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, to, t.data, tess_tensor_bytes(&t));
    if (status == TESS_OK)
        status = tessi_base_aside_finish(ctx, to);
    tessi_base_aside_close(to);
    tess_free(path);
    tess_free(t.data);
    return status;
}

int tessi_archive_export_npy(struct tess_context *ctx, const struct tessi_archive_exporter *x)
{
    struct npy n = {.x = x};
    char header[TESSI_NPY_HEADER];
    TESS_TRY(npy_write_beside(ctx, x, "labels"));
    TESS_TRY(npy_write_beside(ctx, x, "codebook"));
    int status = tessi_base_aside_open(ctx, x->o->to, 0, &n.codes);
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, n.codes, header, (size_t)tessi_archive_npy_header(&x->codes, x->width, header));
    if (status == TESS_OK)
        status = tessi_archive_export_blocks(ctx, x, npy_take, &n);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(ctx, n.codes);
    tessi_base_aside_close(n.codes);
    return status;
}
