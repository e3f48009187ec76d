# The plugins' gate: found, checked, their tables filled, instances opened.
libtessera_la_SOURCES += core/plug/blame.c core/plug/blame.h core/plug/check.c core/plug/check.h core/plug/check_param.c core/plug/config_text.c core/plug/filling.h \
    core/plug/former.c core/plug/installed.c core/plug/installed.h core/plug/instance.c core/plug/kinds.c core/plug/kinds.h \
    core/plug/lists.c core/plug/module.c core/plug/object_file.c core/plug/object_file.h core/plug/params.c core/plug/passed.c \
    core/plug/plug_private.h core/plug/process.c core/plug/process.h core/plug/registry.c core/plug/registry.h core/plug/registry_file.c core/plug/registry_private.h \
    core/plug/registry_scan.c core/plug/table.c core/plug/trial.c core/plug/trial.h

# The names of the plugins that are built with the program, as C strings: the others are the user's.
nodist_libtessera_la_SOURCES = core/plug/shipped.h
CLEANFILES += core/plug/shipped.h
$(libtessera_la_OBJECTS): | core/plug/shipped.h
# A plugin that was added is the release's from the next build on, also where dependencies are not tracked (tests/plug/test_registry).
core/plug/libtessera_la-registry_file.lo core/plug/libtessera_la-registry_file.o: core/plug/shipped.h
core/plug/shipped.h: Makefile
	$(AM_V_GEN)$(MKDIR_P) core/plug; { echo '/* Made by core/plug/local.mk. */'; printf '#define TESSI_SHIPPED_NAMES '; \
	for file in $(LTLIBRARIES); do case $$file in plugins/*) \
	echo $$file | sed 's,^plugins/\([^/]*\)/.*/\([^/]*\)\.la$$,\1/\2,; s,^plugins/\(.*\)\.la$$,\1,; s/.*/"&", /' | tr -d '\n';; esac; done; \
	echo; } > $@.new && mv $@.new $@
