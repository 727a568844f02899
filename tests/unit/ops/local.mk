# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/ops/test_im2col
tests_unit_ops_test_im2col_SOURCES = tests/unit/ops/test_im2col.c $(LEVELS)
tests_unit_ops_test_im2col_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/ops/test_table
tests_unit_ops_test_table_SOURCES = tests/unit/ops/test_table.c
tests_unit_ops_test_table_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/ops/test_fake_quantize
tests_unit_ops_test_fake_quantize_SOURCES = tests/unit/ops/test_fake_quantize.c $(LEVELS)
tests_unit_ops_test_fake_quantize_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
noinst_PROGRAMS += tests/tools/fake_quantize
tests_tools_fake_quantize_SOURCES = tests/tools/fake_quantize.c
tests_tools_fake_quantize_LDADD = libquantbench.a -lm
check_SCRIPTS += tests/unit/ops/test_fake_quantize_torch.py
EXTRA_DIST += tests/unit/ops/test_fake_quantize_torch.py
check_SCRIPTS += tests/check-operators
EXTRA_DIST += tests/check-operators
