check_PROGRAMS += tests/test_yaml tests/test_flow
tests_test_yaml_SOURCES = tests/test_yaml.c
tests_test_yaml_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_yaml_LDADD = $(TEST_LIBS)

tests_test_flow_SOURCES = tests/test_flow.c tests/flow_bench.c tests/flow_bench.h
tests_test_flow_CPPFLAGS = $(AM_CPPFLAGS) -DFLOW_PLUGINS=\"$(abs_builddir)/tests/flow/.libs\"
tests_test_flow_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_flow_LDADD = $(TEST_LIBS)
EXTRA_tests_test_flow_DEPENDENCIES = tests/flow/flow_stages.la

check_PROGRAMS += tests/test_runs
tests_test_runs_SOURCES = tests/test_runs.c tests/flow_bench.c tests/flow_bench.h
tests_test_runs_CPPFLAGS = $(AM_CPPFLAGS) -DFLOW_PLUGINS=\"$(abs_builddir)/tests/flow/.libs\"
tests_test_runs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_runs_LDADD = $(TEST_LIBS)
EXTRA_tests_test_runs_DEPENDENCIES = tests/flow/flow_stages.la

check_PROGRAMS += tests/test_keys
tests_test_keys_SOURCES = tests/test_keys.c tests/small_pipeline.c tests/small_pipeline.h tests/flow_bench.c tests/flow_bench.h
tests_test_keys_CPPFLAGS = $(AM_CPPFLAGS) -DFLOW_PLUGINS=\"$(abs_builddir)/tests/flow/.libs\"
tests_test_keys_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_keys_LDADD = $(TEST_LIBS)
EXTRA_tests_test_keys_DEPENDENCIES = tests/flow/flow_stages.la tests/flow/flow_reader.la
check_LTLIBRARIES += tests/flow/flow_reader.la
tests_flow_flow_reader_la_SOURCES = tests/flow_reader.c
tests_flow_flow_reader_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_flow_reader_la_LIBADD = $(PLUGIN_LIBS)

# Its stages. A library that is not installed is built as a plugin only when it is told a place.
check_LTLIBRARIES += tests/flow/flow_stages.la
tests_flow_flow_stages_la_SOURCES = tests/flow_stages.c
tests_flow_flow_stages_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_flow_stages_la_LIBADD = $(PLUGIN_LIBS)
