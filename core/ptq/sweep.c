/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/ptq/float_baseline.h"
#include "core/ptq/variant.h"
#include "core/graph/shape.h"

/* A run of several samples amortises the cost of each step, as long as its tensors stay in the second-level cache. */
enum { BATCH_MAX = 32, BATCH_BYTES = 1 << 17 };
/* One batch of so many windows is also run in float alone, all through the data: what it costs drifts with the machine. */
enum { PLAIN_EVERY = 2 };
/* Outputs of a window are kept until its metrics are added in the order of the data. */
enum { WINDOW_BATCHES_A_THREAD = 8, WINDOW_BYTES = 256 << 20 };

/* What one batch leaves behind. */
struct slot {
	struct qb_qdq_sums **sums; /* [schemes][values of its variant] */
};

/* One batch size: the main one, or that of the last samples. */
struct pass {
	const struct qb_network **network; /* [variants] */
	struct qb_lane **lane;             /* [variants][threads] */
	double *seconds;                   /* [threads]: of all its runs */
	bool is_main;
};

struct runner {
	struct qb_sweep *sweep;
	const struct qb_sweep_options *opt;
	const struct qb_dataset *data;
	struct qb_stream *stream;
	struct pass *pass;         /* the one at work */
	struct qb_float_baseline *baseline;
	int64_t windows;           /* closed */
	int64_t window;            /* batches */
	float **output;            /* [1 + schemes]: the window's rows of the first graph output; float first */
	struct slot *slot;         /* [window] */
	struct qb_metric **metric; /* [1 + schemes] */
};

const struct qb_variant *qb_sweep_variant(const struct qb_sweep *s, int scheme)
{
	return &s->variant[s->row[scheme].variant];
}

const struct qb_quantization *qb_sweep_quantization(const struct qb_sweep *s, int scheme)
{
	return qb_sweep_variant(s, scheme)->network->quantization[s->row[scheme].at];
}

/* Passes */

static void pass_fini(struct pass *p, const struct runner *r)
{
	for (int v = 0; p->lane && v < r->sweep->variants; v++) {
		qb_lanes_destroy(&p->lane[v], p->network[v], r->opt->threads);
	}
	free(p->network);
	free(p->lane);
	free(p->seconds);
}

/* network: [variants] */
static enum qb_err pass_init(struct pass *p, const struct runner *r,
	const struct qb_network *const *network, struct qb_errbuf *eb)
{
	size_t variants = (size_t)r->sweep->variants, threads = (size_t)r->opt->threads;

	p->network = calloc(variants, sizeof(*p->network));
	p->lane = calloc(variants, sizeof(*p->lane));
	p->seconds = calloc(threads, sizeof(double));
	if (!p->network || !p->lane || !p->seconds) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d threads", r->opt->threads);
	}
	for (size_t v = 0; v < variants; v++) {
		p->network[v] = network[v];
		QB_TRY(qb_lanes_create(&p->lane[v], network[v], r->opt->threads, true, eb));
	}
	return QB_OK;
}

static void add_times(struct qb_sweep *s, const struct pass *p, int threads)
{
	for (int t = 0; t < threads; t++) {
		s->total_seconds += p->seconds[t];
	}
}

/* Evaluation of a batch */

static float *output_rows(const struct runner *r, int row, int64_t slot)
{
	return r->output[row] + (size_t)slot * qb_value_size(r->pass->network[0]->graph->output[0]);
}

static enum qb_err evaluate_variant(struct runner *r, int variant, const struct qb_batch *b,
	struct qb_errbuf *eb)
{
	const struct qb_variant *v = &r->sweep->variant[variant];
	const struct qb_network *n = r->pass->network[variant];
	struct qb_lane *l = &r->pass->lane[variant][b->thread];
	struct slot *slot = &r->slot[b->slot];
	void *output[QB_STREAM_INPUTS];
	struct qb_run run = {.input = b->input, .output = output};
	double start = qb_thread_seconds();

	memcpy(output, l->scratch, (size_t)n->graph->outputs * sizeof(*output));
	if (variant == 0) {
		output[0] = output_rows(r, 0, b->slot);
	}
	QB_TRY(qb_session_run(l->reference, &run, eb));
	run.reference = l->reference;
	for (int k = 0; k < v->schemes; k++) {
		int s = v->scheme[k];

		run.overlay = n->overlay[k];
		run.sums = slot->sums[s];
		output[0] = output_rows(r, 1 + s, b->slot);
		memset(run.sums, 0, (size_t)n->graph->values * sizeof(*run.sums));
		QB_TRY(qb_session_run(l->work, &run, eb));
	}
	r->pass->seconds[b->thread] += qb_thread_seconds() - start;
	return QB_OK;
}

static enum qb_err evaluate_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	struct runner *r = arg;

	for (int v = 0; v < r->sweep->variants; v++) {
		QB_TRY(evaluate_variant(r, v, b, eb));
	}
	return r->pass->is_main && b->slot == 0 && r->windows % PLAIN_EVERY == 0
		? qb_float_baseline_run(r->baseline, b, eb) : QB_OK;
}

static void add_sums(struct qb_qdq_sums *to, const struct qb_qdq_sums *from, int values)
{
	for (int i = 0; i < values; i++) {
		to[i].signal += from[i].signal;
		to[i].noise += from[i].noise;
		to[i].ref_signal += from[i].ref_signal;
		to[i].ref_noise += from[i].ref_noise;
	}
}

static void add_output_noise(struct qb_sweep_row *row, const float *ref, const float *x, size_t n)
{
	double signal = 0, noise = 0;

	for (size_t i = 0; i < n; i++) {
		double d = (double)x[i] - ref[i];

		signal += (double)ref[i] * ref[i];
		noise += d * d;
	}
	row->signal += signal;
	row->noise += noise;
}

/* Adds what a window left behind, in the order of the data. */
static enum qb_err collect(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb)
{
	struct runner *r = arg;
	const struct qb_network *n = r->pass->network[0];
	size_t size = qb_value_size(n->graph->output[0]);
	const float *input = qb_metric_reads_input(r->opt->metric) ? r->stream->input[0] : NULL;

	for (int s = 0; s < 1 + r->opt->schemes; s++) {
		struct qb_sweep_row *row = s ? &r->sweep->row[s - 1] : NULL;

		QB_TRY(qb_metric_update(r->metric[s], r->output[s], input, labels,
			batches * n->batch / r->stream->rows, eb));
		for (int64_t k = 0; row && k < batches; k++) {
			add_sums(row->sums, r->slot[k].sums[s - 1],
				r->pass->network[row->variant]->graph->values);
			add_output_noise(row, output_rows(r, 0, k), output_rows(r, s, k), size);
		}
	}
	r->windows++;
	return QB_OK;
}

static enum qb_err evaluation_progress(void *arg, double share, struct qb_errbuf *eb)
{
	struct runner *r = arg;

	double from = qb_sweep_calibration_share(r->opt);

	return r->opt->progress(r->opt->arg, "evaluate", from + (1 - from) * share, NULL, eb);
}

static const struct qb_network **rest_networks(struct runner *r, int64_t rest,
	struct qb_errbuf *eb, enum qb_err *err)
{
	const struct qb_network **n = calloc((size_t)r->sweep->variants, sizeof(*n));

	*err = n ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the last samples");
	for (int v = 0; *err == QB_OK && v < r->sweep->variants; v++) {
		struct qb_network *made = NULL;

		*err = qb_network_create_rest(&made, r->sweep->variant[v].model, rest,
			r->sweep->variant[v].network, eb);
		n[v] = made;
	}
	return n;
}

/* The last rows, fewer than a batch: networks of their own, under the same quantizers. */
static enum qb_err evaluate_rest(struct runner *r, int64_t first, int64_t rest,
	const struct qb_stream_work *work, struct qb_errbuf *eb)
{
	struct pass pass = {0}, *before = r->pass;
	enum qb_err err;
	const struct qb_network **network = rest_networks(r, rest, eb, &err);

	if (err == QB_OK) {
		err = pass_init(&pass, r, network, eb);
	}
	if (err == QB_OK) {
		r->pass = &pass;
		err = qb_stream_run(r->stream, first, rest, 1, work, eb);
		add_times(r->sweep, &pass, r->opt->threads);
		r->pass = before;
	}
	pass_fini(&pass, r);
	for (int v = 0; network && v < r->sweep->variants; v++) {
		struct qb_network *n = (struct qb_network *)network[v];

		qb_network_destroy(&n);
	}
	free(network);
	return err;
}

static enum qb_err evaluate(struct runner *r, struct qb_errbuf *eb)
{
	struct qb_sweep *s = r->sweep;
	struct pass pass = {.is_main = true};
	int64_t batch = s->variant[0].network->batch, rows = s->samples * r->stream->rows;
	int64_t rest = rows % batch;
	const struct qb_stream_work work = {evaluate_batch, collect, evaluation_progress, r};
	const struct qb_network **network = calloc((size_t)s->variants, sizeof(*network));
	enum qb_err err;

	if (!network) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d variants", s->variants);
	}
	for (int v = 0; v < s->variants; v++) {
		network[v] = s->variant[v].network;
	}
	QB_TRY_OUT(pass_init(&pass, r, network, eb));
	r->pass = &pass;
	QB_TRY_OUT(qb_stream_run(r->stream, 0, batch, rows / batch, &work, eb));
	add_times(s, &pass, r->opt->threads);
	if (rest) {
		QB_TRY_OUT(evaluate_rest(r, rows - rest, rest, &work, eb));
	}
out:
	pass_fini(&pass, r);
	free(network);
	return err;
}

/* Memory for the results of batches */

static void slots_fini(struct runner *r)
{
	for (int64_t k = 0; r->slot && k < r->window; k++) {
		for (int s = 0; r->slot[k].sums && s < r->opt->schemes; s++) {
			free(r->slot[k].sums[s]);
		}
		free(r->slot[k].sums);
	}
	free(r->slot);
	for (int s = 0; r->output && s < 1 + r->opt->schemes; s++) {
		free(r->output[s]);
	}
	free(r->output);
}

static bool slot_init(struct slot *k, const struct qb_sweep *sweep)
{
	k->sums = calloc((size_t)sweep->rows + 1, sizeof(*k->sums));
	if (!k->sums) {
		return false;
	}
	for (int s = 0; s < sweep->rows; s++) {
		int values = qb_sweep_variant(sweep, s)->network->graph->values;

		k->sums[s] = calloc((size_t)values + 1, sizeof(**k->sums));
		if (!k->sums[s]) {
			return false;
		}
	}
	return true;
}

static enum qb_err slots_init(struct runner *r, struct qb_errbuf *eb)
{
	size_t bytes = qb_value_bytes(r->sweep->variant[0].network->graph->output[0]);

	r->output = calloc((size_t)r->sweep->rows + 1, sizeof(*r->output));
	for (int s = 0; r->output && s < 1 + r->sweep->rows; s++) {
		r->output[s] = qb_aligned_alloc(bytes, (size_t)r->window);
		if (!r->output[s]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %lld batches",
				(long long)r->window);
		}
	}
	r->slot = calloc((size_t)r->window, sizeof(*r->slot));
	for (int64_t k = 0; r->slot && k < r->window; k++) {
		if (!slot_init(&r->slot[k], r->sweep)) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the sums of %lld batches",
				(long long)r->window);
		}
	}
	return r->slot && r->output ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a window of %lld batches",
		(long long)r->window);
}

static int64_t choose_window(const struct runner *r, const struct qb_graph *g)
{
	size_t batch_bytes = qb_value_bytes(g->output[0]) * (size_t)(1 + r->opt->schemes);
	int64_t window;

	for (int i = 0; i < g->inputs; i++) {
		batch_bytes += qb_value_bytes(g->input[i]);
	}
	window = QB_MIN((int64_t)WINDOW_BATCHES_A_THREAD * r->opt->threads,
		(int64_t)(WINDOW_BYTES / (batch_bytes + 1)));
	return qb_stream_window(r->data, g->input[0]->shape.dim[0],
		QB_MAX(window, r->opt->threads));
}

/* The whole */

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

	r->metric = calloc((size_t)r->opt->schemes + 1, sizeof(*r->metric));
	if (!r->metric) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", r->opt->schemes);
	}
	for (int i = 0; i < 1 + r->opt->schemes; i++) {
		QB_TRY(qb_metric_create(&r->metric[i], r->opt->metric, &shape, eb));
		QB_TRY(qb_metric_keep_groups(r->metric[i], r->sweep->samples, r->opt->seed, eb));
	}
	return QB_OK;
}

static enum qb_err make_sums(struct qb_sweep *s, struct qb_errbuf *eb)
{
	for (int i = 0; i < s->rows; i++) {
		int values = qb_sweep_variant(s, i)->network->graph->values;

		s->row[i].sums = calloc((size_t)values + 1, sizeof(*s->row[i].sums));
		if (!s->row[i].sums) {
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
	err = qb_metric_compare((const struct qb_metric *const *)r->metric, s->rows + 1, r->opt->seed, change, eb);
	s->float_metric = qb_metric_value(r->metric[0]);
	for (int i = 0; i < s->rows; i++) {
		s->row[i].metric = qb_metric_value(r->metric[1 + i]);
		s->row[i].nan_outputs = qb_metric_nans(r->metric[1 + i]);
		s->row[i].change = change[1 + i];
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
	s->calibrated = (struct qb_stream_order){opt->spread ? count : s->calibration_samples, s->calibration_samples, false};
	if (opt->held_out) {
		s->evaluated = s->calibrated;
		s->evaluated.rest = true;
	}
}

static enum qb_err check_output(const struct qb_graph *g, struct qb_errbuf *eb)
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
	int64_t batch, rows = qb_dataset_rows(r->data);
	enum qb_err err;

	batch = choose_batch(model, QB_MIN(s->samples, s->calibration_samples), rows, eb, &err);
	QB_TRY(err);
	if (qb_model_batch(model)) {
		keep_whole_batches(&s->samples, batch, rows);
		keep_whole_batches(&s->calibration_samples, batch, rows);
	}
	QB_TRY(qb_network_create(&first->network, model, batch, 1, eb));
	QB_TRY(check_output(first->network->graph, eb));
	r->window = choose_window(r, first->network->graph);
	QB_TRY(qb_stream_create(&r->stream, r->data, first->network->graph, batch, r->window,
		r->opt->threads, eb));
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
	QB_TRY(slots_init(r, eb));
	QB_TRY(qb_float_baseline_create(&r->baseline, model, batch, r->opt->threads, eb));
	QB_TRY(evaluate(r, eb));
	s->float_seconds = qb_float_baseline_seconds(r->baseline, s->samples * rows);
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
	for (int i = 0; r.metric && i < 1 + opt->schemes; i++) {
		qb_metric_destroy(&r.metric[i]);
	}
	free(r.metric);
	slots_fini(&r);
	qb_float_baseline_destroy(&r.baseline);
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
		json_decref(s->row[i].reports);
	}
	free(s->row);
	qb_variants_destroy(s);
	free(s);
	*sweep = NULL;
}
