# Reverse diffusion of many sequences.
libtessera_la_SOURCES += core/sample/sampler.c core/sample/sampler_causal.c core/sample/sampler_private.h
