/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize and Upsample. Every mode is separable: each axis has, for each output, a few inputs and their weights
 * (core/ops/resize_axis.h). ResizeGradient(dy) -> dx [shape] is the transpose. Its attributes: those of the operator that
 * its attribute `operator` names, its opset that operator's; `scales` or `sizes` as attributes; `shape`.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/resize_axis.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

enum qb_err qb__infer_resize(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb__resize r;

	(void)g;
	if (!x->known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__resize_read(n, NULL, x, &r, eb));
	qb__op_set(n, 0, n->input[0]->dtype, r.known ? qb_shape_make(x->ndim, r.out) : qb_shape_ranked(x->ndim));
	return QB_OK;
}

/* ---- evaluation ---- */

/* One axis of a tensor seen as [outer, in or out, inner]. */
struct axis {
	int64_t outer, in, out, inner;
	double extrapolation;
	bool rounds; /* to float32 */
};

/* x [outer, in, inner] -> y [outer, out, inner] */
static void apply_points(const struct qb_resize_points *t, const struct axis *a, const double *x, double *y)
{
	for (int64_t o = 0; o < a->outer; o++) {
		for (int64_t i = 0; i < a->out; i++) {
			const int64_t *from = t->from + i * t->count;
			const double *weight = t->weight + i * t->count;
			double *row = y + (o * a->out + i) * a->inner;

			for (int64_t j = 0; j < a->inner; j++) {
				double sum = t->count == 1 ? x[(o * a->in + from[0]) * a->inner + j] : 0;

				for (int k = 0; k < t->count && t->count > 1; k++) {
					sum += weight[k] * x[(o * a->in + from[k]) * a->inner + j];
				}
				sum = t->outside[i] ? a->extrapolation : sum;
				row[j] = a->rounds ? (double)(float)sum : sum;
			}
		}
	}
}

/* The transpose: dy [outer, out, inner] -> dx [outer, in, inner], zeroed */
static void apply_transposed(const struct qb_resize_points *t, const struct axis *a, const double *dy, double *dx)
{
	for (int64_t o = 0; o < a->outer; o++) {
		for (int64_t i = 0; i < a->out; i++) {
			const double *row = dy + (o * a->out + i) * a->inner;

			for (int k = 0; k < t->count && !t->outside[i]; k++) {
				double weight = t->count == 1 ? 1 : t->weight[i * t->count + k];
				double *to = dx + (o * a->in + t->from[i * t->count + k]) * a->inner;

				for (int64_t j = 0; j < a->inner; j++) {
					to[j] += weight * row[j];
				}
			}
		}
	}
}

static bool axis_is_identity(const struct qb__resize *r, int d, int64_t in)
{
	return r->out[d] == in && r->scale[d] == 1 && r->coordinates != RESIZE_TF_CROP_AND_RESIZE;
}

/* Axis d, *now replaced by a new array; now_dim: dimensions of *now. false without memory. */
static bool walk_axis(const struct qb__resize *r, int d, struct axis a, bool transposed, struct qb_shape *now_dim, double **now)
{
	struct qb_resize_points t;
	double *next;
	size_t size;

	a.outer = qb_shape_product(now_dim, 0, d);
	a.inner = qb_shape_product(now_dim, d + 1, now_dim->ndim);
	now_dim->dim[d] = transposed ? a.in : a.out;
	size = (size_t)qb_shape_product(now_dim, 0, now_dim->ndim);
	next = qb_aligned_alloc(size, sizeof(*next));
	if (!next || !qb__resize_points_init(r, d, a.in, a.out, &t)) {
		free(next);
		return false;
	}
	if (transposed) {
		memset(next, 0, size * sizeof(*next));
		apply_transposed(&t, &a, *now, next);
	} else {
		apply_points(&t, &a, *now, next);
	}
	qb__resize_points_fini(&t);
	free(*now);
	*now = next;
	return true;
}

/* All axes, from x's dimensions to y's or back. from and to are float64. */
static enum qb_err walk(const struct qb_node *n, const struct qb__resize *r, const struct qb_shape *x, bool rounds,
	const struct qb_tensor *from, struct qb_tensor *to, struct qb_errbuf *eb)
{
	struct qb_shape dim = qb_shape_of(from);
	double *now = qb_aligned_alloc(qb_tensor_size(from), sizeof(*now));
	bool ok = now;

	if (now) {
		memcpy(now, from->data, qb_tensor_size(from) * sizeof(*now));
	}
	for (int d = x->ndim - 1; ok && d >= 0; d--) {
		if (!axis_is_identity(r, d, x->dim[d])) {
			ok = walk_axis(r, d, (struct axis){.in = x->dim[d], .out = r->out[d], .rounds = rounds,
				.extrapolation = r->extrapolation}, qb_node_is(n, QB_OP_ResizeGradient), &dim, &now);
		}
	}
	if (ok) {
		memcpy(to->data, now, qb_tensor_size(to) * sizeof(*now));
	}
	free(now);
	return ok ? QB_OK : qb__op_no_memory(n, eb);
}

static enum qb_err resize_f64(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_shape x = qb_shape_of(in[0]);
	struct qb__resize r;

	QB_TRY(qb__resize_read(n, in, &x, &r, eb));
	return walk(n, &r, &x, false, in[0], &out[0], eb);
}

/* Rounds to float32 after each axis. */
static enum qb_err resize_f32(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_shape x = qb_shape_of(in[0]);
	struct qb__resize r;

	QB_TRY(qb__resize_read(n, in, &x, &r, eb));
	return walk(n, &r, &x, true, in[0], &out[0], eb);
}

/* Integers go through float64. */
static enum qb_err resize_integers(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb_tensor x = *in[0], y = out[0];
	const struct qb_tensor *args[4] = { &x };
	enum qb_err err;

	for (int i = 1; i < n->inputs && i < 4; i++) {
		args[i] = in[i];
	}
	x.dtype = y.dtype = QB_F64;
	x.data = qb_aligned_alloc(qb_tensor_size(&x), sizeof(double));
	y.data = qb_aligned_alloc(qb_tensor_size(&y), sizeof(double));
	if (x.data && y.data) {
		qb__op_to_f64(in[0], x.data);
		err = resize_f32(n, args, &y, eb);
	} else {
		err = qb__op_no_memory(n, eb);
	}
	if (err == QB_OK) {
		qb__op_from_f64(y.data, &out[0]);
	}
	free(x.data);
	free(y.data);
	return err;
}

enum qb_err qb__eval_resize(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	if (!op_is_float(in[0]->dtype)) {
		return resize_integers(n, in, out, eb);
	}
	return qb__op_as_f64(in[0]->dtype == QB_F64 ? resize_f64 : resize_f32, n, in, out, eb);
}

/* ---- ResizeGradient ---- */

enum qb_err qb__infer_resize_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape x, y;
	struct qb__resize r;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_shape_attr(n, &x, eb));
	QB_TRY(qb__resize_read(n, NULL, &x, &r, eb));
	y = qb_shape_make(x.ndim, r.out);
	if (!qb_shape_equal(&y, &n->input[0]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the gradient has not the shape of the resized tensor");
	}
	if (r.coordinates == RESIZE_TF_CROP_AND_RESIZE) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "tf_crop_and_resize has no gradient here");
	}
	qb__op_set(n, 0, n->input[0]->dtype, x);
	return QB_OK;
}

static enum qb_err resize_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb_shape x = qb_shape_of(&out[0]);
	struct qb__resize r;

	QB_TRY(qb__resize_read(n, NULL, &x, &r, eb));
	return walk(n, &r, &x, false, in[0], &out[0], eb);
}

enum qb_err qb__eval_resize_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(resize_gradient_f64, n, in, out, eb);
}

/* ---- rule ---- */

/* What the inputs say, as attributes: scales, or sizes. false where they are not constant. */
static bool set_sizes(struct qb__rule *r, struct qb_node *to, const struct qb_node *n)
{
	bool two_inputs = strcmp(n->type, "Upsample") == 0 || n->opset < 11;
	const struct qb_tensor *scales = op_const(n, two_inputs ? 1 : 2), *sizes = two_inputs ? NULL : op_const(n, 3);
	static const char *const names[] = {"scales", NULL};
	int64_t list[QB_MAX_DIMS];
	size_t count = scales ? qb_tensor_size(scales) : 0;
	float *copy;

	if (sizes && qb_tensor_size(sizes)) {
		qb__rule_ints(r, to, "sizes", qb__op_ints(sizes, list, QB_MAX_DIMS), list);
		return true;
	}
	if (!count) {
		qb__rule_copy_attrs(to, n, names);
		return qb_node_attr(n, "scales");
	}
	copy = qb_arena_alloc(r->g->arena, count, sizeof(*copy));
	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = (float)qb__op_load(scales->dtype, scales->data, i);
	}
	to->attr[to->attrs++] = (struct qb_attr){.name = "scales", .kind = QB_ATTR_FLOATS, .count = copy ? (int)count : 0,
		.floats = copy};
	return true;
}

enum qb_err qb__gradient_resize(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	static const char *const names[] = {"mode", "coordinate_transformation_mode", "nearest_mode", "antialias",
		"exclude_outside", "cubic_coeff_a", "axes", "keep_aspect_ratio_policy", NULL};
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *s = qb__rule_begin(&r, QB_OP_ResizeGradient, 1, (struct qb_value *[]){dy[0]}, 1);

	(void)wanted;
	s->opset = n->opset;
	qb_node_add_string(s, "operator", n->type);
	qb__rule_copy_attrs(s, n, names);
	qb__rule_shape(&r, s, &n->input[0]->shape);
	if (!set_sizes(&r, s, n)) {
		return qb__rule_refuse(&r, "its scales or sizes are computed, and it has no gradient then");
	}
	dx[0] = qb__rule_end(&r, s);
	return r.err;
}
