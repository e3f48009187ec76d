check_PROGRAMS += tests/test_kernels tests/test_operations tests/test_graph tests/test_train

tests_test_kernels_SOURCES = tests/test_kernels.c
tests_test_kernels_LDADD = $(TEST_LIBS)
tests_test_kernels_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

tests_test_operations_SOURCES = tests/test_operations.c plugins/stages/diffaug.c plugins/stages/diffaug.h \
    plugins/stages/likelihood.c plugins/stages/likelihood.h tests/graphs.c tests/graphs.h
tests_test_operations_LDADD = $(TEST_LIBS)
tests_test_operations_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

tests_test_graph_SOURCES = tests/test_graph.c tests/graphs.c tests/graphs.h
tests_test_graph_LDADD = $(TEST_LIBS)
tests_test_graph_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

tests_test_train_SOURCES = tests/test_train.c tests/graphs.c tests/graphs.h
tests_test_train_LDADD = $(TEST_LIBS)
tests_test_train_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/test_kmeans
tests_test_kmeans_SOURCES = tests/test_kmeans.c tests/graphs.c tests/graphs.h
tests_test_kmeans_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_kmeans_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_nearest
tests_test_nearest_SOURCES = tests/test_nearest.c tests/graphs.c tests/graphs.h
tests_test_nearest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_nearest_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_attention_cached
tests_test_attention_cached_SOURCES = tests/test_attention_cached.c tests/graphs.c tests/graphs.h
tests_test_attention_cached_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_attention_cached_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/test_neighbours
tests_test_neighbours_SOURCES = tests/test_neighbours.c tests/graphs.c tests/graphs.h
tests_test_neighbours_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_neighbours_LDADD = $(TEST_LIBS)
