/* Maps of codes of a tokenizer or a prior, for stages: writing, reading, checks, and usage counts, a level at a time.
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
/* Maps described by an artefact's attributes; `level_size`: the caller's array of TESS_DEPTH_MAX. */
int code_maps_of_attrs(struct tess_context *ctx, const struct tess_attrs *f, struct code_maps *m, int64_t *level_size) TESS_CHECKED;

int64_t code_maps_tokens(const struct code_maps *m); /* codes of a map: height x width x depth */
/* Allocates n maps of codes, i32 (n, h, w) or (n, h, w, depth); the caller frees t->data. */
int code_maps_tensor(struct tess_context *ctx, const struct code_maps *m, int64_t n, struct tess_tensor *t) TESS_CHECKED;

int32_t stage_bits(int64_t values); /* ceil(log2 values), at least 1 */
/* Properties of the dataset /codes of these maps. */
struct tess_dataset stage_codes_dataset(const struct code_maps *m);
/* Writes codes (i32) into the dataset /codes, packed to the bits they need. */
int stage_put_codes(struct tess_context *ctx, struct tess_artefact *a, const struct tess_tensor *codes,
                    const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless `codes`, read from the dataset /codes, are in the range that the attributes give, level by level. */
int stage_check_codes(struct tess_context *ctx, const struct tess_artefact *a, const struct tess_tensor *codes,
                      const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless the values (i32) of the dataset `name` are 0 .. `below` - 1, where `below` is what the attribute `attribute` says. */
int stage_check_below(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const struct tess_tensor *values,
                      const char *attr, int64_t below) TESS_CHECKED;
/* TESS_E_DATA unless the tokenizer's maps have the size, K and levels of those of `what` ("prior", "codes"): the check that is possible
 * before there are digests. */
int stage_check_map(struct tess_context *ctx, const struct tess_tokenizer *t, const char *what, const struct code_maps *m) TESS_CHECKED;
/* TESS_E_DATA unless the attribute "tokenizer" of `whose` is the digest of `model` (tess_tokenizer_digest). */
int stage_check_tokenizer(struct tess_context *ctx, const struct tess_artefact *whose, const struct tess_artefact *model) TESS_CHECKED;

/* ---- how codes are used ---- */

/* Health of each level's codebook over `codes`, which are in range; h has m->depth items. */
int code_health_count(struct tess_context *ctx, const struct code_maps *m, const struct tess_tensor *codes,
                      struct tess_code_health *h) TESS_CHECKED;
/* Writes metrics of each level ("codes used", "order-0 entropy", "perplexity", "top code's share"), and a note with the cures when fewer
 * than half of the codes of a level are used. With several levels the names end in ", level 1" and so on. */
int stage_put_health(struct tess_context *ctx, struct tess_stage_run *r, int64_t depth, const struct tess_code_health *h) TESS_CHECKED;
/* Writes the metrics of one codebook, `suffix` behind their names, without a note. */
int stage_put_health_as(struct tess_context *ctx, struct tess_artefact *a, const struct tess_code_health *h,
                        const char *suffix) TESS_CHECKED;
/* Warns when the codes of a level use less than a sixteenth of the codes they could, as after a collapse of the codebook. `what`: the
 * codes' name in the message. */
int stage_warn_collapse(struct tess_context *ctx, struct tess_stage_run *r, const char *what, const struct tess_tensor *codes,
                        const struct code_maps *m) TESS_CHECKED;

#endif
