# ReFiT from end to end; its k-means beside scikit-learn's, whose results are in refit/.
check_PROGRAMS += tests/test_refit
tests_test_refit_SOURCES = tests/test_refit.c tests/command_bench.c tests/command_bench.h tests/golden.c tests/golden.h tests/graphs.c \
    tests/graphs.h tests/small_pipeline.c tests/small_pipeline.h
tests_test_refit_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\" -DREFIT_FIXTURES=\"$(abs_top_srcdir)/tests/refit\"
tests_test_refit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_refit_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/refit
