# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/json/fields.c \
	core/json/fields.h \
	core/json/named.c \
	core/json/named.h \
	core/json/number.c \
	core/json/number.h \
	core/json/params.c \
	core/json/params.h
