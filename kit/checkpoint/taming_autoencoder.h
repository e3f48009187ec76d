/* The autoencoder of taming, which VQ-DDM took over: its names, and which model they make. Linked into the plugins of both.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_TAMING_AUTOENCODER_H
#define KIT_CHECKPOINT_TAMING_AUTOENCODER_H

#include "kit/checkpoint/conv_layout.h"

/* 1 where the file has the beginning of such an autoencoder. */
int taming_is_there(const struct tess_import_plan *p);
/* Import and export of struct tess_checkpoint_1; `who` is the architecture that was asked for. `retrained`: names of the class that VQ-DDM
 * retrains with, `discriminator.` where taming's class has `loss.discriminator.`; both are read. */
int taming_import(struct tess_context *ctx, const char *who, const struct conv_untold *u, struct tess_import_plan *p) TESS_CHECKED;
int taming_export(struct tess_context *ctx, const char *who, int retrained, const struct conv_untold *u,
                  struct tess_export_plan *p) TESS_CHECKED;

#endif
