# The plugins that make up models: against golden values of PyTorch (golden/), brute force, and properties.
check_PROGRAMS += tests/test_models tests/test_quantizers tests/test_noise

tests_test_models_SOURCES = tests/test_models.c tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h
tests_test_models_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_models_LDADD = $(TEST_LIBS)

tests_test_quantizers_SOURCES = tests/test_quantizers.c tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h
tests_test_quantizers_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_quantizers_LDADD = $(TEST_LIBS)

tests_test_noise_SOURCES = tests/test_noise.c tests/noise_bench.c tests/noise_bench.h tests/graphs.c tests/graphs.h
tests_test_noise_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_noise_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_critic
tests_test_critic_SOURCES = tests/test_critic.c tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h
tests_test_critic_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_critic_LDADD = $(TEST_LIBS)
