/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisations and softmax.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/broadcast.h"
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static int64_t channels_of(const struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape;

	return !x->known ? QB_DIM_UNKNOWN : x->ndim > 1 ? x->dim[1] : 1;
}

/* ---- BatchNormalization ---- */

enum qb_err qb__infer_batch_norm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t c;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 1, QB_MAX_DIMS, eb));
	if (n->opset < 9 && qb_node_int(n, "spatial", 1) == 0) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "statistics for each activation (spatial = 0) are not "
			"supported");
	}
	c = channels_of(n);
	for (int i = 1; i < 5; i++) {
		QB_TRY(qb__op_need_float(n, i, eb));
		QB_TRY(qb__op_need_vector(n, i, c, eb));
	}
	/* Before opset 14 it trains where it gives the statistics of the batch. */
	if (n->opset >= 14 ? qb_node_int(n, "training_mode", 0) != 0 : n->outputs > 1) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "batch normalization in training mode%s is not supported; export the "
			"network for inference", n->opset >= 14 ? "" : ", which outputs besides the first say,");
	}
	if (n->outputs > 1) {
		return qb_node_fail(eb, QB_EONNX, n, "output 1, %s, exists in training mode only", n->output[1]->name);
	}
	qb__op_set(n, 0, n->input[0]->dtype, n->input[0]->shape);
	return QB_OK;
}

static enum qb_err batch_norm_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0];
	int64_t outer = x->ndim ? x->dim[0] : 1, channels = x->ndim > 1 ? x->dim[1] : 1;
	int64_t inner = op_span(x, 2, x->ndim);
	double eps = (double)qb_node_float(n, "epsilon", 1e-5f);
	const double *scale = in[1]->data, *shift = in[2]->data, *means = in[3]->data, *vars = in[4]->data;

	(void)eb;
	for (int64_t c = 0; c < channels; c++) {
		double a = scale[c] / sqrt(vars[c] + eps), b = shift[c] - means[c] * a;

		for (int64_t o = 0; o < outer; o++) {
			const double *xs = (const double *)x->data + (o * channels + c) * inner;
			double *ys = (double *)out[0].data + (o * channels + c) * inner;

			for (int64_t i = 0; i < inner; i++) {
				ys[i] = xs[i] * a + b;
			}
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_batch_norm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(batch_norm_f64, n, in, out, eb);
}

/* ---- InstanceNormalization, GroupNormalization: statistics of each sample's group of channels ---- */

enum qb_err qb__infer_instance_norm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	QB_TRY(qb__op_need_vector(n, 1, channels_of(n), eb));
	QB_TRY(qb__op_need_vector(n, 2, channels_of(n), eb));
	return qb__op_infer_float_same(g, n, eb);
}

enum qb_err qb__infer_group_norm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t groups = qb_node_int(n, "num_groups", 0), c = channels_of(n);
	int64_t parameters = n->opset >= 21 ? c : groups; /* opset 18 scaled groups, 21 channels */

	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (groups < 1 || (qb_dim_number(c) && c % groups)) {
		return qb_node_fail(eb, QB_EONNX, n, "%" PRId64 " channels do not split into num_groups = %" PRId64,
			c, groups);
	}
	QB_TRY(qb__op_need_vector(n, 1, parameters, eb));
	QB_TRY(qb__op_need_vector(n, 2, parameters, eb));
	return qb__op_infer_float_same(g, n, eb);
}

/* y = (x - mean) / sqrt(var + eps) over n contiguous elements. */
static void normalise(const double *x, double *y, int64_t n, double eps, double *mean, double *inverse)
{
	double sum = 0, squares = 0;

	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
	}
	*mean = sum / (double)n;
	for (int64_t i = 0; i < n; i++) {
		double d = x[i] - *mean;

		squares += d * d;
	}
	*inverse = 1 / sqrt(squares / (double)n + eps);
	for (int64_t i = 0; i < n; i++) {
		y[i] = (x[i] - *mean) * *inverse;
	}
}

static enum qb_err grouped_norm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor *out, int64_t groups, struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0];
	int64_t channels = x->dim[1], inner = op_span(x, 2, x->ndim), per = channels / groups;
	int64_t parameters = in[1]->dim[0], size = per * inner;
	double eps = (double)qb_node_float(n, "epsilon", 1e-5f), mean, inverse;
	double *y = qb_aligned_alloc((size_t)size, sizeof(*y));

	if (!y) {
		return qb__op_no_memory(n, eb);
	}
	for (int64_t i = 0; i < x->dim[0] * groups; i++) {
		normalise((const double *)x->data + i * size, y, size, eps, &mean, &inverse);
		for (int64_t j = 0; j < size; j++) {
			int64_t c = i % groups * per + j / inner;
			int64_t p = parameters == channels ? c : i % groups;

			((double *)out->data)[i * size + j] = y[j] * ((const double *)in[1]->data)[p] +
				((const double *)in[2]->data)[p];
		}
	}
	free(y);
	return QB_OK;
}

static enum qb_err instance_norm_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return grouped_norm(n, in, out, in[0]->dim[1], eb);
}

enum qb_err qb__eval_instance_norm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(instance_norm_f64, n, in, out, eb);
}

static enum qb_err group_norm_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return grouped_norm(n, in, out, qb_node_int(n, "num_groups", 1), eb);
}

enum qb_err qb__eval_group_norm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(group_norm_f64, n, in, out, eb);
}

/* ---- LayerNormalization: over dimensions [axis, rank) ---- */

enum qb_err qb__infer_layer_norm(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape stats = *x, inner, wide;
	int axis;

	QB_TRY(qb__op_infer_float_same(g, n, eb));
	if (!x->known) {
		qb__op_set(n, 1, QB_F32, qb_shape_unknown());
		qb__op_set(n, 2, QB_F32, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", -1), x->ndim, false, &axis, eb));
	inner = qb_shape_make(x->ndim - axis, x->dim + axis);
	for (int i = 1; i < 3; i++) {
		if (op_in(n, i) && (!qb_shape_broadcast(&inner, &n->input[i]->shape, &wide) ||
		    (wide.known && wide.ndim != inner.ndim))) {
			char t[256], u[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, has shape %s; the normalised dimensions "
				"are %s", i, n->input[i]->name,
				qb_shape_text(&n->input[i]->shape, t, sizeof(t)),
				qb_shape_text(&inner, u, sizeof(u)));
		}
		for (int j = 0; op_in(n, i) && wide.known && j < wide.ndim; j++) {
			if (!qb_dim_compatible(wide.dim[j], inner.dim[j])) {
				return qb_node_fail(eb, QB_ESHAPE, n, "input %d, %s, is larger than the normalised "
					"dimensions", i, n->input[i]->name);
			}
		}
	}
	for (int i = axis; i < stats.ndim; i++) {
		stats.dim[i] = 1;
	}
	qb__op_set(n, 1, QB_F32, stats);
	qb__op_set(n, 2, QB_F32, stats);
	return QB_OK;
}

static enum qb_err layer_norm_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *b = op_arg(n, in, 2);
	int64_t axis = qb_node_int(n, "axis", -1), outer, inner;
	double eps = (double)qb_node_float(n, "epsilon", 1e-5f), mean, inverse, *y;
	struct qb_tensor row = *x;
	const struct qb_tensor *parameters[2] = { in[1], b ? b : in[1] };

	axis += axis < 0 ? x->ndim : 0;
	outer = op_span(x, 0, (int)axis);
	inner = op_span(x, (int)axis, x->ndim);
	row.ndim = x->ndim - (int)axis;
	memmove(row.dim, x->dim + axis, sizeof(row.dim[0]) * (size_t)row.ndim);
	y = qb_aligned_alloc((size_t)inner, sizeof(*y));
	if (!y) {
		return qb__op_no_memory(n, eb);
	}
	for (int64_t o = 0; o < outer; o++) {
		double *dst = (double *)out[0].data + o * inner;
		struct qb__rows r;

		normalise((const double *)x->data + o * inner, y, inner, eps, &mean, &inverse);
		for (qb__rows_init(&r, &row, parameters, 2); qb__rows_next(&r);) {
			for (int64_t i = 0; i < r.row; i++) {
				double s = ((const double *)in[1]->data)[r.offset[0] + i * r.step[0]];
				double t = b ? ((const double *)b->data)[r.offset[1] + i * r.step[1]] : 0;

				dst[r.at + i] = y[r.at + i] * s + t;
			}
		}
		if (op_wants(n, out, 1)) {
			qb__op_store(out[1].dtype, out[1].data, (size_t)o, mean);
		}
		if (op_wants(n, out, 2)) {
			qb__op_store(out[2].dtype, out[2].data, (size_t)o, inverse);
		}
	}
	free(y);
	return QB_OK;
}

enum qb_err qb__eval_layer_norm(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(layer_norm_f64, n, in, out, eb);
}

/* ---- along one axis: softmax and its kin, LpNormalization ---- */

/* Before opset 13 softmax flattened the tensor to two dimensions at its axis, 1 if not given. */
static bool flattens(const struct qb_node *n)
{
	return n->opset < 13 && strcmp(n->type, "LpNormalization") != 0;
}

static int64_t axis_default(const struct qb_node *n)
{
	return flattens(n) ? 1 : -1;
}

enum qb_err qb__infer_softmax(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int axis;

	QB_TRY(qb__op_infer_float_same(g, n, eb));
	if (n->input[0]->shape.known) {
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", axis_default(n)), n->input[0]->shape.ndim, flattens(n),
			&axis, eb));
	}
	return QB_OK;
}

struct line {
	const double *x;
	double *y;
	int64_t count, stride;
};

typedef void line_fn(const struct qb_node *n, const struct line *l);

static void each_line(const struct qb_node *n, const struct qb_tensor *x, struct qb_tensor *y,
	line_fn *fn)
{
	int64_t axis = qb_node_int(n, "axis", axis_default(n)), outer, inner = 1;
	struct line l = { 0 };

	axis += axis < 0 ? x->ndim : 0;
	outer = op_span(x, 0, (int)axis);
	if (flattens(n)) {
		l.count = op_span(x, (int)axis, x->ndim);
	} else {
		l.count = x->dim[axis];
		inner = op_span(x, (int)axis + 1, x->ndim);
	}
	l.stride = inner;
	for (int64_t i = 0; i < outer * inner; i++) {
		int64_t at = i / inner * l.count * inner + i % inner;

		l.x = (const double *)x->data + at;
		l.y = (double *)y->data + at;
		fn(n, &l);
	}
}

static double line_max(const struct line *l)
{
	double max = -INFINITY;

	for (int64_t i = 0; i < l->count; i++) {
		max = QB_MAX(max, l->x[i * l->stride]);
	}
	return max;
}

static void softmax_line(const struct qb_node *n, const struct line *l)
{
	double max = line_max(l), sum = 0;
	bool log_of = strcmp(n->type, "LogSoftmax") == 0;

	for (int64_t i = 0; i < l->count; i++) {
		sum += exp(l->x[i * l->stride] - max);
	}
	for (int64_t i = 0; i < l->count; i++) {
		double d = l->x[i * l->stride] - max;

		l->y[i * l->stride] = log_of ? d - log(sum) : exp(d) / sum;
	}
}

static void hardmax_line(const struct qb_node *n, const struct line *l)
{
	double max = line_max(l);
	bool done = false;

	(void)n;
	for (int64_t i = 0; i < l->count; i++) {
		bool here = !done && l->x[i * l->stride] == max;

		l->y[i * l->stride] = here ? 1 : 0;
		done |= here;
	}
}

static void lp_line(const struct qb_node *n, const struct line *l)
{
	bool one = qb_node_int(n, "p", 2) == 1;
	double sum = 0, norm;

	for (int64_t i = 0; i < l->count; i++) {
		double v = l->x[i * l->stride];

		sum += one ? fabs(v) : v * v;
	}
	norm = one ? sum : sqrt(sum);
	for (int64_t i = 0; i < l->count; i++) {
		l->y[i * l->stride] = norm > 0 ? l->x[i * l->stride] / norm : 0;
	}
}

static enum qb_err softmax_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	(void)eb;
	each_line(n, in[0], &out[0], strcmp(n->type, "Hardmax") == 0 ? hardmax_line :
		strcmp(n->type, "LpNormalization") == 0 ? lp_line : softmax_line);
	return QB_OK;
}

enum qb_err qb__eval_softmax(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(softmax_f64, n, in, out, eb);
}

/* ---- LRN: across channels; MeanVarianceNormalization ---- */

enum qb_err qb__infer_lrn(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_rank(n, 0, 3, QB_MAX_DIMS, eb));
	if (qb_node_int(n, "size", 0) < 1) {
		return qb_node_fail(eb, QB_EONNX, n, "size is missing or not positive");
	}
	return qb__op_infer_float_same(g, n, eb);
}

static enum qb_err lrn_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t outer = in[0]->dim[0], channels = in[0]->dim[1], inner = op_span(in[0], 2, in[0]->ndim);
	int64_t size = QB_MIN(qb_node_int(n, "size", 1), 2 * channels + 2);
	double alpha = (double)qb_node_float(n, "alpha", 1e-4f), beta = (double)qb_node_float(n, "beta", 0.75f);
	double bias = (double)qb_node_float(n, "bias", 1);
	/* The sum's divisor is the size that the file states, even where the window leaves the tensor. */
	double share = alpha / (double)qb_node_int(n, "size", 1);

	(void)eb;
	for (int64_t i = 0; i < outer * channels * inner; i++) {
		int64_t c = i / inner % channels, base = i / inner / channels * channels * inner + i % inner;
		int64_t first = QB_MAX(c - (size - 1) / 2, 0), last = QB_MIN(c + size / 2, channels - 1);
		double sum = 0;

		for (int64_t j = first; j <= last; j++) {
			double v = ((const double *)in[0]->data)[base + j * inner];

			sum += v * v;
		}
		((double *)out[0].data)[i] = ((const double *)in[0]->data)[i] / pow(bias + share * sum, beta);
	}
	return QB_OK;
}

enum qb_err qb__eval_lrn(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(lrn_f64, n, in, out, eb);
}
