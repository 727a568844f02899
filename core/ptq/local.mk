# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/ptq/adaround.c \
	core/ptq/adaround.h \
	core/ptq/adaround_body.h \
	core/ptq/bias_shift.c \
	core/ptq/bias_shift.h \
	core/ptq/calibration.c \
	core/ptq/calibration.h \
	core/ptq/channel_moments.c \
	core/ptq/channel_moments.h \
	core/ptq/error_terms.c \
	core/ptq/error_terms.h \
	core/ptq/evaluation.c \
	core/ptq/evaluation.h \
	core/ptq/float_baseline.c \
	core/ptq/float_baseline.h \
	core/ptq/gptq.c \
	core/ptq/gptq.h \
	core/ptq/im2col.c \
	core/ptq/im2col.h \
	core/ptq/layer_inputs.c \
	core/ptq/layer_inputs.h \
	core/ptq/method.c \
	core/ptq/method.h \
	core/ptq/method_adaround.c \
	core/ptq/method_batch_norm_reestimation.c \
	core/ptq/method_bias_correction.c \
	core/ptq/method_cross_layer_equalization.c \
	core/ptq/method_gptq.c \
	core/ptq/method_high_bias_absorption.c \
	core/ptq/method_smoothquant.c \
	core/ptq/network.c \
	core/ptq/network.h \
	core/ptq/output_scale.c \
	core/ptq/output_scale.h \
	core/ptq/query_samples.c \
	core/ptq/query_samples.h \
	core/ptq/stream.c \
	core/ptq/stream.h \
	core/ptq/sweep.c \
	core/ptq/sweep.h \
	core/ptq/task_metric.c \
	core/ptq/task_metric.h \
	core/ptq/variant.c \
	core/ptq/variant.h
VECTORIZED += core/ptq/libquantbench_a-adaround.$(OBJEXT)
