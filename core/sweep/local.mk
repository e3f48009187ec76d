# Sweeps: the variants of a pipeline, planned together and run by child processes.
libtessera_la_SOURCES += core/sweep/axes.c core/sweep/define.c core/sweep/duplicates.c core/sweep/jobs.c core/sweep/jobs.h \
    core/sweep/picks.c core/sweep/plan.c core/sweep/plan_private.h core/sweep/process.c core/sweep/process.h core/sweep/run.c \
    core/sweep/run_outcome.c core/sweep/run_private.h core/sweep/run.h core/sweep/runner.c core/sweep/runner.h core/sweep/settled.c \
    core/sweep/settled.h core/sweep/sweep.c core/sweep/sweep.h core/sweep/sweep_file.c core/sweep/sweep_private.h core/sweep/tell.c \
    core/sweep/tell.h core/sweep/time_left.c core/sweep/variant_open.c core/sweep/variants.c
