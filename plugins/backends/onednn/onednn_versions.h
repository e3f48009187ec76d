/* Names that versions 2 and 3 of oneDNN's C interface spell differently, spelt once. Included by onednn_kernels.c alone.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_BACKENDS_ONEDNN_ONEDNN_VERSIONS_H
#define PLUGINS_BACKENDS_ONEDNN_ONEDNN_VERSIONS_H

#include <tessera/kind/backend.h>

#include <dnnl.h>

/* The one difference that shows everywhere: a layout is a struct in version 2 and a handle in version 3. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t layout_at;
#define AT(l) (l)
#else
typedef dnnl_memory_desc_t layout;
typedef const dnnl_memory_desc_t *layout_at;
#define AT(l) (&(l))
#endif

/* A convolution's sizes, in oneDNN's order: images, channels, rows, columns. */
struct conv {
    dnnl_dims_t x, w, y, stride, dilation, before, after;
};

static dnnl_status_t make_layout(layout *l, int rank, const dnnl_dims_t dims, int32_t dtype, dnnl_format_tag_t tag)
{
    dnnl_data_type_t type = dtype == TESS_BF16 ? dnnl_bf16 : dnnl_f32;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(l, rank, dims, type, tag);
#else
    return dnnl_memory_desc_init_by_tag(l, rank, dims, type, tag);
#endif
}

static void free_layout(layout *l)
{
#if DNNL_VERSION_MAJOR >= 3
    (void)dnnl_memory_desc_destroy(*l);
#else
    (void)l;
#endif
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine, int what, const struct conv *p, layout_at x, layout_at w,
                              layout_at bias, layout_at y, dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr)
{
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    if (what == TESS_CONV)
        return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training, direct, x, w, bias, y, p->stride,
                                                              p->dilation, p->before, p->after, attr);
    if (what == TESS_CONV_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(out, engine, direct, x, w, y, p->stride, p->dilation, p->before,
                                                                    p->after, hint, attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(out, engine, direct, x, w, NULL, y, p->stride, p->dilation, p->before,
                                                                   p->after, hint, attr);
#else
    dnnl_convolution_desc_t d;
    dnnl_status_t status;
    if (what == TESS_CONV)
        status = dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, direct, x, w, bias, y, p->stride, p->before, p->after);
    else if (what == TESS_CONV_DATA)
        status = dnnl_convolution_backward_data_desc_init(&d, direct, x, w, y, p->stride, p->before, p->after);
    else
        status = dnnl_convolution_backward_weights_desc_init(&d, direct, x, w, NULL, y, p->stride, p->before, p->after);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &d, attr, engine, hint) : status;
#endif
}

static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_at x, layout_at w, layout_at bias,
                                     layout_at y, dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(out, engine, x, w, bias, y, attr);
#else
    dnnl_matmul_desc_t d;
    dnnl_status_t status = dnnl_matmul_desc_init(&d, x, w, bias, y);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &d, attr, engine, NULL) : status;
#endif
}

#endif
