# The loops no library has, against plain ones.
check_PROGRAMS += tests/kernels/test_kernels
