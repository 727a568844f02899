/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mixed/mixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/quant/model_bytes.h"

/* Layers */

void qb_mixture_layers_destroy(struct qb_mixture_layers **layers)
{
	if (*layers) {
		free((*layers)->layer);
		free((*layers)->of);
		free(*layers);
		*layers = NULL;
	}
}

static bool has_own(const struct qb_network *n, int value)
{
	return n->placement->role[value] != QB_ROLE_FLOAT && n->placement->shares[value] < 0;
}

/* Gives the value to the layer at the end of the list, which merges it with its first value. */
static void claim(struct qb_mixture_layers *l, const struct qb_mixture_layer *layer, const struct qb_value *v)
{
	struct qb_mixture_layer *last = l->count ? &l->layer[l->count - 1] : NULL;

	if (l->of[v->index] >= 0) {
		return;
	}
	if (!last || strcmp(last->name, layer->name) != 0 || last->node != layer->node) {
		last = &l->layer[l->count++];
		*last = *layer;
	}
	l->of[v->index] = l->count - 1;
	if (v->constant) {
		last->float_bytes += qb_value_size(v) * sizeof(float);
	}
}

static void claim_node(struct qb_mixture_layers *l, const struct qb_network *n, const struct qb_node *node)
{
	const struct qb_mixture_layer layer = {.name = node->name, .type = node->type, .node = node,
		.macs = (double)qb_node_macs(node) / (double)n->batch};

	for (int k = 0; k < node->inputs; k++) {
		const struct qb_value *v = node->input[k];

		if (v && v->constant && has_own(n, v->index)) {
			claim(l, &layer, v);
		}
	}
	for (int k = 0; k < node->outputs; k++) {
		const struct qb_value *v = k ? node->output[k] : qb_node_result(node);

		if (v && has_own(n, v->index) && qb_value_layer(v) == node) {
			claim(l, &layer, v);
		}
	}
}

enum qb_err qb_mixture_layers_create(struct qb_mixture_layers **out, const struct qb_network *n,
	struct qb_errbuf *eb)
{
	const struct qb_graph *g = n->graph;
	struct qb_mixture_layers *l = calloc(1, sizeof(*l));

	if (l) {
		l->layer = calloc((size_t)(g->nodes + g->inputs) + 1, sizeof(*l->layer));
		l->of = calloc((size_t)g->values + 1, sizeof(*l->of));
	}
	if (!l || !l->layer || !l->of) {
		qb_mixture_layers_destroy(&l);
		return qb_fail(eb, QB_ENOMEM, "no memory for %d layers", g->nodes);
	}
	for (int i = 0; i < g->values; i++) {
		l->of[i] = -1;
	}
	for (int i = 0; i < g->inputs; i++) {
		const struct qb_mixture_layer layer = {.name = g->input[i]->name, .type = "input"};

		if (has_own(n, g->input[i]->index)) {
			claim(l, &layer, g->input[i]);
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		claim_node(l, n, g->node[i]);
	}
	for (int i = 0; i < g->values; i++) {
		if (n->placement->shares[i] >= 0) {
			l->of[i] = l->of[n->placement->shares[i]];
		}
	}
	*out = l;
	return QB_OK;
}

/* One mixture: quantizers borrowed from those of the sweep. */

struct mixture {
	struct qb_quantization q;
	struct qb_overlay *overlay;
};

static void mixture_fini(struct mixture *m)
{
	qb_overlay_destroy(&m->overlay);
	qb_quantization_fini(&m->q);
}

static enum qb_err mixture_quantizers(struct mixture *m, const struct qb_network *n,
	const struct qb_mixture_layers *l, const int *choice, struct qb_errbuf *eb)
{
	QB_TRY(qb_quantization_init(&m->q, n->graph, &n->quantization[0]->scheme, eb));
	m->q.borrows = true;
	for (int i = 0; i < n->graph->values; i++) {
		int s = l->of[i] >= 0 ? choice[l->of[i]] : QB_MIXTURE_FLOAT;

		m->q.shared[i] = n->placement->shares[i] >= 0;
		m->q.axis[i] = n->placement->weight_axis[i];
		if (s >= 0) {
			m->q.q[i] = n->quantization[s]->q[i];
			m->q.constant[i] = n->quantization[s]->constant[i];
			m->q.blocks[i] = n->quantization[s]->blocks[i];
		}
	}
	return QB_OK;
}

/* Running */

struct qb_mixture_eval {
	const struct qb_network *network;
	const struct qb_mixture_layers *layers;
	struct qb_stream *stream;
	struct qb_lane *lane; /* [threads] */
	struct qb_mixture_options opt;
	int64_t samples, batches;
	struct qb_metric *reference; /* of the first mixture of the first run; NULL before */
	/* of one run */
	int count;
	struct mixture *mixture;   /* [count] */
	struct qb_metric **metric; /* [count] */
	float **output;            /* [1 + count]: rows of a window */
	struct qb_sqnr_part *part; /* [window][count][batch]: of each row */
	struct qb_mixture_result *result;
};

int64_t qb_mixture_eval_samples(const struct qb_mixture_eval *eval)
{
	return eval->samples;
}

void qb_mixture_eval_destroy(struct qb_mixture_eval **eval)
{
	struct qb_mixture_eval *m = *eval;

	if (m) {
		qb_lanes_destroy(&m->lane, m->network, m->opt.threads);
		qb_stream_destroy(&m->stream);
		if (m->reference) {
			qb_metric_destroy(&m->reference);
		}
		free(m);
		*eval = NULL;
	}
}

enum qb_err qb_mixture_eval_create(struct qb_mixture_eval **out, const struct qb_sweep *sweep,
	const struct qb_mixture_layers *layers, const struct qb_dataset *data, const struct qb_mixture_options *opt,
	struct qb_errbuf *eb)
{
	struct qb_mixture_eval *m = calloc(1, sizeof(*m));
	const struct qb_network *n = sweep->variant[0].network;
	int64_t rows = qb_dataset_rows(data), window = qb_stream_window(data, n->batch, 4 * opt->threads);
	enum qb_err err;

	if (!m) {
		return qb_fail(eb, QB_ENOMEM, "no memory to run mixtures");
	}
	m->network = n;
	m->layers = layers;
	m->opt = *opt;
	m->batches = QB_MAX(QB_MIN(opt->samples, sweep->samples) * rows / n->batch, 1);
	while (m->batches * n->batch % rows) {
		m->batches++;
	}
	m->samples = m->batches * n->batch / rows;
	QB_TRY_OUT(qb_stream_create(&m->stream, data, n->graph, n->batch, window, opt->threads, eb));
	QB_TRY_OUT(qb_lanes_create(&m->lane, n, opt->threads, true, eb));
	*out = m;
	m = NULL;
out:
	qb_mixture_eval_destroy(&m);
	return err;
}

static float *rows_of(const struct qb_mixture_eval *m, int row, int64_t slot)
{
	return m->output[row] + (size_t)slot * qb_value_size(m->network->graph->output[0]);
}

static enum qb_err run_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	struct qb_mixture_eval *m = arg;
	struct qb_lane *l = &m->lane[b->thread];
	const struct qb_graph *g = m->network->graph;
	size_t rows = (size_t)m->network->batch, size = qb_value_size(g->output[0]) / rows;
	const float *ref = rows_of(m, 0, b->slot);
	void *output[QB_STREAM_INPUTS];
	struct qb_run run = {.input = b->input, .output = output};

	memcpy(output, l->scratch, (size_t)QB_MIN(g->outputs, QB_STREAM_INPUTS) * sizeof(*output));
	output[0] = rows_of(m, 0, b->slot);
	QB_TRY(qb_session_run(l->work, &run, eb));
	for (int k = 0; k < m->count; k++) {
		struct qb_sqnr_part *part = &m->part[((size_t)b->slot * (size_t)m->count + (size_t)k) * rows];
		const float *y = rows_of(m, 1 + k, b->slot);

		run.overlay = m->mixture[k].overlay;
		output[0] = rows_of(m, 1 + k, b->slot);
		QB_TRY(qb_session_run(l->work, &run, eb));
		for (size_t i = 0; i < rows; i++) {
			part[i] = qb_sqnr_part_of(ref + i * size, y + i * size, size);
		}
	}
	return QB_OK;
}

/* Rows of a sample lie one after the other, perhaps in several batches. */
static void add_sample(struct qb_mixture_eval *m, int k, int64_t sample)
{
	struct qb_sqnr_part sum = {0};

	for (int64_t r = sample * m->stream->rows; r < (sample + 1) * m->stream->rows; r++) {
		const struct qb_sqnr_part *row = &m->part[(r / m->network->batch * m->count + k) * m->network->batch +
			r % m->network->batch];

		sum.signal += row->signal;
		sum.noise += row->noise;
	}
	qb_sqnr_sums_add(&m->result[k].output, &sum);
}

static enum qb_err close_window(void *arg, int64_t batches, const double *labels,
	struct qb_errbuf *eb)
{
	struct qb_mixture_eval *m = arg;
	const float *input = qb_metric_reads_input(m->opt.metric) ? m->stream->input[0] : NULL;
	int64_t samples = batches * m->network->batch / m->stream->rows;

	for (int k = 0; k < m->count; k++) {
		QB_TRY(qb_metric_update(m->metric[k], m->output[1 + k], input, labels, samples, eb));
		for (int64_t i = 0; i < samples; i++) {
			add_sample(m, k, i);
		}
	}
	return QB_OK;
}

static void run_fini(struct qb_mixture_eval *m)
{
	for (int k = 0; k < m->count; k++) {
		if (m->mixture) {
			mixture_fini(&m->mixture[k]);
		}
		if (m->metric && m->metric[k]) {
			qb_metric_destroy(&m->metric[k]);
		}
	}
	for (int k = 0; m->output && k < 1 + m->count; k++) {
		free(m->output[k]);
	}
	free(m->mixture);
	free(m->metric);
	free(m->output);
	free(m->part);
}

static enum qb_err run_init(struct qb_mixture_eval *m, const int *const *choice, struct qb_errbuf *eb)
{
	struct qb_metric_shape shape = qb_sweep_metric_shape(m->network, m->stream);
	size_t bytes = qb_value_bytes(m->network->graph->output[0]), count = (size_t)m->count;

	m->mixture = calloc(count, sizeof(*m->mixture));
	m->metric = calloc(count, sizeof(*m->metric));
	m->output = calloc(count + 1, sizeof(*m->output));
	m->part = calloc(count * (size_t)m->stream->window * (size_t)m->network->batch, sizeof(*m->part));
	if (!m->mixture || !m->metric || !m->output || !m->part) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d mixtures", m->count);
	}
	for (int k = 0; k < m->count + 1; k++) {
		m->output[k] = qb_aligned_alloc(bytes, (size_t)m->stream->window);
		if (!m->output[k]) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %d mixtures", m->count);
		}
	}
	for (int k = 0; k < m->count; k++) {
		QB_TRY(qb_metric_create(&m->metric[k], m->opt.metric, &shape, eb));
		QB_TRY(qb_metric_keep_groups(m->metric[k], m->samples, m->opt.seed, eb));
		QB_TRY(mixture_quantizers(&m->mixture[k], m->network, m->layers, choice[k], eb));
		QB_TRY(qb_overlay_create(&m->mixture[k].overlay, m->network->plan, &m->mixture[k].q, eb));
	}
	return QB_OK;
}

/* Metrics and their changes; keeps the first one for later runs. */
static enum qb_err compare(struct qb_mixture_eval *m, struct qb_errbuf *eb)
{
	const struct qb_metric **all = calloc((size_t)m->count + 1, sizeof(*all));
	struct qb_metric_change *change = calloc((size_t)m->count + 1, sizeof(*change));
	enum qb_err err;

	if (!all || !change) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to compare %d mixtures", m->count);
		goto out;
	}
	all[0] = m->reference ? m->reference : m->metric[0];
	for (int k = 0; k < m->count; k++) {
		all[1 + k] = m->metric[k];
	}
	QB_TRY_OUT(qb_metric_compare(all, m->count + 1, m->opt.seed, change, eb));
	for (int k = 0; k < m->count; k++) {
		m->result[k].metric = qb_metric_value(m->metric[k]);
		m->result[k].change = change[1 + k];
		if (m->result[k].output.noise == 0) { /* the same outputs, as of float itself */
			m->result[k].change.interval = (struct qb_interval){0, 0};
		}
	}
	if (!m->reference) {
		m->reference = m->metric[0];
		m->metric[0] = NULL;
	}
out:
	free(all);
	free(change);
	return err;
}

enum qb_err qb_mixture_eval_run(struct qb_mixture_eval *eval, const int *const *choice, int count,
	struct qb_mixture_result *out, struct qb_errbuf *eb)
{
	const struct qb_stream_work work = {run_batch, close_window, NULL, eval};
	enum qb_err err;

	eval->count = count;
	eval->result = out;
	memset(out, 0, (size_t)count * sizeof(*out));
	QB_TRY_OUT(run_init(eval, choice, eb));
	QB_TRY_OUT(qb_stream_run(eval->stream, 0, eval->network->batch, eval->batches, &work, eb));
	QB_TRY_OUT(compare(eval, eb));
out:
	run_fini(eval);
	return err;
}

enum qb_err qb_mixture_eval_bytes(const struct qb_mixture_eval *eval, const int *choice, size_t *bytes,
	struct qb_errbuf *eb)
{
	struct mixture m = {0};
	enum qb_err err = mixture_quantizers(&m, eval->network, eval->layers, choice, eb);

	if (err == QB_OK) {
		*bytes = qb_model_bytes(eval->network->graph, &m.q);
	}
	mixture_fini(&m);
	return err;
}
