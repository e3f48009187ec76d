# Every operation against central differences and plain loops; the backends.
check_PROGRAMS += tests/ops/test_arithmetic tests/ops/test_attention_cached tests/ops/test_backend tests/ops/test_operations \
	tests/ops/test_weight_gradient
tests_ops_test_weight_gradient_SOURCES = tests/ops/test_weight_gradient.c $(WEIGHT_GRADIENT)
tests_ops_test_weight_gradient_LDADD = $(WEIGHT_GRADIENT_LIBS) $(LDADD)
