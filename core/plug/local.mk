libtessera_la_SOURCES += \
    core/plug/plug_private.h core/plug/registry.h core/plug/runtime.h core/plug/spec.h \
    core/plug/spec.c core/plug/scalar.c core/plug/spec_print.c core/plug/spec_text.c core/plug/former.c \
    core/plug/table.c core/plug/check.c core/plug/registry.c \
    core/plug/params.c core/plug/instance.c core/plug/module.c core/plug/runtime.c core/plug/file_digests.c core/plug/file_digests.h \
    core/plug/digest_table.c core/plug/digest_table.h
