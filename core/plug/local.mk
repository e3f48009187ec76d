# The plugins' gate: found, checked, their tables filled, instances opened.
libtessera_la_SOURCES += core/plug/check.c core/plug/config_text.c core/plug/former.c core/plug/installed.c core/plug/installed.h \
    core/plug/instance.c core/plug/module.c core/plug/params.c core/plug/plug_private.h core/plug/registry.c core/plug/registry.h core/plug/table.c
