check_PROGRAMS += tests/test_store tests/test_store_faults
tests_test_store_SOURCES = tests/test_store.c tests/store_bench.c tests/store_bench.h
tests_test_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_store_LDADD = $(TEST_LIBS)
tests_test_store_faults_SOURCES = tests/test_store_faults.c tests/store_bench.c tests/store_bench.h
tests_test_store_faults_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(HDF5_CFLAGS)
tests_test_store_faults_LDADD = $(TEST_LIBS)
EXTRA_DIST += tests/read_with_h5py.py
