# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/format/format.c \
	core/format/format.h \
	core/format/format_name.c
