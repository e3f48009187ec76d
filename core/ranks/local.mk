# The processes that run one pipeline together, over a transport: the carrier, collective calls, sums in the order of one process.
libtessera_la_SOURCES += core/ranks/ranks.c core/ranks/ranks.h core/ranks/ranks_calls.c core/ranks/ranks_private.h core/ranks/ranks_sum.c \
    core/ranks/ranks_watch.c core/ranks/ranks_watch.h core/ranks/ranks_words.c core/ranks/tree.c core/ranks/tree.h
