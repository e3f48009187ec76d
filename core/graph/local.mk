# The graph: recorded, differentiated, planned, run a microbatch at a time; its weights.
libtessera_la_SOURCES += core/graph/cache.c core/graph/cache.h core/graph/differentiate.c core/graph/finite.c core/graph/finite.h \
    core/graph/gradient_sum.c core/graph/graph.c core/graph/graph_named.c core/graph/graph_run.c core/graph/graph_slice.c \
    core/graph/graph_slice.h core/graph/memory_plan.c core/graph/node.h core/graph/probe.c core/graph/storage.c core/graph/sum_tree.c \
    core/graph/walk.c core/graph/walk.h core/graph/weight_store.h core/graph/weights.c core/graph/window.c core/graph/window.h
