# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/quant/quantizer.h \
	core/quant/range.h \
	core/quant/scheme.h
