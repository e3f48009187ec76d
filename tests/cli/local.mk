# The built program as a user runs it.
check_PROGRAMS += tests/cli/test_bounds tests/cli/test_command tests/cli/test_drawings tests/cli/test_flags tests/cli/test_killed \
    tests/cli/test_last_words tests/cli/test_limits tests/cli/test_meddling tests/cli/test_parts tests/cli/test_pipelines \
    tests/cli/test_plan tests/cli/test_plugins tests/cli/test_process tests/cli/test_slips tests/cli/test_submit tests/cli/test_view
EXTRA_PROGRAMS += tests/cli/test_scarce tests/cli/test_storm
EXTRA_tests_cli_test_last_words_DEPENDENCIES = tests/fixtures/ends.la
EXTRA_tests_cli_test_meddling_DEPENDENCIES = tests/fixtures/meddles.la
EXTRA_tests_cli_test_plugins_DEPENDENCIES = tests/fixtures/shadow.la
EXTRA_tests_cli_test_limits_DEPENDENCIES = tests/fixtures/count_threads.la
