# Import, from a source of the tests' own. The path makes libtool build a shared object; nothing is installed there.
check_PROGRAMS += tests/test_sources
tests_test_sources_SOURCES = tests/test_sources.c tests/texts.c tests/texts.h
tests_test_sources_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS) -DSOURCE_PLUGINS=\"$(abs_builddir)/tests/sources/.libs\"
tests_test_sources_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_sources_LDADD = $(TEST_LIBS)
EXTRA_tests_test_sources_DEPENDENCIES = tests/sources/ragged_source.la

check_LTLIBRARIES += tests/sources/ragged_source.la
tests_sources_ragged_source_la_SOURCES = tests/ragged_source.c
tests_sources_ragged_source_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_sources_ragged_source_la_LIBADD = $(PLUGIN_LIBS)

# Imports that are stopped and killed.
check_PROGRAMS += tests/test_import
tests_test_import_SOURCES = tests/test_import.c tests/command_bench.c tests/command_bench.h tests/small_pipeline.c tests/small_pipeline.h
tests_test_import_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\" -DSOURCE_PLUGINS=\"$(abs_builddir)/tests/sources/.libs\"
tests_test_import_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_import_LDADD = $(CHECK_LIBS)
EXTRA_tests_test_import_DEPENDENCIES = tests/sources/ragged_source.la

check_PROGRAMS += tests/test_cifar
tests_test_cifar_SOURCES = tests/test_cifar.c tests/graphs.c tests/graphs.h
tests_test_cifar_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_cifar_LDADD = $(TEST_LIBS)

# Images in folders, where libvips is.
if HAVE_VIPS
check_PROGRAMS += tests/test_folder
tests_test_folder_SOURCES = tests/test_folder.c tests/texts.c tests/texts.h
tests_test_folder_CPPFLAGS = $(AM_CPPFLAGS) -DFIXTURES=\"$(abs_top_srcdir)/tests/folder\"
tests_test_folder_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_folder_LDADD = $(TEST_LIBS)
endif
EXTRA_DIST += tests/folder
