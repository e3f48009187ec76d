# Pipelines planned, cached and run.
check_PROGRAMS += tests/flow/test_epoch tests/flow/test_flow tests/flow/test_keys tests/flow/test_gc tests/flow/test_rates \
    tests/flow/test_runs tests/flow/test_why

# Stages and a backend of the tests' own. A library that is not installed is built as a plugin only when it is told a place.
check_LTLIBRARIES += tests/flow/flow_stages.la tests/flow/flow_reader.la tests/flow/rebuilt/flow_reader.la tests/flow/older/flow_reader.la \
    tests/flow/plain/plain_backend.la
tests_flow_flow_stages_la_SOURCES = tests/flow/flow_stages.c
tests_flow_flow_stages_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_flow_stages_la_LIBADD = $(PLUGIN_LIBS)
tests_flow_flow_reader_la_SOURCES = tests/flow/flow_reader.c
tests_flow_flow_reader_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_flow_reader_la_LIBADD = $(PLUGIN_LIBS)
tests_flow_rebuilt_flow_reader_la_SOURCES = tests/flow/flow_reader.c
tests_flow_rebuilt_flow_reader_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLOW_READER_CONSTANT=1000.0f
tests_flow_rebuilt_flow_reader_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_rebuilt_flow_reader_la_LIBADD = $(PLUGIN_LIBS)
tests_flow_older_flow_reader_la_SOURCES = tests/flow/flow_reader.c
tests_flow_older_flow_reader_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLOW_READER_OLDER
tests_flow_older_flow_reader_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_older_flow_reader_la_LIBADD = $(PLUGIN_LIBS)
tests_flow_plain_plain_backend_la_SOURCES = tests/flow/plain_backend.c
tests_flow_plain_plain_backend_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_flow_plain_plain_backend_la_LIBADD = $(PLUGIN_LIBS)
EXTRA_tests_flow_test_flow_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_flow_test_gc_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_flow_test_rates_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_flow_test_why_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_flow_test_runs_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_flow_test_keys_DEPENDENCIES = tests/flow/flow_stages.la tests/flow/flow_reader.la tests/flow/rebuilt/flow_reader.la \
    tests/flow/older/flow_reader.la
EXTRA_tests_flow_test_epoch_DEPENDENCIES = tests/flow/plain/plain_backend.la
