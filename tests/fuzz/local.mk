# SPDX-License-Identifier: Apache-2.0
# Fuzz targets. LIB_FUZZING_ENGINE=-fsanitize=fuzzer (clang) links an engine; without one they replay their corpus.
check_PROGRAMS += tests/fuzz/fuzz_models
tests_fuzz_fuzz_models_SOURCES = tests/fuzz/fuzz_models.c
tests_fuzz_fuzz_models_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_models_LDADD = $(LDADD) $(LIB_FUZZING_ENGINE)
if !FUZZING_ENGINE
tests_fuzz_fuzz_models_SOURCES += tests/fuzz/replay.c
endif
AM_TESTS_ENVIRONMENT += QB_CORPUS='$(abs_top_srcdir)/tests/fuzz/corpus-models'; export QB_CORPUS;
EXTRA_DIST += tests/fuzz/replay.c tests/fuzz/corpus-models tests/fuzz/make-corpus
