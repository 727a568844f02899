# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/exec/test_int8_kernels
tests_unit_exec_test_int8_kernels_SOURCES = tests/unit/exec/test_int8_kernels.c
tests_unit_exec_test_int8_kernels_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_exec
tests_unit_exec_test_exec_SOURCES = tests/unit/exec/test_exec.c
tests_unit_exec_test_exec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
