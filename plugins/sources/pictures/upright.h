/* Images turned upright. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_UPRIGHT_H
#define PLUGINS_SOURCES_PICTURES_UPRIGHT_H

#include <tessera/kind/source.h>

/* Turns an image by EXIF's orientation, 1 to 8; other numbers leave it as it is. [any thread] */
int picture_upright(struct tess_context *ctx, int orientation, struct tess_image *im) TESS_CHECKED;

#endif
