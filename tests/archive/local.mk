# Archives of codes, from a source to a finished folder, and as a whole.
check_PROGRAMS += tests/archive/test_encode tests/archive/test_encode_given tests/archive/test_encode_source tests/archive/test_exchange tests/archive/test_merge \
    tests/archive/test_repair tests/archive/test_verify
