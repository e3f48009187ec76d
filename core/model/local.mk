# Trained models opened by kind; codebook health; weights in files.
libtessera_la_SOURCES += core/model/check_recorded.c core/model/check_recorded.h core/model/code_range.c core/model/code_range.h \
    core/model/health.c core/model/level_mask.c core/model/level_mask.h core/model/levels.c core/model/parts.c core/model/parts.h \
    core/model/prior.c core/model/prior_calls.c core/model/prior_check.c core/model/prior_check.h core/model/tokenizer.c \
    core/model/weights_file.c
