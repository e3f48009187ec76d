# Metrics of reconstructions, of sets, of classes and of codes; intervals.
check_PROGRAMS += tests/metrics/test_bootstrap tests/metrics/test_listed tests/metrics/test_metric_values tests/metrics/test_rows
EXTRA_tests_metrics_test_metric_values_DEPENDENCIES = plugins/metrics/kernel.la
