# Trained models opened by kind; codebook health; weights in files.
libtessera_la_SOURCES += core/model/health.c core/model/prior.c core/model/tokenizer.c
