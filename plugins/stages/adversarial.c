/* SPDX-License-Identifier: MIT */
#include "plugins/stages/adversarial.h"

#include "plugins/stages/diffaug.h"

#include <math.h>
#include <string.h>

enum { NONE, DIFFAUG };
enum { BALANCE_GRADIENTS, BALANCE_FIXED };

int adversarial_check(const struct adversarial_params *p, struct tess_call *c)
{
    if (p->augment == DIFFAUG && !p->critic)
        return c->fail(c, TESS_E_VALUE,
                       "augment: diffaug changes what a critic sees, and there is none; add `critic`, or leave augment out");
    return TESS_OK;
}

/* The last matrix or kernel that was declared under "decoder.". */
static const char *last_layer(struct tess_call *c, struct tess_weights *w)
{
    const char *last = NULL;
    struct tess_tensor shape;
    for (int64_t i = 0; i < tess_weights_count(w); i++)
        if (strncmp(tess_weights_name(w, i), "decoder.", 8) == 0 && tess_weights_view(c, w, i, TESS_ROLE_VALUE, &shape) == TESS_OK &&
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
static int weigh(void *user, struct tess_call *c, const struct tess_tensor *probe, float *coefficient)
{
    const struct adversarial *a = user;
    double weight = length_of(&probe[0]) / (length_of(&probe[1]) + 1e-4);
    (void)c;
    weight = weight < a->p->most ? weight : a->p->most;
    weight = a->p->balance == BALANCE_FIXED ? 1.0 : weight;
    coefficient[0] = *a->step < a->p->start ? 0.0f : (float)(a->p->weight * weight);
    return TESS_OK;
}

/* What the critic makes of the images, changed first where that is asked for: real and made ones by draws of their own. */
static int judge(struct tess_call *c, const struct adversarial *a, struct tess_graph *g, struct tess_node *image, const char *purpose,
                 struct tess_node **logits)
{
    const struct tess_critic_1 *critic = tess_instance_ops(a->p->critic, "critic/1");
    if (a->p->augment == DIFFAUG)
        image = diffaug(g, image, diffaug_draws(g, purpose));
    tess_scope(g, "critic");
    TESS_TRY(critic->record(tess_instance_self(a->p->critic), c, g, image, logits));
    tess_scope_end(g);
    return TESS_OK;
}

int adversarial_record(struct tess_call *c, struct adversarial *a, struct tess_graph *g, struct tess_node *x, struct tess_node *y,
                       struct tess_node *error, struct tess_node **term, struct tess_node **own)
{
    struct tess_node *made = NULL, *real = NULL;
    TESS_TRY(judge(c, a, g, y, "diffaug.made", &made));
    TESS_TRY(judge(c, a, g, x, "diffaug.real", &real));
    struct tess_node *fooled = tess_affine(g, tess_mean_all(g, made), -1.0f, 0.0f);
    struct tess_node *wrong = tess_add(g, tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, real, -1.0f, 1.0f), 0.0f)),
                                       tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, made, 1.0f, 1.0f), 0.0f)));
    *term = tess_mul(g, tess_coefficient(g), fooled);
    *own = tess_affine(g, wrong, 0.5f, 0.0f);
    const char *last = last_layer(c, a->weights);
    if (!last)
        return c->fail(c, TESS_E_VALUE, "the decoder has no matrix or kernel to weigh the adversarial term by; leave critic out");
    tess_probe(g, error, last);
    tess_probe(g, fooled, last);
    tess_weigh(g, weigh, a);
    return TESS_OK;
}
