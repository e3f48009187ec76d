/* sampler/1 `ancestral`: the noise's own reverse steps, so that samples follow the model's distribution exactly (docs/models.md, "Absorbing
 * diffusion", sampling). For every prior, and what is used where no sampler is said.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/sampler.h>
#include <tessera/plugin.h>

static int64_t ancestral_reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    (void)self;
    return tess_prior_changes(s->prior, s->reverse, where);
}

static int ancestral_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    (void)self;
    return tess_prior_reverse(ctx, s->prior, s->reverse);
}

static const struct tess_sampler_1 ops = {.size = sizeof ops, .reads = ancestral_reads, .draw = ancestral_draw};

TESS_PLUGIN("tessera-ancestral", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "sampler: ancestral", "ancestral", "sampler/1", "the noise's own steps back: exact", 0, NULL,
                                      NULL, NULL, &ops));
