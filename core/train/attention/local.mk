# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/attention/attention_variant.c \
	core/train/attention/attention_variant.h \
	core/train/attention/clipped_softmax.c \
	core/train/attention/gated.c
