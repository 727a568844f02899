# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += quantbench-worker
quantbench_worker_SOURCES = common/json_text.c common/json_text.h common/sandbox.c common/sandbox.h \
	common/sandbox_calls.c common/sandbox_root.c worker/main.c worker/limits.c worker/limits.h worker/parent.c worker/parent.h
quantbench_worker_CFLAGS = $(AM_CFLAGS)
quantbench_worker_LDADD = $(CORE_LIBS)
dist_man8_MANS += worker/quantbench-worker.8
