# Sampling around what is known, editing, and canvases larger than a prior's maps.
check_PROGRAMS += tests/test_known
tests_test_known_SOURCES = tests/test_known.c $(UNIFORM_BENCH)
tests_test_known_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_known_LDADD = $(TEST_LIBS)
