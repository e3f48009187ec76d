/* Digests that grow on a thread of their own, beside the one that brings the bytes. SPDX-License-Identifier: MIT */
#ifndef TESSI_DIGEST_QUEUE_H
#define TESSI_DIGEST_QUEUE_H

#include <tessera/base.h>
#include <tessera/digest.h>

enum { TESSI_DIGEST_QUEUE = 2 }; /* pieces that may wait or be digested at a time */

struct tessi_digest_queue;

/* Starts the thread. *out is NULL where the system refuses one: whoever calls then digests by itself. */
int tessi_base_digest_queue_new(struct tess_context *ctx, struct tessi_digest_queue **out) TESS_CHECKED;
/* Adds bytes to `d`, behind those of the calls before. The bytes and `d` are the thread's until TESSI_DIGEST_QUEUE calls more have
 * returned, or tessi_base_digest_queue_wait has. [one thread] */
void tessi_base_digest_queue_add(struct tessi_digest_queue *q, struct tess_digest *d, const void *data, size_t bytes);
/* Waits until all bytes are in their digests. NULL is fine. */
void tessi_base_digest_queue_wait(struct tessi_digest_queue *q);
/* Waits, and ends the thread. NULL is fine. */
void tessi_base_digest_queue_free(struct tessi_digest_queue *q);

#endif
