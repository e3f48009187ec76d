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
#define STAGE_BYTES 256

struct stage { /* the last key that a stage of this name had */
    char name[STAGE_BYTES], key[KEY_BYTES];
};

struct logged {
    char (*ended)[RUN_BYTES]; /* runs that ended */
    int64_t count, capacity;
    struct stage *stage;
    int64_t stages, stage_capacity;
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
            return 1;
    return 0;
}

static int run_log_is_last(const struct logged *l, const char *key)
{
    for (int64_t i = 0; i < l->stages; i++)
        if (strcmp(l->stage[i].key, key) == 0)
            return 1;
    return 0;
}

/* Takes a line's key for the last one of its stage. */
static int run_log_stage(struct tess_context *ctx, struct logged *l, const char *line)
{
    struct stage s;
    int64_t i = 0;
    (void)run_log_member(line, "\"stage\":\"", s.name, sizeof s.name);
    if (!*run_log_member(line, "\"key\":\"", s.key, sizeof s.key))
        return TESS_OK;
    while (i < l->stages && strcmp(l->stage[i].name, s.name) != 0)
        i++;
    TESS_TRY(tess_reserve(ctx, &l->stage, &l->stage_capacity, i + 1, sizeof *l->stage, "stages in a log"));
    l->stages += i == l->stages;
    l->stage[i] = s;
    return TESS_OK;
}

static int run_log_note(struct tess_context *ctx, struct logged *l, const char *line)
{
    if (!strstr(line, "\"event\":\"run_end\""))
        return run_log_stage(ctx, l, line);
    TESS_TRY(tess_reserve(ctx, &l->ended, &l->capacity, l->count + 1, sizeof *l->ended, "runs in a log"));
    (void)run_log_member(line, "\"run\":\"", l->ended[l->count++], RUN_BYTES);
    return TESS_OK;
}

static int run_log_take(const struct logged *l, const char *line, int (*take)(void *user, const char *key), void *user)
{
    char run[RUN_BYTES], key[KEY_BYTES];
    if (!*run_log_member(line, "\"key\":\"", key, sizeof key))
        return TESS_OK;
    int ended = run_log_has_ended(l, run_log_member(line, "\"run\":\"", run, sizeof run));
    return !ended || run_log_is_last(l, key) ? take(user, key) : TESS_OK;
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
    tess_free(l.stage);
    return status;
}
