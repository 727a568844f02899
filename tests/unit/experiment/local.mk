# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/experiment/test_greedy
tests_unit_experiment_test_greedy_SOURCES = tests/unit/experiment/test_greedy.c
tests_unit_experiment_test_greedy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/experiment/test_equalization
tests_unit_experiment_test_equalization_SOURCES = tests/unit/experiment/test_equalization.c $(LEVELS)
tests_unit_experiment_test_equalization_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/experiment/test_stream
tests_unit_experiment_test_stream_SOURCES = tests/unit/experiment/test_stream.c $(LEVELS)
tests_unit_experiment_test_stream_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/experiment/test_task_metric
tests_unit_experiment_test_task_metric_SOURCES = tests/unit/experiment/test_task_metric.c $(LEVELS)
tests_unit_experiment_test_task_metric_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/experiment/test_step_series
tests_unit_experiment_test_step_series_SOURCES = tests/unit/experiment/test_step_series.c
tests_unit_experiment_test_step_series_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
