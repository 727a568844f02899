# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/base/test_base
tests_unit_base_test_base_SOURCES = tests/unit/base/test_base.c
tests_unit_base_test_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/base/test_cpu
tests_unit_base_test_cpu_SOURCES = tests/unit/base/test_cpu.c
tests_unit_base_test_cpu_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/base/test_cpu_emulated
tests_unit_base_test_cpu_emulated_SOURCES = tests/unit/base/test_cpu.c
tests_unit_base_test_cpu_emulated_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_cpu_emulated_LDADD = $(EMULATED) $(LDADD)
