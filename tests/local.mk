# SPDX-License-Identifier: Apache-2.0
# One include a folder of tests. A unit test is a cmocka program in check_PROGRAMS; tests written in Python (.py) and
# in shell (.sh) go into check_SCRIPTS and EXTRA_DIST. What a test lacks it says, and exits 77.
TEST_EXTENSIONS = .py .sh
PY_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-python
SH_LOG_COMPILER = $(SHELL)
# QB_SHARED: real networks and data beside the source tree, where a machine has them.
# QB_PYTHON: a Python with numpy, onnx, onnxruntime and ml_dtypes, to compare ourselves with.
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	QB_SHARED="$${QB_SHARED-$(abs_top_srcdir)/../shared}"; export QB_SHARED; \
	if test -z "$${QB_PYTHON-}" && test -x '$(abs_top_builddir)/peers/bin/python'; then \
		QB_PYTHON='$(abs_top_builddir)/peers/bin/python'; fi; \
	QB_PYTHON="$${QB_PYTHON-}"; export QB_PYTHON; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;
if SANITIZERS
AM_TESTS_ENVIRONMENT += \
	ASAN_OPTIONS="$${ASAN_OPTIONS-abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1}"; \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS-print_stacktrace=1:halt_on_error=1}"; \
	LSAN_OPTIONS="$${LSAN_OPTIONS-suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0}"; \
	export ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS;
endif
EXTRA_DIST += tests/run-python tests/lsan.supp tests/bare-debian tests/check-skips tests/expected-skips tests/unit/files.h tests/unit/lacks.h

# After make check: whether all that was skipped, whole or in part, may be skipped on this machine.
check-skips:
	@$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/tests/check-skips
.PHONY: check-skips

# Numeric tests have LEVELS among their sources and run at every CPU level of the processor; those of kernels that use
# AVX-512 are linked a second time, with EMULATED in front of LDADD, for processors without.
LEVELS = tests/unit/levels.c tests/unit/levels.h
EMULATED = tests/emulated.o
check_LIBRARIES = tests/libemulated.a
CLEANFILES += $(EMULATED)
tests_libemulated_a_SOURCES = $(LEVELS) tests/unit/emulated_avx512.h core/base/cpu.c core/kernels/quantize/kernels.c \
	core/kernels/int8/avx512.c core/kernels/int8/lookup.c core/kernels/f32/depthwise_avx512.c core/kernels/f32/gemm_avx512.c \
	core/kernels/f32/gemm_backward_avx512.c core/kernels/f32/gemm_strided_avx512.c \
	core/kernels/f32/activation_backward.c core/kernels/f32/math.c core/kernels/f32/norm_backward.c core/kernels/f32/winograd.c \
	core/exec/builder_bytes.c core/exec/channels_last.c core/exec/lower/f32/copy.c core/exec/lower/f32/reduce.c \
	core/exec/lower/int8/resize.c
tests_libemulated_a_CFLAGS = $(AM_CFLAGS) -Wno-psabi -fno-var-tracking \
	-include $(srcdir)/tests/unit/emulated_avx512.h
noinst_PROGRAMS += tests/tools/cpu_levels
tests_tools_cpu_levels_SOURCES = tests/tools/cpu_levels.c
tests_tools_cpu_levels_LDADD = libquantbench.a
# One object: whole, it comes before the same names of libquantbench.a.
$(EMULATED): tests/libemulated.a
	$(AM_V_GEN)$(CC) -r -nostdlib -Wl,--whole-archive tests/libemulated.a -o $@

# In a build with --enable-thread-sanitizer: the daemon under the tests of its API, and the team of threads. Libraries are
# not instrumented; tests/tsan.supp holds what follows from that. The worker is not built there, for OpenMP's own
# synchronization is not seen.
check-threads: quantbenchd$(EXEEXT) quantbench$(EXEEXT) tests/unit/exec/test_team$(EXEEXT)
	@$(AM_TESTS_ENVIRONMENT) \
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/tsan.supp exitcode=66 halt_on_error=0"; export TSAN_OPTIONS; \
	failed=; \
	./tests/unit/exec/test_team$(EXEEXT) || failed=test_team; \
	for t in $(API_TESTS); do \
		echo "== $$t"; \
		$(SHELL) $(top_srcdir)/tests/run-python $(top_srcdir)/$$t || test $$? = 77 || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed: $$failed"; exit 1; }
.PHONY: check-threads
EXTRA_DIST += tests/tsan.supp

check_SCRIPTS += tests/check-layers tests/check-lists tests/check-paths tests/test_layers.sh
EXTRA_DIST += tests/check-layers tests/check-lists tests/check-paths tests/test_layers.sh

include tests/unit/base/local.mk
include tests/systemd/local.mk
include tests/unit/common/local.mk
include tests/unit/daemon/local.mk
include tests/unit/graph/local.mk
include tests/unit/hw/local.mk
include tests/fuzz/local.mk
include tests/unit/analysis/local.mk
include tests/unit/format/local.mk
include tests/unit/quant/local.mk
include tests/unit/tensor/local.mk
include tests/unit/train/local.mk
include tests/worker/local.mk
include tests/cli/local.mk
include tests/unit/exec/local.mk
include tests/unit/experiment/local.mk
include tests/unit/networks/local.mk
include tests/unit/ops/local.mk
include tests/api/local.mk
include tests/python/local.mk
include tests/web/local.mk
