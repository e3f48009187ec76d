/* Child processes of a sweep, and the records that they send. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_PROCESS_H
#define TESSI_SWEEP_PROCESS_H

#include <tessera/base.h>

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* ---- records: integers, numbers and texts in the order they were put; of one program, so in its own form ------------- */

void tessi_sweep_put_i64(FILE *to, int64_t value);
void tessi_sweep_put_f64(FILE *to, double value);
void tessi_sweep_put_text(FILE *to, const char *text); /* NULL is "" */

/* A record that is read. What is not there is 0 or "", and `broken`. */
struct tessi_sweep_record {
    const char *at, *end;
    int broken;
};
int64_t tessi_sweep_get_i64(struct tessi_sweep_record *r);
double tessi_sweep_get_f64(struct tessi_sweep_record *r);
const char *tessi_sweep_get_text(struct tessi_sweep_record *r); /* valid as long as the record */

/* ---- children ------------------------------------------------------------------------------------------------------- */

struct tessi_sweep_child {
    pid_t pid;    /* 0: none */
    int to, from; /* descriptors of the pipes to it and from it */
    char *bytes;  /* text that came and is not taken yet */
    size_t count, capacity, taken;
};

/* Starts a child that calls task(user, in, out) and ends with it. It is deaf to Ctrl-C, which is its parent's to pass on, and gets `end`
 * when its parent dies. `others`: children whose pipes are none of its business. */
int tessi_sweep_child_start(struct tess_context *ctx, int (*task)(void *user, int in, int out), void *user, int end,
                            const struct tessi_sweep_child *others, int64_t n, struct tessi_sweep_child *out) TESS_CHECKED;
/* The child's side: sends what `print` prints as one record; reads a number, which is 0 at the end. */
void tessi_sweep_child_send(int out, void (*print)(FILE *to, const void *what), const void *what);
int tessi_sweep_child_told(int in, int64_t *out);
/* The parent's side: tells a number; -1 where the child is gone. */
int tessi_sweep_child_tell(const struct tessi_sweep_child *c, int64_t number);
/* Waits for something to read: 1, or 0 when asked to stop. */
int tessi_sweep_child_wait(const struct tessi_sweep_child *c);
/* Reads what there is, up to a piece: 1, or 0 at the end, when the child closed its side. TESS_E_MEMORY. */
int tessi_sweep_child_read(struct tess_context *ctx, struct tessi_sweep_child *c, int *more) TESS_CHECKED;
/* The next whole record; 0: there is none yet. Valid until the next read. */
int tessi_sweep_child_next(struct tessi_sweep_child *c, struct tessi_sweep_record *out);
/* Waits for a child whose side is closed, and frees what it had. How it ended, in words, "" where it exited with 0. */
void tessi_sweep_child_end(struct tessi_sweep_child *c, char *how, size_t capacity);

#endif
