# Fuzz targets, in a tree configured with --enable-fuzzing: make fuzz [SECONDS=60] [TARGET=idx]. What is found lies in fuzz/TARGET-*.
FUZZ_TARGETS = yaml override artefact idx cifar npy list tar pickle opcodes members safetensors header picture
EXTRA_DIST += tests/fuzz/make_corpus tests/fuzz/corpus

# The corpus of failures found and a few honest inputs, replayed in every build.
check_PROGRAMS += tests/fuzz/test_fuzz
tests_fuzz_test_fuzz_SOURCES = tests/fuzz/test_fuzz.c tests/fuzz/fuzz.c tests/fuzz/small.c tests/fuzz/fuzz.h \
    tests/fuzz/fuzz_yaml.c tests/fuzz/fuzz_override.c tests/fuzz/fuzz_artefact.c tests/fuzz/fuzz_idx.c tests/fuzz/fuzz_cifar.c \
    tests/fuzz/fuzz_npy.c tests/fuzz/fuzz_list.c tests/fuzz/fuzz_tar.c tests/fuzz/fuzz_safetensors.c tests/fuzz/fuzz_picture.c \
    tests/fuzz/fuzz_pickle.c tests/fuzz/archive.c tests/fuzz/archive.h tests/fuzz/fuzz_opcodes.c tests/fuzz/fuzz_members.c \
    tests/fuzz/fuzz_header.c tests/fuzz/program.h
tests_fuzz_test_fuzz_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_AGAIN -DCORPUS=\"$(abs_srcdir)/tests/fuzz/corpus\"
tests_fuzz_test_fuzz_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_fuzz_test_fuzz_LDADD = $(LDADD)

if FUZZING
FUZZERS = tests/fuzz_yaml tests/fuzz_override tests/fuzz_artefact tests/fuzz_idx tests/fuzz_cifar tests/fuzz_npy \
    tests/fuzz_safetensors tests/fuzz_header tests/fuzz_pickle tests/fuzz_opcodes tests/fuzz_members
FUZZ_BENCH = tests/fuzz/fuzz.c tests/fuzz/fuzz.h
if !LIBFUZZER
FUZZ_BENCH += tests/fuzz/main.c
endif
FUZZ_LIBS = $(FUZZ_ENGINE) $(LDADD)
tests_fuzz_yaml_SOURCES = tests/fuzz/fuzz_yaml.c $(FUZZ_BENCH)
tests_fuzz_yaml_LDADD = $(FUZZ_LIBS)
tests_fuzz_override_SOURCES = tests/fuzz/fuzz_override.c tests/fuzz/small.c $(FUZZ_BENCH)
tests_fuzz_override_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_fuzz_override_LDADD = $(FUZZ_LIBS)
tests_fuzz_artefact_SOURCES = tests/fuzz/fuzz_artefact.c tests/fuzz/small.c $(FUZZ_BENCH)
tests_fuzz_artefact_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_fuzz_artefact_LDADD = $(FUZZ_LIBS)
tests_fuzz_idx_SOURCES = tests/fuzz/fuzz_idx.c $(FUZZ_BENCH)
tests_fuzz_idx_LDADD = $(FUZZ_LIBS)
tests_fuzz_cifar_SOURCES = tests/fuzz/fuzz_cifar.c $(FUZZ_BENCH)
tests_fuzz_cifar_LDADD = $(FUZZ_LIBS)
tests_fuzz_npy_SOURCES = tests/fuzz/fuzz_npy.c $(FUZZ_BENCH)
tests_fuzz_npy_LDADD = $(FUZZ_LIBS)
tests_fuzz_safetensors_SOURCES = tests/fuzz/fuzz_safetensors.c $(FUZZ_BENCH)
tests_fuzz_safetensors_LDADD = $(FUZZ_LIBS)
tests_fuzz_pickle_SOURCES = tests/fuzz/fuzz_pickle.c tests/fuzz/archive.c tests/fuzz/archive.h $(FUZZ_BENCH)
tests_fuzz_pickle_LDADD = $(FUZZ_LIBS)
tests_fuzz_opcodes_SOURCES = tests/fuzz/fuzz_opcodes.c tests/fuzz/archive.c tests/fuzz/archive.h $(FUZZ_BENCH)
tests_fuzz_opcodes_LDADD = $(FUZZ_LIBS)
tests_fuzz_members_SOURCES = tests/fuzz/fuzz_members.c tests/fuzz/archive.c tests/fuzz/archive.h $(FUZZ_BENCH)
tests_fuzz_members_LDADD = $(FUZZ_LIBS)
tests_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(FUZZ_BENCH)
tests_fuzz_header_LDADD = $(FUZZ_LIBS)
if HAVE_VIPS
FUZZERS += tests/fuzz_picture
tests_fuzz_picture_SOURCES = tests/fuzz/fuzz_picture.c $(FUZZ_BENCH)
tests_fuzz_picture_LDADD = $(FUZZ_LIBS)
FUZZERS += tests/fuzz_list
tests_fuzz_list_SOURCES = tests/fuzz/fuzz_list.c $(FUZZ_BENCH)
tests_fuzz_list_LDADD = $(FUZZ_LIBS)
endif
if HAVE_LIBARCHIVE
FUZZERS += tests/fuzz_tar
tests_fuzz_tar_SOURCES = tests/fuzz/fuzz_tar.c $(FUZZ_BENCH)
tests_fuzz_tar_LDADD = $(FUZZ_LIBS)
endif

EXTRA_PROGRAMS += $(FUZZERS)

# Limits of time and memory for one input, as sanitizers count memory. An artefact is spoiled by so many bytes at most, and each
# of them counts.
FUZZ_FLAGS = -timeout=60 -rss_limit_mb=4096 -print_final_stats=1
FUZZ_LENGTH = case $$t in artefact) length='-max_len=20 -len_control=0' ;; *) length=-max_len=40000 ;; esac
fuzz: $(FUZZERS)
	@test -n "$(FUZZ_ENGINE)" || { echo "No libFuzzer with $(CC): run tests/fuzz_* under afl-fuzz, or configure with CC=clang."; exit 1; }
	@status=0; for t in $${TARGET:-$(FUZZ_TARGETS)}; do \
	    test -x tests/fuzz_$$t || { echo "fuzz $$t: left out of this build"; continue; }; \
	    $(srcdir)/tests/fuzz/make_corpus $$t fuzz/$$t-seeds && mkdir -p fuzz/$$t || exit 1; \
	    echo "fuzz $$t: $(SECONDS) s, its output in fuzz/$$t.log"; $(FUZZ_LENGTH); \
	    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TESSERA_PLUGIN_PATH= tests/fuzz_$$t $(FUZZ_FLAGS) $$length -max_total_time=$(SECONDS) \
	        -artifact_prefix=$(abs_builddir)/fuzz/$$t- $(abs_builddir)/fuzz/$$t $(abs_builddir)/fuzz/$$t-seeds \
	        > fuzz/$$t.log 2>&1 || { status=1; tail -n 40 fuzz/$$t.log; }; \
	    grep -E '^stat::number_of_executed_units|^SUMMARY' fuzz/$$t.log; \
	done; exit $$status
SECONDS = 60
else
fuzz:
	@echo "Configure for it first: BUILD=build-fuzz ./bootstrap build CC=clang --enable-fuzzing; then make -C build-fuzz fuzz SECONDS=60"
	@exit 1
endif
.PHONY: fuzz
