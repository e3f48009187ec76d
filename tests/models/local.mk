# Models against golden values, and by definition.
check_PROGRAMS += tests/models/test_autoregressive tests/models/test_critic tests/models/test_features tests/models/test_larger \
    tests/models/test_models tests/models/test_multi_scale tests/models/test_prior_check tests/models/test_quantizers tests/models/test_unet \
    tests/models/test_unet_layers tests/models/test_quantizer_plugins tests/models/test_lfq tests/models/test_wrong_parts

# Components that do one thing wrong each.
check_LTLIBRARIES += tests/fixtures/wrong_parts.la
tests_fixtures_wrong_parts_la_SOURCES = tests/fixtures/wrong_parts.c
tests_fixtures_wrong_parts_la_LDFLAGS = $(FIXTURE_LDFLAGS)
EXTRA_tests_models_test_wrong_parts_DEPENDENCIES = tests/fixtures/wrong_parts.la
