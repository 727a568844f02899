# SPDX-License-Identifier: Apache-2.0
BENCHES += bench/bench_qdq
bench_bench_qdq_SOURCES = bench/bench_qdq.c
bench_bench_qdq_CFLAGS = $(AM_CFLAGS) -pthread
bench_bench_qdq_LDFLAGS = $(AM_LDFLAGS) -pthread
