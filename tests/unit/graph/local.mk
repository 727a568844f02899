# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/tools/onnx_eval
tests_tools_onnx_eval_SOURCES = tests/tools/onnx_eval.c tests/tools/tensor_file.c tests/tools/tensor_file.h
tests_tools_onnx_eval_CFLAGS = $(AM_CFLAGS)
noinst_PROGRAMS += tests/tools/gradient_eval
tests_tools_gradient_eval_SOURCES = tests/tools/gradient_eval.c tests/tools/tensor_file.c tests/tools/tensor_file.h
tests_tools_gradient_eval_CFLAGS = $(AM_CFLAGS)
noinst_PROGRAMS += tests/tools/attention
tests_tools_attention_SOURCES = tests/tools/attention.c
tests_tools_attention_CFLAGS = $(AM_CFLAGS)
# What restructurings are compared with: tests/bits.py.
noinst_PROGRAMS += tests/tools/plan_bits
tests_tools_plan_bits_SOURCES = tests/tools/plan_bits.c
tests_tools_plan_bits_CFLAGS = $(AM_CFLAGS)
EXTRA_DIST += tests/bits.py

check_SCRIPTS += tests/unit/graph/test_onnx_backend.py tests/unit/graph/test_onnx_networks.py
check_SCRIPTS += tests/unit/graph/test_gradient_torch.py tests/unit/graph/test_inline.py
EXTRA_DIST += tests/unit/graph/test_gradient_torch.py
EXTRA_DIST += tests/unit/graph/test_inline.py
check_SCRIPTS += tests/unit/graph/test_attention.py
EXTRA_DIST += tests/unit/graph/test_attention.py tests/unit/graph/torch_attention.py
check_SCRIPTS += tests/unit/graph/test_einsum.py tests/unit/graph/test_tflite_ops.py
EXTRA_DIST += tests/unit/graph/test_einsum.py tests/unit/graph/test_tflite_ops.py tests/unit/graph/tflite_builder.py
EXTRA_DIST += tests/unit/graph/onnx_run.py tests/unit/graph/test_onnx_backend.py \
	tests/unit/graph/test_onnx_networks.py

check_PROGRAMS += tests/unit/graph/test_import
tests_unit_graph_test_import_SOURCES = tests/unit/graph/test_import.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_graph_test_import_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/graph/test_edit
tests_unit_graph_test_edit_SOURCES = tests/unit/graph/test_edit.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_graph_test_edit_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/graph/test_gradient
tests_unit_graph_test_gradient_SOURCES = tests/unit/graph/test_gradient.c \
	tests/unit/graph/gradient_check.c tests/unit/graph/gradient_check.h \
	tests/unit/graph/double_graph.c tests/unit/graph/double_graph.h
tests_unit_graph_test_gradient_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/graph/test_gradient_graphs
tests_unit_graph_test_gradient_graphs_SOURCES = tests/unit/graph/test_gradient_graphs.c \
	tests/unit/graph/gradient_check.c tests/unit/graph/gradient_check.h \
	tests/unit/graph/double_graph.c tests/unit/graph/double_graph.h
tests_unit_graph_test_gradient_graphs_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/graph/test_passes
tests_unit_graph_test_passes_SOURCES = tests/unit/graph/test_passes.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_graph_test_passes_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/graph/test_rescale
tests_unit_graph_test_rescale_SOURCES = tests/unit/graph/test_rescale.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_graph_test_rescale_CFLAGS = $(AM_CFLAGS)
