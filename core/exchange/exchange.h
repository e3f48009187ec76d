/* Import of other programs' checkpoints as models, and export of models as checkpoints. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXCHANGE_H
#define TESSI_EXCHANGE_H

#include <tessera/exchange.h>
#include <tessera/plugin.h>

#include <stdio.h>

struct tessi_exchange {
    const char *from, *to;          /* files */
    const char *as;                 /* name of a component of kind checkpoint/1; NULL is refused with a list of them */
    const char *const *parameter;   /* parameters of that component, such as "height=64", with values as in a pipeline */
    int64_t parameters;
    const char *key;                /* import: the dictionary of a file that has several; NULL: by guess */
    const char *prefix;             /* import: what stands in front of every name; NULL: by guess */
    int as_trained;                 /* import: 1 takes weights as trained where the file has their moving averages too */
    const char *format;             /* export: name of a component of kind format/1; NULL: the one whose ending `to` has */
    const char *tokenizer;          /* import: the model whose codes a prior is of; NULL: none */
    FILE *report;                   /* report: tensors taken, tensors left and why; NULL: none is written */
};

/* Opens an instance of the format that recognises the file's first bytes, with the file opened, `key` being the dictionary in it ("": by
 * guess). */
int tessi_exchange_format_read(struct tess_context *ctx, const char *path, const char *key, struct tess_instance **out) TESS_CHECKED;

/* The host of `c` is a runtime. Everything is checked before anything is written: every tensor of the file has a place in the model or a
 * reason to be left, every weight of the model its tensor, of its shape. TESS_E_DATA otherwise. */
int tessi_exchange_import_model(struct tess_context *ctx, const struct tessi_exchange *x) TESS_CHECKED;
/* Export. */
int tessi_exchange_export_model(struct tess_context *ctx, const struct tessi_exchange *x) TESS_CHECKED;

#endif
