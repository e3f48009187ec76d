# Every operation against central differences and plain loops; the backends.
check_PROGRAMS += tests/ops/test_arithmetic tests/ops/test_attention_cached tests/ops/test_backend tests/ops/test_operations
