/* Codes as stages handle them: maps of a tokenizer or a prior, written, read, checked and counted, a level at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_CODES_H
#define KIT_INFER_CODES_H

#include <tessera/tessera.h>

/* Maps of codes: their size, K, and their levels (tessera/levels.h). */
struct code_maps {
    int64_t height, width, codebook_size, depth;
    const int64_t *level_size; /* borrowed from the tokenizer or the prior */
};
struct code_maps code_maps_of_tokenizer(const struct tess_tokenizer *t);
struct code_maps code_maps_of_prior(const struct tess_prior *p);
/* Maps that an artefact's attributes tell of; `level_size` is room for TESS_DEPTH_MAX, of the caller's. */
int code_maps_of_attrs(struct tess_context *ctx, const struct tess_attrs *f, struct code_maps *m, int64_t *level_size) TESS_CHECKED;

int64_t code_maps_tokens(const struct code_maps *m); /* codes of a map: height x width x depth */
/* Memory for n maps of codes, i32 (n, h, w) or (n, h, w, depth); the caller frees t->data. */
int code_maps_tensor(struct tess_context *ctx, const struct code_maps *m, int64_t n, struct tess_tensor *t) TESS_CHECKED;

int32_t stage_bits(int64_t values); /* ceil(log2 values), at least 1 */
/* Codes as i32 into the dataset /codes at their exact width. */
int stage_put_codes(struct tess_context *ctx, struct tess_artefact *a, const struct tess_tensor *codes,
                    const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless `codes`, read from the dataset /codes, are such as the attributes say, level by level. */
int stage_check_codes(struct tess_context *ctx, const struct tess_artefact *a, const struct tess_tensor *codes,
                      const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless the values (i32) of the dataset `name` are 0 .. `below` - 1, where `below` is what the attribute `attribute` says. */
int stage_check_below(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const struct tess_tensor *values,
                      const char *attr, int64_t below) TESS_CHECKED;
/* TESS_E_DATA unless the tokenizer's maps are as those of `what` ("prior", "codes") are: what can be told before there are digests. */
int stage_check_map(struct tess_context *ctx, const struct tess_tokenizer *t, const char *what, const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless the attribute "tokenizer" of `whose` is what codes of `model` have (tess_tokenizer_digest). */
int stage_check_tokenizer(struct tess_context *ctx, const struct tess_artefact *whose, const struct tess_artefact *model) TESS_CHECKED;

/* ---- how codes are used ---- */

/* Health of each level's codebook over `codes`, which are in range; h has m->depth items. */
int code_health_count(struct tess_context *ctx, const struct code_maps *m, const struct tess_tensor *codes,
                      struct tess_code_health *h) TESS_CHECKED;
/* "codes used", "entropy", "perplexity", "top share": metrics of each level; a note with the cures when fewer than half of the codes of a
 * level are used. Of one level they are named so, of several "codes used, level 1" and so on. */
int stage_put_health(struct tess_context *ctx, struct tess_stage_run *r, int64_t depth, const struct tess_code_health *h) TESS_CHECKED;
/* The metrics alone of one codebook, `suffix` behind their names. */
int stage_put_health_as(struct tess_context *ctx, struct tess_artefact *a, const struct tess_code_health *h,
                        const char *suffix) TESS_CHECKED;
/* A warning where the codes of a level use less than a sixteenth of what they could: what remains of a codebook that collapsed. `what`:
 * whose codes. */
int stage_warn_collapse(struct tess_context *ctx, struct tess_stage_run *r, const char *what, const struct tess_tensor *codes,
                        const struct code_maps *m) TESS_CHECKED;

#endif
