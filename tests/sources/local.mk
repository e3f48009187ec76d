# Images from files.
check_PROGRAMS += tests/sources/test_cifar tests/sources/test_idx tests/sources/test_hdf5 tests/sources/test_npy tests/sources/test_sources
if HAVE_VIPS
check_PROGRAMS += tests/sources/test_folder tests/sources/test_list tests/sources/test_pictures
endif

if HAVE_LIBARCHIVE
check_PROGRAMS += tests/sources/test_tar
endif

# A source whose images differ in size.
check_LTLIBRARIES += tests/sources/ragged_source.la
tests_sources_ragged_source_la_SOURCES = tests/sources/ragged_source.c
tests_sources_ragged_source_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_sources_ragged_source_la_LIBADD = $(PLUGIN_LIBS)
EXTRA_tests_sources_test_sources_DEPENDENCIES = tests/sources/ragged_source.la
