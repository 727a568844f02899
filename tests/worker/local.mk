# SPDX-License-Identifier: Apache-2.0
check_SCRIPTS += tests/worker/test_agreement.py
EXTRA_DIST += tests/worker/test_agreement.py
check_SCRIPTS += tests/worker/test_carried.py tests/worker/test_export.py tests/worker/test_tflite.py
EXTRA_DIST += tests/worker/test_carried.py tests/worker/test_export.py tests/worker/test_tflite.py
check_SCRIPTS += tests/worker/test_layers.py tests/worker/test_real_networks.py tests/worker/test_tasks.py
EXTRA_DIST += tests/worker/test_layers.py tests/worker/test_real_networks.py \
	tests/worker/test_tasks.py tests/worker/files.py tests/worker/groups.py tests/worker/tiny.py tests/worker/worker.py
check_SCRIPTS += tests/worker/test_data.py tests/worker/test_methods.py
EXTRA_DIST += tests/worker/test_data.py tests/worker/test_methods.py
check_SCRIPTS += tests/worker/test_questions.py tests/worker/test_sqnr.py tests/worker/test_sqnr_intervals.py tests/worker/test_tensor.py
EXTRA_DIST += tests/worker/test_questions.py tests/worker/test_sqnr.py tests/worker/test_sqnr_intervals.py tests/worker/test_tensor.py
check_SCRIPTS += tests/worker/test_equalization.py
EXTRA_DIST += tests/worker/test_equalization.py
check_SCRIPTS += tests/worker/test_diagnose.py
EXTRA_DIST += tests/worker/test_diagnose.py
check_SCRIPTS += tests/worker/test_check.py
EXTRA_DIST += tests/worker/test_check.py
check_SCRIPTS += tests/worker/test_schemas.py tests/worker/test_schemes.py
EXTRA_DIST += tests/worker/test_schemas.py tests/worker/test_schemes.py
check_SCRIPTS += tests/worker/test_imports.py tests/worker/test_operators.py
EXTRA_DIST += tests/worker/test_imports.py tests/worker/operators.py tests/worker/test_operators.py
check_SCRIPTS += tests/worker/test_input.py
EXTRA_DIST += tests/worker/test_input.py
check_SCRIPTS += tests/worker/test_qat.py tests/worker/test_ranges.py tests/worker/test_toy.py tests/worker/test_train.py
EXTRA_DIST += tests/worker/small_network.py tests/worker/test_qat.py tests/worker/test_ranges.py tests/worker/test_toy.py tests/worker/test_train.py tests/worker/training.py
check_SCRIPTS += tests/worker/test_text.py
EXTRA_DIST += tests/worker/test_text.py
check_SCRIPTS += tests/worker/test_outlier_training.py tests/worker/test_outliers.py
EXTRA_DIST += tests/worker/test_outlier_training.py tests/worker/test_outliers.py tests/worker/small_transformer.py
check_SCRIPTS += tests/worker/test_transformers.py
EXTRA_DIST += tests/worker/test_transformers.py

# The worker as one static file, in static-amd64/ and static-arm64/ of the build folder: minutes of compiling, so it is no part of check.
check-static: quantbench-worker$(EXEEXT)
	@$(AM_TESTS_ENVIRONMENT) $(SHELL) $(top_srcdir)/tests/run-python $(top_srcdir)/tests/worker/test_static.py
.PHONY: check-static
EXTRA_DIST += tests/worker/test_static.py
