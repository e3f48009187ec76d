/* The number of ranks that a launcher of MPI tells the processes that it starts, by their environment. SPDX-License-Identifier: MIT */
#ifndef KIT_RANKS_LAUNCHER_H
#define KIT_RANKS_LAUNCHER_H

/* Number of ranks that a launcher has started together with this process: mpirun of Open MPI or of MPICH, or srun over the interface of
 * either. 0 without a launcher. [one thread: reads the environment] */
int launcher_ranks(void);
/* Number of this process among them; 0 without a launcher. [one thread: reads the environment] */
int launcher_rank(void);

#endif
