# Several processes that run one pipeline.
check_PROGRAMS += tests/ranks/test_hangs tests/ranks/test_mpi tests/ranks/test_ranks tests/ranks/test_shared_stages tests/ranks/test_training tests/ranks/test_tree
