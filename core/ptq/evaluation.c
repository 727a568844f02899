/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/evaluation.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/threads.h"
#include "core/ptq/float_baseline.h"
#include "core/ptq/variant.h"

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

struct evaluation {
	struct qb_sweep *sweep;
	const struct qb_sweep_options *opt;
	struct qb_stream *stream;
	struct pass *pass;         /* the one at work */
	struct qb_float_baseline *baseline;
	int64_t windows;           /* closed */
	int64_t window;            /* batches */
	float **output;            /* [1 + schemes]: the window's rows of the first graph output; float first */
	struct slot *slot;         /* [window] */
	struct slot part;          /* the last batch, and the rest of fewer samples, which is no part of its own */
	bool part_open;
	struct qb_metric **metric; /* [1 + schemes] */
};

/* Passes */

static void pass_fini(struct pass *p, const struct evaluation *r)
{
	for (int v = 0; p->lane && v < r->sweep->variants; v++) {
		qb_lanes_destroy(&p->lane[v], p->network[v], r->opt->threads);
	}
	free(p->network);
	free(p->lane);
	free(p->seconds);
}

/* network: [variants] */
static enum qb_err pass_init(struct pass *p, const struct evaluation *r,
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

static float *output_rows(const struct evaluation *r, int row, int64_t slot)
{
	return r->output[row] + (size_t)slot * qb_value_size(r->pass->network[0]->graph->output[0]);
}

static enum qb_err evaluate_variant(struct evaluation *r, int variant, const struct qb_batch *b,
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
	struct evaluation *r = arg;

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

/* Adds the part that is complete to what tells how sure the SQNR of each tensor is. */
static void close_part(struct evaluation *r, int s)
{
	struct qb_sweep_row *row = &r->sweep->row[s];
	int values = r->sweep->variant[row->variant].network->graph->values;

	for (int i = 0; r->part_open && i < values; i++) {
		const struct qb_qdq_sums *b = &r->part.sums[s][i];

		qb_sqnr_sums_add(&row->tensor[i].own, &(struct qb_sqnr_part){b->signal, b->noise});
		qb_sqnr_sums_add(&row->tensor[i].network, &(struct qb_sqnr_part){b->ref_signal, b->ref_noise});
	}
	memset(r->part.sums[s], 0, (size_t)values * sizeof(*r->part.sums[s]));
}

static void add_batch(struct evaluation *r, int64_t slot, bool is_main)
{
	for (int s = 0; s < r->opt->schemes; s++) {
		const struct qb_sweep_row *row = &r->sweep->row[s];
		int values = r->sweep->variant[row->variant].network->graph->values;

		if (is_main) {
			close_part(r, s);
		}
		add_sums(row->sums, r->slot[slot].sums[s], values);
		add_sums(r->part.sums[s], r->slot[slot].sums[s], values);
	}
	r->part_open = true;
}

/* Adds what a window left behind, in the order of the data. */
static enum qb_err collect(void *arg, int64_t batches, const double *labels, struct qb_errbuf *eb)
{
	struct evaluation *r = arg;
	const struct qb_network *n = r->pass->network[0];
	int64_t samples = batches * n->batch / r->stream->rows;
	size_t size = qb_value_size(n->graph->output[0]) * (size_t)batches / (size_t)samples;
	const float *input = qb_metric_reads_input(r->opt->metric) ? r->stream->input[0] : NULL;

	for (int s = 0; s < 1 + r->opt->schemes; s++) {
		struct qb_sweep_row *row = s ? &r->sweep->row[s - 1] : NULL;

		QB_TRY(qb_metric_update(r->metric[s], r->output[s], input, labels, samples, eb));
		for (int64_t k = 0; row && k < samples; k++) {
			const struct qb_sqnr_part part = qb_sqnr_part_of(r->output[0] + (size_t)k * size,
				r->output[s] + (size_t)k * size, size);

			qb_sqnr_sums_add(&row->output, &part);
		}
	}
	for (int64_t k = 0; k < batches; k++) {
		add_batch(r, k, r->pass->is_main);
	}
	r->windows++;
	return QB_OK;
}

static enum qb_err evaluation_progress(void *arg, double share, struct qb_errbuf *eb)
{
	struct evaluation *r = arg;
	double from = qb_sweep_calibration_share(r->opt);

	return r->opt->progress(r->opt->arg, "evaluate", from + (1 - from) * share, NULL, eb);
}

static const struct qb_network **rest_networks(struct evaluation *r, int64_t rest,
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
static enum qb_err evaluate_rest(struct evaluation *r, int64_t first, int64_t rest,
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

static enum qb_err evaluate(struct evaluation *r, struct qb_errbuf *eb)
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
	for (int i = 0; i < s->rows; i++) {
		close_part(r, i);
	}
out:
	pass_fini(&pass, r);
	free(network);
	return err;
}

/* Memory for the results of batches */

static void slot_fini(struct slot *k, int schemes)
{
	for (int s = 0; k->sums && s < schemes; s++) {
		free(k->sums[s]);
	}
	free(k->sums);
}

static void slots_fini(struct evaluation *r)
{
	for (int64_t k = 0; r->slot && k < r->window; k++) {
		slot_fini(&r->slot[k], r->opt->schemes);
	}
	free(r->slot);
	slot_fini(&r->part, r->opt->schemes);
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

static enum qb_err slots_init(struct evaluation *r, struct qb_errbuf *eb)
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
	return r->slot && r->output && slot_init(&r->part, r->sweep) ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a window of %lld batches",
		(long long)r->window);
}

int64_t qb_evaluation_window(const struct qb_sweep_options *opt, const struct qb_dataset *data, const struct qb_graph *g)
{
	size_t batch_bytes = qb_value_bytes(g->output[0]) * (size_t)(1 + opt->schemes);
	int64_t window;

	for (int i = 0; i < g->inputs; i++) {
		batch_bytes += qb_value_bytes(g->input[i]);
	}
	window = QB_MIN((int64_t)WINDOW_BATCHES_A_THREAD * opt->threads,
		(int64_t)(WINDOW_BYTES / (batch_bytes + 1)));
	return qb_stream_window(data, g->input[0]->shape.dim[0],
		QB_MAX(window, opt->threads));
}

enum qb_err qb_evaluate(struct qb_sweep *sweep, const struct qb_evaluation_args *args, struct qb_errbuf *eb)
{
	struct evaluation r = {.sweep = sweep, .opt = args->opt, .stream = args->stream, .window = args->window,
		.metric = args->metric};
	enum qb_err err;

	QB_TRY_OUT(slots_init(&r, eb));
	QB_TRY_OUT(qb_float_baseline_create(&r.baseline, args->model, sweep->variant[0].network->batch,
		args->opt->threads, eb));
	QB_TRY_OUT(evaluate(&r, eb));
	sweep->float_seconds = qb_float_baseline_seconds(r.baseline, sweep->samples * args->stream->rows);
out:
	slots_fini(&r);
	qb_float_baseline_destroy(&r.baseline);
	return err;
}
