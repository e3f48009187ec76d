/* Checks of the graph pieces that a component records, made when its function returns and before anything is computed: status and message,
 * open scopes, and each returned node's graph, dtype and shape. An error message names kind, component, plugin and function, and the wanted
 * and the found value. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHECK_RECORDED_H
#define TESSI_CHECK_RECORDED_H

#include <tessera/graph.h>
#include <tessera/plugin.h>

#define TESSI_ANY (-1) /* a dimension that is the component's choice */

/* One call of a component's function that records. */
struct tessi_recording {
    const struct tess_instance *part;
    const char *kind, *function; /* "encoder", "record" */
    struct tess_graph *g;
    int scope_depth; /* before the call; set by tessi_model_recording */
};

/* Opens the scope `scope`, NULL: none, and notes what the call may not change. `g` NULL: the function records nothing. */
struct tessi_recording tessi_model_recording(const struct tess_instance *part, const char *kind, const char *function, struct tess_graph *g,
                                             const char *scope);
/* After the call, with what it returned: closes the scope again. TESS_E_PLUGIN where there is no message, where the status is positive or
 * where the scopes are not what they were; else `status`. */
int tessi_model_returned(struct tess_context *ctx, const struct tessi_recording *r, int status) TESS_CHECKED;
/* A node that was given as `what` ("latent"): there, of this graph, and of this dtype and shape. Fails with TESS_E_PLUGIN, or TESS_E_SHAPE
 * where only dimensions differ; nothing where the graph has failed, which says why when it is sealed. */
int tessi_model_gave(struct tess_context *ctx, const struct tessi_recording *r, const char *what, const struct tess_node *x, int32_t dtype,
                     int32_t rank, const int64_t *dim) TESS_CHECKED;
/* A function that its kind need not have, and that is wanted here: TESS_E_PLUGIN where it is missing. */
int tessi_model_needs(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function,
                      int there) TESS_CHECKED;
/* A number that a function gave, within lo .. hi; TESS_E_PLUGIN. */
int tessi_model_number(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int64_t value,
                       int64_t lo, int64_t hi) TESS_CHECKED;
/* "quantizer `ema` (plugin tessera-ema)"; `text` of 200 bytes. Gives text. */
const char *tessi_model_part_text(const struct tess_instance *part, const char *kind, char *text);

#endif
