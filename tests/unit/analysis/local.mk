# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/analysis/test_latency
tests_unit_analysis_test_latency_SOURCES = tests/unit/analysis/test_latency.c
tests_unit_analysis_test_latency_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/analysis/test_sqnr
tests_unit_analysis_test_sqnr_SOURCES = tests/unit/analysis/test_sqnr.c $(LEVELS)
tests_unit_analysis_test_sqnr_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/analysis/test_metrics
tests_unit_analysis_test_metrics_SOURCES = tests/unit/analysis/test_metrics.c $(LEVELS)
tests_unit_analysis_test_metrics_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/analysis/test_spread
tests_unit_analysis_test_spread_SOURCES = tests/unit/analysis/test_spread.c $(LEVELS)
tests_unit_analysis_test_spread_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/analysis/test_outliers
tests_unit_analysis_test_outliers_SOURCES = tests/unit/analysis/test_outliers.c $(LEVELS)
tests_unit_analysis_test_outliers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
