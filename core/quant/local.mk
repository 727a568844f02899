# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/quant/bias.c \
	core/quant/bias.h \
	core/quant/imported_quantizer.c \
	core/quant/imported_quantizer.h \
	core/quant/density.c \
	core/quant/density.h \
	core/quant/histogram.c \
	core/quant/histogram.h \
	core/quant/scheme_layers.c \
	core/quant/scheme_layers.h \
	core/quant/model_bytes.c \
	core/quant/model_bytes.h \
	core/quant/observer.c \
	core/quant/observer.h \
	core/quant/pack.c \
	core/quant/pack.h \
	core/quant/placement.c \
	core/quant/placement.h \
	core/quant/qdq.c \
	core/quant/qdq.h \
	core/quant/quantization.c \
	core/quant/quantization.h \
	core/quant/quantizer.c \
	core/quant/quantizer.h \
	core/quant/quantizer_codes.c \
	core/quant/range.c \
	core/quant/range.h \
	core/quant/range_data.c \
	core/quant/range_rules.c \
	core/quant/range_rules.h \
	core/quant/range_search.c \
	core/quant/range_search.h \
	core/quant/scale.c \
	core/quant/scale.h \
	core/quant/scheme.c \
	core/quant/scheme.h \
	core/quant/weight.c \
	core/quant/weight.h
# Loops over the scales of blocks.
VECTORIZED += core/quant/libquantbench_a-quantizer.$(OBJEXT) \
	core/quant/libquantbench_a-quantizer_codes.$(OBJEXT) \
	core/quant/libquantbench_a-scale.$(OBJEXT)
