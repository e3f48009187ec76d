check_PROGRAMS += tests/test_base tests/test_inject
tests_test_base_SOURCES = tests/test_base.c
tests_test_base_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_base_LDADD = $(TEST_LIBS)
tests_test_inject_SOURCES = tests/test_inject.c
tests_test_inject_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_inject_LDADD = $(TEST_LIBS)
