/* `tessera archive`: the list of its verbs, and what they share. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "core/base/files.h"
#include "core/base/lock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int archive_take_word(void *options, const char *verb, const char *word)
{
    struct cli_archive_one *o = options;
    if (o->path)
        return cli_usage_error(verb, "wanted one archive, found `%s` and `%s`", o->path, word);
    o->path = word;
    return 0;
}

int cli_archive_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_archive_one *o)
{
    int code = cli_flags_read(g, verb, argc, argv, o, archive_take_word);
    if (code == 0 && !o->path)
        code = cli_usage_error(verb->name, "wanted an archive of codes: a folder with its index.h5, or one file");
    return code;
}

int cli_archive_open(struct tess_context *ctx, const char *path, struct tess_artefact **out)
{
    TESS_TRY(tessi_store_artefact_open(ctx, path, out));
    if (strcmp(tess_artefact_kind(*out), "codes") == 0)
        return TESS_OK;
    int status = ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an archive of codes was wanted", path, tess_artefact_kind(*out));
    tessi_store_artefact_close(*out);
    *out = NULL;
    return status;
}

int cli_archive_alone(struct tess_context *ctx, const char *folder, int (*work)(struct tess_context *ctx, void *user), void *user)
{
    enum { PATIENCE = 30 }; /* tenths of a second */
    char holder[256], *path = NULL;
    int held = 0, lock = -1;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", folder));
    int status = tessi_base_lock_try(ctx, path, &lock, &held, holder, sizeof holder);
    for (int i = 0; status == TESS_OK && held && i < PATIENCE; i++) { /* children of one that was killed die after it, and have its lock */
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        status = tessi_base_lock_try(ctx, path, &lock, &held, holder, sizeof holder);
    }
    if (status == TESS_OK && held)
        status = ctx->fail(ctx, TESS_E_CREATE, "%s: %s is at work on it; stop that first", folder, *holder ? holder : "another process");
    if (status == TESS_OK)
        status = work(ctx, user);
    if (lock >= 0)
        tessi_base_lock_drop(path, lock);
    tess_free(path);
    return status;
}

const char *cli_archive_count(int64_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static const struct cli_verb *const verbs[] = {
    &cli_archive_info,   &cli_archive_verify, &cli_archive_repair, &cli_archive_merge,  &cli_archive_split,
    &cli_archive_export, &cli_archive_import, &cli_archive_stats,  &cli_archive_revert, NULL};

/* Any word here is none of the verbs: those are called by themselves. */
static int archive_unknown_verb(void *options, const char *verb, const char *word)
{
    const char *names[16];
    int64_t n = 0;
    (void)options;
    for (; verbs[n]; n++)
        names[n] = cli_sub_word(verbs[n]);
    const char *nearest = tessi_base_nearest_name(word, names, n);
    return nearest ? cli_usage_error(verb, "there is no verb `%s`; did you mean `%s`?", word, nearest)
                   : cli_usage_error(verb, "there is no verb `%s`", word);
}

static int archive(struct cli_globals *g, int argc, char **argv)
{
    int code = cli_flags_read(g, &cli_archive, argc, argv, NULL, archive_unknown_verb);
    return code ? code : cli_usage_error(argv[0], "wanted a verb, such as `tessera archive info ARCHIVE`");
}

const struct cli_verb cli_archive = {
    .name = "archive",
    .summary = "verify, merge, split, export and repair archives of codes",
    .arguments = "VERB ARCHIVE",
    .description = "ARCHIVE is a folder of shards with its index.h5, or one file; `tessera archive VERB --help` has each verb's flags.\n",
    .run = archive,
    .sub = verbs,
};
