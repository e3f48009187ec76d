# Check suites by room, run by `make check`. A suite is one file: it links the support library, the kit and core's objects.
EXTRA_PROGRAMS =
if HAVE_CHECK
check_LTLIBRARIES += tests/support/libsupport.la
tests_support_libsupport_la_SOURCES = tests/support/causal_fixture.c tests/support/causal_fixture.h tests/support/checkpoint_fixture.c \
    tests/support/checkpoint_fixture.h tests/support/checkpoint_model.c tests/support/checkpoint_model.h tests/support/command_fixture.c \
    tests/support/command_fixture.h tests/support/craft.c tests/support/craft.h tests/support/encode_fixture.c \
    tests/support/encode_fixture.h tests/support/flow_fixture.c tests/support/flow_fixture.h \
    tests/support/metric_case.c tests/support/metric_case.h tests/support/golden.c tests/support/golden.h tests/support/gradients.c \
    tests/support/gradients.h tests/support/graphs.c tests/support/graphs.h \
    tests/support/judge_fixture.c tests/support/judge_fixture.h tests/support/noise_fixture.c tests/support/noise_fixture.h \
    tests/support/parity.c tests/support/parity.h tests/support/report_fixture.c tests/support/report_fixture.h \
    tests/support/plug_fixture.c tests/support/plug_fixture.h tests/support/prior_runs.c tests/support/prior_runs.h \
    tests/support/small_pipeline.c tests/support/small_pipeline.h tests/support/source_fixture.c tests/support/source_fixture.h \
    tests/support/stage_fixture.c tests/support/stage_fixture.h tests/support/archive_fixture.c tests/support/archive_fixture.h \
    tests/support/parts_fixture.c tests/support/parts_fixture.h tests/support/store_fixture.c tests/support/store_fixture.h \
    tests/support/suite.h tests/support/texts.c tests/support/texts.h tests/support/sweep_fixture.c tests/support/sweep_fixture.h \
    tests/support/ranks_fixture.c tests/support/ranks_fixture.h tests/support/told.c tests/support/told.h \
    tests/support/torch_fixture.c tests/support/torch_fixture.h tests/support/uniform_fixture.c \
    tests/support/uniform_fixture.h tests/support/users.c tests/support/users.h tests/support/vgg_file.c tests/support/vgg_file.h \
    plugins/noises/uniform/uniform_steps.c

# Suites have no lines of their own beside their names: these are the defaults of every program that has none.
LDADD = tests/support/libsupport.la kit/libkit.la tests/support/core.$(OBJEXT) $(CORE_LIBS) $(CHECK_LIBS)

# Core's objects as one: given their names, libtool takes four times as long as the linker, for each suite again.
tests/support/core.$(OBJEXT): $(CORE_OBJECTS)
	$(AM_V_CCLD)$(CC) $(CFLAGS) -r -nostdlib -o $@ `printf '%s\n' $(CORE_OBJECTS) | sed 's,[^/]*$$,.libs/&,; s,\.lo$$,.o,'`
CLEANFILES += tests/support/core.$(OBJEXT)

# SUITE_CFLAGS is -O1 where CFLAGS asks for more: suites are compiled in half the time and run as fast, as core and plugins are optimised.
tests/%.$(OBJEXT) tests/%.lo: CFLAGS += $(SUITE_CFLAGS)
# Suites run in this order: the longest begin first, so that no processor waits at the end.
include tests/judge/local.mk
include tests/stages/local.mk
include tests/flow/local.mk
include tests/store/local.mk
include tests/install/local.mk
include tests/sample/local.mk
include tests/fuzz/local.mk
include tests/base/local.mk
include tests/config/local.mk
include tests/plug/local.mk
include tests/kernels/local.mk
include tests/graph/local.mk
include tests/ops/local.mk
include tests/search/local.mk
include tests/ranks/local.mk
include tests/train/local.mk
include tests/exchange/local.mk
include tests/archive/local.mk
include tests/kit/local.mk
include tests/models/local.mk
include tests/noises/local.mk
include tests/sources/local.mk
include tests/cli/local.mk
include tests/metrics/local.mk
include tests/testing/local.mk
include tests/sweep/local.mk
include tests/report/local.mk
else
check-local:
	@echo "The tests are skipped: they need Check; on Debian install the package check, then configure again."
endif

TESTS = $(check_PROGRAMS) tests/test_equations tests/test_includes tests/plug/test_headers
EXTRA_DIST += tests/test_equations tests/test_includes tests/plug/test_headers tests/thread_sanitizer.supp tests/fixtures/outside.c \
    tests/read_with_h5py.py tests/abi tests/checkpoints tests/epoch tests/folder tests/import tests/likelihood tests/refit

# Golden files may come from elsewhere. Plugins are those of this build and no others. A time limit is for what hangs: a busy machine may
# take twenty times as long as an idle one. Where a test lets files grow no further, a coverage build has nothing to say of its own. The
# thread sanitizer leaves out what its list of libraries says, and ends a program that had a report with status 66.
AM_TESTS_ENVIRONMENT = \
    CK_TIMEOUT_MULTIPLIER="$${CK_TIMEOUT_MULTIPLIER-20}"; export CK_TIMEOUT_MULTIPLIER; unset TESSERA_INJECT; \
    GCOV_ERROR_FILE=/dev/null; export GCOV_ERROR_FILE; \
    TSAN_OPTIONS="$${TSAN_OPTIONS-suppressions=$(abs_srcdir)/tests/thread_sanitizer.supp}"; export TSAN_OPTIONS; \
    TESSERA_GOLDEN="$${TESSERA_GOLDEN-$(abs_srcdir)/tests/golden}"; export TESSERA_GOLDEN; \
    unset TESSERA_PLUGIN_PATH;

# `./bootstrap test`: the names there are; one with all it opens; one run as `make check` does, but shown, or one case of it.
suites:
	@printf '%s\n' $(TESTS)
suite-built: all $(check_LTLIBRARIES)
	case ' $(check_PROGRAMS) ' in *' $(SUITE) '*) $(MAKE) $(SUITE) ;; esac
suite-run:
	@$(AM_TESTS_ENVIRONMENT) srcdir=$(srcdir); export srcdir; \
	    case ' $(check_PROGRAMS) ' in *' $(SUITE) '*) exec ./$(SUITE) ;; *) exec $(srcdir)/$(SUITE) ;; esac

# Long suites. Scarce resources under every verb, with TESSERA_STRIDE=1 at every point, which takes hours. Two runs at once, killed
# TESSERA_KILLS=200 times.
# Every plugin judged at level 4, or TESSERA_JUDGE_LEVEL.
LONG = tests/cli/test_scarce tests/cli/test_storm
check-long: all $(LONG) tests/judge/test_judge
	$(MAKE) check TESTS='$(LONG)'
	TESSERA_JUDGE_LEVEL=$${TESSERA_JUDGE_LEVEL-4} $(MAKE) check TESTS=tests/judge/test_judge

# make mutate FILE=core/store/layout.c [N=26] [SEED=1]; best in a tree with --enable-sanitizers.
mutate:
	@test -n "$(FILE)" || { echo "make mutate FILE=core/store/layout.c [N=26] [SEED=1]"; exit 1; }
	$(srcdir)/tests/mutate $(builddir) $(srcdir)/$(FILE) -n $${N:-26} --seed $${SEED:-1}

# make lint [BASE=main]: what is checked without running, see there. The flags are those of the compiler, with values for the macros that a
# room's local.mk gives.
LINT_FLAGS = -std=gnu11 -Iinclude -I. -I$(abs_builddir) $(DEFS) $(DEBUG_CPPFLAGS) -DTESSI_PLUGIN_DIR='"plugins"' \
    -DTESSI_KERNELS_TABLE=tessi_kernels_portable -DTESSI_KERNELS_NAME=portable $(HDF5_CFLAGS) $(YAML_CFLAGS) $(PNG_CFLAGS) $(ZLIB_CFLAGS) \
    $(OPENBLAS_CFLAGS) $(ONEDNN_CPPFLAGS) $(VIPS_CFLAGS) $(MPI_CFLAGS)
if X86_64
LINT_FLAGS += -DTESSI_X86_64
endif
lint:
	@BASE='$(BASE)' $(srcdir)/tests/lint $(LINT_FLAGS)

# After `make check` in a tree configured with --enable-coverage: lines that ran, in all and by file. gcov counts branches behind setjmp below
# zero (core/store/png.c), which gcovr takes for an error.
coverage:
	@test -n "$(COVERAGE_FLAGS)" || { echo "Configure for it first: BUILD=build-cov ./bootstrap check --enable-coverage"; exit 1; }
	@command -v gcovr > /dev/null || { echo "gcovr is needed; on Debian install \`gcovr\`"; exit 1; }
	gcovr -r $(srcdir) --object-directory . -f '$(abs_srcdir)/(core|cli|kit|plugins)/' --exclude-throw-branches -j 2 --sort-uncovered \
	    --gcov-ignore-parse-errors --html-details coverage.html --txt coverage.txt
	@tail -n 4 coverage.txt
EXTRA_DIST += tests/lint tests/mutate tests/ranks/matrix
.PHONY: suites suite-built suite-run lint check-long mutate coverage
