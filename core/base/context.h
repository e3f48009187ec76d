/* The host's side of a context: the message, and where it came from. SPDX-License-Identifier: MIT */
#ifndef TESSI_CONTEXT_H
#define TESSI_CONTEXT_H

#include <tessera/base.h>

#define TESSI_MESSAGE_CAPACITY 2048

struct tessi_context {
    struct tess_context context; /* first: a struct tess_context * of this host is a struct tessi_context * */
    int code;                    /* status of the kept message; TESS_OK while there is none */
    char message[TESSI_MESSAGE_CAPACITY];
};

/* Initialises an empty context for `host` (may be NULL in tests of base). */
void tessi_base_context_init(struct tessi_context *ctx, const struct tess_host *host);
/* Forgets the message, so that the context can be used again. */
void tessi_base_context_clear(struct tess_context *ctx);
const char *tessi_base_context_message(const struct tess_context *ctx); /* "" when there is none */
/* Copies the failure of `from` (a worker's context) to `ctx`; returns its code. */
int tessi_base_context_pass(struct tess_context *ctx, const struct tess_context *from);
/* Keeps "PATH: cannot be written: REASON; WHAT TO DO" for a system error while creating (TESS_E_CREATE) or writing (TESS_E_IO). */
int tessi_base_cannot_write(struct tess_context *ctx, int code, const char *path, int error);
/* Exit code of the command for a status: 0, 1, 2, 65, 69, 73, 74, 75. */
int tessi_base_exit_code(int status);
/* The nearest of n names to `word` by edit distance (at most a third of its length, at least 2), or NULL. */
const char *tessi_base_nearest_name(const char *word, const char *const *names, int64_t n);

#endif
