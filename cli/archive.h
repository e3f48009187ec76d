/* Verbs on archives of codes, a file each. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_ARCHIVE_H
#define TESSI_CLI_ARCHIVE_H

#include "cli/flags.h"
#include "core/archive/archive.h"
#include "kit/archive/code_arrays.h"

extern const struct cli_verb cli_archive_info, cli_archive_verify, cli_archive_repair, cli_archive_revert, cli_archive_merge,
    cli_archive_split, cli_archive_export, cli_archive_import, cli_archive_stats;

/* Options of a verb of one archive; further options follow it. */
struct cli_archive_one {
    const char *path;
    int json;
};
/* Reads a command line with one archive on it. 0, or the exit code after a message. */
int cli_archive_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_archive_one *o);
/* Opens an archive of codes; TESS_E_DATA for an artefact of another kind. */
int cli_archive_open(struct tess_context *ctx, const char *path, struct tess_artefact **out) TESS_CHECKED;
/* Does work(ctx, user) in the folder of an archive while no other process is at work in it, and gives its status; TESS_E_CREATE names the
 * one that is. */
int cli_archive_alone(struct tess_context *ctx, const char *folder, int (*work)(struct tess_context *ctx, void *user),
                      void *user) TESS_CHECKED;
/* "1,234,567" */
const char *cli_archive_count(int64_t n, char text[32]);

/* Opens the codes of an NPY file or of a folder of them, or of a file of tensors that has one of integers. As code_arrays_open. */
int cli_archive_arrays(struct tess_context *ctx, struct code_arrays *a, const char *path, int64_t tokens) TESS_CHECKED;

#endif
