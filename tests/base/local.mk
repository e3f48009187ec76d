# The ground.
check_PROGRAMS += tests/base/test_aside tests/base/test_base tests/base/test_child tests/base/test_inject tests/base/test_json \
    tests/base/test_spool
