# The plugins that make up models: against golden values of PyTorch (golden/), brute force, and properties.
check_PROGRAMS += tests/test_models tests/test_quantizers tests/test_noise

PARITY = tests/parity.c tests/parity.h tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h
tests_test_models_SOURCES = tests/test_models.c $(PARITY)
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

check_PROGRAMS += tests/test_features
tests_test_features_SOURCES = tests/test_features.c tests/vgg_file.c tests/vgg_file.h plugins/stages/perceptual.c \
    plugins/stages/perceptual.h tests/golden.c tests/golden.h tests/graphs.c tests/graphs.h
tests_test_features_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_features_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_diffaug
tests_test_diffaug_SOURCES = tests/test_diffaug.c plugins/stages/diffaug.c plugins/stages/diffaug.h tests/golden.c tests/golden.h \
    tests/graphs.c tests/graphs.h
tests_test_diffaug_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_diffaug_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_uniform tests/test_uniform_loss tests/test_uniform_draws tests/test_uniform_times
UNIFORM_BENCH = tests/uniform_bench.c tests/uniform_bench.h tests/noise_bench.c tests/noise_bench.h tests/graphs.c tests/graphs.h \
    plugins/noises/uniform_steps.c plugins/noises/uniform_steps.h
tests_test_uniform_SOURCES = tests/test_uniform.c tests/golden.c tests/golden.h $(UNIFORM_BENCH)
tests_test_uniform_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_uniform_LDADD = $(TEST_LIBS)

tests_test_uniform_loss_SOURCES = tests/test_uniform_loss.c $(UNIFORM_BENCH)
tests_test_uniform_loss_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_uniform_loss_LDADD = $(TEST_LIBS)

tests_test_uniform_draws_SOURCES = tests/test_uniform_draws.c $(UNIFORM_BENCH)
tests_test_uniform_draws_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_uniform_draws_LDADD = $(TEST_LIBS)

tests_test_uniform_times_SOURCES = tests/test_uniform_times.c $(UNIFORM_BENCH)
tests_test_uniform_times_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_uniform_times_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_sampler
tests_test_sampler_SOURCES = tests/test_sampler.c tests/graphs.c tests/graphs.h
tests_test_sampler_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_sampler_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_unet tests/test_unet_layers
tests_test_unet_SOURCES = tests/test_unet.c $(PARITY)
tests_test_unet_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_unet_LDADD = $(TEST_LIBS)

tests_test_unet_layers_SOURCES = tests/test_unet_layers.c $(PARITY)
tests_test_unet_layers_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_unet_layers_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_autoregressive
tests_test_autoregressive_SOURCES = tests/test_autoregressive.c tests/causal_bench.c tests/causal_bench.h $(PARITY)
tests_test_autoregressive_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_autoregressive_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_sampler_causal
tests_test_sampler_causal_SOURCES = tests/test_sampler_causal.c tests/causal_bench.c tests/causal_bench.h tests/noise_bench.c \
    tests/noise_bench.h $(PARITY)
tests_test_sampler_causal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_sampler_causal_LDADD = $(TEST_LIBS)
