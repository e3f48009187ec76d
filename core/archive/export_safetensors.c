/* safetensors: eight bytes with the header's length, a header in JSON, then the tensors one after the other: codes, labels, codebook.
 * SPDX-License-Identifier: MIT */
#include "core/archive/export_private.h"
#include "core/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct safetensors {
    const struct tessi_archive_exporter *x;
    struct tessi_aside *to;
    struct tess_tensor labels, codebook; /* data NULL: there is none */
};

static int64_t safetensors_entry(FILE *to, const char *name, const char *dtype, const struct tess_tensor *shape, int64_t at, int64_t bytes)
{
    fprintf(to, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", name, dtype);
    for (int32_t i = 0; i < shape->rank; i++)
        fprintf(to, "%s%lld", i ? "," : "", (long long)shape->dim[i]);
    fprintf(to, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + bytes));
    return at + bytes;
}

/* The header, padded with blanks so that tensors begin at a multiple of eight bytes. */
static char *safetensors_header(const struct safetensors *s, size_t *bytes)
{
    static const char *const dtypes[] = {"", "U8", "U16", "", "I32"};
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    int64_t at = 0;
    if (!to)
        return NULL;
    fputs("{\"__metadata__\":{\"tokenizer\":", to);
    tessi_base_json_text(to, tess_attrs_text_or(tess_artefact_attrs(s->x->a), "tokenizer", ""));
    fprintf(to, ",\"codebook_size\":\"%lld\"}", (long long)s->x->codebook_size);
    at = safetensors_entry(to, "codes", dtypes[s->x->width], &s->x->codes, at, tess_tensor_count(&s->x->codes) * s->x->width);
    if (s->labels.data)
        at = safetensors_entry(to, "labels", "I32", &s->labels, at, (int64_t)tess_tensor_bytes(&s->labels));
    if (s->codebook.data)
        (void)safetensors_entry(to, "codebook", "F32", &s->codebook, at, (int64_t)tess_tensor_bytes(&s->codebook));
    putc('}', to);
    for (long length = ftell(to); length % 8; length++)
        putc(' ', to);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

static int safetensors_take(void *user, struct tess_context *ctx, const struct tessi_archive_block *b)
{
    const struct safetensors *s = user;
    return tessi_base_aside_put(ctx, s->to, b->codes, (size_t)(b->rows * s->x->row * s->x->width));
}

static int safetensors_write(struct tess_context *ctx, struct safetensors *s)
{
    uint8_t length[8];
    size_t bytes = 0;
    char *header = safetensors_header(s, &bytes);
    if (!header)
        return ctx->fail(ctx, TESS_E_MEMORY, "memory for a header could not be allocated");
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)bytes >> (8 * i));
    int status = tessi_base_aside_put(ctx, s->to, length, sizeof length);
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, s->to, header, bytes);
    free(header);
    if (status == TESS_OK)
        status = tessi_archive_export_blocks(ctx, s->x, safetensors_take, s);
    if (status == TESS_OK && s->labels.data)
        status = tessi_base_aside_put(ctx, s->to, s->labels.data, tess_tensor_bytes(&s->labels));
    if (status == TESS_OK && s->codebook.data)
        status = tessi_base_aside_put(ctx, s->to, s->codebook.data, tess_tensor_bytes(&s->codebook));
    return status == TESS_OK ? tessi_base_aside_finish(ctx, s->to) : status;
}

int tessi_archive_export_safetensors(struct tess_context *ctx, const struct tessi_archive_exporter *x)
{
    struct safetensors s = {.x = x};
    int status = TESS_OK;
    if (x->has_labels)
        status = tess_artefact_load(ctx, x->a, "labels", TESS_I32, &s.labels);
    if (status == TESS_OK && tess_artefact_has(x->a, "codebook"))
        status = tess_artefact_load(ctx, x->a, "codebook", TESS_F32, &s.codebook);
    if (status == TESS_OK)
        status = tessi_base_aside_open(ctx, x->o->to, 0, &s.to);
    if (status == TESS_OK)
        status = safetensors_write(ctx, &s);
    tessi_base_aside_close(s.to);
    tess_free(s.labels.data);
    tess_free(s.codebook.data);
    return status;
}
