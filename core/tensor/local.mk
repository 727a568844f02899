# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/tensor/archive.c \
	core/tensor/archive.h \
	core/tensor/archive_kinds.h \
	core/tensor/array.c \
	core/tensor/backcopy.c \
	core/tensor/backcopy.h \
	core/tensor/binding.c \
	core/tensor/binding.h \
	core/tensor/dataset.c \
	core/tensor/dataset.h \
	core/tensor/npy.c \
	core/tensor/npy.h \
	core/tensor/npz.c \
	core/tensor/safetensors.c \
	core/tensor/tensor.c \
	core/tensor/tensor.h \
	core/tensor/text.c \
	core/tensor/text.h \
	core/tensor/text_plan.c \
	core/tensor/text_plan.h \
	core/tensor/text_windows.c \
	core/tensor/text_windows.h
