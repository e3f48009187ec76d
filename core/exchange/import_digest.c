/* Digests of the files of an import. Hashing takes as long as all the rest of an import together, and needs nothing of it but a place in
 * the provenance at its end, so it is done on a thread of its own; with one thread it is done at the end.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/workers.h"
#include "core/exchange/exchange_private.h"

#include <stdint.h>
#include <string.h>

static int import_digest_read(struct tess_context *ctx, struct tessi_import_digest *d)
{
    int status = TESS_OK;
    for (int64_t i = 0; i < d->files && status == TESS_OK; i++)
        status = tessi_host_digesting_read(ctx, &d->file[i]);
    return status;
}

static void *import_digest_main(void *user)
{
    struct tessi_import_digest *d = user;
    d->status = import_digest_read(&d->context.context, d);
    return NULL;
}

int tessi_exchange_import_digest_begin(struct tess_context *ctx, struct tessi_import *m)
{
    struct tessi_import_digest *d = &m->digesting;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(m->files.parts + 1) * sizeof *d->file, "digests of files", &memory));
    d->file = memory;
    for (int64_t i = 0; i < m->files.parts; i++) {
        char *path; /* the list of parts is closed before the digests are done */
        TESS_TRY(tess_copy_text(ctx, m->files.part[i].path, &path));
        d->file[d->files++] = (struct tessi_digesting){.path = path, .fd = -1};
        TESS_TRY(tessi_host_digesting_open(ctx, path, &d->file[i]));
    }
    tessi_base_context_init(&d->context, ctx->host);
    d->started = tessi_base_workers_of(ctx) > 1 && tessi_base_thread_start(&d->thread, import_digest_main, d) == 0;
    return TESS_OK;
}

static int import_digest_wait(struct tess_context *ctx, struct tessi_import_digest *d)
{
    if (!d->started)
        return import_digest_read(ctx, d);
    (void)pthread_join(d->thread, NULL);
    d->started = 0;
    return d->status == TESS_OK ? TESS_OK : ctx->fail(ctx, d->status, "%s", tessi_base_context_message(&d->context.context));
}

int tessi_exchange_import_digest_end(struct tess_context *ctx, struct tessi_import *m)
{
    struct tessi_import_digest *d = &m->digesting;
    struct tess_digest all;
    int status = import_digest_wait(ctx, d);
    struct tessi_witness *before = tessi_host_witness_set(ctx, &m->witness);
    tess_digest_start(&all);
    for (int64_t i = 0; i < d->files && status == TESS_OK; i++) {
        status = tessi_host_digesting_record(ctx, &d->file[i]);
        tess_digest_add_text(&all, d->file[i].digest);
    }
    (void)tessi_host_witness_set(ctx, before);
    if (d->files > 1)
        tess_digest_end(&all, m->digest);
    else if (d->files == 1)
        memcpy(m->digest, d->file[0].digest, sizeof m->digest);
    return status;
}

void tessi_exchange_import_digest_free(struct tessi_import_digest *d)
{
    for (int64_t i = 0; i < d->files; i++)
        atomic_store(&d->file[i].stop, 1);
    if (d->started)
        (void)pthread_join(d->thread, NULL);
    for (int64_t i = 0; i < d->files; i++) {
        tessi_host_digesting_close(&d->file[i]);
        tess_free((void *)(uintptr_t)d->file[i].path);
    }
    tess_free(d->file);
    d->file = NULL;
    d->files = d->started = 0;
}
