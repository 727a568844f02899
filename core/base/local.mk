# SPDX-License-Identifier: Apache-2.0
libquantbench_a_SOURCES += \
	core/base/arena.c \
	core/base/arena.h \
	core/base/cpu.c \
	core/base/cpu.h \
	core/base/err.c \
	core/base/err.h \
	core/base/near.c \
	core/base/near.h \
	core/base/order.h \
	core/base/random.c \
	core/base/random.h \
	core/base/random_stream.h \
	core/base/size.h \
	core/base/vectorized.h
