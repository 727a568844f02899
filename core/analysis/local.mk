# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/analysis/latency.c core/analysis/latency.h \
	core/analysis/metrics.c core/analysis/metrics.h \
	core/analysis/sqnr_db.h
