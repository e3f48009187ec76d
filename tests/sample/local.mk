# The samplers against the plain loop and against all states.
check_PROGRAMS += tests/sample/test_known tests/sample/test_sampler tests/sample/test_sampler_causal tests/sample/test_sampler_kinds
