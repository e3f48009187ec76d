/* A closer look at files that changed: where they begin to differ, as far as the earlier one is still there; else their sizes and times.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/flow/change.h"
#include "core/flow/file_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 1 where the file has these bytes. */
static int change_look_is(const struct tess_context *ctx, const char *path, const char *digest)
{
    struct tessi_context own;
    struct tess_digest d;
    struct tessi_witness seen = {.count = 0};
    tessi_base_context_init(&own, ctx->host);
    if (!tessi_base_is_file(path))
        return 0;
    tess_digest_start(&d);
    struct tessi_witness *before = tessi_host_witness_set(&own.context, &seen);
    struct tessi_witness_walk walk = {.w = &seen};
    int more = 0, same = tess_digest_add_file(&own.context, &d, path) == TESS_OK &&
                         tessi_host_witness_next(&own.context, &walk, &more) == TESS_OK && more && strcmp(walk.seen.digest, digest) == 0;
    tessi_host_witness_walk_close(&walk);
    (void)tessi_host_witness_set(&own.context, before);
    tessi_host_witness_free(&seen);
    return same;
}

/* Place of the first byte in which two files differ, and both bytes; -1: in one that has ended. 0 where they cannot be read or are equal.
 */
static int change_look_bytes(const char *a, const char *b, int64_t *at, int byte[2])
{
    FILE *f = fopen(a, "rbe"), *g = fopen(b, "rbe");
    int differ = 0;
    *at = 0;
    while (f && g && !differ) {
        byte[0] = getc(f);
        byte[1] = getc(g);
        differ = byte[0] != byte[1];
        if (byte[0] == EOF && byte[1] == EOF)
            break;
        *at += !differ;
    }
    differ = differ && !ferror(f) && !ferror(g);
    if (f)
        (void)fclose(f);
    if (g)
        (void)fclose(g);
    return differ;
}

static const char *change_look_byte(int byte, char text[16])
{
    (void)snprintf(text, 16, byte == EOF ? "its end" : "0x%02x", (unsigned)byte);
    return text;
}

/* Finds the place of the file as it is now; *found 0: the stage reads no such file. */
static int change_look_now(struct tess_context *ctx, const struct tessi_stage *s, const char *path, struct tessi_place *at, int *found)
{
    struct tessi_witness_walk walk = {.w = &s->witness};
    int more = 1, status = TESS_OK;
    for (*found = 0; status == TESS_OK && more && !*found;) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        *found = status == TESS_OK && more && strcmp(walk.seen.path, path) == 0;
    }
    *at = walk.seen.at;
    tessi_host_witness_walk_close(&walk);
    return status;
}

static int change_look_file(struct tess_context *ctx, const struct tessi_stage *s, const struct tessi_file_list *list,
                            struct tessi_change *c)
{
    int64_t at;
    int byte[2];
    char from[16], to[16], time[24];
    if (c->before_path && change_look_is(ctx, c->before_path, c->before) && change_look_bytes(c->before_path, c->name, &at, byte))
        return tessi_base_format(ctx, &c->detail, "the first different byte is byte %" PRId64 ": %s -> %s", at,
                                 change_look_byte(byte[0], from), change_look_byte(byte[1], to));
    const struct tessi_listed *then = tessi_flow_file_list_find(list, c->before_path ? c->before_path : c->name);
    struct tessi_place now;
    int found;
    TESS_TRY(change_look_now(ctx, s, c->name, &now, &found));
    if (!found || !then)
        return TESS_OK;
    if (strcmp(then->time, "-") == 0)
        return tessi_base_format(ctx, &c->detail, "%" PRId64 " bytes -> %" PRId64 " bytes of %s", then->size, now.size,
                                 tessi_flow_file_time(now.changed, time));
    return tessi_base_format(ctx, &c->detail, "%" PRId64 " bytes of %s -> %" PRId64 " bytes of %s", then->size, then->time, now.size,
                             tessi_flow_file_time(now.changed, time));
}

int tessi_flow_changes_look(struct tess_context *ctx, const struct tessi_pipeline *p, const struct tessi_stage *s,
                            const struct tess_artefact *a, struct tessi_changes *c)
{
    struct tessi_file_list list = {.text = NULL};
    int status = tessi_flow_file_list_read(ctx, p, s, a, &list);
    for (int64_t i = 0; i < c->count && status == TESS_OK; i++)
        if (c->item[i].kind == TESSI_CHANGE_FILE && c->item[i].before && c->item[i].now && *c->item[i].name)
            status = change_look_file(ctx, s, &list, &c->item[i]);
    tessi_flow_file_list_free(&list);
    return status;
}
