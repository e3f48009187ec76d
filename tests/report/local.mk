# Results of runs: collected, compared, shown as tables.
check_PROGRAMS += tests/report/test_collect tests/report/test_differences tests/report/test_statistics tests/report/test_table
EXTRA_tests_report_test_collect_DEPENDENCIES = tests/flow/flow_stages.la
EXTRA_DIST += tests/report/expected

# The page; test_browser looks at it in Chromium, where there is one.
check_PROGRAMS += tests/report/test_page tests/report/test_svg
EXTRA_DIST += tests/report/test_browser tests/report/cdp.py
# Some ten seconds a page, so not in `make check`. Skipped (77) where there is no Chromium.
check-browser: all tests/report/test_page
	$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/report/test_browser; code=$$?; test $$code = 0 -o $$code = 77
.PHONY: check-browser
