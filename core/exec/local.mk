# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/exec/builder.c \
	core/exec/builder.h \
	core/exec/builder_bytes.c \
	core/exec/channels_last.c \
	core/exec/exec.h \
	core/exec/layout.c \
	core/exec/layout.h \
	core/exec/lower/backward/activation_gradient.c \
	core/exec/lower/backward/activation_gradient.h \
	core/exec/lower/backward/batch_norm_training.c \
	core/exec/lower/backward/cast.c \
	core/exec/lower/backward/conv_depthwise_gradient.c \
	core/exec/lower/backward/conv_gradient.c \
	core/exec/lower/backward/conv_gradient.h \
	core/exec/lower/backward/conv_input_gradient.c \
	core/exec/lower/backward/conv_weight_gradient.c \
	core/exec/lower/backward/gather_gradient.c \
	core/exec/lower/backward/norm_gradient.c \
	core/exec/lower/backward/pool_gradient.c \
	core/exec/lower/backward/resize_gradient.c \
	core/exec/lower/backward/shard_sum.c \
	core/exec/lower/backward/transposed_product.c \
	core/exec/lower/f32/binary.c \
	core/exec/lower/f32/choice.c \
	core/exec/lower/f32/choice.h \
	core/exec/lower/f32/conv.c \
	core/exec/lower/f32/conv_bottleneck.c \
	core/exec/lower/f32/conv_depthwise.c \
	core/exec/lower/f32/conv_depthwise.h \
	core/exec/lower/f32/conv_igemm.c \
	core/exec/lower/f32/conv_igemm.h \
	core/exec/lower/f32/conv_output_tiles.c \
	core/exec/lower/f32/conv_output_tiles.h \
	core/exec/lower/f32/conv_winograd.c \
	core/exec/lower/f32/copy.c \
	core/exec/lower/f32/elementwise.c \
	core/exec/lower/f32/fake_quantize.c \
	core/exec/lower/f32/gemm_strassen.c \
	core/exec/lower/f32/matmul.c \
	core/exec/lower/f32/matmul_batched.c \
	core/exec/lower/f32/norm.c \
	core/exec/lower/f32/pad.c \
	core/exec/lower/f32/pool.c \
	core/exec/lower/f32/reduce.c \
	core/exec/lower/f32/resize.c \
	core/exec/lower/indirection.c \
	core/exec/lower/indirection.h \
	core/exec/lower/int8/binary.c \
	core/exec/lower/int8/concat.c \
	core/exec/lower/int8/conv.c \
	core/exec/lower/int8/conv_depthwise.c \
	core/exec/lower/int8/conv_tiles.c \
	core/exec/lower/int8/conv_transpose.c \
	core/exec/lower/int8/conv_winograd.c \
	core/exec/lower/int8/copy.c \
	core/exec/lower/int8/lookup_table.c \
	core/exec/lower/int8/lower_int8.c \
	core/exec/lower/int8/lower_int8.h \
	core/exec/lower/int8/matmul.c \
	core/exec/lower/int8/mean.c \
	core/exec/lower/int8/norm.c \
	core/exec/lower/int8/resize.c \
	core/exec/lower/int8/softmax_lut.c \
	core/exec/lower/int8/transpose.c \
	core/exec/lower/int8/weight.c \
	core/exec/lower/int8/weight.h \
	core/exec/lower/lowered.c \
	core/exec/lower/lowered.h \
	core/exec/lower/lowered_eval.c \
	core/exec/lower/lowerings.c \
	core/exec/lower/lowerings.h \
	core/exec/lower/resize_axis.h \
	core/exec/onednn.h \
	core/exec/overlay.c \
	core/exec/plan.c \
	core/exec/plan.h \
	core/exec/plan_common.c \
	core/exec/plan_int8.c \
	core/exec/plan_memory.c \
	core/exec/reorder.c \
	core/exec/reorder.h \
	core/exec/session.c \
	core/exec/session_check.c \
	core/exec/shards.c \
	core/exec/shards.h \
	core/exec/threads.c \
	core/exec/threads.h
ONEDNN_ABSENT = core/exec/onednn_absent.c
if ONEDNN
libquantbench_a_SOURCES += \
	core/exec/onednn.c \
	core/exec/onednn_forward.c \
	core/exec/onednn_step.c \
	core/exec/onednn_step.h
else
libquantbench_a_SOURCES += $(ONEDNN_ABSENT)
endif
VECTORIZED += core/exec/lower/int8/libquantbench_a-binary.$(OBJEXT) \
	core/exec/lower/int8/libquantbench_a-matmul.$(OBJEXT) \
	core/exec/lower/int8/libquantbench_a-norm.$(OBJEXT) \
	core/exec/lower/int8/libquantbench_a-resize.$(OBJEXT)
