# Sweeps: the variants of a pipeline, planned together and run by child processes.
libtessera_la_SOURCES += core/sweep/axes.c core/sweep/define.c core/sweep/picks.c core/sweep/sweep.c core/sweep/sweep.h \
    core/sweep/sweep_file.c core/sweep/sweep_private.h core/sweep/variants.c
