# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/tools/onnx_eval
tests_tools_onnx_eval_SOURCES = tests/tools/onnx_eval.c
tests_tools_onnx_eval_CFLAGS = $(AM_CFLAGS)

check_SCRIPTS += tests/unit/graph/test_onnx_backend.py tests/unit/graph/test_onnx_networks.py
EXTRA_DIST += tests/unit/graph/onnx_run.py tests/unit/graph/test_onnx_backend.py \
	tests/unit/graph/test_onnx_networks.py
