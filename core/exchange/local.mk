# Weights from other programs and for them: formats and checkpoints, which are plugins, brought together.
libtessera_la_SOURCES += core/exchange/exchange.h core/exchange/exchange_private.h core/exchange/export_model.c \
    core/exchange/features_file.c core/exchange/file_format.c core/exchange/import_match.c core/exchange/import_model.c \
    core/exchange/layout_of_others.c
