# Archives of codes, from a source to a finished folder.
check_PROGRAMS += tests/archive/test_encode_source tests/archive/test_encode
