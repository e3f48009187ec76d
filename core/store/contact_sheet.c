/* Many small images as one picture. SPDX-License-Identifier: MIT */
#include <tessera/artefact.h>

#include <string.h>

#define SIDE_MAX (1 << 16) /* largest side of a contact sheet, in pixels */

static int64_t contact_sheet_squarest(int64_t n)
{
    int64_t side = 1;
    while (side * side < n)
        side++;
    return side;
}

/* Copies an image into the sheet, each pixel `zoom` times in both directions. */
static void contact_sheet_paste(const uint8_t *image, int64_t height, int64_t width, int64_t channels, int64_t zoom, uint8_t *to,
                                int64_t stride)
{
    for (int64_t y = 0; y < height; y++) {
        uint8_t *row = to + y * zoom * stride;
        for (int64_t x = 0; x < width; x++)
            for (int64_t k = 0; k < zoom; k++)
                memcpy(row + (x * zoom + k) * channels, image + (y * width + x) * channels, (size_t)channels);
        for (int64_t k = 1; k < zoom; k++)
            memcpy(row + k * stride, row, (size_t)(width * zoom * channels));
    }
}

int tess_contact_sheet(struct tess_context *ctx, const struct tess_tensor *images, int64_t across, int64_t gap, int64_t zoom,
                       struct tess_tensor *out)
{
    char text[160];
    const int64_t *dim = images->dim;
    if (images->dtype != TESS_U8 || images->rank != 4 || dim[0] < 1 || dim[1] < 1 || dim[2] < 1 || dim[3] < 1)
        return ctx->fail(ctx, TESS_E_SHAPE, "a contact sheet takes images as u8 (n, height, width, channels), found %s",
                       tess_tensor_text(images, text, sizeof text));
    if (across < 0 || gap < 0 || gap > SIDE_MAX || zoom < 1 || zoom > SIDE_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "a contact sheet %lld across, with gaps of %lld pixels, enlarged %lld times is not possible",
                       (long long)across, (long long)gap, (long long)zoom);
    int64_t n = dim[0], columns = across ? across : contact_sheet_squarest(n);
    if (columns > n)
        columns = n;
    int64_t lines = (n + columns - 1) / columns;
    if (dim[1] > SIDE_MAX || dim[2] > SIDE_MAX || columns > SIDE_MAX || lines > SIDE_MAX || columns * (dim[2] * zoom + gap) > SIDE_MAX ||
        lines * (dim[1] * zoom + gap) > SIDE_MAX)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "a contact sheet of %lld images, %lld across, would be more than %d pixels wide or high; show fewer", (long long)n,
                         (long long)columns, SIDE_MAX);

    int64_t height = lines * (dim[1] * zoom + gap) - gap, width = columns * (dim[2] * zoom + gap) - gap;
    *out = tess_tensor_over(NULL, TESS_U8, 3, (int64_t[]){height, width, dim[3]});
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out), "a contact sheet", &out->data));
    memset(out->data, 255, tess_tensor_bytes(out));
    int64_t stride = width * dim[3];
    for (int64_t i = 0; i < n; i++) {
        int64_t y = i / columns * (dim[1] * zoom + gap), x = i % columns * (dim[2] * zoom + gap);
        contact_sheet_paste((const uint8_t *)images->data + i * dim[1] * dim[2] * dim[3], dim[1], dim[2], dim[3], zoom,
              (uint8_t *)out->data + y * stride + x * dim[3], stride);
    }
    return TESS_OK;
}
