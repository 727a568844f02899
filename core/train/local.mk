# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/augment.c \
	core/train/augment.h \
	core/train/bin_penalty.c \
	core/train/bin_penalty.h \
	core/train/bn_reestimation.h \
	core/train/checkpoint.c \
	core/train/config.c \
	core/train/config.h \
	core/train/deploy.h \
	core/train/divergence.c \
	core/train/hooks.h \
	core/train/layer_scheme.h \
	core/train/optimizer.c \
	core/train/optimizer.h \
	core/train/oscillation.c \
	core/train/oscillation.h \
	core/train/parameter.h \
	core/train/permutation.c \
	core/train/permutation.h \
	core/train/qat.h \
	core/train/quantized_layer.c \
	core/train/quantized_layer.h \
	core/train/samples.c \
	core/train/samples.h \
	core/train/schedule.c \
	core/train/schedule.h \
	core/train/targets.c \
	core/train/targets.h \
	core/train/teacher.c \
	core/train/toy.c \
	core/train/toy.h \
	core/train/train_batch.c \
	core/train/train_statistics.c \
	core/train/train_step.c \
	core/train/trainer.c \
	core/train/trainer.h \
	core/train/trainer_state.h \
	core/train/training_graph.c \
	core/train/training_graph.h \
	core/train/training_loss.c \
	core/train/training_network.c \
	core/train/training_network.h \
	core/train/training_norms.c \
	core/train/weight_quantizer.c \
	core/train/weight_quantizer.h
VECTORIZED += core/train/libquantbench_a-optimizer.$(OBJEXT) core/train/libquantbench_a-weight_quantizer.$(OBJEXT)
