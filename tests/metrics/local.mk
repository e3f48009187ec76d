# Metrics of reconstructions and of sets.
check_PROGRAMS += tests/metrics/test_listed tests/metrics/test_metric_values
EXTRA_tests_metrics_test_metric_values_DEPENDENCIES = plugins/metrics/kernel.la
