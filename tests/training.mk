# Training that goes wrong.
check_PROGRAMS += tests/test_bad_training
tests_test_bad_training_SOURCES = tests/test_bad_training.c plugins/stages/adversarial.c plugins/stages/adversarial.h \
    plugins/stages/diffaug.c plugins/stages/diffaug.h $(REBUILD) tests/command_bench.c tests/command_bench.h tests/graphs.c tests/graphs.h \
    tests/small_pipeline.c tests/small_pipeline.h
tests_test_bad_training_CPPFLAGS = $(AM_CPPFLAGS) -DPROGRAM=\"$(abs_top_builddir)/tessera\"
tests_test_bad_training_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_bad_training_LDADD = $(TEST_LIBS)
