# Several processes that run one pipeline.
check_PROGRAMS += tests/ranks/test_mpi tests/ranks/test_ranks tests/ranks/test_training tests/ranks/test_tree
