/* Images for tests of encoders, decoders, critics and feature networks. SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_IMAGES_H
#define TESSI_JUDGE_IMAGES_H

#include <stdint.h>

/* Sides that are tried, the smallest first: networks differ in what is too small for them. */
static const int64_t image_side[] = {16, 32, 64, 24, 48, 96};
enum { IMAGE_SIDES = 6, IMAGE_CHANNELS = 3, IMAGE_CODE_DIM = 8 };

#endif
