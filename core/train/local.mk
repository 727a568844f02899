# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/augment.c \
	core/train/augment.h \
	core/train/config.c \
	core/train/config.h \
	core/train/hooks.h \
	core/train/optimizer.c \
	core/train/optimizer.h \
	core/train/parameter.h \
	core/train/permutation.c \
	core/train/permutation.h \
	core/train/samples.c \
	core/train/samples.h \
	core/train/schedule.c \
	core/train/schedule.h \
	core/train/targets.c \
	core/train/targets.h \
	core/train/trainer.h
VECTORIZED += core/train/libquantbench_a-optimizer.$(OBJEXT)
