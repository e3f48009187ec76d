# Sampling around what is known, editing, and canvases larger than a prior's maps.
check_PROGRAMS += tests/test_known
tests_test_known_SOURCES = tests/test_known.c $(UNIFORM_BENCH)
tests_test_known_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_known_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_larger
tests_test_larger_SOURCES = tests/test_larger.c tests/graphs.c tests/graphs.h
tests_test_larger_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_larger_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_edit
tests_test_edit_SOURCES = tests/test_edit.c plugins/stages/region.c plugins/stages/region.h $(COMMAND_BENCH)
tests_test_edit_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\" -DDEAF=\"$(abs_builddir)/tests/editing/.libs\"
tests_test_edit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_edit_LDADD = $(TEST_LIBS)
EXTRA_tests_test_edit_DEPENDENCIES = tests/editing/deaf_noise.la

check_LTLIBRARIES += tests/editing/deaf_noise.la
tests_editing_deaf_noise_la_SOURCES = tests/deaf_noise.c plugins/noises/draws.c plugins/noises/draws.h
tests_editing_deaf_noise_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_editing_deaf_noise_la_LIBADD = $(PLUGIN_LIBS)

check_PROGRAMS += tests/test_canvas
tests_test_canvas_SOURCES = tests/test_canvas.c $(CANVAS) $(SAMPLING) $(STAGE_COMMON) tests/graphs.c tests/graphs.h
tests_test_canvas_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_canvas_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_sample_canvas
tests_test_sample_canvas_SOURCES = tests/test_sample_canvas.c $(COMMAND_BENCH)
tests_test_sample_canvas_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\" \
    -DDEAF=\"$(abs_builddir)/tests/editing/.libs\"
tests_test_sample_canvas_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_sample_canvas_LDADD = $(TEST_LIBS)
EXTRA_tests_test_sample_canvas_DEPENDENCIES = tests/editing/deaf_noise.la
