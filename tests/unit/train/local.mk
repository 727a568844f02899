# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/train/test_config
tests_unit_train_test_config_SOURCES = tests/unit/train/test_config.c
tests_unit_train_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
