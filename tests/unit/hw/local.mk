# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/hw/test_netlist
tests_unit_hw_test_netlist_SOURCES = tests/unit/hw/test_netlist.c
tests_unit_hw_test_netlist_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/hw/test_mac
tests_unit_hw_test_mac_SOURCES = tests/unit/hw/test_mac.c
tests_unit_hw_test_mac_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_SCRIPTS += tests/unit/hw/test_verilog.py
EXTRA_DIST += tests/unit/hw/test_verilog.py
