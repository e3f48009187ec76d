/* SPDX-License-Identifier: MIT */
#include "kit/train/adversarial_losses.h"

enum { CRITIC_HINGE, CRITIC_VANILLA, CRITIC_NON_SATURATING };
enum { GENERATOR_HINGE, GENERATOR_NON_SATURATING };
enum { IMAGE_AXES = 1 << 1 | 1 << 2 | 1 << 3 };
static const float DECAY = 0.999f, TAKE = 0.001f; /* published for LeCam's averages */

/* ln(1 + e^x), as (x + |x|) / 2 + ln(1 + e^-|x|), which overflows nowhere. */
static struct tess_node *adversarial_losses_softplus(struct tess_graph *g, struct tess_node *x)
{
    struct tess_node *size = tess_abs(g, x), *rest = tess_exp(g, tess_affine(g, size, -1.0f, 0.0f));
    return tess_add(g, tess_affine(g, tess_add(g, x, size), 0.5f, 0.0f), tess_log(g, tess_affine(g, rest, 1.0f, 1.0f)));
}

static struct tess_node *adversarial_losses_relu(struct tess_graph *g, struct tess_node *x, float scale, float offset)
{
    return tess_leaky_relu(g, tess_affine(g, x, scale, offset), 0.0f);
}

/* mean ln(1 + e^(sign m)), m being the mean logit of an image, or each logit by itself. */
static struct tess_node *adversarial_losses_entropy(struct tess_graph *g, struct tess_node *logits, int by_image, float sign)
{
    struct tess_node *m = by_image ? tess_mean(g, logits, IMAGE_AXES) : logits;
    return tess_mean_all(g, adversarial_losses_softplus(g, tess_affine(g, m, sign, 0.0f)));
}

struct tess_node *adversarial_generator_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *made)
{
    if (p->generator_loss == GENERATOR_NON_SATURATING)
        return adversarial_losses_entropy(g, made, 1, -1.0f);
    return tess_affine(g, tess_mean_all(g, made), -1.0f, 0.0f);
}

/* decay average + (1 - decay) mean of the batch, which no gradient passes. */
static struct tess_node *lecam_average(struct tess_graph *g, const char *name, struct tess_node *logits)
{
    struct tess_node *before = tess_weight(g, name, 1, (const int64_t[]){1}, TESS_INIT(.flags = TESS_WEIGHT_BUFFER));
    struct tess_node *mean = tess_stop_gradient(g, tess_batch_mean(g, tess_mean_all(g, logits)));
    return tess_add(g, tess_affine(g, before, DECAY, 0.0f), tess_affine(g, mean, TAKE, 0.0f));
}

static struct tess_node *lecam_regulariser(struct tess_graph *g, struct tess_node *real, struct tess_node *made)
{
    tess_scope(g, "lecam");
    struct tess_node *usual_real = lecam_average(g, "real", real), *usual_made = lecam_average(g, "made", made);
    tess_scope_end(g);
    struct tess_node *above = tess_leaky_relu(g, tess_sub(g, real, usual_made), 0.0f);
    struct tess_node *below = tess_leaky_relu(g, tess_add(g, tess_affine(g, made, -1.0f, 0.0f), usual_real), 0.0f);
    return tess_add(g, tess_mean_all(g, tess_square(g, above)), tess_mean_all(g, tess_square(g, below)));
}

static struct tess_node *adversarial_losses_own(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *real,
                                                struct tess_node *made)
{
    int by_image = p->critic_loss == CRITIC_NON_SATURATING;
    if (p->critic_loss == CRITIC_HINGE) {
        struct tess_node *wrong = tess_add(g, tess_mean_all(g, adversarial_losses_relu(g, real, -1.0f, 1.0f)),
                                           tess_mean_all(g, adversarial_losses_relu(g, made, 1.0f, 1.0f)));
        return tess_affine(g, wrong, 0.5f, 0.0f);
    }
    struct tess_node *both =
        tess_add(g, adversarial_losses_entropy(g, real, by_image, -1.0f), adversarial_losses_entropy(g, made, by_image, 1.0f));
    return by_image ? both : tess_affine(g, both, 0.5f, 0.0f);
}

struct tess_node *adversarial_critic_loss(const struct adversarial_params *p, struct tess_graph *g, struct tess_node *real,
                                          struct tess_node *made)
{
    struct tess_node *own = adversarial_losses_own(p, g, real, made);
    if (p->lecam_weight > 0.0)
        own = tess_add(g, own, tess_affine(g, lecam_regulariser(g, real, made), (float)p->lecam_weight, 0.0f));
    return own;
}

double adversarial_blind_loss(const struct adversarial_params *p)
{
    const double ln2 = 0.6931471805599453;
    return p->critic_loss == CRITIC_HINGE ? 1.0 : p->critic_loss == CRITIC_VANILLA ? ln2 : 2.0 * ln2;
}

int lecam_move(struct tess_context *ctx, struct tess_weights *w, double real, double made)
{
    const char *const name[] = {"lecam.real", "lecam.made"};
    const double mean[] = {real, made};
    for (int i = 0; i < 2; i++) {
        struct tess_tensor t;
        TESS_TRY(tess_weights_find(ctx, w, name[i], TESS_ROLE_VALUE, &t));
        float *value = t.data;
        *value = DECAY * *value + TAKE * (float)mean[i];
    }
    tess_weights_touch(w);
    return TESS_OK;
}
