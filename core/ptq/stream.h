/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of a data set, batch by batch, shared out to a team of threads: a window of batches is read, its batches
 * run on whatever thread is free, then the window is closed in the order of the data. Memory does not grow with the
 * data, and what is added up when a window closes does not depend on the threads.
 *
 * What networks count in their batches, and a stream in everything but labels, is rows; a sample of the data is one
 * row, or several (qb_dataset_rows).
 */
#ifndef QB_PTQ_STREAM_H
#define QB_PTQ_STREAM_H

#include "core/ptq/network.h"
#include "core/tensor/dataset.h"

/* Which samples of the data a stream has, in their order: `taken` that lie evenly in the data's first `of`, or those
 * between and after them. All zero: all. draw, not 0: of each of `taken` equal stretches of these one sample is drawn by it,
 * instead of the first (there is no rest then). */
struct qb_stream_order {
	int64_t of, taken; /* 0 < taken <= of */
	bool rest;
	uint64_t draw;
};
/* The data's sample that is the stream's i-th. */
int64_t qb_stream_sample(const struct qb_stream_order *o, int64_t i);

struct qb_stream {
	const struct qb_dataset *data;
	struct qb_stream_order order; /* may be changed between runs */
	struct qb_dataset_reader *reader;
	int threads, inputs;
	int64_t rows;           /* that make a sample */
	int64_t batch, window;  /* rows of a batch at most; batches of a window */
	void **input;           /* [inputs]: rows of a window */
	size_t *row_bytes;      /* [inputs] */
	double *labels;         /* of a window; [batch * window / rows][label_size] */
	size_t label_size;
};

/* Batches of a window that holds whole samples: the first multiple, at least `least`. */
int64_t qb_stream_window(const struct qb_dataset *data, int64_t batch, int64_t least);

/* graph: bound to `batch`. window: by qb_stream_window. */
enum qb_err qb_stream_create(struct qb_stream **out, const struct qb_dataset *data,
	const struct qb_graph *graph, int64_t batch, int64_t window, int threads,
	struct qb_errbuf *eb);
void qb_stream_destroy(struct qb_stream **stream);

enum { QB_STREAM_INPUTS = 64 };

/* One batch of a window, on one thread. */
struct qb_batch {
	int thread;
	int64_t slot; /* in the window */
	const void *input[QB_STREAM_INPUTS];
};

struct qb_stream_work {
	/* Runs a batch; several at a time on different threads. */
	enum qb_err (*run)(void *arg, const struct qb_batch *b, struct qb_errbuf *eb);
	/* The window's slots [0, batches) are done; labels belong to their samples. Or NULL. */
	enum qb_err (*close)(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb);
	/* Hears the share of the batches done before each window; its error ends the stream. Or NULL. */
	enum qb_err (*progress)(void *arg, double share, struct qb_errbuf *eb);
	void *arg;
};

/* Batches of `batch` rows (at most the stream's), from row `first` on, where a sample begins. */
enum qb_err qb_stream_run(struct qb_stream *s, int64_t first, int64_t batch, int64_t batches,
	const struct qb_stream_work *work, struct qb_errbuf *eb);

/* One thread's memory for a network. */
struct qb_lane {
	struct qb_session *reference, *work; /* reference: keeps its observed values; or NULL */
	void **scratch;                      /* outputs that nobody reads */
};
/* One a thread. */
enum qb_err qb_lanes_create(struct qb_lane **out, const struct qb_network *n, int threads,
	bool reference, struct qb_errbuf *eb);
void qb_lanes_destroy(struct qb_lane **lanes, const struct qb_network *n, int threads);

#endif
