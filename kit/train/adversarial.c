/* SPDX-License-Identifier: MIT */
#include "kit/train/adversarial.h"

#include "kit/train/adversarial_losses.h"
#include "kit/train/diffaug.h"

#include <math.h>
#include <string.h>

enum { NONE, DIFFAUG };
enum { BALANCE_GRADIENTS, BALANCE_FIXED };
enum { WATCHED = 50 }; /* steps averaged before they are judged */
static const double FAULTLESS = 0.05, RECOVERED = 0.2; /* shares of the loss of a critic that cannot tell */
static const char adversarial_term[] = "adversarial term", adversarial_weighed[] = "adversarial term, weighed";

const char *const adversarial_column[ADVERSARIAL_COLUMNS] = {"adversarial weight", "critic on real", "critic on made"};

int adversarial_check(const struct adversarial_params *p, struct tess_context *ctx)
{
    if (p->augment == DIFFAUG && !p->critic)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "augment: diffaug changes what a critic sees, and there is none; add `critic`, or leave augment out");
    if ((p->critic_loss || p->generator_loss || p->lecam_weight > 0.0) && !p->critic)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "critic_loss, generator_loss and lecam_weight are about a critic, and there is none; add `critic`, or leave them out");
    return TESS_OK;
}

int64_t adversarial_first_step(const struct adversarial_params *p)
{
    return p->turn == ADVERSARIAL_AFTER ? p->start : p->start + 1;
}

double adversarial_runs(const struct adversarial_params *p)
{
    return p->critic && p->turn == ADVERSARIAL_AFTER ? 2.0 : 1.0;
}

/* Name of the last matrix or kernel that was declared under "decoder.". */
static const char *last_layer(struct tess_context *ctx, struct tess_weights *w)
{
    const char *last = NULL;
    struct tess_tensor shape;
    for (int64_t i = 0; i < tess_weights_count(w); i++)
        if (strncmp(tess_weights_name(w, i), "decoder.", 8) == 0 && tess_weights_view(ctx, w, i, TESS_ROLE_VALUE, &shape) == TESS_OK &&
            shape.rank >= 2)
            last = tess_weights_name(w, i);
    return last;
}

static double length_of(const struct tess_tensor *t)
{
    double sum = 0.0;
    for (int64_t i = 0; i < tess_tensor_count(t); i++)
        sum += (double)((const float *)t->data)[i] * (double)((const float *)t->data)[i];
    return sqrt(sum);
}

/* (13.3) */
static int adversarial_adapt(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe, float *adaptive_weight)
{
    struct adversarial *a = user;
    double weight = length_of(&gradient_probe[0]) / (length_of(&gradient_probe[1]) + 1e-4);
    (void)ctx;
    weight = weight < a->p->max ? weight : a->p->max;
    weight = a->p->balance == BALANCE_FIXED ? 1.0 : weight;
    adaptive_weight[0] = *a->step < a->p->start ? 0.0f : (float)(a->p->weight * weight);
    if (a->weighed != *a->step + 1)
        a->metric[ADVERSARIAL_WEIGHT] = (double)adaptive_weight[0];
    a->weighed = *a->step + 1;
    return TESS_OK;
}

/* Records the critic's logits of the images, augmented first where that is asked for; real and generated images draw independently. */
static int adversarial_judge(struct tess_context *ctx, const struct adversarial *a, struct tess_graph *g, struct tess_node *image,
                             const char *purpose, struct tess_node **logits)
{
    const struct tess_critic_1 *critic = tess_instance_ops(a->p->critic, "critic/1");
    if (a->p->augment == DIFFAUG)
        image = diffaug(g, image, diffaug_draws(g, purpose));
    tess_scope(g, "critic");
    TESS_TRY(tess_instance_returned(ctx, a->p->critic, "critic", "record",
                                    critic->record(tess_instance_self(a->p->critic), ctx, g, image, logits)));
    tess_scope_end(g);
    return TESS_OK;
}

int adversarial_record(struct tess_context *ctx, struct adversarial *a, struct tess_graph *g, struct tess_node *x, struct tess_node *y,
                       struct tess_node *error, struct tess_node **term, struct tess_node **own)
{
    struct tess_node *made = NULL, *real = NULL;
    TESS_TRY(adversarial_judge(ctx, a, g, y, "diffaug.made", &made));
    TESS_TRY(adversarial_judge(ctx, a, g, x, "diffaug.real", &real));
    struct tess_node *fooled = adversarial_generator_loss(a->p, g, made);
    *term = tess_mul(g, tess_adaptive_weight(g), fooled);
    *own = adversarial_critic_loss(a->p, g, real, made);
    const char *last = last_layer(ctx, a->weights);
    if (!last)
        return ctx->fail(ctx, TESS_E_VALUE, "the decoder has no matrix or kernel to weigh the adversarial term by; leave critic out");
    tess_gradient_probe(g, error, last);
    tess_gradient_probe(g, fooled, last);
    tess_set_adaptive_weights(g, adversarial_adapt, a);
    tess_total(g, adversarial_column[ADVERSARIAL_REAL], tess_mean_all(g, real));
    tess_total(g, adversarial_column[ADVERSARIAL_MADE], tess_mean_all(g, made));
    tess_total(g, adversarial_term, fooled);
    tess_total(g, adversarial_weighed, *term);
    return TESS_OK;
}

/* ---- watching ---- */

/* Where a batch has the total of this name; NULL: it has none. */
static float *adversarial_total(const struct tess_graph *g, const struct tess_batch *b, const char *name)
{
    const char *found;
    for (int32_t i = 0; (found = tess_graph_total_at(g, i, NULL)) != NULL; i++)
        if (strcmp(found, name) == 0)
            return b->total[i].data;
    return NULL;
}

/* Mean of the microbatches' values; objectives are that already. */
static double total_of(const struct tess_graph *g, const struct tess_batch *b, const char *name, int summed)
{
    const float *total = adversarial_total(g, b, name);
    return total ? (double)*total / (summed ? (double)(b->samples / tess_graph_microbatch(g)) : 1.0) : 0.0;
}

/* Adds lambda g to the loss that the step reports: lambda is 0 while a graph runs forward, and known behind it. A graph with batch means
 * runs forward once more, and its loss has the term then. */
static void add_term(const struct adversarial *a, const struct tess_graph *g, const struct tess_batch *b)
{
    float *loss = adversarial_total(g, b, "loss");
    if (loss)
        *loss += (float)(a->metric[ADVERSARIAL_WEIGHT] * total_of(g, b, adversarial_term, 1) - total_of(g, b, adversarial_weighed, 1));
}

static void tell_of_faultless(struct adversarial *a, struct tess_stage_run *r, int64_t step)
{
    const double *mean = a->watched.metric;
    double blind = adversarial_blind_loss(a->p), loss = a->watched.loss;
    if (loss > RECOVERED * blind)
        a->watched.faultless = 0;
    if (loss >= FAULTLESS * blind || a->watched.faultless)
        return;
    a->watched.faultless = 1;
    tess_stage_note(
        r,
        "the critic overpowers: in the %lld steps up to %lld its loss was %.3g (%.3g: it cannot tell, 0: it tells real from made "
        "without a fault), its logits %.3g of real and %.3g of made images, the weight of the term %.3g; a later "
        "`adversarial_start`, a smaller `adversarial_weight`, `augment: diffaug`, a critic of fewer `channels` or `layers`, "
        "or a lower `lr` gives the decoder a chance",
        (long long)WATCHED, (long long)step, loss, blind, mean[ADVERSARIAL_REAL], mean[ADVERSARIAL_MADE], mean[ADVERSARIAL_WEIGHT]);
}

static void tell_of_limit(struct adversarial *a, struct tess_stage_run *r, int64_t step)
{
    if (2 * a->watched.limited < WATCHED)
        a->watched.at_limit = 0;
    if (a->watched.limited < WATCHED || a->watched.at_limit)
        return;
    a->watched.at_limit = 1;
    tess_stage_note(
        r,
        "the weight of the adversarial term has stood at its limit, `adversarial_weight_max` %g times `adversarial_weight` %g, in "
        "the %lld steps up to %lld: there the two gradients are not balanced; the critic's loss was %.3g; should "
        "reconstructions get worse, lower `adversarial_weight` or begin later (`adversarial_start`), else raise "
        "`adversarial_weight_max`",
        a->p->max, a->p->weight, (long long)WATCHED, (long long)step, a->watched.loss);
}

/* Counts a step in which the critic learnt, and judges after every WATCHED of them. */
static void adversarial_count(struct adversarial *a, struct tess_stage_run *r, double critic)
{
    int64_t step = *a->step;
    double limit = (double)(float)(a->p->weight * a->p->max);
    a->watched.steps++;
    a->watched.loss += critic / WATCHED;
    a->watched.limited += a->p->balance == BALANCE_GRADIENTS && limit > 0.0 && a->metric[ADVERSARIAL_WEIGHT] >= limit;
    for (int i = 0; i < ADVERSARIAL_COLUMNS; i++)
        a->watched.metric[i] += a->metric[i] / WATCHED;
    if (a->watched.steps < WATCHED)
        return;
    tell_of_faultless(a, r, step + 1);
    tell_of_limit(a, r, step + 1);
    a->watched.steps = a->watched.limited = 0;
    a->watched.loss = 0.0;
    memset(a->watched.metric, 0, sizeof a->watched.metric);
}

int adversarial_watch(struct adversarial *a, struct tess_context *ctx, struct tess_stage_run *r, const struct tess_graph *g,
                      const struct tess_batch *b)
{
    for (int i = ADVERSARIAL_REAL; i < ADVERSARIAL_COLUMNS; i++)
        a->metric[i] = total_of(g, b, adversarial_column[i], 1);
    add_term(a, g, b);
    if (*a->step >= adversarial_first_step(a->p))
        adversarial_count(a, r, total_of(g, b, "critic", 0));
    return a->p->lecam_weight > 0.0 ? lecam_move(ctx, a->weights, a->metric[ADVERSARIAL_REAL], a->metric[ADVERSARIAL_MADE]) : TESS_OK;
}
