# The graph: recorded, differentiated, planned, run a microbatch at a time; its weights.
libtessera_la_SOURCES += core/graph/arguments.c core/graph/arguments.h core/graph/batch_check.c core/graph/batch_mean.c \
    core/graph/batch_mean.h core/graph/bf16_view.c core/graph/bf16_view.h core/graph/broadcast.c core/graph/broadcast.h core/graph/cache.c \
    core/graph/cache.h core/graph/differentiate.c core/graph/dtype_assign.c core/graph/finite.c core/graph/finite.h \
    core/graph/gradient_ranks.c core/graph/gradient_sum.c core/graph/graph.c core/graph/graph_named.c core/graph/graph_print.c \
    core/graph/graph_run.c core/graph/graph_seal.c core/graph/graph_shared.c core/graph/graph_microbatch.c core/graph/graph_microbatch.h \
    core/graph/memory_plan.c core/graph/node.h core/graph/overlay.c core/graph/overlay.h core/graph/gradient_probe.c core/graph/pack.c core/graph/pack.h core/graph/record.c \
    core/graph/schedule.c core/graph/schedule.h core/graph/sum_tree.c \
    core/graph/weight_store.h core/graph/weights.c
