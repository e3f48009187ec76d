# The training loop, its optimiser and its curve.
libtessera_la_SOURCES += core/train/curve.c core/train/curve.h core/train/divergence.c core/train/loop.c core/train/loop.h \
    core/train/loop_checkpoint.c core/train/loop_ranks.c core/train/optimiser.c core/train/optimiser.h core/train/plot.c core/train/plot.h \
    core/train/training_params.c
