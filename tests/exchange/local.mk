# Checkpoints of other programs, both ways.
check_PROGRAMS += tests/exchange/test_formats tests/exchange/test_checkpoints tests/exchange/test_complete tests/exchange/test_start \
    tests/exchange/test_steps tests/exchange/test_torch tests/exchange/test_trainers tests/exchange/test_names \
    tests/exchange/test_architectures tests/exchange/test_zip tests/exchange/test_published
