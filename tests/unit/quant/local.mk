# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/quant/test_range
tests_unit_quant_test_range_SOURCES = tests/unit/quant/test_range.c
tests_unit_quant_test_range_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/quant/test_scheme
tests_unit_quant_test_scheme_SOURCES = tests/unit/quant/test_scheme.c
tests_unit_quant_test_scheme_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/quant/test_quantizer
tests_unit_quant_test_quantizer_SOURCES = tests/unit/quant/test_quantizer.c
tests_unit_quant_test_quantizer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/quant/test_rounding
tests_unit_quant_test_rounding_SOURCES = tests/unit/quant/test_rounding.c
tests_unit_quant_test_rounding_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_SCRIPTS += tests/unit/quant/test_neon.sh
EXTRA_DIST += tests/unit/quant/test_neon.sh tests/unit/quant/compare_paths.c
