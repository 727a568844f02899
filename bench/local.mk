# SPDX-License-Identifier: Apache-2.0
BENCHES += bench/bench_qdq
bench_bench_qdq_SOURCES = bench/bench_qdq.c
bench_bench_qdq_CFLAGS = $(AM_CFLAGS) -pthread
bench_bench_qdq_LDFLAGS = $(AM_LDFLAGS) -pthread
BENCHES += bench/bench_sweep
bench_bench_sweep_SOURCES = bench/bench_sweep.c
noinst_PROGRAMS += bench/bench_calibration
bench_bench_calibration_SOURCES = bench/bench_calibration.c
# Networks against ONNX Runtime, each in a process of its own.
SIDES = bench/network_side.c bench/network_side.h bench/ort.c bench/ort.h bench/peak.c bench/peak.h \
	bench/side.c bench/side.h bench/subject.c bench/subject.h
noinst_PROGRAMS += bench/bench_latency
bench_bench_latency_SOURCES = bench/bench_latency.c $(SIDES)
bench_bench_latency_LDADD = $(LDADD) -ldl
BENCHSCRIPTS += bench/latency.py
EXTRA_DIST += bench/latency.py bench/int8_peers.py
BENCHES += bench/bench_sqnr
bench_bench_sqnr_SOURCES = bench/bench_sqnr.c
BENCHSCRIPTS += bench/lists.py bench/deletion.py bench/load.py bench/results.py bench/uploads.py
EXTRA_DIST += bench/lists.py bench/deletion.py bench/kills.py bench/load.py bench/results.py bench/uploads.py
BENCHSCRIPTS += bench/survey.py bench/quantizer.py
EXTRA_DIST += bench/survey.py bench/quantizer.py
noinst_PROGRAMS += bench/bench_float
bench_bench_float_SOURCES = bench/bench_float.c $(SIDES)
bench_bench_float_LDADD = $(LDADD) -ldl
noinst_PROGRAMS += bench/bench_train
bench_bench_train_SOURCES = bench/bench_train.c
BENCHSCRIPTS += bench/train.py bench/qat.py
EXTRA_DIST += bench/train.py bench/qat.py bench/train_accuracy.py bench/torch_networks.py bench/torch_step.py
EXTRA_DIST += bench/export_networks.py bench/choice.py bench/throughput.py
EXTRA_DIST += bench/sentences.py bench/export_minilm.py bench/jobs.py bench/methods.py
BENCHSCRIPTS += bench/serving.py
EXTRA_DIST += bench/serving.py
EXTRA_DIST += bench/pages.mjs bench/mlflow_runs.py
