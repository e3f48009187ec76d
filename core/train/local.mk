# The training loop, its optimiser and its curve.
libtessera_la_SOURCES += core/train/curve.c core/train/curve.h core/train/loop.c core/train/optimiser.c core/train/optimiser.h \
    core/train/plot.c core/train/plot.h
