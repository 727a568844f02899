/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound on the layers of a scheme, one after the other (core/ptq/adaround.h): the target of each is its output in
 * the float network, its inputs those of the network quantized so far.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/ptq/layer_inputs.h"
#include "core/ptq/adaround.h"
#include "core/graph/activation.h"
#include "core/ptq/output_scale.h"

/* Rows that one thread learns at a time: enough for a matrix product, few enough to share out. */
enum { CHUNK = 64 };
/* Of inputs kept. */
static const size_t MEMORY = (size_t)256 << 20;

struct params {
	struct qb_adaround_options opt;
	int64_t positions;
	bool biases;
	int scales; /* index into scale_choices */
};

static const char *const scale_choices[] = {"output", "range", NULL};
enum { OUTPUT, RANGE };

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){qb_adaround_defaults, 8192, true, OUTPUT};
}

_Static_assert(offsetof(struct params, opt.beta_end) == offsetof(struct params, opt.beta_start) + sizeof(double),
	"beta is read as a pair");

static enum qb_err check(void *params, const char *at, struct qb_errbuf *eb)
{
	const struct params *p = params;

	return p->opt.beta_start >= p->opt.beta_end ? QB_OK
		: qb_fail_field(eb, QB_EJOB, at, "beta", "must not rise; it starts at %g and ends at %g", p->opt.beta_start,
			p->opt.beta_end);
}

static const struct qb_field fields[] = {
	{"iterations", QB_FIELD_INT, offsetof(struct params, opt.iterations), 1, 1000000,
		.summary = "steps of Adam, for each layer"},
	{"batch", QB_FIELD_INT, offsetof(struct params, opt.batch), 1, 65536, .summary = "im2col rows of one step"},
	{"positions", QB_FIELD_LONG, offsetof(struct params, positions), 1, 10000000,
		.summary = "im2col rows kept of a layer, at most 256 MiB of them"},
	{"learning_rate", QB_FIELD_REAL, offsetof(struct params, opt.rate), 1e-6, 10, .summary = "of Adam"},
	{"regularization", QB_FIELD_REAL, offsetof(struct params, opt.lambda), 0, 1e6,
		.summary = "weight of what drives each decision to up or down"},
	{"beta", QB_FIELD_PAIR, offsetof(struct params, opt.beta_start), 1, 100,
		.summary = "of the regularization: where it starts and ends"},
	{"warm_start", QB_FIELD_REAL, offsetof(struct params, opt.warm_up), 0, 0.99,
		.summary = "share of the iterations without regularization"},
	{"shrinkage", QB_FIELD_REAL, offsetof(struct params, opt.shrinkage), 0, 1e6,
		.summary = "weight of what holds against chance in few positions"},
	{"biases", QB_FIELD_BOOL, offsetof(struct params, biases), 0, 0, .summary = "learns biases"},
	{"scales", QB_FIELD_CHOICE, offsetof(struct params, scales), 0, 0, .choices = scale_choices,
		.summary = "what decides the steps of the grids: the layer's output, or the range search"},
	{.name = NULL},
};

/* One layer at work. */
struct rounding {
	const struct params *params;
	const struct qb_layer *l;
	const struct qb_layer_inputs *in;
	float *w, *down, *up, *nearest, *out; /* [rows, k] */
	float *bias, *bias_now, *bias_out;    /* [rows] */
	bool learn_bias;
	float *moments;                       /* [groups][k, k] of the inputs; NULL: scales stay */
	struct qb_blocks blocks;              /* of the rows */
	int64_t chunk, chunks;                /* rows of a chunk; chunks of a group */
	struct qb_adaround_report *report;    /* [groups * chunks] */
};

static enum qb_err group_moments(void *arg, int thread, int64_t group, struct qb_errbuf *eb)
{
	struct rounding *a = arg;
	int64_t k = a->l->k, n = a->in->n;

	(void)thread;
	return qb_output_moments(a->moments + group * k * k, a->in->xq + group * n * k, n, k, a->learn_bias,
		a->params->opt.shrinkage, eb);
}

/* The rows of an item: a chunk of a group. */
static void rows_of(const struct rounding *a, int64_t item, int64_t *group, int64_t *first, int64_t *rows)
{
	int64_t per_group = a->l->rows / a->l->groups, begin = item % a->chunks * a->chunk;

	*group = item / a->chunks;
	*first = *group * per_group + begin;
	*rows = QB_MIN(a->chunk, per_group - begin);
}

static enum qb_err fit_chunk(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct rounding *a = arg;
	int64_t group, first, rows, k = a->l->k;

	(void)thread;
	rows_of(a, item, &group, &first, &rows);
	return qb_output_scales(a->l->q->scale + first, a->l->q, first, a->w + first * k, rows, k,
		a->moments + group * k * k, eb);
}

static bool are_powers_of_two(const struct qb_quantizer *q)
{
	for (int64_t i = 0; i < q->channels; i++) {
		int e;

		if (frexpf(q->scale[i], &e) != 0.5f) {
			return false;
		}
	}
	return true;
}

/* Scales that rows have to themselves, and that may be any number. */
static bool may_fit_scales(const struct rounding *a)
{
	const struct qb_quantizer *q = a->l->q;

	return a->params->scales == OUTPUT && q->channels == a->l->rows && q->format.real_scale && !q->format.block &&
		!are_powers_of_two(q);
}

static enum qb_err fit_scales(struct rounding *a, int threads, struct qb_errbuf *eb)
{
	const struct qb_layer *l = a->l;

	if (!may_fit_scales(a)) {
		return QB_OK;
	}
	a->moments = malloc((size_t)(l->groups * l->k * l->k) * sizeof(*a->moments));
	if (!a->moments) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the moments of %lld inputs", (long long)l->k);
	}
	QB_TRY(qb_team_run(threads, l->groups, group_moments, a, eb));
	return qb_team_run(threads, l->groups * a->chunks, fit_chunk, a, eb);
}

static enum qb_err round_chunk(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct rounding *a = arg;
	const struct qb_layer *l = a->l;
	struct qb_adaround_rows r = {.k = l->k, .samples = a->in->n, .learn_bias = a->learn_bias,
		.act = qb_node_activation(l->linear.node)};
	int64_t group, first;
	size_t at, inputs;
	enum qb_err err;
	float *y;

	(void)thread;
	rows_of(a, item, &group, &first, &r.rows);
	at = (size_t)(first * l->k);
	inputs = (size_t)(group * a->in->n * l->k);
	y = malloc((size_t)(a->in->n * r.rows) * sizeof(*y));
	if (!y) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the outputs of %s", l->linear.node->name);
	}
	r.w = a->w + at;
	r.down = a->down + at;
	r.up = a->up + at;
	r.nearest = a->nearest + at;
	r.bias = a->bias + first;
	r.x = a->in->x + inputs;
	r.y = y;
	r.y_stride = r.rows;
	QB_TRY_OUT(qb_adaround_outputs(&r, y, eb));
	r.x = a->in->xq + inputs;
	r.bias = a->bias_now + first;
	QB_TRY_OUT(qb_adaround(&r, &a->params->opt, a->out + at, a->bias_out + first, &a->report[item], eb));
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
	free(a->moments);
	free(a->report);
	qb_blocks_fini(&a->blocks);
}

static enum qb_err rounding_init(struct rounding *a, const struct qb_method_weights *m, struct qb_errbuf *eb)
{
	const struct qb_layer *l = a->l;
	size_t n = (size_t)(l->rows * l->k);

	a->chunk = QB_MIN(CHUNK, l->rows / l->groups);
	a->chunks = (l->rows / l->groups + a->chunk - 1) / a->chunk;
	a->w = calloc(5 * n, sizeof(*a->w));
	a->bias = calloc(3 * (size_t)l->rows, sizeof(*a->bias));
	a->report = calloc((size_t)(l->groups * a->chunks), sizeof(*a->report));
	if (!a->w || !a->bias || !a->report) {
		return qb_fail(eb, QB_ENOMEM, "no memory to learn the rounding of %s", l->linear.node->name);
	}
	a->down = a->w + n;
	a->up = a->down + n;
	a->nearest = a->up + n;
	a->out = a->nearest + n;
	a->bias_now = a->bias + l->rows;
	a->bias_out = a->bias_now + l->rows;
	a->learn_bias = a->params->biases && l->linear.bias && qb_value_only_user(l->linear.bias);
	QB_TRY(qb_layer_weights(m, l, a->w, NULL, eb));
	QB_TRY(qb_layer_biases(m, l, a->bias, a->bias_now, eb));
	QB_TRY(fit_scales(a, m->calibration->stream->threads, eb));
	QB_TRY(qb_blocks_init(&a->blocks, qb_block_count(l->q, 1, l->rows, l->k), eb));
	if (l->q->format.block) {
		qb_blocks_of(l->q, a->w, l->rows, l->k, &a->blocks);
	}
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
	QB_TRY_OUT(qb_layer_set(m, l, a.out, &a.blocks, eb));
	if (a.learn_bias) {
		QB_TRY_OUT(qb_method_set(m, l->linear.bias, a.bias_out, eb));
	}
	report_layer(&a, layers);
out:
	rounding_fini(&a);
	return err == QB_OK ? err : qb_fail_in(eb, err, "layer %s", l->linear.node->name);
}

static enum qb_err round_alike(struct qb_method_weights *m, const void *params, const struct qb_layer *l, int count,
	json_t *layers, struct qb_errbuf *eb)
{
	const struct params *p = params;
	struct qb_layer_inputs in;
	enum qb_err err = qb_layer_inputs_init(&in, m, l, p->positions, MEMORY, eb);

	for (int i = 0; err == QB_OK && i < count; i++) {
		err = round_layer(m, p, &l[i], &in, layers, eb);
	}
	qb_layer_inputs_fini(&in);
	return err;
}

static enum qb_err run(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb)
{
	return qb_layers_each(m, params, round_alike, eb);
}

const struct qb_method qb_method_adaround = {
	.named = {.name = "adaround", .summary = "Learns whether each weight rounds up or down, layer by layer",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = check},
	.stage = QB_METHOD_WEIGHTS, .weights = run,
};
