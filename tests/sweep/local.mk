# Sweeps: their definition, and what becomes of them.
check_PROGRAMS += tests/sweep/test_define
