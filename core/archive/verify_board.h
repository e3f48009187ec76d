/* The board between the processes that verify an archive and their parent. SPDX-License-Identifier: MIT */
#ifndef TESSI_ARCHIVE_VERIFY_BOARD_H
#define TESSI_ARCHIVE_VERIFY_BOARD_H

#include "core/archive/archive.h"
#include "core/base/child.h"

#include <stdatomic.h>

#define TESSI_ARCHIVE_SEATS 64
#define TESSI_ARCHIVE_FAULTS 4096
#define TESSI_ARCHIVE_ENDED (-1)

/* Seat of a process at the board: the task that it is at. */
struct tessi_archive_seat {
    atomic_llong task, steps; /* task TESSI_ARCHIVE_ENDED: none */
    char file[TESSI_ARCHIVE_NAME];
};

/* Tasks are numbered: 0 is the index, or the archive's one file, i > 0 its shard i - 1, and the last the sums over all shards. */
struct tessi_archive_board {
    atomic_llong next, finished, shards, opened, rows_in_all, done, skipped, items, faults;
    struct tessi_archive_seat seat[TESSI_ARCHIVE_SEATS];
    struct tessi_archive_fault fault[TESSI_ARCHIVE_FAULTS];
};

struct tessi_archive_verifying {
    const struct tessi_archive_verify *o;
    struct tessi_archive_board *board;
    struct tessi_child_process *child[TESSI_ARCHIVE_SEATS];
    double heard[TESSI_ARCHIVE_SEATS]; /* when the process last took a step */
    int64_t steps[TESSI_ARCHIVE_SEATS];
    int64_t started;
    int own; /* a child's: its seat */
};

/* Notes a fault; those beyond the board's room are counted alone. `user`: a struct tessi_archive_verifying. */
void tessi_archive_verify_note(void *user, const struct tessi_archive_fault *fault);
/* Verifies files until there are none left: what a child process does. `user`: a struct tessi_archive_verifying. */
int tessi_archive_verify_process(void *user);

#endif
