# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/train/networks/architecture.c \
	core/train/networks/architecture.h \
	core/train/networks/bert.c \
	core/train/networks/ds_cnn.c \
	core/train/networks/initialize.c \
	core/train/networks/initialize.h \
	core/train/networks/layers.c \
	core/train/networks/layers.h \
	core/train/networks/mlp.c \
	core/train/networks/mobilenetv2.c \
	core/train/networks/opt.c \
	core/train/networks/resnet20.c \
	core/train/networks/resnet8.c \
	core/train/networks/transformer.c \
	core/train/networks/transformer.h \
	core/train/networks/vit.c
