# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/exec/builder.c \
	core/exec/dnn.c \
	core/exec/exec.h \
	core/exec/int8.c \
	core/exec/memory.c \
	core/exec/overlay.c \
	core/exec/plan.c core/exec/plan.h \
	core/exec/session.c \
	core/exec/team.c
