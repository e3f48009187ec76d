/* What a critic's logits of real and of generated images count in its own loss and in the generator's (docs/models.md, section 13).
 * SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_ADVERSARIAL_LOSSES_H
#define KIT_TRAIN_ADVERSARIAL_LOSSES_H

#include "kit/train/adversarial.h"

/* (13.1), (13.4): the generator's term g, a scalar. `made` (rows, h, w, 1). */
struct tess_node *adversarial_generator_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *made);
/* (13.2), (13.5), (13.6), with (13.8) where it has a weight: the critic's loss, a scalar. Declares the averages "lecam.real" and
 * "lecam.made". */
struct tess_node *adversarial_critic_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *real,
                                          struct tess_node *made);
/* The critic's loss where it cannot tell the two apart, without the regulariser. */
double adversarial_blind_loss(const struct adversarial_params *p);
/* (13.7): moves the averages by a step's mean logits. */
int lecam_move(struct tess_context *ctx, struct tess_weights *w, double real, double made);

#endif
