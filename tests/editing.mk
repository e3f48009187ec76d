# Sampling around what is known, editing, and canvases larger than a prior's maps.
check_PROGRAMS += tests/test_known
tests_test_known_SOURCES = tests/test_known.c $(UNIFORM_BENCH)
tests_test_known_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_known_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_larger
tests_test_larger_SOURCES = tests/test_larger.c tests/graphs.c tests/graphs.h
tests_test_larger_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_larger_LDADD = $(TEST_LIBS)
