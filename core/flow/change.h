/* Differences between a stage as planned and an earlier result, by what decides its key. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHANGE_H
#define TESSI_CHANGE_H

#include "core/flow/flow_private.h"

/* Kinds of a difference; `name`, `before` and `now` of each. */
enum {
    TESSI_CHANGE_PARAMETER = 0, /* "quantizer.codebook_size"; values as flow-style YAML, whole; NULL: there was, or is, none */
    TESSI_CHANGE_INPUT = 1,     /* the port; content digests; NULL: not connected; now "": not computed yet */
    TESSI_CHANGE_FILE = 2, /* path of a file read from outside; digests; NULL: was, or is, not among those read. Where the files are so many
                            * that they were not listed: "", and digests of all */
    TESSI_CHANGE_SEED = 3, /* ""; the seeds */
    TESSI_CHANGE_MODE = 4, /* ""; the numeric modes */
    TESSI_CHANGE_CORE = 5, /* "epoch" or "abi"; the numbers */
    TESSI_CHANGE_PLUGIN = 6 /* ""; "KIND NAME, PLUGIN VERSION" */
};

struct tessi_change {
    int32_t kind;
    char *name, *before, *now;
    char *detail;      /* more on it: "first different byte 16: 0x01 -> 0x02", "rebuilt"; NULL: nothing */
    char *before_path; /* FILE: where the earlier one lay, when elsewhere; NULL: at the same place */
};

struct tessi_changes {
    struct tessi_change *item;
    int64_t count, capacity;
};

/* Lists all differences to the earlier result `a`. Start from zeroed memory; freed in any case. */
int tessi_flow_changes_find(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                            const struct tess_artefact *a, struct tessi_changes *out) TESS_CHECKED;
/* Finds the first byte in which changed files differ, where the earlier file is still to be found; else sizes and times, into `detail`. */
int tessi_flow_changes_look(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                            const struct tess_artefact *a, struct tessi_changes *c) TESS_CHECKED;
void tessi_flow_changes_free(struct tessi_changes *c);

#endif
