/* Checks of the nodes that a component recorded, made when its function returns and before anything is computed: status and message,
 * scopes, and graph, dtype and shape of each node. A message names kind, component, plugin and function, the expected value and the one
 * found. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHECK_RECORDED_H
#define TESSI_CHECK_RECORDED_H

#include <tessera/graph.h>
#include <tessera/plugin.h>
#include "core/plug/process.h"

#define TESSI_ANY (-1) /* a dimension that is the component's choice */

/* A call of a component's recording function, with the state of the graph and of the process before it, set by tessi_model_recording. */
struct tessi_recording {
    const struct tess_instance *part;
    const char *kind, *function; /* "encoder", "record" */
    struct tess_graph *g;
    int scope_depth, status;
    int32_t inputs, objectives;
    struct tessi_process process;
};

/* Begins such a call: opens the scope `scope` (NULL: none) and notes the scope depth, which the call may not change. `g` NULL: the function
 * records nothing. */
struct tessi_recording tessi_model_recording(const struct tess_instance *part, const char *kind, const char *function, struct tess_graph *g,
                                             const char *scope);
/* Checks such a call, given the status that it returned. TESS_E_PLUGIN where there is no message, where the status is positive, where the
 * scopes or the process are not what they were, or where it declared an input or an objective, which are its caller's; else `status`. A
 * failure that the graph keeps for its sealing is told who recorded it, where that is a user's plugin. */
int tessi_model_returned(struct tess_context *ctx, const struct tessi_recording *r, int status) TESS_CHECKED;
/* Checks the node that the component gave as `what` ("latent"): it exists, belongs to this graph, and has this dtype and shape. Fails with
 * TESS_E_PLUGIN, or TESS_E_SHAPE where only dimensions differ; nothing where the graph has failed, which says why when it is sealed. */
int tessi_model_gave(struct tess_context *ctx, const struct tessi_recording *r, const char *what, const struct tess_node *x, int32_t dtype,
                     int32_t rank, const int64_t *dim) TESS_CHECKED;
/* Checks that the component has a function that is optional in its kind and required here: TESS_E_PLUGIN where `there` is 0. */
int tessi_model_needs(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function,
                      int there) TESS_CHECKED;
/* Checks that a number given by a component's function lies within lo .. hi; TESS_E_PLUGIN otherwise. */
int tessi_model_number(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int64_t value,
                       int64_t lo, int64_t hi) TESS_CHECKED;
/* Checks that a function gives the same number twice; TESS_E_PLUGIN otherwise. */
int tessi_model_same(struct tess_context *ctx, const struct tess_instance *part, const char *kind, const char *function, int64_t first,
                     int64_t second) TESS_CHECKED;
/* Name of a component for messages, "quantizer `ema` (plugin tessera-ema)", into `text`, of 200 bytes. Gives text. */
const char *tessi_model_part_text(const struct tess_instance *part, const char *kind, char *text);

#endif
