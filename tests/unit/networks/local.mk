# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/tools/build_network
tests_tools_build_network_SOURCES = tests/tools/build_network.c
tests_tools_build_network_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/networks/test_networks
tests_unit_networks_test_networks_SOURCES = tests/unit/networks/test_networks.c
tests_unit_networks_test_networks_CFLAGS = $(AM_CFLAGS)

check_SCRIPTS += tests/unit/networks/test_network_files.py
EXTRA_DIST += tests/unit/networks/test_network_files.py
check_SCRIPTS += tests/unit/networks/test_transformers_torch.py
EXTRA_DIST += tests/unit/networks/test_transformers_torch.py tests/unit/networks/torch_transformers.py
