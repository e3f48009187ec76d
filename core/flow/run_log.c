/* Lines are told by the members that the log itself writes first: "run" and "event" (core/base/log.c); a line that is none is passed by.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/run_log.h"
#include "core/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_BYTES 16
#define KEY_BYTES 65

struct logged { /* runs that ended, but for the last one */
    char (*ended)[RUN_BYTES];
    int64_t count, capacity;
    char last[RUN_BYTES];
};

/* Copies the value of a member, up to its quote. Returns `to`, empty where the line has none. */
static const char *run_log_member(const char *line, const char *member, char *to, size_t capacity)
{
    const char *at = strstr(line, member);
    size_t length = at ? strcspn(at + strlen(member), "\"") : 0;
    (void)snprintf(to, capacity, "%.*s", length < capacity ? (int)length : 0, at ? at + strlen(member) : "");
    return to;
}

static int run_log_has_ended(const struct logged *l, const char *run)
{
    for (int64_t i = 0; i < l->count; i++)
        if (strcmp(l->ended[i], run) == 0)
            return strcmp(run, l->last) != 0;
    return 0;
}

static int run_log_note(struct tess_context *ctx, struct logged *l, const char *line)
{
    char run[RUN_BYTES];
    (void)run_log_member(line, "\"run\":\"", run, sizeof run);
    if (strstr(line, "\"event\":\"run_start\""))
        memcpy(l->last, run, sizeof run);
    if (!strstr(line, "\"event\":\"run_end\""))
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &l->ended, &l->capacity, l->count + 1, sizeof *l->ended, "runs in a log"));
    memcpy(l->ended[l->count++], run, sizeof run);
    return TESS_OK;
}

static int run_log_take(const struct logged *l, const char *line, int (*take)(void *user, const char *key), void *user)
{
    char run[RUN_BYTES], key[KEY_BYTES];
    if (run_log_has_ended(l, run_log_member(line, "\"run\":\"", run, sizeof run)))
        return TESS_OK;
    return *run_log_member(line, "\"key\":\"", key, sizeof key) ? take(user, key) : TESS_OK;
}

int tessi_flow_run_log_keys(struct tess_context *ctx, const char *path, int (*take)(void *user, const char *key), void *user)
{
    struct logged l = {.ended = NULL};
    char *line = NULL;
    size_t capacity = 0;
    int status = TESS_OK;
    FILE *f = fopen(path, "re");
    if (!f && errno == ENOENT)
        return TESS_OK;
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; it may refer to any result", path, strerror(errno));
    for (int pass = 0; pass < 2 && status == TESS_OK; pass++) {
        rewind(f);
        while (status == TESS_OK && getline(&line, &capacity, f) > 0)
            status = pass == 0 ? run_log_note(ctx, &l, line) : run_log_take(&l, line, take, user);
    }
    if (status == TESS_OK && ferror(f))
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be read; it may refer to any result", path);
    (void)fclose(f);
    free(line);
    tess_free(l.ended);
    return status;
}
