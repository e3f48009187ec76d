# The judge: every shipped plugin passes, every broken one fails the test that is there for it.
check_PROGRAMS += tests/judge/test_judge tests/judge/test_words
BROKEN = tests/judge/broken/quantizer.la tests/judge/broken/noise.la tests/judge/broken/networks.la tests/judge/broken/sampler.la \
    tests/judge/broken/metric.la tests/judge/broken/symbol.la tests/judge/broken/weak.la tests/judge/broken/stage.la \
    tests/judge/broken/source.la tests/judge/broken/transport.la tests/judge/broken/described.la tests/judge/broken/format.la
check_LTLIBRARIES += $(BROKEN)
tests_judge_broken_quantizer_la_SOURCES = tests/judge/broken/quantizer.c tests/judge/broken/broken.h
tests_judge_broken_quantizer_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_noise_la_SOURCES = tests/judge/broken/noise.c tests/judge/broken/broken.h
tests_judge_broken_noise_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_networks_la_SOURCES = tests/judge/broken/networks.c tests/judge/broken/broken.h
tests_judge_broken_networks_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_sampler_la_SOURCES = tests/judge/broken/sampler.c tests/judge/broken/broken.h
tests_judge_broken_sampler_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_metric_la_SOURCES = tests/judge/broken/metric.c tests/judge/broken/broken.h
tests_judge_broken_metric_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_symbol_la_SOURCES = tests/judge/broken/networks.c tests/judge/broken/broken.h
tests_judge_broken_symbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DBROKEN_SYMBOL
tests_judge_broken_symbol_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_weak_la_SOURCES = tests/judge/broken/networks.c tests/judge/broken/broken.h
tests_judge_broken_weak_la_CPPFLAGS = $(AM_CPPFLAGS) -DBROKEN_WEAK
tests_judge_broken_weak_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_stage_la_SOURCES = tests/judge/broken/stage.c tests/judge/broken/broken.h
tests_judge_broken_stage_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_source_la_SOURCES = tests/judge/broken/source.c tests/judge/broken/broken.h
tests_judge_broken_source_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_transport_la_SOURCES = tests/judge/broken/transport.c tests/judge/broken/broken.h
tests_judge_broken_transport_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_described_la_SOURCES = tests/judge/broken/described.c tests/judge/broken/broken.h
tests_judge_broken_described_la_LDFLAGS = $(FIXTURE_LDFLAGS)
tests_judge_broken_format_la_SOURCES = tests/judge/broken/format.c tests/judge/broken/broken.h
tests_judge_broken_format_la_LDFLAGS = $(FIXTURE_LDFLAGS)
EXTRA_tests_judge_test_judge_DEPENDENCIES = $(BROKEN)
EXTRA_tests_judge_test_words_DEPENDENCIES = $(BROKEN)
