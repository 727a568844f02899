# SPDX-License-Identifier: Apache-2.0
# dump_format is no test by itself: test_ml_dtypes.py runs it.
noinst_PROGRAMS += tests/unit/format/dump_format
tests_unit_format_dump_format_SOURCES = tests/unit/format/dump_format.c
check_SCRIPTS += tests/unit/format/test_ml_dtypes.py
EXTRA_DIST += tests/unit/format/test_ml_dtypes.py
