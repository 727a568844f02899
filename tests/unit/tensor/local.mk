# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/tensor/test_archive
tests_unit_tensor_test_archive_SOURCES = tests/unit/tensor/test_archive.c
tests_unit_tensor_test_archive_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBZIP_CFLAGS)
check_PROGRAMS += tests/unit/tensor/test_text
tests_unit_tensor_test_text_SOURCES = tests/unit/tensor/test_text.c
tests_unit_tensor_test_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# Prints windows: what test_text_windows.py compares with its own.
noinst_PROGRAMS += tests/tools/text_windows
tests_tools_text_windows_SOURCES = tests/tools/text_windows.c
tests_tools_text_windows_CFLAGS = $(AM_CFLAGS)
check_SCRIPTS += tests/unit/tensor/test_text_windows.py
EXTRA_DIST += tests/unit/tensor/test_text_windows.py
