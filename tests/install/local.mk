# Tests of the installation as users have it: staged, then moved to another folder, and used from there.
check_PROGRAMS += tests/install/test_install tests/install/test_new tests/install/test_tutorial
tests_support_libsupport_la_SOURCES += tests/support/install_fixture.c tests/support/install_fixture.h
EXTRA_DIST += tests/install/outside.c tests/install/own_program.c
EXTRA_tests_install_test_install_DEPENDENCIES = tests/install/prefix.stamp
EXTRA_tests_install_test_new_DEPENDENCIES = tests/install/prefix.stamp
EXTRA_tests_install_test_tutorial_DEPENDENCIES = tests/install/prefix.stamp

# Once for all suites of this room, and again when something of it was built or written.
tests/install/prefix.stamp: $(bin_PROGRAMS) $(lib_LTLIBRARIES) $(PLUGINS) $(pkginclude_HEADERS) $(kind_HEADERS) $(kit_libkit_la_SOURCES) \
    tessera.pc tessera-kit.pc install.mk
	$(MKDIR_P) tests/install
	rm -rf tests/install/stage tests/install/prefix
	$(MAKE) install V=0 DESTDIR=$(abs_builddir)/tests/install/stage > tests/install/install.log 2>&1 || { cat tests/install/install.log; exit 1; }
	mv tests/install/stage$(prefix) tests/install/prefix
	@echo made > $@
clean-local:
	rm -rf tests/install/stage tests/install/prefix tests/install/prefix.stamp tests/install/install.log
