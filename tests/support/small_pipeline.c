/* Implementation of small_pipeline.h.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char small_pipeline[] = "tessera: 1\n"
                              "name: small\n"
                              "seed: 3\n"
                              "stages:\n"
                              "  images: {use: import, source: {use: idx, images: images, labels: labels}, split: 0.75}\n"
                              "  tokenizer:\n"
                              "    use: train-autoencoder\n"
                              "    in: {images: images}\n"
                              "    steps: 12\n"
                              "    batch: 12\n"
                              "    encoder: {use: conv, channels: 32, channel_mult: [1, 1], attn_resolutions: [4]}\n"
                              "    decoder: {use: conv}\n"
                              "    quantizer: {use: ema, codebook_size: 12, code_dim: 6}\n"
                              "  codes: {use: encode, in: {images: images, model: tokenizer}}\n"
                              "  prior:\n"
                              "    use: train-prior\n"
                              "    in: {codes: codes}\n"
                              "    steps: 9\n"
                              "    batch: 10\n"
                              "    noise: {use: absorbing, steps: 10}\n"
                              "    denoiser: {use: transformer, embed_dim: 32, layers: 1, heads: 2}\n"
                              "  samples: {use: sample, in: {prior: prior, model: tokenizer}, count: 5}\n"
                              "  decoded: {use: decode, in: {codes: codes, model: tokenizer}}\n"
                              "  metrics: {use: evaluate, in: {images: images, model: tokenizer, prior: prior}}\n";

uint8_t small_pixel(int64_t i, int64_t at)
{
    int64_t y = at / SMALL_W, x = at % SMALL_W, shade = (i % 4 + 1) * 50;
    return (uint8_t)(at < 2 ? i >> 8 * at : (x + i) / 4 % 2 == y / 4 % 2 ? shade : (i * 37 + at * 11) % 40); /* no two images alike */
}

uint8_t small_label(int64_t i)
{
    return (uint8_t)(i * 7 % 5);
}

void small_make_shades(void)
{
    uint8_t shade[SMALL_COUNT];
    for (int i = 0; i < SMALL_COUNT; i++)
        shade[i] = (uint8_t)(i % 4); /* as small_pixel has it */
    small_write_idx("shades", 1, (const int64_t[]){SMALL_COUNT}, shade, sizeof shade);
}

void small_write_idx(const char *path, int dims, const int64_t *dim, const uint8_t *content, int64_t bytes)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fwrite((const char[]){0, 0, 8, (char)dims}, 1, 4, f);
    for (int i = 0; i < dims; i++)
        fwrite((const char[]){(char)(dim[i] >> 24), (char)(dim[i] >> 16), (char)(dim[i] >> 8), (char)dim[i]}, 1, 4, f);
    fwrite(content, 1, (size_t)bytes, f);
    ck_assert_int_eq(fclose(f), 0);
}

void small_make_data(int64_t n)
{
    uint8_t *all = calloc((size_t)n, (size_t)(SMALL_H * SMALL_W));
    ck_assert_ptr_nonnull(all);
    for (int64_t i = 0; i < n * SMALL_H * SMALL_W; i++)
        all[i] = small_pixel(i / (SMALL_H * SMALL_W), i % (SMALL_H * SMALL_W));
    small_write_idx("images", 3, (const int64_t[]){n, SMALL_H, SMALL_W}, all, n * SMALL_H * SMALL_W);
    for (int64_t i = 0; i < n; i++)
        all[i] = small_label(i);
    small_write_idx("labels", 1, &n, all, n);
    free(all);
}

void small_write(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

void small_shell(const char *line)
{
    ck_assert_msg(system(line) == 0, "%s", line);
}

static const char folders[] = "/tmp/tessera-tests-XXXXXX";
static char folder[sizeof folders];

const char *small_folder_enter(void)
{
    memcpy(folder, folders, sizeof folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    small_make_data(SMALL_COUNT);
    small_write("small.yaml", small_pipeline);
    return folder;
}

void small_folder_leave(void)
{
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
}
