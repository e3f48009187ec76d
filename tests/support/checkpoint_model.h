/* Helpers of the checkpoint-architecture tests: outputs of imported models, tensor-by-tensor comparison of files, and lists of tensor
 * names and shapes matched with a model as an import matches them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CHECKPOINT_MODEL_H
#define TESTS_SUPPORT_CHECKPOINT_MODEL_H

#include "tests/support/checkpoint_fixture.h"

/* Output of the model in file `path` for the input `in`; the caller frees it. */
enum { CHECKPOINT_ENCODE, CHECKPOINT_DECODE, CHECKPOINT_DENOISE };
void *checkpoint_result(const char *path, int logit_graph, const struct tess_tensor *in, const struct tess_tensor *want);
/* Encodes and decodes with the imported tokenizer `path`: codes and image are those of the golden file. */
void checkpoint_check_tokenizer(const char *golden, const char *path);
/* Runs the imported prior `path`, with the times and labels that the golden file has: logits are those of the file. */
void checkpoint_check_prior(const char *golden, const char *path);
/* A golden file's dataset of bytes; the caller frees data. */
struct tess_tensor checkpoint_bytes(const struct golden *g, const char *path);

/* Every tensor of `ours` is in `theirs` with its name, shape and bits; gives their number. */
int64_t checkpoint_same_tensors(const char *ours, const char *theirs);
/* The attribute `attr` of an artefact is the text `wanted`. */
void checkpoint_same_text(const struct tess_artefact *a, const char *attr, const char *wanted);
void checkpoint_same_content(const char *path, const char *other);

/* A list of names and shapes against a model, as an import does it, without the values. */
struct tensor_list {
    struct tess_entry entry[1024];
    char name[1024][96];
    int64_t n;
};
void list_add(struct tensor_list *l, const char *name, const char *dtype, int32_t rank, const int64_t *dim);
void list_read(struct tensor_list *l, const char *path);
struct tess_entry *list_named(struct tensor_list *l, const char *name);
/* Entries whose name has the word, out of the list. */
void list_drop(struct tensor_list *l, const char *word);

struct matched {
    struct tessi_exchange x;
    struct tessi_import m;
};
/* Matches the list with architecture `as` as tessi_exchange_import_model does; close the result. `tokenizer`: its attributes, or NULL. */
int list_match(struct tensor_list *l, const char *as, const struct tess_attrs *tokenizer, const char *const *parameter, int64_t parameters,
               struct matched *k);
void list_match_close(struct matched *k);
/* The lines between "TITLE" and the next line without blanks of published.txt: name and shape. */
void list_read_published(struct tensor_list *l, const char *title);
/* The shapes of the list alone tell the published model; every weight of it is there; and going back gives the names and shapes that were
 * taken, and no others. */
void list_check_back(const struct tensor_list *l, const struct matched *k);

#endif
