/* Levels in the attributes of artefacts; see include/tessera/levels.h. SPDX-License-Identifier: MIT */
#include <tessera/levels.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_TEXT = 24 * TESS_DEPTH_MAX };

int32_t tess_code_shape(int64_t n, int64_t height, int64_t width, int64_t depth, int64_t dim[4])
{
    dim[0] = n;
    dim[1] = height;
    dim[2] = width;
    dim[3] = depth;
    return depth > 1 ? 4 : 3;
}

int tess_levels_set(struct tess_context *ctx, struct tess_attrs *attrs, int64_t codebook_size, int64_t depth, const int64_t *level_size)
{
    char text[LIST_TEXT];
    size_t n = 0;
    int alike = 1;
    for (int64_t l = 0; l < depth; l++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld", l ? "," : "", (long long)level_size[l]);
        alike &= level_size[l] == codebook_size;
    }
    if (depth > 1)
        TESS_TRY(tess_attrs_set_i64(ctx, attrs, "depth", depth));
    return alike ? TESS_OK : tess_attrs_set_text(ctx, attrs, "level_sizes", text);
}

/* "256,256,64" into level_size; 0 unless that is `depth` numbers from 2 to codebook_size. */
static int read_sizes(const char *text, int64_t codebook_size, int64_t depth, int64_t *level_size)
{
    for (int64_t l = 0; l < depth; l++) {
        char *end;
        errno = 0;
        level_size[l] = strtoll(text, &end, 10);
        if (end == text || errno || level_size[l] < 2 || level_size[l] > codebook_size || *end != (l == depth - 1 ? '\0' : ','))
            return 0;
        text = end + 1;
    }
    return 1;
}

int tess_levels_get(struct tess_context *ctx, const struct tess_attrs *attrs, int64_t codebook_size, int64_t *depth, int64_t *level_size)
{
    const char *text = tess_attrs_text_or(attrs, "level_sizes", NULL);
    *depth = tess_attrs_i64_or(attrs, "depth", 1);
    if (*depth < 1 || *depth > TESS_DEPTH_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "the attribute `depth` is %lld: 1 .. %d was wanted; the file is damaged, make it again",
                         (long long)*depth, TESS_DEPTH_MAX);
    for (int64_t l = 0; l < *depth; l++)
        level_size[l] = codebook_size;
    if (text && !read_sizes(text, codebook_size, *depth, level_size))
        return ctx->fail(ctx, TESS_E_DATA,
                         "the attribute `level_sizes` is \"%.80s\": %lld numbers of 2 .. %lld were wanted; the file is "
                         "damaged, make it again",
                         text, (long long)*depth, (long long)codebook_size);
    return TESS_OK;
}
