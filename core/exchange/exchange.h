/* Models out of other programs' checkpoints, and checkpoints out of models. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXCHANGE_H
#define TESSI_EXCHANGE_H

#include <tessera/base.h>

#include <stdio.h>

struct tessi_exchange {
    const char *from, *to;          /* files */
    const char *as;                 /* name of a component of kind checkpoint/1; NULL is refused with a list of them */
    const char *const *parameter;   /* "height=64": of that component, values as in a pipeline */
    int64_t parameters;
    const char *tokenizer;          /* import: the model whose codes a prior is of; NULL: none */
    FILE *report;                   /* what was taken, what was left and why; NULL: nowhere */
};

/* The host of `c` is a runtime. Everything is checked before anything is written: every tensor of the file has a place in the model or a
 * reason to be left, every weight of the model its tensor, of its shape. TESS_E_DATA otherwise. */
int tessi_exchange_import_model(struct tess_context *ctx, const struct tessi_exchange *x) TESS_CHECKED;
/* The format is the one called like the ending of `to`. */
int tessi_exchange_export_model(struct tess_context *ctx, const struct tessi_exchange *x) TESS_CHECKED;

#endif
