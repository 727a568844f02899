/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"

/* A run of several samples amortises the cost of each step, as long as its tensors stay in the second-level cache. */
enum { BATCH_MAX = 32, BATCH_BYTES = 1 << 20 };
/* Outputs of a window are kept until its metrics are added in the order of the data. */
enum { WINDOW_BATCHES_A_THREAD = 8, WINDOW_BYTES = 256 << 20 };

/* The work of one thread. */
struct lane {
	struct qb_session *reference, *work;
	void **scratch; /* of outputs that no metric reads */
	double float_seconds, total_seconds;
};

/* One batch size: the main one, or that of the last samples. */
struct pass {
	struct qb_network *network;
	struct lane *lane; /* [threads] */
};

/* What one batch leaves behind. */
struct slot {
	float **output;            /* [1 + schemes]: first graph output; float first */
	struct qb_qdq_sums **sums; /* [schemes][values] */
};

struct runner {
	struct qb_sweep *sweep;
	const struct qb_sweep_options *opt;
	const struct qb_graph *model;
	const struct qb_dataset *data;
	struct qb_dataset_reader *reader;
	struct pass *pass; /* the one at work */
	int64_t window;    /* batches */
	void **input;      /* [graph inputs]: window * batch rows */
	struct slot *slot; /* [window] */
	double *labels;    /* window * batch samples, or NULL */
	size_t label_size;
	struct qb_metric **metric; /* [1 + schemes] */
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t value_bytes(const struct qb_value *v)
{
	return qb_value_size(v) * qb_dtype_bytes(v->dtype);
}

/* Passes */

static void pass_fini(struct pass *p, int threads)
{
	for (int t = 0; p->lane && t < threads; t++) {
		struct lane *l = &p->lane[t];

		qb_session_destroy(&l->reference);
		qb_session_destroy(&l->work);
		for (int i = 0; l->scratch && i < p->network->graph->outputs; i++) {
			free(l->scratch[i]);
		}
		free(l->scratch);
	}
	free(p->lane);
	p->lane = NULL;
}

static enum qb_err pass_init(struct pass *p, struct qb_network *n, int threads,
	struct qb_errbuf *eb)
{
	p->network = n;
	p->lane = calloc((size_t)threads, sizeof(*p->lane));
	if (!p->lane) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d threads", threads);
	}
	for (int t = 0; t < threads; t++) {
		struct lane *l = &p->lane[t];

		QB_TRY(qb_session_create(&l->reference, n->plan, true, eb));
		QB_TRY(qb_session_create(&l->work, n->plan, false, eb));
		l->scratch = calloc((size_t)n->graph->outputs, sizeof(*l->scratch));
		for (int i = 0; l->scratch && i < n->graph->outputs; i++) {
			l->scratch[i] = qb_aligned_alloc(value_bytes(n->graph->output[i]), 1);
			if (!l->scratch[i]) {
				return qb_fail(eb, QB_ENOMEM, "no memory for the outputs");
			}
		}
		if (!l->scratch) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the outputs");
		}
	}
	return QB_OK;
}

/* Calibration */

struct calibration {
	struct runner *r;
	struct qb_observer ***observer; /* [threads][values] */
};

struct tap {
	struct qb_observer **observer;
};

static void observe(void *arg, int value, float *x, size_t n)
{
	struct tap *tap = arg;

	if (tap->observer[value]) {
		qb_observer_update(tap->observer[value], x, n);
	}
}

static const void *row_pointer(const struct runner *r, int input, int64_t batch)
{
	const struct qb_value *v = r->pass->network->graph->input[input];

	return (const char *)r->input[input] + (size_t)batch * value_bytes(v);
}

static enum qb_err calibrate_batch(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct calibration *c = arg;
	struct runner *r = c->r;
	const struct qb_graph *g = r->pass->network->graph;
	struct lane *l = &r->pass->lane[thread];
	struct tap tap = {c->observer[thread]};
	const void *input[64];
	struct qb_run run = {.input = input, .output = l->scratch, .tap = observe,
		.tap_arg = &tap};

	for (int i = 0; i < g->inputs; i++) {
		input[i] = row_pointer(r, i, item);
	}
	return qb_session_run(l->work, &run, eb);
}

static void observers_free(struct qb_observer **o, int values)
{
	for (int i = 0; o && i < values; i++) {
		qb_observer_destroy(&o[i]);
	}
	free(o);
}

static struct qb_observer **observers_create(const struct qb_network *n)
{
	struct qb_observer **o = calloc((size_t)n->graph->values + 1, sizeof(*o));

	for (int i = 0; o && i < n->graph->values; i++) {
		if (n->tapped[i]) {
			o[i] = qb_observer_create();
			if (!o[i]) {
				observers_free(o, n->graph->values);
				return NULL;
			}
		}
	}
	return o;
}

typedef enum qb_err after_fn(struct runner *r, int64_t batches, struct qb_errbuf *eb);

static void add_times(struct qb_sweep *s, const struct pass *p, int threads)
{
	for (int t = 0; t < threads; t++) {
		s->float_seconds += p->lane[t].float_seconds;
		s->total_seconds += p->lane[t].total_seconds;
	}
}

/* Runs batches [0, count) of the data starting at sample first, window by window. */
static enum qb_err run_windows(struct runner *r, int64_t first, int64_t batches, qb_team_fn *fn,
	void *arg, after_fn *after, const char *stage, double from, double to, struct qb_errbuf *eb)
{
	int64_t b = r->pass->network->batch;

	for (int64_t done = 0; done < batches; done += r->window) {
		int64_t n = QB_MIN(r->window, batches - done);
		double part = (double)done / (double)batches;

		QB_TRY(r->opt->progress(r->opt->arg, stage, from + (to - from) * part, eb));
		QB_TRY(qb_dataset_read(r->reader, first + done * b, n * b, r->input, r->labels, eb));
		QB_TRY(qb_team_run(r->opt->threads, n, fn, arg, eb));
		if (after) {
			QB_TRY(after(r, n, eb));
		}
	}
	return QB_OK;
}

/* The last samples, fewer than a batch: a pass of their own, under the same quantizers if there are any yet. */
static enum qb_err run_rest(struct runner *r, int64_t first, int64_t rest, qb_team_fn *fn, void *arg,
	after_fn *after, const char *stage, double at, struct qb_errbuf *eb)
{
	struct qb_network *n = NULL;
	struct pass pass = {0}, *before = r->pass;
	enum qb_err err;

	QB_TRY_OUT(qb_network_create(&n, r->model, rest, 1, eb));
	if (n->graph->values != r->sweep->network->graph->values) {
		err = qb_fail(eb, QB_EINTERNAL, "the network has %d values at batch %lld and %d at %lld",
			n->graph->values, (long long)rest, r->sweep->network->graph->values,
			(long long)r->sweep->network->batch);
		goto out;
	}
	if (r->sweep->network->schemes) {
		QB_TRY_OUT(qb_network_quantize_like(n, r->sweep->network, eb));
	}
	QB_TRY_OUT(pass_init(&pass, n, r->opt->threads, eb));
	r->pass = &pass;
	QB_TRY_OUT(run_windows(r, first, 1, fn, arg, after, stage, at, at, eb));
	add_times(r->sweep, &pass, r->opt->threads);
out:
	r->pass = before;
	pass_fini(&pass, r->opt->threads);
	qb_network_destroy(&n);
	return err;
}

/* Runs fn on every batch of the first `count` samples. A model of fixed batch leaves an odd rest out. */
static enum qb_err run_samples(struct runner *r, int64_t count, qb_team_fn *fn, void *arg,
	after_fn *after, const char *stage, double from, double to, struct qb_errbuf *eb)
{
	int64_t batch = r->pass->network->batch, whole = count / batch, rest = count % batch;

	QB_TRY(run_windows(r, 0, whole, fn, arg, after, stage, from, to, eb));
	if (rest && !qb_model_batch(r->model)) {
		QB_TRY(run_rest(r, whole * batch, rest, fn, arg, after, stage, to, eb));
	}
	return QB_OK;
}

static enum qb_err calibrate(struct runner *r, int64_t samples, struct qb_errbuf *eb)
{
	struct qb_network *n = r->pass->network;
	struct calibration c = {.r = r,
		.observer = calloc((size_t)r->opt->threads, sizeof(*c.observer))};
	enum qb_err err = c.observer ? QB_OK : QB_ENOMEM;

	for (int t = 0; err == QB_OK && t < r->opt->threads; t++) {
		c.observer[t] = observers_create(n);
		err = c.observer[t] ? QB_OK : QB_ENOMEM;
	}
	if (err != QB_OK) {
		qb_fail(eb, err, "no memory for the observers of %d values", n->graph->values);
		goto out;
	}
	QB_TRY_OUT(run_samples(r, samples, calibrate_batch, &c, NULL, "calibrate", 0, 0.15, eb));
	for (int t = 1; t < r->opt->threads; t++) {
		for (int i = 0; i < n->graph->values; i++) {
			if (c.observer[0][i]) {
				qb_observer_merge(c.observer[0][i], c.observer[t][i]);
			}
		}
	}
	r->sweep->observer = c.observer[0];
	c.observer[0] = NULL;
out:
	for (int t = 0; c.observer && t < r->opt->threads; t++) {
		observers_free(c.observer[t], n->graph->values);
	}
	free(c.observer);
	return err;
}

/* Evaluation */

static enum qb_err evaluate_batch(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct runner *r = arg;
	const struct qb_network *n = r->pass->network;
	struct lane *l = &r->pass->lane[thread];
	struct slot *slot = &r->slot[item];
	const void *input[64];
	void *output[64];
	struct qb_run run = {.input = input, .output = output};
	double start = seconds();

	for (int i = 0; i < n->graph->inputs; i++) {
		input[i] = row_pointer(r, i, item);
	}
	memcpy(output, l->scratch, (size_t)n->graph->outputs * sizeof(*output));
	output[0] = slot->output[0];
	QB_TRY(qb_session_run(l->reference, &run, eb));
	l->float_seconds += seconds() - start;
	run.reference = l->reference;
	for (int s = 0; s < r->opt->schemes; s++) {
		run.overlay = n->overlay[s];
		run.sums = slot->sums[s];
		output[0] = slot->output[1 + s];
		memset(run.sums, 0, (size_t)n->graph->values * sizeof(*run.sums));
		QB_TRY(qb_session_run(l->work, &run, eb));
	}
	l->total_seconds += seconds() - start;
	return QB_OK;
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
static enum qb_err collect(struct runner *r, int64_t batches, struct qb_errbuf *eb)
{
	const struct qb_graph *g = r->pass->network->graph;
	int64_t b = r->pass->network->batch;
	size_t size = qb_value_size(g->output[0]);

	for (int64_t k = 0; k < batches; k++) {
		for (int s = 0; s < 1 + r->opt->schemes; s++) {
			QB_TRY(qb_metric_update(r->metric[s], r->slot[k].output[s],
				r->labels + (size_t)(k * b) * r->label_size, b, eb));
			if (s > 0) {
				add_sums(r->sweep->row[s - 1].sums, r->slot[k].sums[s - 1], g->values);
				add_output_noise(&r->sweep->row[s - 1], r->slot[k].output[0],
					r->slot[k].output[s], size);
			}
		}
	}
	return QB_OK;
}

/* Buffers of a window */

static void window_fini(struct runner *r)
{
	for (int64_t k = 0; r->slot && k < r->window; k++) {
		for (int s = 0; s < 1 + r->opt->schemes; s++) {
			if (r->slot[k].output) {
				free(r->slot[k].output[s]);
			}
			if (r->slot[k].sums && s < r->opt->schemes) {
				free(r->slot[k].sums[s]);
			}
		}
		free(r->slot[k].output);
		free(r->slot[k].sums);
	}
	free(r->slot);
	for (int i = 0; r->input && i < r->model->inputs; i++) {
		free(r->input[i]);
	}
	free(r->input);
	free(r->labels);
}

static bool slot_init(struct slot *k, const struct qb_graph *g, int schemes)
{
	k->output = calloc((size_t)schemes + 1, sizeof(*k->output));
	k->sums = calloc((size_t)schemes, sizeof(*k->sums));
	if (!k->output || !k->sums) {
		return false;
	}
	for (int s = 0; s < 1 + schemes; s++) {
		k->output[s] = qb_aligned_alloc(value_bytes(g->output[0]), 1);
		if (!k->output[s]) {
			return false;
		}
	}
	for (int s = 0; s < schemes; s++) {
		k->sums[s] = calloc((size_t)g->values + 1, sizeof(**k->sums));
		if (!k->sums[s]) {
			return false;
		}
	}
	return true;
}

static enum qb_err window_init(struct runner *r, const struct qb_graph *g, struct qb_errbuf *eb)
{
	size_t batch_bytes = value_bytes(g->output[0]) * (size_t)(1 + r->opt->schemes);
	int64_t fit;

	for (int i = 0; i < g->inputs; i++) {
		batch_bytes += value_bytes(g->input[i]);
	}
	fit = (int64_t)(WINDOW_BYTES / (batch_bytes + 1));
	r->window = QB_MIN((int64_t)WINDOW_BATCHES_A_THREAD * r->opt->threads, fit);
	r->window = QB_MAX(r->window, r->opt->threads);
	r->slot = calloc((size_t)r->window, sizeof(*r->slot));
	r->input = calloc((size_t)g->inputs, sizeof(*r->input));
	if (!r->slot || !r->input) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a window of %lld batches",
			(long long)r->window);
	}
	r->label_size = qb_dataset_label_size(r->data);
	r->labels = calloc(r->label_size * (size_t)(r->window * r->sweep->network->batch) + 1,
		sizeof(*r->labels));
	if (!r->labels) {
		return qb_fail(eb, QB_ENOMEM, "no memory for labels");
	}
	for (int64_t k = 0; k < r->window; k++) {
		if (!slot_init(&r->slot[k], g, r->opt->schemes)) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %lld batches",
				(long long)r->window);
		}
	}
	for (int i = 0; i < g->inputs; i++) {
		r->input[i] = qb_aligned_alloc(value_bytes(g->input[i]), (size_t)r->window);
		if (!r->input[i]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the inputs of %lld batches",
				(long long)r->window);
		}
	}
	return QB_OK;
}

/* The whole */

static int64_t choose_batch(const struct qb_graph *model, int64_t samples, struct qb_errbuf *eb,
	enum qb_err *err)
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
			largest = QB_MAX(largest, value_bytes(one->value[i]));
		}
	}
	qb_graph_destroy(&one);
	batch = (int64_t)(BATCH_BYTES / largest);
	batch = QB_MAX(QB_MIN(batch, BATCH_MAX), 1);
	return QB_MIN(batch, samples);
}

static struct qb_metric_shape sample_shape(const struct runner *r)
{
	const struct qb_value *y = r->sweep->network->graph->output[0];
	struct qb_metric_shape s = {.ndim = QB_MAX(y->shape.ndim - 1, 0), .labels = r->label_size};

	memcpy(s.dim, y->shape.dim + 1, (size_t)s.ndim * sizeof(*s.dim));
	s.outputs = qb_value_size(y) / (size_t)r->sweep->network->batch;
	return s;
}

static enum qb_err make_rows(struct runner *r, struct qb_errbuf *eb)
{
	struct qb_sweep *s = r->sweep;
	struct qb_metric_shape shape = sample_shape(r);

	s->row = calloc((size_t)r->opt->schemes + 1, sizeof(*s->row));
	r->metric = calloc((size_t)r->opt->schemes + 1, sizeof(*r->metric));
	if (!s->row || !r->metric) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", r->opt->schemes);
	}
	s->rows = r->opt->schemes;
	for (int i = 0; i < 1 + r->opt->schemes; i++) {
		QB_TRY(qb_metric_create(&r->metric[i], r->opt->metric, &shape, eb));
	}
	for (int i = 0; i < r->opt->schemes; i++) {
		s->row[i].sums = calloc((size_t)s->network->graph->values + 1,
			sizeof(*s->row[i].sums));
		if (!s->row[i].sums) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the sums of %d values",
				s->network->graph->values);
		}
	}
	return QB_OK;
}

static void take_results(struct runner *r)
{
	struct qb_sweep *s = r->sweep;

	s->float_metric = qb_metric_value(r->metric[0]);
	for (int i = 0; i < s->rows; i++) {
		s->row[i].metric = qb_metric_value(r->metric[1 + i]);
		s->row[i].nan_outputs = qb_metric_nans(r->metric[1 + i]);
	}
}

static enum qb_err run(struct runner *r, struct pass *pass, struct qb_errbuf *eb)
{
	struct qb_sweep *s = r->sweep;
	int64_t batch;
	enum qb_err err;

	batch = choose_batch(r->model, s->samples, eb, &err);
	QB_TRY(err);
	if (s->samples < batch) {
		return qb_fail(eb, QB_EJOB, "data: holds %lld samples, and the model takes %lld at a time",
			(long long)s->samples, (long long)batch);
	}
	if (qb_model_batch(r->model)) {
		s->samples -= s->samples % batch;
		s->calibration_samples = QB_MAX(s->calibration_samples / batch, 1) * batch;
	}
	QB_TRY(qb_network_create(&s->network, r->model, batch, 1, eb));
	QB_TRY(pass_init(pass, s->network, r->opt->threads, eb));
	r->pass = pass;
	QB_TRY(window_init(r, s->network->graph, eb));
	QB_TRY(make_rows(r, eb));
	QB_TRY(calibrate(r, s->calibration_samples, eb));
	QB_TRY(r->opt->progress(r->opt->arg, "quantize", 0.15, eb));
	QB_TRY(qb_network_quantize(s->network, r->opt->scheme, r->opt->schemes, s->observer, eb));
	QB_TRY(run_samples(r, s->samples, evaluate_batch, r, collect, "evaluate", 0.2, 1, eb));
	add_times(s, pass, r->opt->threads);
	take_results(r);
	return QB_OK;
}

enum qb_err qb_sweep_run(struct qb_sweep **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep_options *opt, struct qb_errbuf *eb)
{
	struct qb_sweep *s = calloc(1, sizeof(*s));
	struct runner r = {.sweep = s, .opt = opt, .model = model, .data = data};
	struct pass pass = {0};
	enum qb_err err;

	if (!s) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a sweep");
	}
	s->samples = qb_dataset_count(data);
	if (opt->samples && opt->samples < s->samples) {
		s->samples = opt->samples;
	}
	s->calibration_samples = QB_MIN(opt->calibration_samples, s->samples);
	QB_TRY_OUT(qb_dataset_reader_create(&r.reader, data, eb));
	QB_TRY_OUT(run(&r, &pass, eb));
	*out = s;
	s = NULL;
out:
	for (int i = 0; r.metric && i < 1 + opt->schemes; i++) {
		qb_metric_destroy(&r.metric[i]);
	}
	free(r.metric);
	window_fini(&r);
	pass_fini(&pass, opt->threads);
	qb_dataset_reader_destroy(&r.reader);
	qb_sweep_destroy(&s);
	return err;
}

void qb_sweep_destroy(struct qb_sweep **sweep)
{
	struct qb_sweep *s = *sweep;

	if (!s) {
		return;
	}
	if (s->network) {
		observers_free(s->observer, s->network->graph->values);
	}
	for (int i = 0; i < s->rows; i++) {
		free(s->row[i].sums);
	}
	free(s->row);
	qb_network_destroy(&s->network);
	free(s);
	*sweep = NULL;
}
