# Check suites: one program a room, run by `make check`.
if HAVE_CHECK
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
