/* Names of the files that an archive's rows are decoded into. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_DECODE_NAMES_H
#define TESSI_CLI_DECODE_NAMES_H

#include "core/store/store.h"

#define DECODE_MARK ".decode" /* file of the folder itself, which no picture may be in the way of */

struct decode_names {
    char **path; /* by row, within the folder; NULL: rows have no names */
    char *form;  /* by row, how its path was made of its name */
    int64_t count;
};

/* Gives each of `count` rows a path that no other row has and that is no folder of another's: its name and ".png"; with the row's number in
 * between where an image has several rows or that path is taken, "a.png.000000012.png"; the number alone where the name is none that a file
 * below a folder can have, or that is taken, too. The same archive gives the same paths. Freed by decode_names_free, also after a failure;
 * `n` begins as zeros. */
int cli_decode_names(struct tess_context *ctx, const struct tess_artefact *codes, int64_t count, struct decode_names *n) TESS_CHECKED;
void cli_decode_names_free(struct decode_names *n);
/* Makes the path of a row's file in `folder`; freed by tess_free. */
int cli_decode_path(struct tess_context *ctx, const struct decode_names *n, const char *folder, int64_t row, char **path) TESS_CHECKED;

#endif
