# The gate: plugins found, refused, filled; the layout of the boundary.
check_PROGRAMS += tests/plug/test_abi tests/plug/test_files tests/plug/test_first tests/plug/test_libraries tests/plug/test_params \
    tests/plug/test_plug tests/plug/test_registry

# Plugins to be accepted and refused. The path makes libtool build shared objects; nothing is installed there.
check_LTLIBRARIES += tests/fixtures/good.la tests/fixtures/duplicate.la tests/fixtures/major.la tests/fixtures/size.la \
    tests/fixtures/need.la tests/fixtures/default.la tests/fixtures/symbol.la tests/fixtures/heavy.la tests/fixtures/heavy_library.la \
    tests/fixtures/heavy_other.la tests/fixtures/heavy_empty.la tests/fixtures/count_threads.la tests/fixtures/rude.la \
    tests/fixtures/rebuilt.la tests/fixtures/unresolved.la tests/fixtures/same_id.la tests/fixtures/later_kind.la \
    tests/fixtures/slip_kind.la tests/fixtures/shadow.la tests/fixtures/ends.la tests/fixtures/meddles.la
FIXTURE_LDFLAGS = -module -avoid-version -shared -rpath /nowhere $(COVERAGE_LDFLAGS)
tests_fixtures_good_la_SOURCES = tests/fixtures/good.c tests/fixtures/good.h
tests_fixtures_good_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_duplicate_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_duplicate_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_NAME=\"all\"
tests_fixtures_duplicate_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_major_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_major_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_MAJOR
tests_fixtures_major_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_size_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_size_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_SIZE
tests_fixtures_size_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_need_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_need_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_NEED
tests_fixtures_need_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_default_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_default_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_DEFAULT
tests_fixtures_default_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_symbol_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_symbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_SYMBOL
tests_fixtures_symbol_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_heavy_la_SOURCES = tests/fixtures/heavy.c
tests_fixtures_heavy_la_CPPFLAGS = $(AM_CPPFLAGS) -DHEAVY_TABLE
tests_fixtures_heavy_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_heavy_library_la_SOURCES = tests/fixtures/heavy.c
tests_fixtures_heavy_library_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_heavy_other_la_SOURCES = tests/fixtures/heavy.c
tests_fixtures_heavy_other_la_CPPFLAGS = $(AM_CPPFLAGS) -DHEAVY_VERSION=\"2\"
tests_fixtures_heavy_other_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_heavy_empty_la_SOURCES = tests/fixtures/heavy.c
tests_fixtures_heavy_empty_la_CPPFLAGS = $(AM_CPPFLAGS) -DHEAVY_NAME=\"light\"
tests_fixtures_heavy_empty_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_count_threads_la_SOURCES = tests/fixtures/count_threads.c
tests_fixtures_count_threads_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_rude_la_SOURCES = tests/fixtures/rude.c
tests_fixtures_rude_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_rebuilt_la_SOURCES = tests/fixtures/rude.c
tests_fixtures_rebuilt_la_CPPFLAGS = $(AM_CPPFLAGS) -DRUDE_CONSTANT=2
tests_fixtures_rebuilt_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_unresolved_la_SOURCES = tests/fixtures/rude.c
tests_fixtures_unresolved_la_CPPFLAGS = $(AM_CPPFLAGS) -DRUDE_UNRESOLVED
tests_fixtures_unresolved_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_same_id_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_same_id_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_ID=\"fixture-good\"
tests_fixtures_same_id_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_later_kind_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_later_kind_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_KIND=\"encoder/2\" -DBAD_NAME=\"later\" -DBAD_ID=\"fixture-later\"
tests_fixtures_later_kind_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_slip_kind_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_slip_kind_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_KIND=\"encoders/1\" -DBAD_NAME=\"slip\" -DBAD_ID=\"fixture-slip\"
tests_fixtures_slip_kind_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_ends_la_SOURCES = tests/fixtures/ends.c
tests_fixtures_ends_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_meddles_la_SOURCES = tests/fixtures/meddles.c
tests_fixtures_meddles_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_fixtures_shadow_la_SOURCES = tests/fixtures/bad.c
tests_fixtures_shadow_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD_NAME=\"conv\"
tests_fixtures_shadow_la_LDFLAGS = $(FIXTURE_LDFLAGS)
BAD_FIXTURES = tests/fixtures/good.la tests/fixtures/duplicate.la tests/fixtures/major.la tests/fixtures/size.la tests/fixtures/need.la \
    tests/fixtures/default.la tests/fixtures/symbol.la tests/fixtures/same_id.la tests/fixtures/later_kind.la tests/fixtures/slip_kind.la \
    tests/fixtures/shadow.la
EXTRA_tests_plug_test_registry_DEPENDENCIES = $(BAD_FIXTURES)
EXTRA_tests_plug_test_files_DEPENDENCIES = $(BAD_FIXTURES) tests/fixtures/rude.la tests/fixtures/rebuilt.la tests/fixtures/unresolved.la
EXTRA_tests_plug_test_libraries_DEPENDENCIES = tests/fixtures/heavy.la tests/fixtures/heavy_library.la tests/fixtures/heavy_other.la \
    tests/fixtures/heavy_empty.la
EXTRA_tests_plug_test_plug_DEPENDENCIES = tests/fixtures/good.la

# A plugin built with the headers of the first release alone, which are kept as they were then; until there is a release, as they are.
check_LTLIBRARIES += tests/abi/1.0/plugin.la
tests_abi_1_0_plugin_la_SOURCES = tests/abi/1.0/plugin.c
tests_abi_1_0_plugin_la_CPPFLAGS = -I$(srcdir)/tests/abi/1.0/include
tests_abi_1_0_plugin_la_LDFLAGS = $(FIXTURE_LDFLAGS)
EXTRA_tests_plug_test_first_DEPENDENCIES = tests/abi/1.0/plugin.la
renew-first-headers:
	rm -rf $(srcdir)/tests/abi/1.0/include
	mkdir -p $(srcdir)/tests/abi/1.0/include
	cp -r $(srcdir)/include/tessera $(srcdir)/tests/abi/1.0/include
.PHONY: renew-first-headers
