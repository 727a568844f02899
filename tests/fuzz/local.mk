# SPDX-License-Identifier: Apache-2.0
# Fuzz targets. LIB_FUZZING_ENGINE=-fsanitize=fuzzer (clang) links an engine; without one they replay their corpus.
if FUZZING_ENGINE
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
CHANGE_JSON = tests/fuzz/change_json.c tests/fuzz/change_json.h
check_PROGRAMS += tests/fuzz/fuzz_models
tests_fuzz_fuzz_models_SOURCES = tests/fuzz/fuzz_models.c $(FUZZ_MAIN)
tests_fuzz_fuzz_models_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_models_LDADD = $(LDADD) $(LIB_FUZZING_ENGINE)
check_PROGRAMS += tests/fuzz/fuzz_arrays
tests_fuzz_fuzz_arrays_SOURCES = tests/fuzz/fuzz_arrays.c $(FUZZ_MAIN)
tests_fuzz_fuzz_arrays_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_arrays_LDADD = $(LDADD) $(LIB_FUZZING_ENGINE)
check_PROGRAMS += tests/fuzz/fuzz_questions
tests_fuzz_fuzz_questions_SOURCES = tests/fuzz/fuzz_questions.c $(CHANGE_JSON) $(FUZZ_MAIN)
tests_fuzz_fuzz_questions_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_questions_LDADD = $(LDADD) $(LIB_FUZZING_ENGINE)
# What the daemon does with a line of a worker, as far as the database.
check_PROGRAMS += tests/fuzz/fuzz_events
tests_fuzz_fuzz_events_SOURCES = tests/fuzz/fuzz_events.c $(CHANGE_JSON) $(FUZZ_MAIN) core/base/random.c common/bytes.c common/json_text.c \
	daemon/blobs.c daemon/cgroup.c daemon/checkpoints.c daemon/hub.c daemon/launcher.c daemon/oom.c daemon/orphans.c daemon/record.c daemon/worker_run_end.c daemon/worker_processes.c daemon/storage.c \
	daemon/store.c daemon/util.c daemon/worker.c daemon/worker_command.c daemon/workspace.c
tests_fuzz_fuzz_events_CPPFLAGS = $(quantbenchd_CPPFLAGS)
tests_fuzz_fuzz_events_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_events_LDADD = $(quantbenchd_LDADD) $(LIB_FUZZING_ENGINE)
check_PROGRAMS += tests/fuzz/fuzz_checkpoints
tests_fuzz_fuzz_checkpoints_SOURCES = tests/fuzz/fuzz_checkpoints.c tests/unit/train/small_qat.c tests/unit/train/small_qat.h $(FUZZ_MAIN)
tests_fuzz_fuzz_checkpoints_CFLAGS = $(AM_CFLAGS)
tests_fuzz_fuzz_checkpoints_LDADD = $(LDADD) $(LIB_FUZZING_ENGINE)
EXTRA_DIST += tests/fuzz/replay.c tests/fuzz/corpus-checkpoints tests/fuzz/corpus-models tests/fuzz/corpus-arrays tests/fuzz/corpus-questions \
	tests/fuzz/corpus-events tests/fuzz/make-corpus
