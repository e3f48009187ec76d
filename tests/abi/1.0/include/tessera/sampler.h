/* Batched reverse-diffusion sampling that skips denoiser calls whose output would not be used (docs/models.md, (9.10) and (9.11)).
 *
 * Skipped steps: where the noise can tell from its draws that a step changes nothing, and the denoiser is not told the time, the step is
 * made without the denoiser. Sequences then need the denoiser at different steps; as it does not know the step, one batch holds whichever
 * sequences are waiting, each at its own. What is drawn is keyed by step and by the sequence's own number, so the samples are, bit for bit,
 * those of a loop that calls the denoiser at every step.
 *
 * Fewer logits: where the noise can tell which tokens a step draws, and the denoiser can compute a part of the logits, a second graph
 * computes those tokens' alone. Which of the two a step takes is decided by the number of its own draws, so that a sample depends neither
 * on the batch nor on what else is in it, even where a product of fewer rows is rounded otherwise.
 *
 * Causal priors draw tokens in order, one a step. With a graph of the next token and its cache the sequences of a batch go through it in
 * lockstep, from the first token on (docs/models.md, (20.5)); the denoiser that takes whole sequences is then not needed at all. What was
 * drawn before a checkpoint goes through it again, to the same keys and values, so that resuming is exact and a checkpoint has no cache in
 * it.
 *
 * A component of kind sampler/1 (kind/sampler.h) decides what a step makes of the logits; the noise's own steps are the sampler
 * `ancestral`. A sampler may want more than one call of the denoiser in a step, and keep a state with each sequence.
 *
 * A prior whose denoiser is told labels is given one for each sequence. With guidance (docs/models.md, "Conditions") each call is made for
 * the sequence with its label and once more with the null label, as neighbouring rows of the same batch, and the sampler sees the mix.
 *
 * Tokens may be known beforehand (docs/models.md, "Editing"): they are in the state that they have at the time of every step, and at the
 * end what they are known to be.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_SAMPLER_H
#define TESSERA_SAMPLER_H

#include <tessera/kind/sampler.h>
#include <tessera/model.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_sampler;

struct tess_sampler_options {
    uint32_t size;                  /* sizeof(struct tess_sampler_options) */
    int32_t every_step;             /* 1: call the denoiser at every step, also where its output is not used */
    const struct tess_prior *prior; /* borrowed */
    struct tess_graph *denoise;     /* borrowed: of tess_prior_record_denoise, sealed, its weights filled; NULL where there is `next` */
    int64_t batch;                  /* sequences given to the denoiser at a time, rounded up to whole microbatches of its graph */
    int64_t count, steps;           /* sequences; reverse steps each, at least 1 */
    double temperature;             /* > 0 */
    uint64_t seed;
    struct tess_graph *picked;      /* borrowed: of tess_prior_record_picked, else like `denoise`; NULL: all logits at every step */
    struct tess_graph *next;        /* borrowed: of tess_prior_record_next, else like `denoise`; NULL: whole sequences at every step */
    /* Each borrowed until the sampler is freed, or NULL. */
    const uint8_t *mask;   /* (count, L) 1 for a token that is known; only where tess_prior_conditions, and not with `next` */
    const int32_t *values;   /* (count, L) values of the known tokens; read where `mask` is 1 */
    const int32_t *each;    /* (count) steps of each sequence, at least 1, in place of `steps`; not with `next` */
    const uint32_t *number; /* (count) number that keys the draws of each sequence, in place of its index in the list */
    const struct tess_instance *sampler; /* kind sampler/1, borrowed; it must be there */
    const int32_t *label;                /* (count) 0 .. classes of the prior, where it has classes; else NULL. Like the others */
    double guidance; /* w of (1 + w) l_c - w l_u, at least 0; 0: the logits l_c with the label as they are. Else graphs are made for twice
                      * `batch` */
};

/* ---- what a component of kind sampler/1 does, with what it gives back looked at: for the host, and for samplers made of samplers -------
 */

/* Checks a sampler for sequences of `tokens` tokens of a prior: its own `check`, its functions, and the size of its state. */
TESS_EXPORT TESS_CHECKED int tess_sampler_check(struct tess_context *ctx, const struct tess_instance *sampler, const struct tess_prior *p,
                                                int64_t tokens);
/* The sampler's functions `reads`, `draw`, `calls` and `state_size`, with their results checked. n of `reads` is below 0 where it cannot be
 * told. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_sampler_step_reads(struct tess_context *ctx, const struct tess_instance *sampler,
                                                     const struct tess_sampler_step *s, uint8_t *where, int64_t *n);
TESS_EXPORT TESS_CHECKED int tess_sampler_step_draw(struct tess_context *ctx, const struct tess_instance *sampler,
                                                    const struct tess_sampler_step *s);
TESS_EXPORT TESS_CHECKED int tess_sampler_step_calls(struct tess_context *ctx, const struct tess_instance *sampler, int64_t left,
                                                     int64_t steps, int64_t *n);
TESS_EXPORT int64_t tess_sampler_state_size(const struct tess_instance *sampler, int64_t tokens, int64_t codebook_size);
/* Purpose of the draws of a step's call: call 0 has "sample.reverse", the others purposes of their own. */
TESS_EXPORT uint32_t tess_sampler_step_purpose(int32_t call);
/* Mixes n logits in place: l_c becomes (1 + w) l_c - w l_u. Where one of the two is minus infinity, which would be no number, l_c stays. */
TESS_EXPORT void tess_sampler_guide(double guidance, int64_t n, float *conditional, const float *unconditional);

/* ---- many sequences --------------------------------------------------------------------------------------------------------------------
 */

/* Number of positions to record `picked` with, for sequences of `steps` steps: enough for all but rare steps, where tokens are drawn at
 * steps without preference; a multiple of 16. 0: `picked` is of no use, because most would be wanted or because the prior cannot pick. */
TESS_EXPORT int64_t tess_sampler_positions(const struct tess_prior *p, int64_t steps);

/* Creates a sampler: allocates its memory and draws the start of every sequence. TESS_E_INTERNAL where graphs, prior and options do not go
 * together, which is a defect of the caller's. What the options point at is read until the sampler is freed. [one thread at a time for each
 * sampler, all calls] */
TESS_EXPORT TESS_CHECKED int tess_sampler_new(struct tess_context *ctx, const struct tess_sampler_options *o, struct tess_sampler **out);
TESS_EXPORT void tess_sampler_free(struct tess_sampler *s); /* NULL is fine */

/* Deals the sequences to the ranks of the run (kind/stage.h), in whole microbatches; by all ranks, whose samplers are in the same state.
 * From here on each advances its own, and `finished`, `steps_done`, `calls` and `flops` tell of all. Nothing on one process. */
TESS_EXPORT TESS_CHECKED int tess_sampler_share(struct tess_context *ctx, struct tess_sampler *s);
/* Brings the state of all sequences to all ranks: by all when they have finished, and by rank 0 alone before a checkpoint, where the others
 * are in tess_sampler_advance. Nothing on one process. */
TESS_EXPORT TESS_CHECKED int tess_sampler_gather(struct tess_context *ctx, struct tess_sampler *s);

/* Advances the batch by one call of the denoiser for each of its sequences, and by what the sampler component draws from its logits, both
 * on all workers; draws are keyed by sequence, so the result does not depend on the number of workers. After a failure the sampler can only
 * be freed. */
TESS_EXPORT TESS_CHECKED int tess_sampler_advance(struct tess_context *ctx, struct tess_sampler *s);
TESS_EXPORT int tess_sampler_finished(const struct tess_sampler *s);
TESS_EXPORT int64_t tess_sampler_steps_done(const struct tess_sampler *s); /* steps made of all sequences; in the end count x steps, or
                                                                            * the sum of `each` */

/* State of the sampler, for a checkpoint: views of x (count, height, width) or (count, height, width, depth) i32, of the steps each
 * sequence has left (count) i32, of the calls made in its present step (count) i32, and of its sampler's state (count, bytes) u8, where
 * that has no bytes with NULL as its data; and the number of sequences given to the denoiser so far. All may be set before the first call
 * of advance. */
TESS_EXPORT struct tess_tensor tess_sampler_x(const struct tess_sampler *s);
TESS_EXPORT struct tess_tensor tess_sampler_left(const struct tess_sampler *s);
TESS_EXPORT struct tess_tensor tess_sampler_call(const struct tess_sampler *s);
TESS_EXPORT struct tess_tensor tess_sampler_state(const struct tess_sampler *s);
TESS_EXPORT int64_t *tess_sampler_calls(struct tess_sampler *s);
/* Floating-point operations of the denoiser since tess_sampler_new. */
TESS_EXPORT double tess_sampler_flops(const struct tess_sampler *s);

#ifdef __cplusplus
}
#endif
#endif
