# The host that the tests of plugins use.
check_PROGRAMS += tests/testing/test_testing
EXTRA_tests_testing_test_testing_DEPENDENCIES = tests/fixtures/good.la tests/fixtures/major.la
