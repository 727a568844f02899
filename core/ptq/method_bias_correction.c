/* SPDX-License-Identifier: Apache-2.0
 *
 * Bias correction (core/ptq/bias_shift.h), layer by layer. Empirical: what the network quantized so far moves the
 * mean of each output channel by, over the calibration samples, is taken from the bias. Analytic: what the rounding of
 * the weights moves it by, for inputs whose means follow from the batch norms before them; it looks at no sample, and
 * leaves a layer alone where no batch norm says anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/ptq/layer_inputs.h"
#include "core/graph/activation.h"
#include "core/ptq/bias_shift.h"

enum { EMPIRICAL, ANALYTIC };
static const char *const modes[] = {"empirical", "analytic", NULL};

struct params {
	int mode; /* index into modes */
	int64_t positions;
};

static const struct qb_field fields[] = {
	{"mode", QB_FIELD_CHOICE, offsetof(struct params, mode), 0, 0, .choices = modes,
		.summary = "means over the calibration samples, or of a clipped normal"},
	{"positions", QB_FIELD_LONG, offsetof(struct params, positions), 1, 1000000000,
		.summary = "of empirical means: at most so many; default: all"},
	{.name = NULL},
};

struct means {
	const struct qb_layer *l;
	double *x, *xq; /* [groups][k]: sums, then means */
	int64_t n;
};

static enum qb_err add_inputs(void *arg, const float *x, const float *xq, int64_t n, struct qb_errbuf *eb)
{
	struct means *s = arg;
	int64_t k = s->l->k;

	(void)eb;
	for (int64_t g = 0; g < s->l->groups; g++) {
		for (int64_t i = g * n; i < (g + 1) * n; i++) {
			for (int64_t j = 0; j < k; j++) {
				s->x[g * k + j] += (double)x[i * k + j];
				s->xq[g * k + j] += (double)xq[i * k + j];
			}
		}
	}
	s->n += n;
	return QB_OK;
}

/* Analytically */

/* The channels of [N,C] and [N,C,...]; 0: it has none. */
static int64_t channels_of(const struct qb_value *v)
{
	return v->shape.ndim >= 2 ? v->shape.dim[1] : 0;
}

static bool adds_means(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Add) && qb_node_activation(n).kind == QB_ACT_NONE;
}

/* What leaves the mean of each channel as it is: averages, and a reshape to [N,C]. */
static bool keeps_means(const struct qb_node *n)
{
	const struct qb_value *x = n->input[0], *y = n->output[0];

	return qb_node_is(n, QB_OP_GlobalAveragePool) ||
		((qb_node_is(n, QB_OP_Flatten) || qb_node_is(n, QB_OP_Reshape) || qb_node_is(n, QB_OP_Squeeze)) &&
			x->shape.ndim >= 2 && y->shape.ndim == 2 && x->shape.dim[0] == y->shape.dim[0] &&
			channels_of(x) == channels_of(y) &&
			qb_value_size(x) == (size_t)(channels_of(x) * x->shape.dim[0]));
}

/* Adds the mean of each channel of v to mean [channels]; false where it does not follow from batch norms. */
static bool expect(const struct qb_value *v, double *mean, int depth)
{
	const struct qb_node *p = qb_value_layer(v);

	if (!p || depth > 32 || v != qb_node_result(p)) {
		return false;
	}
	if (p->normal && p->normal->channels == channels_of(v)) {
		const struct qb_act act = qb_node_activation(p);
		bool clips = act.kind != QB_ACT_NONE;

		for (int64_t c = 0; c < p->normal->channels; c++) {
			mean[c] += qb_clipped_normal_mean(p->normal->mean[c], p->normal->deviation[c],
				clips ? (double)act.lo : -INFINITY, clips ? (double)act.hi : INFINITY);
		}
		return true;
	}
	if (adds_means(p) && channels_of(p->input[0]) == channels_of(p->input[1])) {
		return expect(p->input[0], mean, depth + 1) && expect(p->input[1], mean, depth + 1);
	}
	return p->inputs > 0 && p->input[0] && keeps_means(p) && expect(p->input[0], mean, depth + 1);
}

/* false: nothing is known of what is fed to l. */
static bool means_expect(struct means *s, const struct qb_layer *l)
{
	const struct qb_value *v = l->linear.node->input[0];
	int64_t channels = l->linear.ins, kernel_elements = l->linear.kernel_elements;
	double *mean = channels_of(v) == channels ? calloc((size_t)channels, sizeof(*mean)) : NULL;
	bool known = mean && expect(v, mean, 0);

	for (int64_t i = 0; known && i < channels * kernel_elements; i++) {
		s->x[i] = s->xq[i] = mean[i / kernel_elements];
	}
	free(mean);
	return known;
}

/* The means of what is fed to l; *known: whether they are. */
static enum qb_err means_init(struct means *s, const struct qb_method_weights *m, const struct params *p,
	const struct qb_layer *l, bool *known, struct qb_errbuf *eb)
{
	size_t n = (size_t)(l->groups * l->k);

	*s = (struct means){.l = l, .x = calloc(n, sizeof(double)), .xq = calloc(n, sizeof(double))};
	if (!s->x || !s->xq) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the means of %s", l->linear.node->name);
	}
	*known = true;
	if (p->mode == ANALYTIC) {
		*known = means_expect(s, l);
		return QB_OK;
	}
	QB_TRY(qb_layer_stream(m, l, p->positions, add_inputs, s, eb));
	for (size_t i = 0; i < n; i++) {
		s->x[i] /= (double)s->n;
		s->xq[i] /= (double)s->n;
	}
	return QB_OK;
}

static enum qb_err correct(struct qb_method_weights *m, const struct qb_layer *l, const struct means *s, json_t *layers,
	struct qb_errbuf *eb)
{
	size_t n = (size_t)(l->rows * l->k), rows = (size_t)l->rows;
	float *w = calloc(2 * n + 2 * rows, sizeof(*w)), *now, *bias, *bias_now;
	double *shift = calloc(rows, sizeof(*shift)), moved = 0;
	int64_t per_group = l->rows / l->groups;
	enum qb_err err;

	if (!w || !shift) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the weights of %s", l->linear.node->name);
		goto out;
	}
	now = w + n;
	bias = now + n;
	bias_now = bias + rows;
	QB_TRY_OUT(qb_layer_weights(m, l, w, now, eb));
	QB_TRY_OUT(qb_layer_biases(m, l, bias, bias_now, eb));
	for (int64_t g = 0; g < l->groups; g++) {
		qb_bias_shift(w + g * per_group * l->k, now + g * per_group * l->k, s->x + g * l->k, s->xq + g * l->k,
			per_group, l->k, shift + g * per_group);
	}
	for (size_t i = 0; i < rows; i++) {
		moved = fmax(moved, fabs((double)bias[i] + shift[i] - (double)bias_now[i]));
		bias[i] = (float)((double)bias[i] + shift[i]);
	}
	QB_TRY_OUT(qb_method_set(m, l->linear.bias, bias, eb));
	json_array_append_new(layers, json_pack("{s:s, s:f}", "layer", l->linear.node->name, "largest_shift", moved));
out:
	free(w);
	free(shift);
	return err;
}

static enum qb_err correct_alike(struct qb_method_weights *m, const void *params, const struct qb_layer *l, int count,
	json_t *layers, struct qb_errbuf *eb)
{
	struct means s;
	bool known = false;
	enum qb_err err = means_init(&s, m, params, l, &known, eb);

	for (int i = 0; err == QB_OK && known && i < count; i++) {
		if (l[i].linear.bias && qb_value_only_user(l[i].linear.bias)) {
			err = correct(m, &l[i], &s, layers, eb);
		}
	}
	free(s.x);
	free(s.xq);
	return err;
}

static enum qb_err run(struct qb_method_weights *m, const void *params, struct qb_errbuf *eb)
{
	return qb_layers_each(m, params, correct_alike, eb);
}

const struct qb_method qb_method_bias_correction = {
	.named = {.name = "bias_correction", .summary = "Takes from each bias what quantization adds to the mean of its output",
		.params_bytes = sizeof(struct params), .fields = fields},
	.stage = QB_METHOD_WEIGHTS, .needs_bias = true, .weights = run,
};
