# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/analysis/attention_heads.c \
	core/analysis/attention_heads.h \
	core/analysis/distribution.c \
	core/analysis/distribution.h \
	core/analysis/draw.c \
	core/analysis/latency.c \
	core/analysis/latency.h \
	core/analysis/mean.h \
	core/analysis/metric.h \
	core/analysis/metric_bootstrap.c \
	core/analysis/metric_classes.c \
	core/analysis/metric_regression.c \
	core/analysis/metric_tokens.c \
	core/analysis/metrics.c \
	core/analysis/metrics.h \
	core/analysis/outliers.c \
	core/analysis/outliers.h \
	core/analysis/profile.c \
	core/analysis/profile.h \
	core/analysis/spread.c \
	core/analysis/spread.h \
	core/analysis/sqnr.c \
	core/analysis/sqnr.h \
	core/analysis/sqnr_blocks.c \
	core/analysis/sqnr_blocks.h \
	core/analysis/sqnr_db.h \
	core/analysis/sqnr_dot.c \
	core/analysis/sqnr_dot.h \
	core/analysis/sqnr_sums.c \
	core/analysis/sqnr_sums.h \
	core/analysis/student.c \
	core/analysis/student.h
VECTORIZED += core/analysis/libquantbench_a-spread.$(OBJEXT)
