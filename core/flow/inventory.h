/* The files under WORKDIR/runs: run folders, and what of the cache they refer to. SPDX-License-Identifier: MIT */
#ifndef TESSI_INVENTORY_H
#define TESSI_INVENTORY_H

#include <tessera/base.h>
#include <tessera/digest.h>

/* Kinds of files. */
enum {
    TESSI_FILE_RESULT = 0,     /* KEY.h5 of the cache */
    TESSI_FILE_LIST = 1,       /* KEY.files of the cache: the files that result read */
    TESSI_FILE_CHECKPOINT = 2, /* KEY.checkpoint.h5 of the cache, and its rows */
    TESSI_FILE_PARTIAL = 3,    /* a file on its way to the disk, in the cache or a run's folder */
    TESSI_FILE_LOCK = 4,       /* a lock's file, in the cache or a run's folder */
    TESSI_FILE_OTHER = 5       /* tables of the cache, and what nobody knows; never removed */
};

struct tessi_inventory_file {
    char *path;
    char key[TESS_DIGEST_TEXT]; /* "": none */
    int32_t kind;
    int32_t referred; /* 1: a run's folder refers to it, or it has another name somewhere */
    int64_t bytes;    /* on the disk */
    int64_t time;     /* time of the last change, in seconds since 1970 */
    uint64_t device, inode;
};

struct tessi_inventory_run {
    char *folder;
    int64_t results, files; /* numbers */
    int64_t bytes;          /* on the disk, all files, shared ones included */
    int64_t shared;         /* bytes among these that other names have as well: in the cache, in other runs */
    int32_t variants;       /* 1: the folder of a sweep, whose variants are runs of their own */
};

struct tessi_inventory {
    struct tessi_inventory_file *file; /* files of the cache, by path; partial and lock files of run folders behind them */
    int64_t files, file_capacity;
    struct tessi_inventory_run *run; /* by folder */
    int64_t runs, run_capacity;
    int64_t total; /* bytes of all files, each counted once */
    char *cache;   /* WORKDIR/runs/.cache */
};

/* Looks at all files under WORKDIR/runs; where there is none in this folder there are none. TESS_E_USAGE for another `workdir`
 * without runs/, TESS_E_IO where a folder cannot be read: what is in it may refer to anything. Freed in any case. */
int tessi_flow_inventory(struct tess_context *ctx, const char *workdir, struct tessi_inventory *out) TESS_CHECKED;
void tessi_flow_inventory_free(struct tessi_inventory *v);

#endif
