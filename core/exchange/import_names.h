/* Names of a file's tensors as its architecture knows them: without what programs put in front of them. SPDX-License-Identifier: MIT */
#ifndef TESSI_IMPORT_NAMES_H
#define TESSI_IMPORT_NAMES_H

#include <tessera/exchange.h>

enum { TESSI_PREFIXES = 24 };

struct tessi_import_names {
    const char *prefix;       /* what was taken off; "" */
    struct tess_entry *entry; /* the entries that had it, by their names without it */
    int64_t *order;           /* those by name */
    int64_t *source;          /* [entry]: number among all entries of the file */
    int64_t *average;         /* [entry]: number of its moving average among all entries, -1: there is none */
    int64_t count, averages;  /* averages: entries of the file that are moving averages, or belong to them */
    char *text;
};

/* Prefixes that names of the file have, "model." and "model.first_stage." and so on, the commonest first: at most TESSI_PREFIXES, each of
 * TESS_ENTRY_NAME bytes in `out`. */
int tessi_exchange_prefixes(struct tess_context *ctx, int64_t n, const struct tess_entry *e, char (*out)[TESS_ENTRY_NAME],
                            int *count) TESS_CHECKED;
/* The entries whose names begin with the prefix. `loose`: wrappers in the middle of names, `module.`, are taken off as well. Free in any
 * case. */
int tessi_exchange_names_open(struct tess_context *ctx, int64_t n, const struct tess_entry *e, const char *prefix, int loose,
                              struct tessi_import_names *out) TESS_CHECKED;
void tessi_exchange_names_free(struct tessi_import_names *names);

#endif
