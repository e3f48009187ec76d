# Whole runs of every stage.
check_PROGRAMS += tests/stages/test_archive_prior tests/stages/test_autoregressive_prior tests/stages/test_batches \
    tests/stages/test_conditions tests/stages/test_edit tests/stages/test_metrics tests/stages/test_flips tests/stages/test_import \
    tests/stages/test_levels \
    tests/stages/test_likelihood_stages tests/stages/test_many_codes tests/stages/test_nearest_neighbours tests/stages/test_refit \
    tests/stages/test_sample_canvas tests/stages/test_stages tests/stages/test_unet_prior tests/stages/test_uniform_prior

# A noise whose denoiser heeds nothing of what is known.
check_LTLIBRARIES += tests/stages/deaf_noise.la
tests_stages_deaf_noise_la_SOURCES = tests/stages/deaf_noise.c
tests_stages_deaf_noise_la_LDFLAGS = $(PLUGIN_LDFLAGS) -rpath /nowhere
tests_stages_deaf_noise_la_LIBADD = $(PLUGIN_LIBS)
EXTRA_tests_stages_test_edit_DEPENDENCIES = tests/stages/deaf_noise.la
EXTRA_tests_stages_test_sample_canvas_DEPENDENCIES = tests/stages/deaf_noise.la
EXTRA_tests_stages_test_levels_DEPENDENCIES = tests/fixtures/wrong_parts.la
