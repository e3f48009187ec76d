/* Shared by the files of `tessera view`: the images that an artefact has to show. SPDX-License-Identifier: MIT */
#ifndef TESSERA_VIEW_H
#define TESSERA_VIEW_H

#include "cli/cli.h"
#include "core/store/store.h"

struct view_options {
    const char *path, *model, *output, *picture;
    int64_t count, across, zoom; /* count, across, zoom: as asked for; 0: chosen to fit */
};

/* Images of /images as u8 (n, H, W, C); data freed by the caller. */
int cli_view_stored(struct tess_context *ctx, const struct view_options *w, const struct tess_artefact *a,
                    struct tess_tensor *out) TESS_CHECKED;
/* Codes as images, u8 (n, H, W, C): decoded by their tokenizer where the options name one, else in false colours; data freed by the
 * caller. */
int cli_view_coded(struct tess_context *ctx, struct cli_globals *g, const struct view_options *w, const struct tess_artefact *a,
                   struct tess_tensor *out) TESS_CHECKED;
/* Fails with TESS_E_DATA: why the artefact has nothing to show, and where to look. */
int cli_view_nothing(struct tess_context *ctx, const struct tess_artefact *a, const char *why);

#endif
