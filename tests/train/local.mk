# The training loop.
check_PROGRAMS += tests/train/test_bad_training tests/train/test_train
