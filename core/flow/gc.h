/* Removal of what no run refers to. SPDX-License-Identifier: MIT */
#ifndef TESSI_GC_H
#define TESSI_GC_H

#include "core/flow/inventory.h"

struct tessi_gc_options {
    const char *workdir;
    int dry;            /* 1: nothing is removed */
    int64_t older_than; /* seconds since its last change that a file must have been there; 0: any */
    int64_t now;        /* seconds since 1970 */
    /* Called with each file that is removed, or would be, and the reason; may be NULL. */
    void (*removed)(void *user, const struct tessi_inventory_file *f, const char *why);
    void *user;
};

struct tessi_gc {
    int64_t files, bytes; /* removed, or to be removed */
    int64_t kept;         /* files that a process at work holds, and that were left for it */
    int held;             /* 1: a run is at work with the cache, so nothing but the partial files of dead writers was looked at */
    char holder[256];     /* that run, as told; "": not told */
};

/* Removes results, checkpoints, partial files and lock files that nobody uses; docs/planning.md has the rules. A kill in the middle leaves
 * what is not removed yet. TESS_E_IO where a folder or log of a run cannot be read; TESS_E_CREATE where a file cannot be removed. */
int tessi_flow_gc(struct tess_context *ctx, const struct tessi_gc_options *o, struct tessi_gc *out) TESS_CHECKED;

#endif
