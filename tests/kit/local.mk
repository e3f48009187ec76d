# Suites of kit/, the code that plugins share.
check_PROGRAMS += tests/kit/test_adversarial tests/kit/test_canvas tests/kit/test_diffaug tests/kit/test_geometry tests/kit/test_likelihood
