# Weights from other programs and for them: formats and checkpoints, which are plugins, brought together.
libtessera_la_SOURCES += core/exchange/exchange.h core/exchange/exchange_private.h core/exchange/export_model.c \
    core/exchange/features_file.c core/exchange/file_format.c core/exchange/import_digest.c core/exchange/import_match.c core/exchange/import_model.c \
    core/exchange/import_names.c core/exchange/import_names.h core/exchange/import_report.c core/exchange/weights_files.c core/exchange/weights_files.h \
    core/exchange/import_weights.c core/exchange/layout_of_others.c core/exchange/tensors_digest.c
