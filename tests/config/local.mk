# Configuration: reading, merging, overriding.
check_PROGRAMS += tests/config/test_scalar tests/config/test_yaml
