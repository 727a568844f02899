# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/config.c \
	core/train/config.h \
	core/train/hooks.h \
	core/train/parameter.h \
	core/train/trainer.h
