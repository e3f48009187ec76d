# The host record: what this process computes with, and what it offers to plugins.
libtessera_la_SOURCES += core/host/digest_place.c core/host/digest_table.c core/host/digest_table.h core/host/file_digests.c core/host/file_digests.h \
    core/host/runtime.c core/host/runtime.h
