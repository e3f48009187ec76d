# A host for plugins' own tests, and what they check with (include/tessera/test.h).
libtessera_la_SOURCES += core/testing/check_gradient.c core/testing/check_values.c core/testing/test_host.c core/testing/test_run.c \
    core/testing/testing.h
