/* A training of days must not end in "the disk is full". What the plan knows of sizes is looked for before the work and reserved; and a
 * result that finds no room at its end waits until somebody makes some, as all it needs is in memory. A checkpoint does not wait: the one
 * before stays, and the work goes on.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/inject.h"
#include "core/base/pulse.h"
#include "core/flow/disk_space.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define MIB 1048576.0

static void disk_space_tell(const struct tess_stage_run *r, const char *path, int error)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%s: %s: %s; waiting for room: make some and the work goes on, or stop it with Ctrl-C", r->name, path,
                   strerror(error));
    tessi_base_log_warn(r->log, "%s", text);
    if (r->pipeline && r->pipeline->waits)
        r->pipeline->waits(r->pipeline->waits_user, text);
}

/* Waits for free disk space; called by the writer: 1 to try again, 0 to give up. */
static int disk_space_wait(void *user, const char *path, int error)
{
    struct tess_stage_run *r = user;
    double since = tessi_base_seconds();
    if (!r->waited++)
        disk_space_tell(r, path, error);
    (void)tessi_base_inject(TESSI_AT_FULL);
    tessi_base_pulse();
    if (!tessi_base_signals_stopping())
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    r->waited_seconds += tessi_base_seconds() - since;
    r->gave_up |= tessi_base_signals_stopping();
    return !r->gave_up;
}

static int disk_space_refuse(struct tess_context *ctx, const struct tessi_stage *s, const char *folder, double wanted, double found)
{
    return ctx->fail(
        ctx, TESS_E_IO,
        "%s: the disk has %.1f MiB free, and this stage will want %.1f MiB (its result %.1f, its checkpoints %.1f); make room or "
        "choose another folder (of a pipeline: --workdir), then run again",
        folder, found / MIB, wanted / MIB, (double)s->output_bytes / MIB, (wanted - (double)s->output_bytes) / MIB);
}

/* Fails for blocks that a quota, a limit of file sizes or another writer leaves no room for, whatever the disk has free. */
static int disk_space_unreserved(struct tess_context *ctx, const struct tessi_stage *s, const char *folder, int error)
{
    return ctx->fail(ctx, TESS_E_IO,
                     "%s: the %.3g MiB of this stage's result cannot be reserved: %s; make room, raise the limit, or choose another folder "
                     "(of a pipeline: --workdir), then run again",
                     folder, (double)s->output_bytes / MIB, strerror(error));
}

int tessi_flow_disk_reserve(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r)
{
    struct statvfs disk;
    const struct tessi_stage *s = r->stage;
    r->pipeline = p;
    tessi_store_artefact_when_full(r->output, disk_space_wait, r);
    if (s->output_bytes <= 0 && s->checkpoint_bytes <= 0)
        return TESS_OK;
    /* A checkpoint is written beside the one before. */
    double wanted = (double)s->output_bytes + (double)s->checkpoint_bytes * (s->checkpoint.there ? 1 : 2);
    if (statvfs(p->cache, &disk) != 0 || disk.f_blocks == 0)
        return TESS_OK; /* a file system that does not say */
    double found = (double)disk.f_bavail * (double)disk.f_frsize;
    if (found < wanted)
        return disk_space_refuse(ctx, s, p->cache, wanted, found);
    int error = tessi_store_artefact_reserve(r->output, s->output_bytes);
    return error ? disk_space_unreserved(ctx, s, p->cache, error) : TESS_OK;
}
