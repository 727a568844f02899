# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/methods/br.c \
	core/train/methods/dampen.c \
	core/train/methods/dsq.c \
	core/train/methods/ewgs.c \
	core/train/methods/freeze.c \
	core/train/methods/lsq.c \
	core/train/methods/lsq_plus.c \
	core/train/methods/method.c \
	core/train/methods/method.h \
	core/train/methods/pact.c
