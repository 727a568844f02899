/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/stream.h"

#include <stdlib.h>

#include "core/base/random.h"
#include "core/base/size.h"

/* Of random numbers: which samples calibrate. */
static const uint64_t DRAW_STREAM = (uint64_t)0x63616c << 40;

/* Streams */

void qb_stream_destroy(struct qb_stream **stream)
{
	struct qb_stream *s = *stream;

	if (!s) {
		return;
	}
	for (int i = 0; s->input && i < s->inputs; i++) {
		free(s->input[i]);
	}
	free(s->input);
	free(s->row_bytes);
	free(s->labels);
	qb_dataset_reader_destroy(&s->reader);
	free(s);
	*stream = NULL;
}

int64_t qb_stream_window(const struct qb_dataset *data, int64_t batch, int64_t least)
{
	while (least * batch % qb_dataset_rows(data)) {
		least++;
	}
	return least;
}

static bool make_buffers(struct qb_stream *s, const struct qb_graph *graph)
{
	s->input = calloc((size_t)s->inputs + 1, sizeof(*s->input));
	s->row_bytes = calloc((size_t)s->inputs + 1, sizeof(*s->row_bytes));
	s->label_size = qb_dataset_label_size(s->data);
	s->labels = calloc(s->label_size * (size_t)(s->window * s->batch / s->rows) + 1,
		sizeof(*s->labels));
	if (!s->input || !s->row_bytes || !s->labels) {
		return false;
	}
	for (int i = 0; i < s->inputs; i++) {
		size_t bytes = qb_value_bytes(graph->input[i]);

		s->row_bytes[i] = bytes / (size_t)s->batch;
		s->input[i] = qb_aligned_alloc(bytes, (size_t)s->window);
		if (!s->input[i]) {
			return false;
		}
	}
	return true;
}

enum qb_err qb_stream_create(struct qb_stream **out, const struct qb_dataset *data,
	const struct qb_graph *graph, int64_t batch, int64_t window, int threads,
	struct qb_errbuf *eb)
{
	struct qb_stream *s = calloc(1, sizeof(*s));
	enum qb_err err = QB_OK;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a stream of samples");
	}
	*s = (struct qb_stream){.data = data, .threads = threads, .inputs = graph->inputs,
		.rows = qb_dataset_rows(data), .batch = batch, .window = window};
	if (graph->inputs > QB_STREAM_INPUTS) {
		err = qb_fail(eb, QB_EUNSUPPORTED, "the network has %d inputs; up to %d run",
			graph->inputs, QB_STREAM_INPUTS);
	} else if (!make_buffers(s, graph)) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the samples of %lld batches",
			(long long)window);
	} else {
		err = qb_dataset_reader_create(&s->reader, data, eb);
	}
	if (err != QB_OK) {
		qb_stream_destroy(&s);
		return err;
	}
	*out = s;
	return QB_OK;
}

struct window {
	struct qb_stream *stream;
	const struct qb_stream_work *work;
	int64_t batch;
};

static enum qb_err run_batch(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	const struct window *w = arg;
	struct qb_batch b = {.thread = thread, .slot = item};

	for (int i = 0; i < w->stream->inputs; i++) {
		b.input[i] = (const char *)w->stream->input[i] +
			(size_t)(item * w->batch) * w->stream->row_bytes[i];
	}
	return w->work->run(w->work->arg, &b, eb);
}

int64_t qb_stream_sample(const struct qb_stream_order *o, int64_t i)
{
	int64_t between = o->of - o->taken;

	if (o->draw && o->taken) {
		int64_t from = i * o->of / o->taken, width = (i + 1) * o->of / o->taken - from;

		return from + (int64_t)(qb_random_uniform(o->draw, DRAW_STREAM, (uint64_t)i) * (double)width);
	}
	if (!o->rest) {
		return o->taken ? i * o->of / o->taken : i;
	}
	/* Of the first n samples n * taken / of, rounded up, are taken: of the rest n is the first that leaves i + 1. */
	return i < between ? ((i + 1) * o->of + between - 1) / between - 1 : i + o->taken;
}

/* Samples [first, first + count) of the stream, in runs of those that lie side by side in the data. */
static enum qb_err read_samples(struct qb_stream *s, int64_t first, int64_t count, struct qb_errbuf *eb)
{
	for (int64_t done = 0, run; done < count; done += run) {
		int64_t at = qb_stream_sample(&s->order, first + done);
		void *input[QB_STREAM_INPUTS];

		run = 1;
		while (done + run < count && qb_stream_sample(&s->order, first + done + run) == at + run) {
			run++;
		}
		for (int i = 0; i < s->inputs; i++) {
			input[i] = (char *)s->input[i] + (size_t)(done * s->rows) * s->row_bytes[i];
		}
		QB_TRY(qb_dataset_read(s->reader, at, run, input,
			s->labels ? s->labels + (size_t)done * s->label_size : NULL, eb));
	}
	return QB_OK;
}

enum qb_err qb_stream_run(struct qb_stream *s, int64_t first, int64_t batch, int64_t batches,
	const struct qb_stream_work *work, struct qb_errbuf *eb)
{
	struct window w = {s, work, batch};

	for (int64_t done = 0; done < batches; done += s->window) {
		int64_t n = QB_MIN(s->window, batches - done);

		if (work->progress) {
			QB_TRY(work->progress(work->arg, (double)done / (double)batches, eb));
		}
		/* Of a last sample that is not whole all is read; a window has the memory. */
		QB_TRY(read_samples(s, (first + done * batch) / s->rows, (n * batch + s->rows - 1) / s->rows, eb));
		QB_TRY(qb_team_run(s->threads, n, run_batch, &w, eb));
		if (work->close) {
			QB_TRY(work->close(work->arg, n, s->labels, eb));
		}
	}
	return QB_OK;
}

/* Lanes */

void qb_lanes_destroy(struct qb_lane **lanes, const struct qb_network *n, int threads)
{
	for (int t = 0; *lanes && t < threads; t++) {
		struct qb_lane *l = &(*lanes)[t];

		qb_session_destroy(&l->reference);
		qb_session_destroy(&l->work);
		for (int i = 0; l->scratch && i < n->graph->outputs; i++) {
			free(l->scratch[i]);
		}
		free(l->scratch);
	}
	free(*lanes);
	*lanes = NULL;
}

static enum qb_err lane_init(struct qb_lane *l, const struct qb_network *n, bool reference,
	struct qb_errbuf *eb)
{
	if (reference) {
		QB_TRY(qb_session_create(&l->reference, n->plan, true, eb));
	}
	QB_TRY(qb_session_create(&l->work, n->plan, false, eb));
	l->scratch = calloc((size_t)n->graph->outputs + 1, sizeof(*l->scratch));
	for (int i = 0; l->scratch && i < n->graph->outputs; i++) {
		l->scratch[i] = qb_aligned_alloc(qb_value_bytes(n->graph->output[i]), 1);
		if (!l->scratch[i]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the outputs");
		}
	}
	return l->scratch ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the outputs");
}

enum qb_err qb_lanes_create(struct qb_lane **out, const struct qb_network *n, int threads,
	bool reference, struct qb_errbuf *eb)
{
	struct qb_lane *lanes = calloc((size_t)threads, sizeof(*lanes));
	enum qb_err err = QB_OK;

	if (!lanes) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d threads", threads);
	}
	for (int t = 0; err == QB_OK && t < threads; t++) {
		err = lane_init(&lanes[t], n, reference, eb);
	}
	if (err != QB_OK) {
		qb_lanes_destroy(&lanes, n, threads);
		return err;
	}
	*out = lanes;
	return QB_OK;
}
