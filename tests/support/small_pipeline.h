/* A pipeline of every stage over made-up images, small enough to run in a second, and a folder to run it in.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SMALL_PIPELINE_H
#define TESTS_SUPPORT_SMALL_PIPELINE_H

#include <stdint.h>

enum { SMALL_COUNT = 44, SMALL_H = 8, SMALL_W = 12, SMALL_TRAIN = 33 };

/* images, tokenizer, codes, prior, samples, decoded, metrics; named `small`; it reads the IDX files `images` and `labels`. */
extern const char small_pipeline[];

uint8_t small_pixel(int64_t i, int64_t at); /* pixel of image i at y * SMALL_W + x; no two images are alike */
uint8_t small_label(int64_t i);

/* A new folder under /tmp, entered, with `images`, `labels` and `small.yaml`; and out of it again, with all that is in it gone. */
const char *small_folder_enter(void);
void small_folder_leave(void);

void small_make_data(int64_t n); /* `images` and `labels`, of n images, in the current folder */
void small_make_shades(void);    /* `shades`: labels that tell how bright the SMALL_COUNT images are, of four classes */
void small_write(const char *name, const char *text);
void small_shell(const char *line); /* by sh, in the current folder; the test fails unless it ends with 0 */
void small_write_idx(const char *path, int dims, const int64_t *dim, const uint8_t *content, int64_t bytes);

#endif
