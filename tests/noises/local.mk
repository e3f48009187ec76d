# Noises enumerated for tiny K and T.
check_PROGRAMS += tests/noises/test_noise tests/noises/test_uniform tests/noises/test_uniform_draws tests/noises/test_uniform_loss \
    tests/noises/test_uniform_times
