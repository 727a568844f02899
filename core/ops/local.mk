# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/ops/binary.c \
	core/ops/conv.c \
	core/ops/einsum.c \
	core/ops/gather.c \
	core/ops/generate.c \
	core/ops/grid_sample.c \
	core/ops/matmul.c \
	core/ops/norm.c \
	core/ops/op.c \
	core/ops/op.h \
	core/ops/operands.c \
	core/ops/operands.h \
	core/ops/ops.h \
	core/ops/pool.c \
	core/ops/quantize.c \
	core/ops/rare.c \
	core/ops/rearrange.c \
	core/ops/reduce.c \
	core/ops/resize.c \
	core/ops/resize.h \
	core/ops/rnn.c \
	core/ops/shape_ops.c \
	core/ops/unary.c \
	core/ops/window.c \
	core/ops/window.h
