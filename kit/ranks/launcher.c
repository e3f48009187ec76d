/* See launcher.h. SPDX-License-Identifier: MIT */
#include "kit/ranks/launcher.h"

#include <stdlib.h>

static int launcher_number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

int launcher_ranks(void)
{
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "MPI_LOCALNRANKS"};
    int most = getenv("PMIX_RANK") || getenv("PMI_RANK") ? launcher_number("SLURM_STEP_NUM_TASKS") : 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        most = launcher_number(sizes[i]) > most ? launcher_number(sizes[i]) : most;
    return most;
}

int launcher_rank(void)
{
    static const char *const numbers[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (getenv(numbers[i]))
            return launcher_number(numbers[i]);
    return 0;
}
