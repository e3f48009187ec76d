# What everything stands on: status and messages, memory, attributes, digests, files, locks, random numbers, worker threads, the log.
libtessera_la_SOURCES += core/base/aside.c core/base/aside.h core/base/aside_names.c core/base/aside_names.h core/base/attributes.c \
    core/base/attributes_private.h core/base/child.c core/base/child.h core/base/clock.h core/base/context.c core/base/context.h \
    core/base/digest.c core/base/digest_queue.c core/base/digest_queue.h core/base/files.c core/base/files.h core/base/host.c \
    core/base/host.h core/base/image.c core/base/inject.c \
    core/base/inject.h core/base/json.c core/base/json_read.c core/base/json_read.h core/base/json.h core/base/lock.c core/base/lock.h \
    core/base/log.c core/base/log.h core/base/lookalike.c core/base/lookalike.h core/base/memory.c core/base/memory.h \
    core/base/progress_line.c core/base/progress_line.h core/base/processor.c core/base/processor.h core/base/pulse.h core/base/random.c core/base/sha256.h \
    core/base/sha256_x86.c core/base/signals.c core/base/spool.c core/base/spool.h core/base/tensor.c core/base/text.c core/base/text.h \
    core/base/workers.c core/base/workers.h core/base/xxh64.c core/base/xxh64.h
if COVERAGE
libtessera_la_SOURCES += core/base/coverage.c
else
EXTRA_DIST += core/base/coverage.c
endif
