# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/common/test_sandbox
tests_unit_common_test_sandbox_SOURCES = tests/unit/common/test_sandbox.c common/sandbox.c common/sandbox.h common/sandbox_calls.c common/sandbox_root.c
tests_unit_common_test_sandbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_common_test_sandbox_LDADD = $(CMOCKA_LIBS)
