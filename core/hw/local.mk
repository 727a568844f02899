# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/hw/accumulator.c \
	core/hw/accumulator.h \
	core/hw/cells.c \
	core/hw/cells.h \
	core/hw/cost.c \
	core/hw/datapath.h \
	core/hw/float.c \
	core/hw/mac.c \
	core/hw/mac.h \
	core/hw/multiplier.c \
	core/hw/netlist.c \
	core/hw/netlist.h \
	core/hw/operand.c \
	core/hw/operand.h \
	core/hw/reference.c \
	core/hw/reference.h \
	core/hw/verify.c \
	core/hw/verilog.c
