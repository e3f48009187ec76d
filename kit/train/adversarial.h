/* The adversarial term of a generator's loss, and its critic's own loss (docs/models.md, section 13). SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_ADVERSARIAL_H
#define KIT_TRAIN_ADVERSARIAL_H

#include <tessera/kind/critic.h>
#include <tessera/plugin.h>
#include <tessera/kind/stage.h>

enum { ADVERSARIAL_TOGETHER, ADVERSARIAL_AFTER };

struct adversarial_params {
    struct tess_instance *critic; /* NULL: none */
    int32_t augment, balance, turn; /* turn: ADVERSARIAL_TOGETHER, ADVERSARIAL_AFTER */
    int32_t critic_loss, generator_loss;
    int64_t start;
    double weight, max, lecam_weight;
};

#define ADVERSARIAL_PARAMS(S, m)                                                                                                           \
    {.name = "critic",                                                                                                                     \
     .help = "judges reconstructions, for an adversarial term in the loss; none where it is not said",                                     \
     .type = TESS_COMPONENT,                                                                                                               \
     .offset = offsetof(S, m.critic),                                                                                                      \
     .text = "critic/1"},                                                                                                                  \
        {.name = "augment",                                                                                                                \
         .help = "diffaug: the critic sees images whose colour and place were changed at random, as published",                            \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(S, m.augment),                                                                                                 \
         .text = "none|diffaug"},                                                                                                          \
        {.name = "adversarial_start",                                                                                                      \
         .help = "step from which the term counts; the critic learns from the next one on, or from this one where it learns after",        \
         .type = TESS_I64,                                                                                                                 \
         .offset = offsetof(S, m.start),                                                                                                   \
         .lo = 0,                                                                                                                          \
         .hi = 1e9,                                                                                                                        \
         .def = 0},                                                                                                                        \
        {.name = "critic_loss",                                                                                                            \
         .help = "the critic's own loss: hinge, vanilla of logits (an option of taming's), or non-saturating of each image's mean logit",  \
         .type = TESS_ENUM,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.critic_loss),                                                                                             \
         .text = "hinge|vanilla|non-saturating"},                                                                                          \
        {.name = "generator_loss",                                                                                                         \
         .help = "the term itself: hinge, minus the mean logit, or non-saturating of each image's mean logit (Open-MAGVIT2, IBQ)",         \
         .type = TESS_ENUM,                                                                                                                \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.generator_loss),                                                                                          \
         .text = "hinge|non-saturating"},                                                                                                  \
        {.name = "lecam_weight",                                                                                                           \
         .help = "weight of LeCam's regulariser in the critic's loss (Open-MAGVIT2: 0.05); 0: it is left out",                             \
         .type = TESS_F64,                                                                                                                 \
         .flags = TESS_LATER,                                                                                                              \
         .offset = offsetof(S, m.lecam_weight),                                                                                            \
         .lo = 0,                                                                                                                          \
         .hi = 1e4,                                                                                                                        \
         .def = 0},                                                                                                                        \
    {                                                                                                                                      \
        .name = "critic_learns",                                                                                                           \
        .help =                                                                                                                            \
            "together: from the reconstructions that the generator learns from (\"Unleashing Transformers\"); after: from those of the "   \
            "changed generator, made again, so that a step takes twice the time (taming, VQ-DDM, ReFiT)",                                  \
        .type = TESS_ENUM, .flags = TESS_LATER, .offset = offsetof(S, m.turn), .text = "together|after"                                    \
    }
/* Parameters of the term's weight, with defaults that differ from stage to stage. */
#define ADVERSARIAL_WEIGHT_PARAMS(S, m, default_weight, default_most)                                                                      \
    {.name = "adversarial_weight",                                                                                                         \
     .help = "factor of the term's weight (taming and ReFiT have 0.8)",                                                                    \
     .type = TESS_F64,                                                                                                                     \
     .offset = offsetof(S, m.weight),                                                                                                      \
     .lo = 0,                                                                                                                              \
     .hi = 1e4,                                                                                                                            \
     .def = default_weight},                                                                                                               \
    {                                                                                                                                      \
        .name = "adversarial_weight_max", .help = "the weight is at most this before the factor (taming has 1e4)", .type = TESS_F64,       \
        .flags = TESS_GONE, .offset = offsetof(S, m.max), .lo = 0, .hi = 1e9, .def = default_most, .former = "adversarial_most"            \
    }
/* Choice of what that factor multiplies; its default differs from stage to stage: 0 gradients, 1 fixed. */
#define ADVERSARIAL_BALANCE_PARAM(S, m, default_balance, default_flags)                                                                    \
    {                                                                                                                                      \
        .name = "adversarial_balance",                                                                                                     \
        .help = "what the factor multiplies: gradients: the ratio of the two gradients (as published for VQGANs); fixed: 1 (for ReFiT)",   \
        .type = TESS_ENUM, .flags = default_flags, .offset = offsetof(S, m.balance), .def = default_balance, .text = "gradients|fixed"     \
    }

/* Metrics of a training step: lambda of (13.3), and the critic's mean logits of real and of generated images. */
enum { ADVERSARIAL_WEIGHT, ADVERSARIAL_REAL, ADVERSARIAL_MADE, ADVERSARIAL_COLUMNS };
extern const char *const adversarial_column[ADVERSARIAL_COLUMNS];

/* State that a graph with the adversarial term refers to while it lives. */
struct adversarial {
    const struct adversarial_params *p;
    struct tess_weights *weights;
    const _Atomic int64_t *step; /* the step being made */
    double metric[ADVERSARIAL_COLUMNS];
    int64_t weighed; /* number of the step, from 1, whose weight `metric` has: that of the generator's own run */
    /* Sums over the steps watched together, and flags of the warnings given, each cleared once its cause has passed. */
    struct {
        int64_t steps, limited;
        double loss, metric[ADVERSARIAL_COLUMNS];
        int faultless, at_limit;
    } watched;
};

/* First step of the critic's own training. */
int64_t adversarial_first_step(const struct adversarial_params *p);
/* Work of a step as a multiple of one run of its graph. */
double adversarial_runs(const struct adversarial_params *p);
/* Fails where a parameter is about a critic and there is none. */
int adversarial_check(const struct adversarial_params *p, struct tess_context *ctx);
/* Records the term and the critic's loss: x real images, y generated ones, `error` the loss that the term is weighted against (13.3).
 * `term` is added to the generator's objective (13.1), `own` is the critic's (13.2), whose weights are under "critic". The last kernel
 * under "decoder." is the one the weight is measured at. */
int adversarial_record(struct tess_context *ctx, struct adversarial *a, struct tess_graph *g, struct tess_node *x, struct tess_node *y,
                       struct tess_node *error, struct tess_node **term, struct tess_node **own);
/* Takes a step's metrics from the graph's totals, moves the averages of LeCam's regulariser, adds the adversarial term to the total "loss",
 * and warns the user when for a while the critic has judged without a fault, or lambda has stood at its limit; once, and again only when
 * that had passed. */
int adversarial_watch(struct adversarial *a, struct tess_context *ctx, struct tess_stage_run *r, const struct tess_graph *g,
                      const struct tess_batch *b);

#endif
