/* The discriminator that comes with a published autoencoder, PatchGAN in both architectures, and critic/1 `patchgan`, whose weights have
 * its names. Linked into each plugin of such an architecture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_CRITIC_NAMES_H
#define KIT_CHECKPOINT_CRITIC_NAMES_H

#include <tessera/exchange.h>
#include <tessera/plugin.h>

/* `range`: "unit" or "signed", the pixels that the architecture shows it. `height`, `width`: of the images.
 *
 * After the table has named every entry: a discriminator under `prefix` ("disc.") becomes the attribute `critic`, without the running
 * statistics of its norms; one that is not this network is left, and so is one of larger images. */
int critic_import(struct tess_context *ctx, struct tess_import_plan *p, const char *prefix, const char *range, int64_t height,
                  int64_t width) TESS_CHECKED;
/* After name_export: a critic of another kind than patchgan, or of another range, is left. */
int critic_export(struct tess_context *ctx, const struct tess_export_plan *p, const char *range, struct tess_export_weight *w) TESS_CHECKED;

#endif
