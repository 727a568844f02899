# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/kernels/epilogue.h \
	core/kernels/f32/activation_backward.c \
	core/kernels/f32/activation_backward.h \
	core/kernels/f32/avx2.h \
	core/kernels/f32/avx512.h \
	core/kernels/f32/batch_norm_training.c \
	core/kernels/f32/batch_norm_training.h \
	core/kernels/f32/depthwise.c \
	core/kernels/f32/depthwise.h \
	core/kernels/f32/depthwise_avx2.c \
	core/kernels/f32/depthwise_avx512.c \
	core/kernels/f32/depthwise_backward.c \
	core/kernels/f32/depthwise_backward.h \
	core/kernels/f32/depthwise_body.h \
	core/kernels/f32/depthwise_levels.h \
	core/kernels/f32/gemm.c \
	core/kernels/f32/gemm.h \
	core/kernels/f32/gemm_avx2.c \
	core/kernels/f32/gemm_avx512.c \
	core/kernels/f32/gemm_neon.c \
	core/kernels/f32/gemm_strided_avx512.c \
	core/kernels/f32/gemm_backward.c \
	core/kernels/f32/gemm_backward.h \
	core/kernels/f32/gemm_backward_avx2.c \
	core/kernels/f32/gemm_backward_avx512.c \
	core/kernels/f32/gemm_backward_body.h \
	core/kernels/f32/gemm_backward_levels.h \
	core/kernels/f32/gemm_levels.h \
	core/kernels/f32/inside.h \
	core/kernels/f32/math.c \
	core/kernels/f32/math.h \
	core/kernels/f32/math_inline.h \
	core/kernels/f32/norm_backward.c \
	core/kernels/f32/norm_backward.h \
	core/kernels/f32/pool_backward.c \
	core/kernels/f32/pool_backward.h \
	core/kernels/f32/vector_avx2.h \
	core/kernels/f32/vector_avx512.h \
	core/kernels/f32/winograd.c \
	core/kernels/f32/winograd.h \
	core/kernels/f32/winograd_body.h \
	core/kernels/int8/avx2.c \
	core/kernels/int8/avx2.h \
	core/kernels/int8/avx2_sums16.c \
	core/kernels/int8/avx512.c \
	core/kernels/int8/kernels.c \
	core/kernels/int8/kernels.h \
	core/kernels/int8/levels.h \
	core/kernels/int8/lookup.c \
	core/kernels/int8/lookup.h \
	core/kernels/int8/neon.c \
	core/kernels/int8/neon.h \
	core/kernels/int8/neon_dot.c \
	core/kernels/int8/neon_i8mm.c \
	core/kernels/int8/winograd_avx2.c \
	core/kernels/quantize/fake_quantize.c \
	core/kernels/quantize/fake_quantize.h \
	core/kernels/quantize/fake_quantize_f64.c \
	core/kernels/quantize/fit_body.h \
	core/kernels/quantize/kernels.c \
	core/kernels/quantize/kernels.h \
	core/kernels/quantize/kernels_body.h \
	core/kernels/quantize/measure_body.h \
	core/kernels/quantize/measure_fused_body.h \
	core/kernels/quantize/sums.h
# GCC does not vectorize a choice between two sums while it must keep the exceptions that nobody asks for. Results are the
# same.
KERNELS_QUANTIZE = core/kernels/quantize/libquantbench_a-kernels.$(OBJEXT) \
	core/kernels/quantize/libquantbench_a-fake_quantize.$(OBJEXT)
VECTORIZED += $(KERNELS_QUANTIZE)
$(KERNELS_QUANTIZE): AM_CFLAGS += -fno-trapping-math
