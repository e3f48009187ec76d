tessera_SOURCES += \
    cli/cli.h cli/main.c cli/unknown_verb.c \
    cli/exchange_flags.h cli/exchange_flags.c cli/import_checkpoint.c cli/export_checkpoint.c \
    cli/inspect.c cli/plan.h cli/plan.c cli/plugins.c cli/run.c cli/view.c \
    cli/draw.h cli/draw.c cli/bench.h cli/bench.c cli/bench_model.h cli/bench_model.c cli/bench_cases.c cli/bench_peak.c
