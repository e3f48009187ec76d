# Check suites: one program a room, run by `make check`.
EXTRA_PROGRAMS =
if HAVE_CHECK
include tests/fuzz.mk
include tests/base.mk
include tests/plug.mk
include tests/store.mk
include tests/flow.mk
include tests/tensor.mk
include tests/models.mk
include tests/stages.mk
include tests/sources.mk
include tests/command.mk
include tests/checkpoints.mk
include tests/refit.mk
include tests/likelihood.mk
include tests/training.mk
include tests/editing.mk
else
check-local:
	@echo "The tests are skipped: they need Check; on Debian install the package check, then configure again."
endif

TESTS = $(check_PROGRAMS) tests/test_equations
EXTRA_DIST += tests/test_equations tests/suite.h

# Golden files may come from elsewhere. Plugins are those of this build and no others. A time limit is for what hangs: a busy machine may
# take twenty times as long as an idle one.
AM_TESTS_ENVIRONMENT = \
    CK_TIMEOUT_MULTIPLIER="$${CK_TIMEOUT_MULTIPLIER-20}"; export CK_TIMEOUT_MULTIPLIER; unset TESSERA_INJECT; \
    TESSERA_GOLDEN="$${TESSERA_GOLDEN-$(abs_srcdir)/tests/golden}"; export TESSERA_GOLDEN; \
    unset TESSERA_PLUGIN_PATH;

# What is scarce, under every verb; with TESSERA_STRIDE=1 at every point, which takes hours.
check-long: all tests/test_scarce
	$(MAKE) check TESTS=tests/test_scarce

# make mutate FILE=core/store/layout.c [N=26] [SEED=1]; best in a tree with --enable-sanitizers.
mutate:
	@test -n "$(FILE)" || { echo "make mutate FILE=core/store/layout.c [N=26] [SEED=1]"; exit 1; }
	$(srcdir)/tests/mutate $(builddir) $(srcdir)/$(FILE) -n $${N:-26} --seed $${SEED:-1}

# After `make check` in a tree configured with --enable-coverage: lines that ran, in all and by file.
coverage:
	@test -n "$(COVERAGE_FLAGS)" || { echo "Configure for it first: BUILD=build-cov ./bootstrap check --enable-coverage"; exit 1; }
	@command -v gcovr > /dev/null || { echo "gcovr is needed; on Debian install \`gcovr\`"; exit 1; }
	gcovr -r $(srcdir) --object-directory . -f '$(abs_srcdir)/(core|cli|plugins)/' --exclude-throw-branches -j 2 --sort-uncovered \
	    --html-details coverage.html --txt coverage.txt
	@tail -n 4 coverage.txt
EXTRA_DIST += tests/mutate
.PHONY: check-long mutate coverage
