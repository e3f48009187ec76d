libtessera_la_SOURCES += \
    core/train/optimiser.h core/train/optimiser.c core/train/loop.c core/train/curve.h core/train/curve.c core/train/plot.c core/train/plot.h \
    core/train/tokenizer.c core/train/prior.c core/train/sampler.c core/train/health.c \
    core/train/sampler_private.h core/train/sampler_causal.c \
    core/train/kmeans_private.h core/train/kmeans.c core/train/kmeans_seed.c
