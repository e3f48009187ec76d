# The likelihood of images: the head beside PyTorch's (likelihood/), and the stages that train it and measure with it.
check_PROGRAMS += tests/test_likelihood tests/test_likelihood_stages
tests_test_likelihood_SOURCES = tests/test_likelihood.c plugins/stages/likelihood.c plugins/stages/likelihood.h tests/golden.c \
    tests/golden.h tests/graphs.c tests/graphs.h
tests_test_likelihood_CPPFLAGS = $(AM_CPPFLAGS) -DLIKELIHOOD=\"$(abs_top_srcdir)/tests/likelihood\"
tests_test_likelihood_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_likelihood_LDADD = $(TEST_LIBS)

tests_test_likelihood_stages_SOURCES = tests/test_likelihood_stages.c tests/command_bench.c tests/command_bench.h \
    tests/small_pipeline.c tests/small_pipeline.h
tests_test_likelihood_stages_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_likelihood_stages_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_likelihood_stages_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_figures
tests_test_figures_SOURCES = tests/test_figures.c tests/command_bench.c tests/command_bench.h tests/small_pipeline.c tests/small_pipeline.h
tests_test_figures_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_figures_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_figures_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/likelihood
