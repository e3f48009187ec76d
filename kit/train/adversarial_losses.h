/* Losses of an adversarial training, computed from the critic's logits of real and of generated images (docs/models.md, section 13).
 * SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_ADVERSARIAL_LOSSES_H
#define KIT_TRAIN_ADVERSARIAL_LOSSES_H

#include "kit/train/adversarial.h"

/* The generator's term g, (13.1) or (13.4), a scalar; `made`: logits of generated images (rows, h, w, 1). */
struct tess_node *adversarial_generator_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *made);
/* The critic's loss, (13.2), (13.5) or (13.6), a scalar, with the regulariser (13.8) where that has a weight; then the averages
 * "lecam.real" and "lecam.made" are declared. */
struct tess_node *adversarial_critic_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *real,
                                          struct tess_node *made);
/* The critic's loss where it cannot tell the two apart, without the regulariser. */
double adversarial_blind_loss(const struct adversarial_params *p);
/* Moves the regulariser's averages by a step's mean logits, (13.7). */
int lecam_move(struct tess_context *ctx, struct tess_weights *w, double real, double made);

#endif
