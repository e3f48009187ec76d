# The graph's promises about bits, memory and failures.
check_PROGRAMS += tests/graph/test_batch_mean tests/graph/test_graph tests/graph/test_graph_print tests/graph/test_misuse tests/graph/test_overlay tests/graph/test_settle \
    tests/graph/test_weights
