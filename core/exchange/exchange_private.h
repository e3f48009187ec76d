/* Declarations shared by import and export. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXCHANGE_PRIVATE_H
#define TESSI_EXCHANGE_PRIVATE_H

#include <tessera/digest.h>
#include <tessera/exchange.h>
#include <tessera/model.h>
#include <tessera/weights.h>

#include "core/exchange/exchange.h"
#include "core/exchange/import_names.h"
#include "core/exchange/weights_files.h"
#include "core/host/file_digests.h"
#include "core/host/runtime.h"

#include <pthread.h>

/* ---- file_format.c ---- */

/* Opens an instance of the component x->as, with x->parameter. */
int tessi_exchange_checkpoint_open(struct tess_context *ctx, const struct tessi_exchange *x, struct tess_instance **out) TESS_CHECKED;
/* Opens an instance of the format called `format` or, where that is NULL, of the one whose name or endings have the path's: for writing. */
int tessi_exchange_format_for(struct tess_context *ctx, const char *path, const char *format, struct tess_instance **out) TESS_CHECKED;
/* "checkpoint/1 NAME, ID VERSION; format/1 ...": for provenance. */
const char *tessi_exchange_plugins(const struct tess_instance *checkpoint, const struct tess_instance *format, char *text, size_t capacity);

/* ---- tensors_digest.c ---- */

/* Digest of a file's tensors as they are read here: names, shapes and f32 values, in the order of the names. What else the file has, the
 * order and the stored precision do not count. A file that cannot be read as weights has the digest of its bytes: whoever needs its
 * weights tells what is wrong with it. */
int tessi_exchange_digest_of_tensors(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT]) TESS_CHECKED;

/* ---- layout_of_others.c ---- */

/* 1 when an entry of this shape is the weight `ours` in this layout. */
int tessi_exchange_layout_fits(int32_t layout, int32_t rank, const int64_t *dim, const struct tess_tensor *ours);
/* Copies the values of a weight of that shape from the checkpoint's layout to ours or, when `back`, from ours to the checkpoint's. */
void tessi_exchange_layout_move(int32_t layout, const struct tess_tensor *ours, int back, const float *from, float *to);
/* "f32 (32, 3, 3, 3)" */
const char *tessi_exchange_entry_text(const struct tess_entry *e, char *text, size_t capacity);

/* ---- import_digest.c ---- */

/* Digests of an import's files, made on a thread beside the import where there is a second one. Zeroed memory is an empty one. */
struct tessi_import_digest {
    struct tessi_digesting *file;
    int64_t files;
    pthread_t thread;
    int started, status; /* 1: the thread runs; the status that it ended with */
    struct tessi_context context;
};
struct tessi_import;
/* Opens the files of m->files and begins to read them. */
int tessi_exchange_import_digest_begin(struct tess_context *ctx, struct tessi_import *m) TESS_CHECKED;
/* Ends that: m->digest is the digest of one file, or that of the list of several ones' digests; m->witness has each. */
int tessi_exchange_import_digest_end(struct tess_context *ctx, struct tessi_import *m) TESS_CHECKED;
/* Frees it, stopping what still runs. */
void tessi_exchange_import_digest_free(struct tessi_import_digest *d);

/* ---- import_match.c ---- */

struct tessi_import {
    const struct tessi_exchange *x;
    struct tess_instance *checkpoint;
    struct tessi_weights_files files;
    struct tessi_import_names names; /* entries of the plan: those of the files whose names begin with the prefix */
    char prefix[TESS_ENTRY_NAME];
    struct tess_artefact *tokenizer;
    struct tess_import_plan plan;
    struct tess_tokenizer autoencoder;
    struct tess_prior prior;
    struct tess_instance *critic; /* the autoencoder's critic, where the checkpoint has one */
    struct tess_weights *weights; /* the model's weights by name and shape; never sealed */
    struct tess_graph *graph;
    int64_t *source;               /* [weight]: number of its entry */
    char digest[TESS_DIGEST_TEXT]; /* digest of the file; of several, of the list of theirs */
    struct tessi_import_digest digesting;
    struct tessi_witness witness;  /* identity of the files when they were digested */
};

/* Opens the model that the plan's attributes describe and completes them; finds each weight's entry. */
int tessi_exchange_import_match(struct tess_context *ctx, struct tessi_import *m) TESS_CHECKED;
/* Number, among all entries of the files, of the one whose values an entry of the plan has: its moving averages, where there are any and
 * they are wanted. */
int64_t tessi_exchange_import_entry(const struct tessi_import *m, int64_t i);

/* ---- import_weights.c ---- */

/* Reads every weight of the model, in the files' order, and writes it to the artefact. */
int tessi_exchange_import_weights(struct tess_context *ctx, struct tessi_import *m, struct tess_artefact *a) TESS_CHECKED;

/* ---- import_report.c ---- */

void tessi_exchange_import_report(const struct tessi_import *m, const char *digest, FILE *to);
/* The report on tensors taken, left and assumed, with the file's name, as lines for the model's provenance; freed with free. */
int tessi_exchange_import_summary(struct tess_context *ctx, const struct tessi_import *m, char **out) TESS_CHECKED;

#endif
