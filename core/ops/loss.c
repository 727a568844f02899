/* SPDX-License-Identifier: Apache-2.0
 *
 * SoftmaxCrossEntropy(logits, target, weight) -> loss, a scalar: the sum over places of
 * weight * sum over classes of -target * log softmax(logits / temperature), and its gradient by the logits. target has the
 * logits' shape and any values (a distribution, in general); weight has their shape without `axis`, or is one element.
 * Attributes: axis (the classes; default -1), temperature (default 1).
 */
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

static enum qb_err check(const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t weights = qb_shape_product(&n->input[2]->shape, 0, n->input[2]->shape.ndim);
	char have[256], want[256];
	int axis;

	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	if (!qb_shape_concrete(x) || !qb_shape_equal(x, &n->input[1]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the target has shape %s, the logits have %s",
			qb_shape_text(&n->input[1]->shape, have, sizeof(have)), qb_shape_text(x, want, sizeof(want)));
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), x->ndim, false, &axis, eb));
	if (weights != 1 && weights != qb_shape_product(x, 0, axis) * qb_shape_product(x, axis + 1, x->ndim)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the weight has shape %s; one element, or one for each place of %s beside "
			"axis %d, is possible", qb_shape_text(&n->input[2]->shape, have, sizeof(have)),
			qb_shape_text(x, want, sizeof(want)), axis);
	}
	return (double)qb_node_float(n, "temperature", 1) > 0 ? QB_OK : qb_node_fail(eb, QB_EONNX, n, "the temperature is not "
		"positive");
}

/* One place: the classes of `count` elements, `stride` apart. */
struct place {
	const double *logit, *target;
	double weight, inverse_temperature, log_sum; /* log_sum: log of the sum of exp(logit / temperature) */
	int64_t at, count, stride;
};

struct places {
	int64_t count, classes, inner;
};

static struct places places_of(const struct qb_node *n, const struct qb_tensor *logits)
{
	int64_t axis = qb_node_int(n, "axis", -1);
	struct places p;

	axis += axis < 0 ? logits->ndim : 0;
	p.classes = logits->dim[axis];
	p.inner = op_span(logits, (int)axis + 1, logits->ndim);
	p.count = op_span(logits, 0, (int)axis) * p.inner;
	return p;
}

static struct place place_of(const struct qb_node *n, const struct qb_tensor *const in[], const struct places *all, int64_t i)
{
	struct place p = {.at = i / all->inner * all->classes * all->inner + i % all->inner, .count = all->classes,
		.stride = all->inner, .inverse_temperature = 1 / (double)qb_node_float(n, "temperature", 1)};
	double max = -INFINITY, sum = 0;

	p.logit = (const double *)in[0]->data + p.at;
	p.target = (const double *)in[1]->data + p.at;
	p.weight = ((const double *)in[2]->data)[qb_tensor_size(in[2]) > 1 ? i : 0];
	for (int64_t c = 0; c < p.count; c++) {
		max = fmax(max, p.logit[c * p.stride] * p.inverse_temperature);
	}
	for (int64_t c = 0; c < p.count; c++) {
		sum += exp(p.logit[c * p.stride] * p.inverse_temperature - max);
	}
	p.log_sum = max + log(sum);
	return p;
}

enum qb_err qb__infer_softmax_cross_entropy(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check(n, eb));
	qb__op_set(n, 0, n->input[0]->dtype, qb_shape_make(0, NULL));
	return QB_OK;
}

static enum qb_err softmax_cross_entropy_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct places all = places_of(n, in[0]);
	double loss = 0;

	(void)eb;
	for (int64_t i = 0; i < all.count; i++) {
		struct place p = place_of(n, in, &all, i);
		double sum = 0;

		for (int64_t c = 0; c < p.count; c++) {
			sum += p.target[c * p.stride] * (p.log_sum - p.logit[c * p.stride] * p.inverse_temperature);
		}
		loss += p.weight * sum;
	}
	((double *)out[0].data)[0] = loss;
	return QB_OK;
}

enum qb_err qb__eval_softmax_cross_entropy(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(softmax_cross_entropy_f64, n, in, out, eb);
}

/* SoftmaxCrossEntropyGradient(logits, target, weight, dloss, a scalar) -> dlogits =
 * dloss * weight / temperature * (softmax * sum(target) - target) */
enum qb_err qb__infer_softmax_cross_entropy_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(check(n, eb));
	QB_TRY(qb__op_need_same(n, 3, eb));
	QB_TRY(qb__op_need_rank(n, 3, 0, 0, eb));
	return qb__op_infer_same(g, n, eb);
}

static enum qb_err softmax_cross_entropy_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct places all = places_of(n, in[0]);
	double dloss = ((const double *)in[3]->data)[0];

	(void)eb;
	for (int64_t i = 0; i < all.count; i++) {
		struct place p = place_of(n, in, &all, i);
		double *dx = (double *)out[0].data + p.at, total = 0;

		for (int64_t c = 0; c < p.count; c++) {
			total += p.target[c * p.stride];
		}
		for (int64_t c = 0; c < p.count; c++) {
			double y = exp(p.logit[c * p.stride] * p.inverse_temperature - p.log_sum);

			dx[c * p.stride] = dloss * p.weight * p.inverse_temperature * (y * total - p.target[c * p.stride]);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_softmax_cross_entropy_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(softmax_cross_entropy_gradient_f64, n, in, out, eb);
}

enum qb_err qb__gradient_softmax_cross_entropy(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy,
	const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)
{
	static const char *const names[] = {"axis", "temperature", NULL};
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *s;

	if (wanted[1] || wanted[2]) {
		return qb__rule_refuse(&r, "only its logits have a gradient, not its target and weight");
	}
	s = qb__rule_begin(&r, QB_OP_SoftmaxCrossEntropyGradient, 4, (struct qb_value *[]){n->input[0], n->input[1],
		n->input[2], dy[0]}, 1);
	qb__rule_copy_attrs(s, n, names);
	dx[0] = qb__rule_end(&r, s);
	return r.err;
}
