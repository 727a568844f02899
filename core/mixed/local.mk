# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/mixed/gates.c \
	core/mixed/gates.h \
	core/mixed/greedy.c \
	core/mixed/greedy.h \
	core/mixed/layer_costs.c \
	core/mixed/layer_costs.h \
	core/mixed/mixture.c \
	core/mixed/mixture.h \
	core/mixed/sensitivity.c \
	core/mixed/sensitivity.h
