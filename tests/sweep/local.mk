# Sweeps: their definition, and what becomes of them.
check_PROGRAMS += tests/sweep/test_define tests/sweep/test_sweep tests/sweep/test_sweep_trouble
EXTRA_tests_sweep_test_sweep_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_tests_sweep_test_sweep_trouble_DEPENDENCIES = tests/flow/flow_stages.la
