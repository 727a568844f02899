# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/tensor/archive.h \
	core/tensor/tensor.h
