/* See digest_queue.h. Pieces lie in a ring; two counts tell how many were posted and how many are done. SPDX-License-Identifier: MIT */
#include "core/base/digest_queue.h"

#include "core/base/workers.h"

#include <pthread.h>

struct piece {
    struct tess_digest *digest;
    const void *data;
    size_t bytes;
};

struct tessi_digest_queue {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t posted, finished;
    struct piece piece[TESSI_DIGEST_QUEUE];
    uint64_t posts, done;
    int closing;
};

static void *digest_queue_main(void *argument)
{
    struct tessi_digest_queue *q = argument;
    pthread_mutex_lock(&q->mutex);
    for (;;) {
        while (q->done == q->posts && !q->closing)
            pthread_cond_wait(&q->posted, &q->mutex);
        if (q->done == q->posts)
            break;
        const struct piece p = q->piece[q->done % TESSI_DIGEST_QUEUE];
        pthread_mutex_unlock(&q->mutex);
        tess_digest_add(p.digest, p.data, p.bytes);
        pthread_mutex_lock(&q->mutex);
        q->done++;
        pthread_cond_signal(&q->finished);
    }
    pthread_mutex_unlock(&q->mutex);
    return NULL;
}

static void digest_queue_destroy(struct tessi_digest_queue *q)
{
    pthread_mutex_destroy(&q->mutex);
    pthread_cond_destroy(&q->posted);
    pthread_cond_destroy(&q->finished);
    tess_free(q);
}

int tessi_base_digest_queue_new(struct tess_context *ctx, struct tessi_digest_queue **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_digest_queue), "digests", &memory));
    struct tessi_digest_queue *q = memory;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->posted, NULL);
    pthread_cond_init(&q->finished, NULL);
    if (tessi_base_thread_start(&q->thread, digest_queue_main, q) != 0)
        digest_queue_destroy(q);
    else
        *out = q;
    return TESS_OK;
}

void tessi_base_digest_queue_add(struct tessi_digest_queue *q, struct tess_digest *d, const void *data, size_t bytes)
{
    pthread_mutex_lock(&q->mutex);
    while (q->posts - q->done == TESSI_DIGEST_QUEUE)
        pthread_cond_wait(&q->finished, &q->mutex);
    q->piece[q->posts++ % TESSI_DIGEST_QUEUE] = (struct piece){d, data, bytes};
    pthread_cond_signal(&q->posted);
    pthread_mutex_unlock(&q->mutex);
}

void tessi_base_digest_queue_wait(struct tessi_digest_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->mutex);
    while (q->done != q->posts)
        pthread_cond_wait(&q->finished, &q->mutex);
    pthread_mutex_unlock(&q->mutex);
}

void tessi_base_digest_queue_free(struct tessi_digest_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->mutex);
    q->closing = 1;
    pthread_cond_signal(&q->posted);
    pthread_mutex_unlock(&q->mutex);
    (void)pthread_join(q->thread, NULL);
    digest_queue_destroy(q);
}
