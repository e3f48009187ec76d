# The backend, the source and the stages.
check_PROGRAMS += tests/test_backend tests/test_idx tests/test_geometry tests/test_stages

tests_test_backend_SOURCES = tests/test_backend.c tests/graphs.c tests/graphs.h
tests_test_backend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_backend_LDADD = $(TEST_LIBS)

tests_test_idx_SOURCES = tests/test_idx.c tests/graphs.c tests/graphs.h
tests_test_idx_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
tests_test_idx_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_idx_LDADD = $(TEST_LIBS)

tests_test_geometry_SOURCES = tests/test_geometry.c plugins/stages/geometry.c plugins/stages/geometry.h
tests_test_geometry_CPPFLAGS = $(AM_CPPFLAGS) -DFIXTURES=\"$(abs_top_srcdir)/tests/import\"
EXTRA_DIST += tests/import
tests_test_geometry_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_geometry_LDADD = $(CHECK_LIBS) -lm

STAGE_BENCH = tests/stage_bench.c tests/stage_bench.h tests/small_pipeline.c tests/small_pipeline.h

tests_test_stages_SOURCES = tests/test_stages.c $(STAGE_BENCH) tests/vgg_file.c tests/vgg_file.h
tests_test_stages_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_stages_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_contradictions
tests_test_contradictions_SOURCES = tests/test_contradictions.c tests/craft.c tests/craft.h $(STAGE_BENCH)
tests_test_contradictions_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_contradictions_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_contradictions_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_many_codes
tests_test_many_codes_SOURCES = tests/test_many_codes.c tests/craft.c tests/craft.h $(STAGE_BENCH)
tests_test_many_codes_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_many_codes_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_pipelines
tests_test_pipelines_SOURCES = tests/test_pipelines.c $(STAGE_BENCH) tests/vgg_file.c tests/vgg_file.h
tests_test_pipelines_CPPFLAGS = $(AM_CPPFLAGS) -DPIPELINES=\"$(abs_top_srcdir)/pipelines\"
tests_test_pipelines_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_pipelines_LDADD = $(TEST_LIBS)

# One key, one content: digests of every stage, a set a numeric mode; the set that is there everywhere has a backend of its own.
check_PROGRAMS += tests/test_epoch
tests_test_epoch_SOURCES = tests/test_epoch.c tests/small_pipeline.c tests/small_pipeline.h tests/graphs.c tests/graphs.h
tests_test_epoch_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR=\"$(abs_top_srcdir)\" -DEPOCH_PLUGINS=\"$(abs_builddir)/tests/epoch/.libs\"
tests_test_epoch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_epoch_LDADD = $(TEST_LIBS)
EXTRA_tests_test_epoch_DEPENDENCIES = tests/epoch/plain_backend.la
EXTRA_DIST += tests/epoch/epoch.yaml tests/epoch/digests.txt
check_LTLIBRARIES += tests/epoch/plain_backend.la
tests_epoch_plain_backend_la_SOURCES = tests/plain_backend.c
tests_epoch_plain_backend_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_epoch_plain_backend_la_LIBADD = $(PLUGIN_LIBS)

check_PROGRAMS += tests/test_nearest_neighbours
tests_test_nearest_neighbours_SOURCES = tests/test_nearest_neighbours.c plugins/stages/perceptual.c plugins/stages/perceptual.h \
    $(STAGE_BENCH) tests/graphs.c tests/graphs.h tests/vgg_file.c tests/vgg_file.h
tests_test_nearest_neighbours_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_nearest_neighbours_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_flips
tests_test_flips_SOURCES = tests/test_flips.c $(STAGE_BENCH)
tests_test_flips_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_flips_LDADD = $(TEST_LIBS)
