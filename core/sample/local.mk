# Reverse diffusion of many sequences.
libtessera_la_SOURCES += core/sample/lockstep.h core/sample/sample_state.c core/sample/sample_state.h core/sample/sampler.c \
    core/sample/sampler_advance.c core/sample/sampler_causal.c core/sample/sampler_kind.c core/sample/sampler_private.h core/sample/sampler_ranks.c
