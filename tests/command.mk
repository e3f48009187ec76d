# The built program as a user runs it.
check_PROGRAMS += tests/test_command tests/test_limits tests/test_killed tests/test_uniform_prior tests/test_unet_prior

COMMAND_BENCH = tests/command_bench.c tests/command_bench.h tests/small_pipeline.c tests/small_pipeline.h

tests_test_command_SOURCES = tests/test_command.c $(COMMAND_BENCH)
tests_test_command_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_command_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_command_LDADD = $(CHECK_LIBS)

tests_test_limits_SOURCES = tests/test_limits.c $(COMMAND_BENCH)
tests_test_limits_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -DPROGRAM=\"$(abs_top_builddir)/tessera\" \
    -DCOUNT_THREADS=\"$(abs_top_builddir)/tests/fixtures/.libs/count_threads.so\"
tests_test_limits_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_limits_LDADD = $(CHECK_LIBS)
EXTRA_tests_test_limits_DEPENDENCIES = tests/fixtures/count_threads.la

tests_test_killed_SOURCES = tests/test_killed.c $(COMMAND_BENCH)
tests_test_killed_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_killed_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_killed_LDADD = $(CHECK_LIBS)

check_PROGRAMS += tests/test_slips tests/test_bounds
tests_test_slips_SOURCES = tests/test_slips.c tests/told.c tests/told.h $(COMMAND_BENCH)
tests_test_slips_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_slips_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_slips_LDADD = $(CHECK_LIBS)
tests_test_bounds_SOURCES = tests/test_bounds.c tests/told.c tests/told.h $(COMMAND_BENCH)
tests_test_bounds_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_bounds_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_bounds_LDADD = $(CHECK_LIBS)

check_PROGRAMS += tests/test_plan tests/test_view
tests_test_view_SOURCES = tests/test_view.c $(COMMAND_BENCH)
tests_test_view_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_view_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_view_LDADD = $(CHECK_LIBS)

tests_test_plan_SOURCES = tests/test_plan.c $(COMMAND_BENCH)
tests_test_plan_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_plan_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_plan_LDADD = $(CHECK_LIBS) -lm

check_PROGRAMS += tests/test_process
tests_test_process_SOURCES = tests/test_process.c $(COMMAND_BENCH)
tests_test_process_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_process_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_process_LDADD = $(CHECK_LIBS)

# Of check-long alone.
EXTRA_PROGRAMS += tests/test_scarce
tests_test_scarce_SOURCES = tests/test_scarce.c $(COMMAND_BENCH)
tests_test_scarce_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_scarce_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_scarce_LDADD = $(CHECK_LIBS)

tests_test_uniform_prior_SOURCES = tests/test_uniform_prior.c $(COMMAND_BENCH)
tests_test_uniform_prior_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_uniform_prior_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_uniform_prior_LDADD = $(CHECK_LIBS)

tests_test_unet_prior_SOURCES = tests/test_unet_prior.c $(COMMAND_BENCH)
tests_test_unet_prior_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_unet_prior_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_unet_prior_LDADD = $(CHECK_LIBS)

check_PROGRAMS += tests/test_autoregressive_prior
tests_test_autoregressive_prior_SOURCES = tests/test_autoregressive_prior.c $(COMMAND_BENCH)
tests_test_autoregressive_prior_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_autoregressive_prior_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_autoregressive_prior_LDADD = $(CHECK_LIBS)
