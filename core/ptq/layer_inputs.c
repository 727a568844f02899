/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/layer_inputs.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/graph/activation.h"
#include "core/base/size.h"

/* Layers */

/* Its index among the values that steps give. */
static uint64_t place_of(const struct qb_graph *g, const struct qb_value *v)
{
	uint64_t place = 0;

	for (int i = 0; i < v->index; i++) {
		place += !qb_activation_of(g->value[i]);
	}
	return place;
}

static bool read_layer(struct qb_layer *l, const struct qb_method_weights *m, struct qb_node *n)
{
	const struct qb_quantization *q = m->quantization;

	memset(l, 0, sizeof(*l));
	if (!n->op || !qb_linear_of(n, &l->linear) || !qb_im2col_of(&l->im2col, n) || !qb_value_only_user(l->linear.weight)) {
		return false;
	}
	l->q = q->q[l->linear.weight->index];
	l->input_place = place_of(m->network->graph, n->input[0]);
	l->rows = l->linear.outs;
	l->k = l->im2col.k;
	l->groups = l->im2col.groups;
	return l->q && m->network->observed[n->input[0]->index] &&
		(l->q->channels == 1 || l->q->channels == l->rows);
}

/* Layers [first, return) are fed alike. */
static int alike(const struct qb_layer *layers, int count, int first)
{
	int i = first + 1;

	while (i < count && layers[i].linear.node->input[0] == layers[first].linear.node->input[0] &&
		!memcmp(&layers[i].im2col, &layers[first].im2col, sizeof(layers[i].im2col))) {
		i++;
	}
	return i;
}

enum qb_err qb_layers_each(struct qb_method_weights *m, const void *params, qb_layers_fn *fn, struct qb_errbuf *eb)
{
	const struct qb_graph *g = m->network->graph;
	struct qb_layer *l = calloc((size_t)g->nodes + 1, sizeof(*l));
	json_t *rows = json_array();
	enum qb_err err = l ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %d layers", g->nodes);
	int count = 0;

	json_object_set_new(m->report, "layers", rows);
	for (int i = 0; l && i < g->nodes; i++) {
		count += read_layer(&l[count], m, g->node[i]);
	}
	for (int i = 0, end; err == QB_OK && i < count; i = end) {
		end = alike(l, count, i);
		err = m->progress(m->progress_arg, m->method, i, count, eb);
		err = err == QB_OK ? fn(m, params, &l[i], end - i, rows, eb) : err;
	}
	free(l);
	return err;
}

/* The weight in its own layout to rows, or back. */
static void copy_rows(const struct qb_layer *l, float *weight, float *rows, bool back)
{
	const struct qb_linear *w = &l->linear;

	for (int64_t o = 0; o < l->rows; o++) {
		float *row = rows + o * l->k;

		for (int64_t j = 0; j < qb_linear_ins(w); j++) {
			float *at = weight + qb_linear_at(w, o, j);

			memcpy(back ? at : row + j * w->kernel_elements, back ? row + j * w->kernel_elements : at,
				(size_t)w->kernel_elements * sizeof(*row));
		}
	}
}

static enum qb_err buffer_of(float **out, const struct qb_layer *l, struct qb_errbuf *eb)
{
	*out = malloc((size_t)(l->rows * l->k) * sizeof(**out));
	return *out ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the weights of %s", l->linear.node->name);
}

enum qb_err qb_layer_weights(const struct qb_method_weights *m, const struct qb_layer *l, float *w, float *now,
	struct qb_errbuf *eb)
{
	enum qb_err err = QB_OK;
	float *t = NULL;

	copy_rows(l, l->linear.weight->constant->data, w, false);
	if (now) {
		QB_TRY_OUT(buffer_of(&t, l, eb));
		QB_TRY_OUT(qb_quantization_constant(m->quantization, l->linear.weight, t, NULL, eb));
		copy_rows(l, t, now, false);
	}
out:
	free(t);
	return err;
}

enum qb_err qb_layer_biases(const struct qb_method_weights *m, const struct qb_layer *l, float *bias, float *now,
	struct qb_errbuf *eb)
{
	const struct qb_value *b = l->linear.bias;
	size_t bytes = (size_t)l->rows * sizeof(*bias);

	if (!b) {
		memset(bias, 0, bytes);
		if (now) {
			memset(now, 0, bytes);
		}
		return QB_OK;
	}
	memcpy(bias, b->constant->data, bytes);
	return now ? qb_quantization_constant(m->quantization, b, now, NULL, eb) : QB_OK;
}

enum qb_err qb_layer_set(struct qb_method_weights *m, const struct qb_layer *l, const float *rows,
	const struct qb_blocks *blocks, struct qb_errbuf *eb)
{
	int64_t count = qb_block_count(l->q, 1, l->rows, l->k);
	float *t = NULL;
	enum qb_err err;

	if (count) {
		QB_TRY(qb_quantization_override_blocks(m->quantization, l->linear.weight, blocks, count, eb));
	}

	QB_TRY(buffer_of(&t, l, eb));
	copy_rows(l, t, (float *)rows, true);
	err = qb_method_set(m, l->linear.weight, t, eb);
	free(t);
	return err;
}

/* Inputs */

/* Positions taken of each batch: n of all that it has. */
struct sampler {
	const struct qb_method_weights *m;
	const struct qb_layer *l;
	int64_t n, batch; /* batch: how many came before */
	float *x, *xq;    /* [groups][n][k] */
	qb_layer_inputs_fn *fn;
	void *arg;
};

static int64_t batches_of(const struct qb_method_weights *m)
{
	return QB_MAX(m->calibration->samples / m->network->batch, 1);
}

static int64_t per_batch(const struct qb_method_weights *m, const struct qb_layer *l, int64_t limit)
{
	int64_t all = l->im2col.positions, batches = batches_of(m);

	return limit ? QB_MIN(QB_MAX((limit + batches - 1) / batches, 1), all) : all;
}

int64_t qb_layer_positions(const struct qb_method_weights *m, const struct qb_layer *l, int64_t limit)
{
	return per_batch(m, l, limit) * batches_of(m);
}

/* Random numbers of a layer: its input's place keeps them apart. */
static uint64_t stream_of(const struct qb_layer *l, uint64_t use)
{
	return 2 * l->input_place + use;
}

/* Positions in n runs of equal length, one by chance from each. */
static int64_t pick(const struct sampler *s, int64_t i)
{
	int64_t all = s->l->im2col.positions, at = i * all / s->n, end = (i + 1) * all / s->n;
	double u = qb_random_uniform(s->m->seed, stream_of(s->l, 0), (uint64_t)(s->batch * s->n + i));

	return at + (int64_t)(u * (double)(end - at));
}

static enum qb_err sample_batch(void *arg, const struct qb_visit *v, struct qb_errbuf *eb)
{
	struct sampler *s = arg;
	int64_t k = s->l->k;

	for (int64_t i = 0; i < s->n; i++) {
		int64_t at = pick(s, i);

		qb_im2col_row(&s->l->im2col, v->x, at, s->x + i * k, s->n * k);
		qb_im2col_row(&s->l->im2col, v->xq, at, s->xq + i * k, s->n * k);
	}
	s->batch++;
	return s->fn(s->arg, s->x, s->xq, s->n, eb);
}

enum qb_err qb_layer_stream(const struct qb_method_weights *m, const struct qb_layer *l, int64_t limit,
	qb_layer_inputs_fn *fn, void *arg, struct qb_errbuf *eb)
{
	struct sampler s = {.m = m, .l = l, .n = per_batch(m, l, limit), .fn = fn, .arg = arg};
	bool *wanted = calloc((size_t)m->network->graph->values + 1, sizeof(*wanted));
	size_t elements = (size_t)(s.n * l->k * l->groups);
	enum qb_err err;

	s.x = malloc(elements * sizeof(*s.x));
	s.xq = malloc(elements * sizeof(*s.xq));
	if (!wanted || !s.x || !s.xq) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %lld inputs of %s", (long long)s.n, l->linear.node->name);
		goto out;
	}
	wanted[l->linear.node->input[0]->index] = true;
	err = qb_calibration_visit(m->calibration, m->network, m->overlay, wanted, 0, sample_batch, &s, eb);
out:
	free(wanted);
	free(s.x);
	free(s.xq);
	return err;
}

struct keeper {
	struct qb_layer_inputs *in;
	const struct qb_layer *l;
	const int32_t *place; /* [n]: where the i-th goes */
	int64_t seen;
};

static enum qb_err keep(void *arg, const float *x, const float *xq, int64_t n, struct qb_errbuf *eb)
{
	struct keeper *keeper = arg;
	size_t k = (size_t)keeper->l->k;

	(void)eb;
	for (int64_t g = 0; g < keeper->l->groups; g++) {
		for (int64_t i = 0; i < n; i++) {
			size_t from = (size_t)(g * n + i) * k;
			size_t to = (size_t)(g * keeper->in->n + keeper->place[keeper->seen + i]) * k;

			memcpy(keeper->in->x + to, x + from, k * sizeof(*x));
			memcpy(keeper->in->xq + to, xq + from, k * sizeof(*x));
		}
	}
	keeper->seen += n;
	return QB_OK;
}

/* A random order of n, by Fisher and Yates. */
static int32_t *shuffled(int64_t n, uint64_t seed, uint64_t stream)
{
	int32_t *p = malloc((size_t)n * sizeof(*p));

	for (int64_t i = 0; p && i < n; i++) {
		int64_t j = (int64_t)(qb_random_uniform(seed, stream, (uint64_t)i) * (double)(i + 1));

		p[i] = p[j];
		p[j] = (int32_t)i;
	}
	return p;
}

enum qb_err qb_layer_inputs_init(struct qb_layer_inputs *in, const struct qb_method_weights *m,
	const struct qb_layer *l, int64_t limit, size_t bytes, struct qb_errbuf *eb)
{
	size_t each = 2 * (size_t)(l->k * l->groups) * sizeof(float);
	int64_t fit = QB_MAX((int64_t)(bytes / each), 1);
	struct keeper keeper = {in, l, NULL, 0};
	int32_t *place;
	enum qb_err err;

	limit = limit ? QB_MIN(limit, fit) : fit;
	*in = (struct qb_layer_inputs){.n = qb_layer_positions(m, l, limit)};
	in->x = malloc((size_t)in->n * each / 2);
	in->xq = malloc((size_t)in->n * each / 2);
	keeper.place = place = shuffled(in->n, m->seed, stream_of(l, 1));
	if (!in->x || !in->xq || !place) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %lld inputs of %s", (long long)in->n,
			l->linear.node->name);
	} else {
		err = qb_layer_stream(m, l, limit, keep, &keeper, eb);
		in->n = keeper.seen == in->n ? in->n : 0;
	}
	if (err == QB_OK && !in->n) {
		err = qb_fail(eb, QB_EINTERNAL, "%lld inputs of %s came", (long long)keeper.seen, l->linear.node->name);
	}
	free(place);
	if (err != QB_OK) {
		qb_layer_inputs_fini(in);
	}
	return err;
}

void qb_layer_inputs_fini(struct qb_layer_inputs *in)
{
	free(in->x);
	free(in->xq);
	*in = (struct qb_layer_inputs){0};
}
