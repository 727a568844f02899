/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/task_metric.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/ptq/stream.h"
#include "core/ptq/sweep.h"

enum { WINDOW_BATCHES_A_THREAD = 4 };

struct pass {
	const struct qb_task_metric_options *opt;
	const struct qb_network *network; /* the one at work */
	struct qb_lane *lane;             /* of it, one a thread */
	struct qb_stream *stream;
	struct qb_metric *metric;
	float *output;                    /* rows of a window */
};

static float *output_rows(const struct pass *e, int64_t slot)
{
	return e->output + (size_t)slot * qb_value_size(e->network->graph->output[0]);
}

static enum qb_err run_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	const struct pass *e = arg;
	const struct qb_network *n = e->network;
	struct qb_lane *l = &e->lane[b->thread];
	void *output[QB_STREAM_INPUTS];
	struct qb_run run = {.input = b->input, .output = output, .overlay = n->schemes ? n->overlay[0] : NULL};

	memcpy(output, l->scratch, (size_t)n->graph->outputs * sizeof(*output));
	output[0] = output_rows(e, b->slot);
	return qb_session_run(l->work, &run, eb);
}

static enum qb_err add_window(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb)
{
	struct pass *e = arg;
	const float *input = qb_metric_reads_input(e->opt->metric) ? e->stream->input[0] : NULL;

	return qb_metric_update(e->metric, e->output, input, labels, batches * e->network->batch / e->stream->rows, eb);
}

static enum qb_err heard(void *arg, double share, struct qb_errbuf *eb)
{
	const struct pass *e = arg;

	return e->opt->progress ? e->opt->progress(e->opt->arg, share, eb) : QB_OK;
}

/* Batches of n->batch rows, from row `first` on. */
static enum qb_err run_rows(struct pass *e, const struct qb_network *n, int64_t first, int64_t batches,
	struct qb_errbuf *eb)
{
	const struct qb_stream_work work = {run_batch, add_window, heard, e};
	enum qb_err err;

	e->network = n;
	err = qb_lanes_create(&e->lane, n, e->opt->threads, false, eb);
	if (err == QB_OK) {
		err = qb_stream_run(e->stream, first, n->batch, batches, &work, eb);
	}
	qb_lanes_destroy(&e->lane, n, e->opt->threads);
	return err;
}

static enum qb_err begin(struct pass *e, const struct qb_network *n, const struct qb_dataset *data,
	int64_t samples, struct qb_errbuf *eb)
{
	int64_t window = qb_stream_window(data, n->batch, (int64_t)WINDOW_BATCHES_A_THREAD * e->opt->threads);
	struct qb_metric_shape shape;

	QB_TRY(qb_stream_create(&e->stream, data, n->graph, n->batch, window, e->opt->threads, eb));
	shape = qb_sweep_metric_shape(n, e->stream);
	QB_TRY(qb_metric_create(&e->metric, e->opt->metric, &shape, eb));
	if (e->opt->keep) {
		QB_TRY(qb_metric_keep_groups(e->metric, samples, e->opt->seed, eb));
	}
	e->output = qb_aligned_alloc(qb_value_bytes(n->graph->output[0]), (size_t)window);
	return e->output ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %lld batches", (long long)window);
}

enum qb_err qb_task_metric(double *metric, const struct qb_graph *model, const struct qb_quantization *q,
	const struct qb_graph *of, const struct qb_dataset *data, const struct qb_task_metric_options *opt, struct qb_errbuf *eb)
{
	struct pass e = {.opt = opt};
	struct qb_network *n = NULL, *last = NULL;
	int64_t samples = qb_dataset_count(data), rows = qb_dataset_rows(data), batch = 0, rest;
	int before = qb_threads_use(1);
	enum qb_err err;

	samples = opt->samples ? QB_MIN(opt->samples, samples) : samples;
	QB_TRY_OUT(qb_sweep_batch(&batch, model, &samples, rows, eb));
	QB_TRY_OUT(qb_network_create(&n, model, batch, 1, eb));
	QB_TRY_OUT(qb_sweep_check_output(n->graph, eb));
	if (q) {
		QB_TRY_OUT(qb_network_quantize_as(n, q, of, eb));
	}
	QB_TRY_OUT(begin(&e, n, data, samples, eb));
	rest = samples * rows % batch;
	QB_TRY_OUT(run_rows(&e, n, 0, samples * rows / batch, eb));
	if (rest) {
		QB_TRY_OUT(qb_network_create_rest(&last, model, rest, n, eb));
		QB_TRY_OUT(run_rows(&e, last, samples * rows - rest, 1, eb));
	}
	*metric = qb_metric_value(e.metric);
	if (opt->keep) {
		*opt->keep = e.metric;
		e.metric = NULL;
	}
out:
	free(e.output);
	qb_metric_destroy(&e.metric);
	qb_stream_destroy(&e.stream);
	qb_network_destroy(&last);
	qb_network_destroy(&n);
	qb_threads_use(before);
	return err;
}
