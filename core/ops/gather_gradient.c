/* SPDX-License-Identifier: Apache-2.0
 *
 * GatherGradient(indices, dy) -> dx [shape]: each row of dy is added to the row of dx that its index names, in order.
 * Attributes: Gather's axis; shape. And the rules of gathers and scatters.
 */
#include <inttypes.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_gather_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *index = &n->input[0]->shape, *dy = &n->input[1]->shape;
	struct qb_shape x;
	int axis;

	(void)g;
	QB_TRY(qb__op_need_float(n, 1, eb));
	QB_TRY(qb__op_shape_attr(n, &x, eb));
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x.ndim, false, &axis, eb));
	if (!qb_shape_concrete(index) || !qb_shape_concrete(dy) ||
	    qb_shape_product(dy, 0, dy->ndim) != qb_shape_product(&x, 0, axis) *
	    qb_shape_product(index, 0, index->ndim) * qb_shape_product(&x, axis + 1, x.ndim)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the gradient is not one of rows along axis %d", axis);
	}
	qb__op_set(n, 0, n->input[1]->dtype, x);
	return QB_OK;
}

static enum qb_err gather_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), dim, outer, inner;
	int64_t count = (int64_t)qb_tensor_size(in[0]);
	const double *dy = in[1]->data;

	axis += axis < 0 ? out[0].ndim : 0;
	dim = out[0].dim[axis];
	outer = op_span(&out[0], 0, (int)axis);
	inner = op_span(&out[0], (int)axis + 1, out[0].ndim);
	for (int64_t i = 0; i < outer * count; i++, dy += inner) {
		int64_t v = qb__op_load_int(in[0]->dtype, in[0]->data, (size_t)(i % count));
		double *row;

		if (v < -dim || v >= dim) {
			return qb_node_fail(eb, QB_EONNX, n, "index %" PRId64 " is outside a dimension of %" PRId64, v, dim);
		}
		row = (double *)out[0].data + (i / count * dim + v + (v < 0 ? dim : 0)) * inner;
		for (int64_t j = 0; j < inner; j++) {
			row[j] += dy[j];
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_gather_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(gather_gradient_f64, n, in, out, eb);
}

/* ---- rules ---- */

#define RULE(name) \
	enum qb_err qb__gradient_##name(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)

struct qb_value *qb__rule_ungather(struct qb__rule *r, struct qb_value *indices, struct qb_value *dy, int axis,
	const struct qb_shape *shape)
{
	struct qb_node *n = qb__rule_begin(r, QB_OP_GatherGradient, 2, (struct qb_value *[]){indices, dy}, 1);

	qb_node_add_int(n, "axis", axis);
	qb__rule_shape(r, n, shape);
	return qb__rule_end(r, n);
}

RULE(gather)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = qb__rule_ungather(&r, n->input[1], dy[0], (int)qb_node_int(n, "axis", 0), &n->input[0]->shape);
	return r.err;
}

/* data with updates at indices, added or put there */
static struct qb_value *scatter(struct qb__rule *r, enum qb_op_id op, struct qb_value *data, struct qb_value *indices,
	struct qb_value *updates, const char *reduction)
{
	struct qb_node *s = qb__rule_begin(r, op, 3, (struct qb_value *[]){data, indices, updates}, 1);

	if (op == QB_OP_ScatterElements) {
		qb_node_add_int(s, "axis", qb_node_int(r->of, "axis", 0));
	}
	qb_node_add_string(s, "reduction", reduction);
	return qb__rule_end(r, s);
}

RULE(gather_elements)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = scatter(&r, QB_OP_ScatterElements, qb__rule_zeros(&r, n->input[0]), n->input[1], dy[0], "add");
	return r.err;
}

RULE(gather_nd)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	if (qb_node_int(n, "batch_dims", 0)) {
		return qb__rule_refuse(&r, "it has no gradient with batch_dims");
	}
	dx[0] = scatter(&r, QB_OP_ScatterND, qb__rule_zeros(&r, n->input[0]), n->input[1], dy[0], "add");
	return r.err;
}

/* The data's gradient is 0 where an update was put; an update's is what stands there. With repeated indices the last update
 * stands, which these rules do not know: exporters do not write such. */
static enum qb_err unscatter(struct qb__rule *r, struct qb_node *n, enum qb_op_id op, struct qb_value *dy,
	const bool *wanted, struct qb_value **dx)
{
	bool nd = op == QB_OP_ScatterND, adds = strcmp(qb_node_string(n, "reduction", "none"), "add") == 0;
	struct qb_node *t;

	if (!adds && strcmp(qb_node_string(n, "reduction", "none"), "none") != 0) {
		return qb__rule_refuse(r, "it has a gradient with the reductions none and add only");
	}
	if (wanted[0]) {
		dx[0] = adds ? dy : scatter(r, op, dy, n->input[1], qb__rule_zeros(r, n->input[2]), "none");
	}
	if (wanted[2]) {
		t = qb__rule_begin(r, nd ? QB_OP_GatherND : QB_OP_GatherElements, 2, (struct qb_value *[]){dy, n->input[1]}, 1);
		if (!nd) {
			qb_node_add_int(t, "axis", qb_node_int(n, "axis", 0));
		}
		dx[2] = qb__rule_end(r, t);
	}
	return r->err;
}

RULE(scatter_elements)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	return unscatter(&r, n, QB_OP_ScatterElements, dy[0], wanted, dx);
}

RULE(scatter_nd)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	return unscatter(&r, n, QB_OP_ScatterND, dy[0], wanted, dx);
}

/* The indices count in the output, flattened, where no output_shape makes it larger. */
RULE(max_unpool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_shape flat_x = qb_shape_make(1, (int64_t[]){(int64_t)qb_value_size(n->input[0])});
	struct qb_shape flat_y = qb_shape_make(1, (int64_t[]){(int64_t)qb_value_size(n->output[0])});
	struct qb_value *v;

	(void)wanted;
	if (op_in(n, 2)) {
		return qb__rule_refuse(&r, "it has no gradient with an output_shape");
	}
	v = qb__rule_2(&r, QB_OP_Gather, qb__rule_reshape(&r, dy[0], &flat_y), qb__rule_reshape(&r, n->input[1], &flat_x));
	dx[0] = qb__rule_reshape(&r, v, &n->input[0]->shape);
	return r.err;
}
