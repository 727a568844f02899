/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound on the layers of a scheme, one after the other (core/quant/adaround.h): the target of each is its output in
 * the float network, its inputs those of the network quantized so far.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/layer.h"
#include "core/experiment/params.h"
#include "core/quant/adaround.h"

/* Rows that one thread learns at a time: enough for a matrix product, few enough to share out. */
enum { CHUNK = 64 };
/* Of inputs kept. */
static const size_t MEMORY = (size_t)256 << 20;

struct params {
	struct qb_adaround_options opt;
	int64_t positions;
};

static enum qb_err parse(void *params, const json_t *obj, const char *at, struct qb_errbuf *eb)
{
	static const char *const known[] = {"name", "iterations", "batch", "learning_rate", "regularization", "beta",
		"warm_start", "shrinkage", "positions", NULL};
	struct params *p = params;
	int64_t iterations, batch;
	double beta[2];
	int count = 0;

	*p = (struct params){qb_adaround_defaults, 8192};
	if (!obj) {
		return QB_OK;
	}
	iterations = p->opt.iterations;
	batch = p->opt.batch;
	QB_TRY(qb_param_only(obj, at, known, eb));
	QB_TRY(qb_param_int(obj, at, "iterations", 1, 1000000, &iterations, eb));
	QB_TRY(qb_param_int(obj, at, "batch", 1, 65536, &batch, eb));
	QB_TRY(qb_param_int(obj, at, "positions", 1, 10000000, &p->positions, eb));
	QB_TRY(qb_param_real(obj, at, "learning_rate", 1e-6, 10, &p->opt.rate, eb));
	QB_TRY(qb_param_real(obj, at, "regularization", 0, 1e6, &p->opt.lambda, eb));
	QB_TRY(qb_param_real(obj, at, "warm_start", 0, 0.99, &p->opt.warm_up, eb));
	QB_TRY(qb_param_real(obj, at, "shrinkage", 0, 1e6, &p->opt.shrinkage, eb));
	QB_TRY(qb_param_reals(obj, at, "beta", beta, 2, &count, eb));
	if (count == 1 || (count == 2 && !(beta[0] >= beta[1] && beta[1] >= 1 && beta[0] <= 100))) {
		return qb_fail(eb, QB_EJOB, "%s.beta: give two numbers, where it starts and where it ends, 100 >= start "
			">= end >= 1", at);
	}
	if (count == 2) {
		p->opt.beta_start = beta[0];
		p->opt.beta_end = beta[1];
	}
	p->opt.iterations = (int)iterations;
	p->opt.batch = (int)batch;
	return QB_OK;
}

/* One layer at work. */
struct rounding {
	const struct params *params;
	const struct qb_layer *l;
	const struct qb_layer_inputs *in;
	float *w, *down, *up, *nearest, *out; /* [rows, k] */
	float *bias, *bias_now;               /* [rows] */
	int64_t chunk, chunks;                /* rows of a chunk; chunks of a group */
	struct qb_adaround_report *report;    /* [groups * chunks] */
};

static enum qb_err round_chunk(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct rounding *a = arg;
	const struct qb_layer *l = a->l;
	int64_t group = item / a->chunks, per_group = l->rows / l->groups, begin = item % a->chunks * a->chunk;
	int64_t rows = QB_MIN(a->chunk, per_group - begin), first = group * per_group + begin;
	size_t at = (size_t)(first * l->k), inputs = (size_t)(group * a->in->n * l->k);
	float *y = malloc((size_t)(a->in->n * rows) * sizeof(*y));
	struct qb_adaround_rows r = {.rows = rows, .k = l->k, .samples = a->in->n, .w = a->w + at, .down = a->down + at,
		.up = a->up + at, .nearest = a->nearest + at, .bias = a->bias + first, .x = a->in->x + inputs, .y = y,
		.y_stride = rows, .act = l->linear.node->act};
	enum qb_err err;

	(void)thread;
	if (!y) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %s", l->linear.node->name);
	}
	QB_TRY_OUT(qb_adaround_outputs(&r, y, eb));
	r.x = a->in->xq + inputs;
	r.bias = a->bias_now + first;
	QB_TRY_OUT(qb_adaround(&r, &a->params->opt, a->out + at, &a->report[item], eb));
out:
	free(y);
	return err;
}

static void report_layer(const struct rounding *a, json_t *layers)
{
	struct qb_adaround_report sum = {0};

	for (int64_t i = 0; i < a->l->groups * a->chunks; i++) {
		sum.nearest_loss += a->report[i].nearest_loss;
		sum.loss += a->report[i].loss;
		sum.changed += a->report[i].changed;
	}
	json_array_append_new(layers, json_pack("{s:s, s:f, s:f, s:I, s:I, s:I}", "layer", a->l->linear.node->name,
		"nearest_loss", sum.nearest_loss / (double)a->l->rows, "loss", sum.loss / (double)a->l->rows,
		"changed", (json_int_t)sum.changed, "weights", (json_int_t)(a->l->rows * a->l->k), "positions",
		(json_int_t)a->in->n));
}

static void rounding_fini(struct rounding *a)
{
	free(a->w);
	free(a->bias);
	free(a->report);
}

static enum qb_err rounding_init(struct rounding *a, const struct qb_method_weights *m, struct qb_errbuf *eb)
{
	const struct qb_layer *l = a->l;
	size_t n = (size_t)(l->rows * l->k);

	a->chunk = QB_MIN(CHUNK, l->rows / l->groups);
	a->chunks = (l->rows / l->groups + a->chunk - 1) / a->chunk;
	a->w = calloc(5 * n, sizeof(*a->w));
	a->bias = calloc(2 * (size_t)l->rows, sizeof(*a->bias));
	a->report = calloc((size_t)(l->groups * a->chunks), sizeof(*a->report));
	if (!a->w || !a->bias || !a->report) {
		return qb_fail(eb, QB_ENOMEM, "no memory to learn the rounding of %s", l->linear.node->name);
	}
	a->down = a->w + n;
	a->up = a->down + n;
	a->nearest = a->up + n;
	a->out = a->nearest + n;
	a->bias_now = a->bias + l->rows;
	QB_TRY(qb_layer_weights(m, l, a->w, NULL, eb));
	QB_TRY(qb_layer_biases(m, l, a->bias, a->bias_now, eb));
	qb_neighbours(l->q, a->w, a->down, a->up, 1, l->rows, l->k);
	qb_qdq(l->q, a->w, a->nearest, 1, l->rows, l->k);
	return QB_OK;
}

static enum qb_err round_layer(struct qb_method_weights *m, const struct params *params, const struct qb_layer *l,
	const struct qb_layer_inputs *in, json_t *layers, struct qb_errbuf *eb)
{
	struct rounding a = {.params = params, .l = l, .in = in};
	enum qb_err err;

	if (m->calibration->check) {
		QB_TRY(m->calibration->check(m->calibration->arg, eb));
	}
	QB_TRY_OUT(rounding_init(&a, m, eb));
	QB_TRY_OUT(qb_team_run(m->calibration->stream->threads, l->groups * a.chunks, round_chunk, &a, eb));
	QB_TRY_OUT(qb_layer_set(m, l, a.out, eb));
	report_layer(&a, layers);
out:
	rounding_fini(&a);
	return err == QB_OK ? err : qb_fail_in(eb, err, "layer %s", l->linear.node->name);
}

static enum qb_err run(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb)
{
	const struct params *p = params;
	json_t *layers = json_array();
	struct qb_layer *l = NULL;
	int count = 0;
	enum qb_err err;

	json_object_set_new(m->report, "layers", layers);
	QB_TRY_OUT(qb_layers_find(&l, &count, m, eb));
	for (int i = 0, end; i < count; i = end) {
		struct qb_layer_inputs in;

		end = qb_layers_alike(l, count, i);
		QB_TRY_OUT(qb_layer_inputs_init(&in, m, &l[i], p->positions, MEMORY, eb));
		for (int k = i; err == QB_OK && k < end; k++) {
			err = round_layer(m, p, &l[k], &in, layers, eb);
		}
		qb_layer_inputs_fini(&in);
		if (err != QB_OK) {
			goto out;
		}
	}
out:
	free(l);
	return err;
}

const struct qb_method qb_method_adaround = {
	.name = "adaround",
	.summary = "Learns whether each weight rounds up or down, layer by layer",
	.stage = QB_METHOD_WEIGHTS,
	.params_bytes = sizeof(struct params),
	.parse = parse,
	.weights = run,
};
