# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/tools/build_network
tests_tools_build_network_SOURCES = tests/tools/build_network.c
tests_tools_build_network_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/networks/test_networks
tests_unit_networks_test_networks_SOURCES = tests/unit/networks/test_networks.c \
	tests/unit/networks/named_network.c tests/unit/networks/named_network.h
tests_unit_networks_test_networks_CFLAGS = $(AM_CFLAGS)

check_SCRIPTS += tests/unit/networks/test_network_files.py
EXTRA_DIST += tests/unit/networks/test_network_files.py
check_SCRIPTS += tests/unit/networks/test_transformers_torch.py
EXTRA_DIST += tests/unit/networks/test_transformers_torch.py tests/unit/networks/torch_transformers.py

check_PROGRAMS += tests/unit/networks/test_attention_gradients
tests_unit_networks_test_attention_gradients_SOURCES = tests/unit/networks/test_attention_gradients.c \
	tests/unit/networks/named_network.c tests/unit/networks/named_network.h \
	tests/unit/graph/gradient_check.c tests/unit/graph/gradient_check.h \
	tests/unit/graph/double_graph.c tests/unit/graph/double_graph.h
tests_unit_networks_test_attention_gradients_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/networks/test_attention_variants
tests_unit_networks_test_attention_variants_SOURCES = tests/unit/networks/test_attention_variants.c \
	tests/unit/networks/named_network.c tests/unit/networks/named_network.h
tests_unit_networks_test_attention_variants_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
