# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/ops/binary.c \
	core/ops/common.c core/ops/common.h \
	core/ops/conv.c \
	core/ops/einsum.c \
	core/ops/gather.c \
	core/ops/make.c \
	core/ops/matmul.c \
	core/ops/move.c \
	core/ops/norm.c \
	core/ops/op.c core/ops/op.h core/ops/ops.h core/ops/plans.h \
	core/ops/pool.c \
	core/ops/quantize.c \
	core/ops/rare.c \
	core/ops/reduce.c \
	core/ops/reduce_plan.c \
	core/ops/resize.c core/ops/resize.h \
	core/ops/rnn.c \
	core/ops/sample.c \
	core/ops/shape_ops.c \
	core/ops/unary.c \
	core/ops/window.c core/ops/window.h
# The planned steps.
libquantbench_a_SOURCES += \
	core/ops/batched_plan.c \
	core/ops/binary_plan.c \
	core/ops/builder.h \
	core/ops/conv_plan.c \
	core/ops/bottleneck_plan.c \
	core/ops/depthwise_plan.c core/ops/depthwise_plan.h \
	core/ops/f32_depthwise.c core/ops/f32_depthwise.h \
	core/ops/f32_kernels.c core/ops/f32_kernels.h \
	core/ops/f32_math.c core/ops/f32_math.h \
	core/ops/dense_plan.c core/ops/dense_plan.h \
	core/ops/int8_area_plan.c \
	core/ops/int8_avx2.c core/ops/int8_avx2.h core/ops/int8_avx2_sums.c \
	core/ops/int8_avx512.c \
	core/ops/int8_conv_plan.c \
	core/ops/int8_conv_transpose_plan.c \
	core/ops/int8_depthwise_plan.c \
	core/ops/int8_filter_avx2.c core/ops/int8_filter_plan.c \
	core/ops/int8_kernels.c core/ops/int8_kernels.h core/ops/int8_paths.h \
	core/ops/int8_binary_plan.c \
	core/ops/int8_join_plan.c \
	core/ops/int8_lines.c core/ops/int8_lines.h \
	core/ops/int8_mean_plan.c \
	core/ops/int8_move_plan.c \
	core/ops/int8_norm_plan.c \
	core/ops/int8_product_plan.c \
	core/ops/int8_resize_plan.c \
	core/ops/int8_softmax_plan.c \
	core/ops/int8_transpose_plan.c \
	core/ops/int8_table_plan.c \
	core/ops/int8_plan.c core/ops/int8_plan.h \
	core/ops/int8_weight.c core/ops/int8_weight.h \
	core/ops/patches.c core/ops/patches.h \
	core/ops/matmul_plan.c \
	core/ops/move_plan.c \
	core/ops/norm_plan.c \
	core/ops/pixels.c core/ops/pixels.h \
	core/ops/pointwise_plan.c \
	core/ops/pool_plan.c \
	core/ops/resize_plan.c \
	core/ops/strassen_plan.c \
	core/ops/winograd_plan.c
