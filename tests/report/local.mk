# Results of runs: collected, compared, shown as tables.
check_PROGRAMS += tests/report/test_collect tests/report/test_differences tests/report/test_statistics tests/report/test_table
EXTRA_tests_report_test_collect_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_DIST += tests/report/expected
