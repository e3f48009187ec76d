# Checkpoints of other programs: formats, architectures, and models through both.
check_PROGRAMS += tests/test_formats
CHECKPOINT_BENCH = tests/checkpoint_bench.c tests/checkpoint_bench.h tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h \
    tests/small_pipeline.c tests/small_pipeline.h
CHECKPOINT_CPPFLAGS = $(AM_CPPFLAGS) -DCHECKPOINTS=\"$(abs_top_srcdir)/tests/checkpoints\" -DPROGRAM=\"$(abs_top_builddir)/tessera\"

tests_test_formats_SOURCES = tests/test_formats.c $(CHECKPOINT_BENCH)
tests_test_formats_CPPFLAGS = $(CHECKPOINT_CPPFLAGS)
tests_test_formats_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_formats_LDADD = $(TEST_LIBS)

# Those of PyTorch are read where there is libzip.
if HAVE_LIBZIP
check_PROGRAMS += tests/test_checkpoints tests/test_trainers tests/test_start tests/test_torch
CHECKPOINT_MODEL = tests/checkpoint_model.c tests/checkpoint_model.h $(CHECKPOINT_BENCH)
tests_test_checkpoints_SOURCES = tests/test_checkpoints.c tests/command_bench.c tests/command_bench.h $(CHECKPOINT_MODEL)
tests_test_checkpoints_CPPFLAGS = $(CHECKPOINT_CPPFLAGS)
tests_test_checkpoints_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_checkpoints_LDADD = $(TEST_LIBS)

tests_test_trainers_SOURCES = tests/test_trainers.c tests/command_bench.c tests/command_bench.h $(CHECKPOINT_MODEL)
tests_test_trainers_CPPFLAGS = $(CHECKPOINT_CPPFLAGS)
tests_test_trainers_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_trainers_LDADD = $(TEST_LIBS)

tests_test_start_SOURCES = tests/test_start.c tests/command_bench.c tests/command_bench.h $(CHECKPOINT_MODEL)
tests_test_start_CPPFLAGS = $(CHECKPOINT_CPPFLAGS)
tests_test_start_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_start_LDADD = $(TEST_LIBS)

tests_test_torch_SOURCES = tests/test_torch.c $(CHECKPOINT_BENCH)
tests_test_torch_CPPFLAGS = $(CHECKPOINT_CPPFLAGS)
tests_test_torch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_torch_LDADD = $(TEST_LIBS)
endif
EXTRA_DIST += tests/checkpoints
