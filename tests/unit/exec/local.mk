# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/exec/test_networks
tests_unit_exec_test_networks_SOURCES = tests/unit/exec/test_networks.c
tests_unit_exec_test_networks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
