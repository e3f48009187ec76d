/* A transformer of published programs, whose names are denoiser/1 `transformer`'s behind a prefix: its sizes derived from shapes, and what
 * its classes have beside the weights. Linked into each plugin of an architecture that has one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CHECKPOINT_TRANSFORMER_LAYOUT_H
#define KIT_CHECKPOINT_TRANSFORMER_LAYOUT_H

#include <tessera/exchange.h>
#include <tessera/plugin.h>

struct transformer_layout {
    const char *inside;                                          /* prefix of the network's names */
    int64_t codebook_size, embed_dim, layers, mlp_ratio, places; /* places: vectors of positions */
};

/* Sizes of the network under l->inside; TESS_E_DATA where there is none. */
int transformer_layout_read(struct tess_context *ctx, const struct tess_import_plan *p, struct transformer_layout *l) TESS_CHECKED;
/* Attributes of the map, which is the tokenizer's: its codes must be as many as the network's, its positions `positions`. */
int transformer_layout_map(struct tess_context *ctx, const struct transformer_layout *l, int64_t positions,
                           struct tess_import_plan *p) TESS_CHECKED;
/* Leaves entry i where it is a block's mask, the triangle of ones that says who is before whom. */
void transformer_layout_leave_mask(struct tess_import_plan *p, int64_t i);
/* Export: lays pos_emb and start_tok out with dimensions of 1 in front, as (1, L, D) and (1, 1, D). */
void transformer_layout_raise(struct tess_export_weight *w);
/* Export: the mask of each block, for as many places as the network under `inside` has. */
int transformer_layout_masks(struct tess_context *ctx, const struct tess_export_plan *p, const char *inside) TESS_CHECKED;
/* The weight of this name in the file, or NULL. */
const struct tess_export_weight *transformer_layout_named(const struct tess_export_plan *p, const char *theirs);

#endif
