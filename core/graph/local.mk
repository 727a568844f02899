# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/graph/padding_input.c \
	core/graph/padding_input.h \
	core/graph/residual.c \
	core/graph/residual.h \
	core/graph/activation.c \
	core/graph/activation.h \
	core/graph/attention.c \
	core/graph/attention.h \
	core/graph/attention_causal.c \
	core/graph/bind.c \
	core/graph/imported.c \
	core/graph/equation.c \
	core/graph/equation.h \
	core/graph/edit.c \
	core/graph/eval.c \
	core/graph/flatbuffer.c \
	core/graph/flatbuffer.h \
	core/graph/gradient.c \
	core/graph/gradient.h \
	core/graph/graph.c \
	core/graph/graph.h \
	core/graph/import.c \
	core/graph/import.h \
	core/graph/import_inline.c \
	core/graph/import_node.c \
	core/graph/import_tensor.c \
	core/graph/infer.c \
	core/graph/infer.h \
	core/graph/linear.c \
	core/graph/linear.h \
	core/graph/model_file.c \
	core/graph/model_file.h \
	core/graph/names.c \
	core/graph/names.h \
	core/graph/node_eval.c \
	core/graph/onnx_raise.c \
	core/graph/onnx_raise.h \
	core/graph/onnx_wire.c \
	core/graph/onnx_wire.h \
	core/graph/onnx_write.c \
	core/graph/op.h \
	core/graph/op_id.h \
	core/graph/pass_bn.c \
	core/graph/pass_constants.c \
	core/graph/pass_einsum.c \
	core/graph/pass_float.c \
	core/graph/pass_fold.c \
	core/graph/pass_fuse.c \
	core/graph/pass_lift.c \
	core/graph/pass_pattern.c \
	core/graph/pass_plain.c \
	core/graph/prepare.c \
	core/graph/quantized_lstm.c \
	core/graph/quantized_ops.c \
	core/graph/recompute.c \
	core/graph/recompute.h \
	core/graph/relink.c \
	core/graph/rescale.c \
	core/graph/rescale.h \
	core/graph/shape.c \
	core/graph/shape.h \
	core/graph/tflite.c \
	core/graph/tflite.h \
	core/graph/tflite_dilation.c \
	core/graph/tflite_file.c \
	core/graph/tflite_file.h \
	core/graph/tflite_layers.c \
	core/graph/tflite_lstm.c \
	core/graph/tflite_math.c \
	core/graph/tflite_node.c \
	core/graph/tflite_node.h \
	core/graph/tflite_ops.h \
	core/graph/tflite_select.c \
	core/graph/tflite_shapes.c \
	core/graph/work.c

# The ONNX format itself: compiled from the .proto that libonnx-dev installs.
nodist_libquantbench_a_SOURCES += core/graph/onnx.pb-c.c core/graph/onnx.pb-c.h
BUILT_SOURCES += core/graph/onnx.pb-c.h
CLEANFILES += core/graph/onnx.pb-c.c core/graph/onnx.pb-c.h
core/graph/onnx.pb-c.c: $(ONNX_PROTO)
	$(AM_V_GEN)$(MKDIR_P) core/graph && \
	$(PROTOC_C) --proto_path=`dirname $(ONNX_PROTO)` --c_out=core/graph $(ONNX_PROTO)
core/graph/onnx.pb-c.h: core/graph/onnx.pb-c.c
	@test -f $@ || { rm -f core/graph/onnx.pb-c.c; $(MAKE) $(AM_MAKEFLAGS) core/graph/onnx.pb-c.c; }
