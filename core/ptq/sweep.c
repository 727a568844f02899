/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/ptq/evaluation.h"
#include "core/ptq/variant.h"
#include "core/graph/shape.h"

/* A run of several samples amortises the cost of each step, as long as its tensors stay in the second-level cache. */
enum { BATCH_MAX = 32, BATCH_BYTES = 1 << 17 };

struct runner {
	struct qb_sweep *sweep;
	const struct qb_sweep_options *opt;
	const struct qb_dataset *data;
	struct qb_stream *stream;
};

const struct qb_variant *qb_sweep_variant(const struct qb_sweep *s, int scheme)
{
	return &s->variant[s->row[scheme].variant];
}

const struct qb_quantization *qb_sweep_quantization(const struct qb_sweep *s, int scheme)
{
	return qb_sweep_variant(s, scheme)->network->quantization[s->row[scheme].at];
}

/* In rows. A free batch holds whole samples, at most as many as there are. */
static int64_t choose_batch(const struct qb_graph *model, int64_t samples, int64_t rows,
	struct qb_errbuf *eb, enum qb_err *err)
{
	struct qb_graph *one = NULL;
	size_t largest = 1;
	int64_t batch = qb_model_batch(model);

	*err = QB_OK;
	if (batch) {
		return batch;
	}
	*err = qb_graph_bind(&one, model, 1, eb);
	if (*err != QB_OK) {
		return 0;
	}
	for (int i = 0; i < one->values; i++) {
		if (!one->value[i]->constant) {
			largest = QB_MAX(largest, qb_value_bytes(one->value[i]));
		}
	}
	qb_graph_destroy(&one);
	batch = QB_MIN((int64_t)(BATCH_BYTES / largest), BATCH_MAX) / rows;
	batch = QB_MAX(batch, 1);
	return QB_MIN(batch, samples) * rows;
}

double qb_sweep_calibration_share(const struct qb_sweep_options *opt)
{
	for (int i = 0; opt->methods && i < opt->schemes; i++) {
		if (opt->methods[i].count) {
			return 0.7;
		}
	}
	return 0.2;
}

struct qb_metric_shape qb_sweep_metric_shape(const struct qb_network *n,
	const struct qb_stream *stream)
{
	const struct qb_value *x = n->graph->input[0], *y = n->graph->output[0];
	struct qb_metric_shape s = {.ndim = QB_MAX(y->shape.ndim - 1, 0),
		.labels = stream->label_size, .rows = stream->rows};

	s.inputs = x->dtype == QB_F32 ? qb_value_size(x) / (size_t)n->batch : 0;
	memcpy(s.dim, y->shape.dim + 1, (size_t)s.ndim * sizeof(*s.dim));
	s.outputs = qb_value_size(y) / (size_t)n->batch;
	return s;
}

static enum qb_err make_metrics(struct runner *r, struct qb_errbuf *eb)
{
	struct qb_metric_shape shape = qb_sweep_metric_shape(r->sweep->variant[0].network, r->stream);

	r->sweep->metric = calloc((size_t)r->opt->schemes + 1, sizeof(*r->sweep->metric));
	if (!r->sweep->metric) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", r->opt->schemes);
	}
	for (int i = 0; i < 1 + r->opt->schemes; i++) {
		QB_TRY(qb_metric_create(&r->sweep->metric[i], r->opt->metric, &shape, eb));
		QB_TRY(qb_metric_keep_groups(r->sweep->metric[i], r->sweep->samples, r->opt->seed, eb));
	}
	return QB_OK;
}

static enum qb_err make_sums(struct qb_sweep *s, struct qb_errbuf *eb)
{
	for (int i = 0; i < s->rows; i++) {
		int values = qb_sweep_variant(s, i)->network->graph->values;

		s->row[i].sums = calloc((size_t)values + 1, sizeof(*s->row[i].sums));
		s->row[i].tensor = calloc((size_t)values + 1, sizeof(*s->row[i].tensor));
		if (!s->row[i].sums || !s->row[i].tensor) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the sums of %d values", values);
		}
	}
	return QB_OK;
}

static enum qb_err take_results(struct runner *r, struct qb_errbuf *eb)
{
	struct qb_sweep *s = r->sweep;
	struct qb_metric_change *change = calloc((size_t)s->rows + 1, sizeof(*change));
	enum qb_err err;

	if (!change) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", s->rows);
	}
	err = qb_metric_compare((const struct qb_metric *const *)s->metric, s->rows + 1, r->opt->seed, change, eb);
	s->float_metric = qb_metric_value(s->metric[0]);
	for (int i = 0; i < s->rows; i++) {
		s->row[i].metric = qb_metric_value(s->metric[1 + i]);
		s->row[i].nan_outputs = qb_metric_nans(s->metric[1 + i]);
		s->row[i].change = change[1 + i];
		if (s->row[i].output.noise == 0) { /* the same outputs: not only on these samples */
			s->row[i].change.interval = (struct qb_interval){0, 0};
		}
	}
	free(change);
	return err;
}

/* A model of fixed batch leaves an odd rest out: the samples, at least one, that fill whole batches. */
static void keep_whole_batches(int64_t *samples, int64_t batch, int64_t rows)
{
	int64_t step = 1;

	while (step * rows % batch) {
		step++;
	}
	*samples = QB_MAX(*samples - *samples % step, step);
}

/* Once it is known how many calibrate. */
static void choose_samples(struct qb_sweep *s, const struct qb_sweep_options *opt, int64_t count)
{
	s->calibrated = (struct qb_stream_order){.of = opt->spread ? count : s->calibration_samples,
		.taken = s->calibration_samples, .draw = opt->draw};
	if (opt->held_out) {
		s->evaluated = s->calibrated;
		s->evaluated.rest = true;
	}
}

enum qb_err qb_sweep_batch(int64_t *batch, const struct qb_graph *model, int64_t *samples, int64_t rows,
	struct qb_errbuf *eb)
{
	enum qb_err err;

	*batch = choose_batch(model, *samples, rows, eb, &err);
	if (err == QB_OK && qb_model_batch(model)) {
		keep_whole_batches(samples, *batch, rows);
	}
	return err;
}

enum qb_err qb_sweep_check_output(const struct qb_graph *g, struct qb_errbuf *eb)
{
	const struct qb_value *y = g->output[0];
	char text[256];

	if (y->dtype != QB_F32 || y->shape.ndim < 1 ||
		y->shape.dim[0] != g->input[0]->shape.dim[0]) {
		return qb_fail(eb, QB_EUNSUPPORTED, "the model's first output \"%.100s\" is %s %s, and what a metric reads is float32 with "
			"the batch of %lld in front", y->name, qb_dtype_name(y->dtype),
			qb_shape_text(&y->shape, text, sizeof(text)), (long long)g->input[0]->shape.dim[0]);
	}
	return QB_OK;
}

static enum qb_err run(struct runner *r, const struct qb_graph *model, struct qb_errbuf *eb)
{
	struct qb_sweep *s = r->sweep;
	struct qb_variant *first = &s->variant[0];
	struct qb_calibration calibration = {.check = r->opt->check, .arg = r->opt->check_arg};
	struct qb_stream calibrating;
	int64_t batch, window, rows = qb_dataset_rows(r->data);
	enum qb_err err;

	batch = choose_batch(model, QB_MIN(s->samples, s->calibration_samples), rows, eb, &err);
	QB_TRY(err);
	if (qb_model_batch(model)) {
		keep_whole_batches(&s->samples, batch, rows);
		keep_whole_batches(&s->calibration_samples, batch, rows);
	}
	QB_TRY(qb_network_create(&first->network, model, batch, 1, eb));
	QB_TRY(qb_sweep_check_output(first->network->graph, eb));
	window = qb_evaluation_window(r->opt, r->data, first->network->graph);
	QB_TRY(qb_stream_create(&r->stream, r->data, first->network->graph, batch, window, r->opt->threads, eb));
	QB_TRY(make_metrics(r, eb));
	choose_samples(s, r->opt, qb_dataset_count(r->data));
	calibrating = *r->stream;
	calibrating.order = s->calibrated;
	r->stream->order = s->evaluated;
	calibration.stream = &calibrating;
	calibration.samples = s->calibration_samples * rows;
	calibration.batch = batch;
	QB_TRY(qb_variants_quantize(s, r->opt, &calibration, eb));
	QB_TRY(make_sums(s, eb));
	QB_TRY(qb_evaluate(s, &(struct qb_evaluation_args){.opt = r->opt, .model = model, .stream = r->stream,
		.window = window, .metric = s->metric}, eb));
	return take_results(r, eb);
}

enum qb_err qb_sweep_count(const struct qb_sweep_options *opt, int64_t count, int64_t rows,
	int64_t batch, int64_t *calibrated, int64_t *evaluated, struct qb_errbuf *eb)
{
	int64_t first = QB_MIN(opt->calibration_samples, count);
	int64_t rest = count - (opt->held_out ? first : 0);

	if (rest == 0) {
		return qb_fail_field(eb, QB_EJOB, "calibration", "held_out", "all %lld samples of the data calibrate, and "
			"none is left to be evaluated; give calibration.samples less", (long long)first);
	}
	rest = opt->samples ? QB_MIN(opt->samples, rest) : rest;
	if (QB_MIN(first, rest) * rows < batch) {
		return qb_fail_field(eb, QB_EJOB, "", "data", "%lld samples calibrate and %lld are evaluated, and the model "
			"takes %lld at a time", (long long)(first * rows), (long long)(rest * rows),
			(long long)batch);
	}
	*calibrated = first;
	*evaluated = rest;
	return QB_OK;
}

static enum qb_err sweep_create(struct qb_sweep **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep_options *opt, struct qb_errbuf *eb)
{
	struct qb_sweep *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s || !(s->row = calloc((size_t)opt->schemes + 1, sizeof(*s->row)))) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a sweep");
	}
	s->rows = opt->schemes;
	for (int i = 0; i < s->rows; i++) {
		s->row[i].reports = json_object();
	}
	QB_TRY(qb_sweep_count(opt, qb_dataset_count(data), qb_dataset_rows(data), qb_model_batch(model),
		&s->calibration_samples, &s->samples, eb));
	return qb_variants_create(s, model, opt, eb);
}

enum qb_err qb_sweep_run(struct qb_sweep **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep_options *opt, struct qb_errbuf *eb)
{
	struct runner r = {.opt = opt, .data = data};
	enum qb_err err;
	int before;

	/* Samples are what is shared out to threads: weights laid for a scheme are not worth waking a team that then waits
	 * for more by spinning. */
	before = qb_threads_use(1);
	QB_TRY_OUT(sweep_create(&r.sweep, model, data, opt, eb));
	QB_TRY_OUT(run(&r, model, eb));
	*out = r.sweep;
	r.sweep = NULL;
out:
	qb_stream_destroy(&r.stream);
	qb_sweep_destroy(&r.sweep);
	qb_threads_use(before);
	return err;
}

void qb_sweep_destroy(struct qb_sweep **sweep)
{
	struct qb_sweep *s = *sweep;

	if (!s) {
		return;
	}
	for (int i = 0; i < s->rows; i++) {
		free(s->row[i].sums);
		free(s->row[i].tensor);
		json_decref(s->row[i].reports);
	}
	for (int i = 0; s->metric && i < 1 + s->rows; i++) {
		qb_metric_destroy(&s->metric[i]);
	}
	free(s->metric);
	free(s->row);
	qb_variants_destroy(s);
	free(s);
	*sweep = NULL;
}
