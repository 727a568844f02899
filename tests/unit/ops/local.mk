# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/ops/test_patches
tests_unit_ops_test_patches_SOURCES = tests/unit/ops/test_patches.c $(LEVELS)
tests_unit_ops_test_patches_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
