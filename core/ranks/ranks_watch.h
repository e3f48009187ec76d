/* Watch over this rank's own work. The carrier of a rank lives on when the computation beside it hangs, and tells the other ranks so; so it
 * looks at the pulse of the process (core/base/pulse.h), and ends the run on all ranks where that stands still. SPDX-License-Identifier:
 * MIT */
#ifndef TESSI_RANKS_WATCH_H
#define TESSI_RANKS_WATCH_H

#include "core/ranks/ranks.h"

/* Ends the run where this rank's work stands still for `seconds`; 0: never. Work that takes processor time outside the loops of workers, in
 * a library say, has ten times as long. `hangs` is called by the carrier once the other ranks have been told, and need not return: the
 * thread that hangs is in nobody's hands. */
void tessi_ranks_watch(struct tessi_ranks *r, double seconds, void (*hangs)(void *user, const char *message), void *user);

#endif
