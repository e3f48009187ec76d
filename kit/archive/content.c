/* See content.h. SPDX-License-Identifier: MIT */
#include "kit/archive/content.h"

#include <string.h>

int archive_has_content(const struct tess_source_1 *ops)
{
    return TESS_HAS(ops, content) && ops->content;
}

static uint8_t digit_of(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void archive_content_end(struct tess_digest *d, uint8_t out[ARCHIVE_CONTENT])
{
    char hex[TESS_DIGEST_TEXT];
    tess_digest_end(d, hex);
    for (int b = 0; b < ARCHIVE_CONTENT; b++)
        out[b] = (uint8_t)(digit_of(hex[2 * b]) << 4 | digit_of(hex[2 * b + 1]));
}

int archive_content(struct tess_context *ctx, const struct tess_source_1 *ops, void *self, int64_t i, uint8_t out[ARCHIVE_CONTENT])
{
    struct tess_digest d;
    memset(out, 0, ARCHIVE_CONTENT);
    if (!archive_has_content(ops))
        return TESS_OK;
    tess_digest_start(&d);
    int status = ops->content(self, ctx, i, &d);
    if (status == TESS_OK)
        archive_content_end(&d, out);
    if (status != TESS_E_ITEM)
        return status;
    tess_forget(ctx);
    return TESS_OK;
}
