# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/tensor/test_archive
tests_unit_tensor_test_archive_SOURCES = tests/unit/tensor/test_archive.c
tests_unit_tensor_test_archive_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBZIP_CFLAGS)
