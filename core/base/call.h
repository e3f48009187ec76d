/* The host's side of a call: the message, and where it came from. SPDX-License-Identifier: MIT */
#ifndef TESSI_CALL_H
#define TESSI_CALL_H

#include <tessera/base.h>

#define TESSI_MESSAGE_ROOM 2048

struct tessi_call {
    struct tess_call call; /* first: a struct tess_call * of this host is a struct tessi_call * */
    int code;              /* of the kept message; TESS_OK while there is none */
    char message[TESSI_MESSAGE_ROOM];
};

/* A fresh call for `host` (may be NULL in tests of base). */
void tessi_call_init(struct tessi_call *c, const struct tess_host *host);
/* Forget the message, to use the call again. */
void tessi_call_clear(struct tess_call *c);
const char *tessi_call_message(const struct tess_call *c); /* "" when none */
/* Copies the failure of `from` (made for a worker) to `c`; returns its code. */
int tessi_call_pass(struct tess_call *c, const struct tess_call *from);
/* Keeps "PATH: cannot be written: REASON; WHAT TO DO" for a system error while creating (TESS_E_CREATE) or writing (TESS_E_IO). */
int tessi_cannot_write(struct tess_call *c, int code, const char *path, int error);
/* Exit code of the command for a status: 0, 1, 2, 65, 69, 73, 74, 75. */
int tessi_exit_code(int status);
/* The nearest of n names to `word` by edit distance (at most a third of its length, at least 2), or NULL. */
const char *tessi_nearest_name(const char *word, const char *const *names, int64_t n);

#endif
