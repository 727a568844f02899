/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling at computed places: GridSample, AffineGrid.
 */
#include <inttypes.h>
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

/* ---- GridSample: x [N,C,d...], grid [N,o...,k], last coordinate first ---- */

enum sampling { SAMPLE_NEAREST, SAMPLE_LINEAR, SAMPLE_CUBIC };
enum border { BORDER_ZEROS, BORDER_CLAMP, BORDER_REFLECT };
enum { SPATIAL = 3 };

struct grid {
	enum sampling mode;
	enum border border;
	bool align;
	int ndim;
	int64_t in[SPATIAL];
};

static enum qb_err read_grid(const struct qb_node *n, struct grid *g, struct qb_errbuf *eb)
{
	const char *mode = qb_node_string(n, "mode", "linear"), *pad = qb_node_string(n, "padding_mode", "zeros");

	*g = (struct grid){ .align = qb_node_int(n, "align_corners", 0) != 0 };
	if (strcmp(mode, "nearest") == 0) {
		g->mode = SAMPLE_NEAREST;
	} else if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0) {
		g->mode = SAMPLE_LINEAR;
	} else if (strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0) {
		g->mode = SAMPLE_CUBIC;
	} else {
		return qb_node_fail(eb, QB_EONNX, n, "mode \"%.40s\" is not one of nearest, linear, cubic", mode);
	}
	if (strcmp(pad, "zeros") == 0) {
		g->border = BORDER_ZEROS;
	} else if (strcmp(pad, "border") == 0) {
		g->border = BORDER_CLAMP;
	} else if (strcmp(pad, "reflection") == 0) {
		g->border = BORDER_REFLECT;
	} else {
		return qb_node_fail(eb, QB_EONNX, n, "padding_mode \"%.40s\" is not one of zeros, border, reflection",
			pad);
	}
	return QB_OK;
}

enum qb_err qb__infer_grid_sample(struct qb_graph *graph, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *p = &n->input[1]->shape;
	struct qb_shape y;
	struct grid g;

	(void)graph;
	QB_TRY(read_grid(n, &g, eb));
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_float(n, 1, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, 2 + SPATIAL, eb));
	if (!x->known || !p->known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb__op_need_rank(n, 1, x->ndim, x->ndim, eb));
	QB_TRY(qb__op_need_dim(n, 1, x->ndim - 1, x->ndim - 2, eb));
	QB_TRY(qb__op_need_dim(n, 1, 0, x->dim[0], eb));
	y = *x;
	for (int i = 2; i < x->ndim; i++) {
		y.dim[i] = p->dim[i - 1];
		if (x->dim[i] == 0) {
			return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of its input is empty", i);
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static double reflect(double x, double lo, double hi)
{
	double range = hi - lo, d, r;
	bool odd;

	if (range <= 0) {
		return lo;
	}
	if (x >= lo && x <= hi) {
		return x;
	}
	d = x < lo ? lo - x : x - hi;
	odd = fmod(floor(d / range), 2) != 0;
	r = d - floor(d / range) * range;
	return (x < lo) == !odd ? lo + r : hi - r;
}

/* The cubic convolution kernel (Keys 1981, eq. 15) with a = -0.75. */
static double cubic(double x)
{
	const double a = -0.75;

	x = fabs(x);
	return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

struct axis_points {
	int count;
	int64_t at[4]; /* -1: zero */
	double weight[4];
};

static void place_points(const struct grid *g, int d, double place, struct axis_points *t)
{
	int64_t len = g->in[d], base;
	double lo = g->align ? 0 : -0.5, hi = g->align ? (double)(len - 1) : (double)len - 0.5;
	double x = g->align ? (place + 1) / 2 * (double)(len - 1) : ((place + 1) * (double)len - 1) / 2;

	x = isnan(x) ? 0 : fmax(fmin(x, 1e9), -1e9);
	x = g->mode == SAMPLE_NEAREST ? nearbyint(x) : x;
	/* As PyTorch and ONNX Runtime have it, the inputs of a cubic kernel are clamped and not its place. */
	if ((x < lo || x > hi) && !(g->border == BORDER_CLAMP && g->mode == SAMPLE_CUBIC)) {
		x = g->border == BORDER_CLAMP ? fmax(fmin(x, (double)(len - 1)), 0) :
			g->border == BORDER_REFLECT ? reflect(x, lo, hi) : x;
	}
	t->count = g->mode == SAMPLE_NEAREST ? 1 : g->mode == SAMPLE_LINEAR ? 2 : 4;
	base = (int64_t)(g->mode == SAMPLE_NEAREST ? nearbyint(x) : floor(x)) - (g->mode == SAMPLE_CUBIC);
	for (int k = 0; k < t->count; k++) {
		int64_t at = base + k;
		double away = fabs(x - (double)at);

		t->weight[k] = t->count == 1 ? 1 : t->count == 2 ? 1 - away : cubic(away);
		if (at < 0 || at >= len) {
			at = g->border == BORDER_CLAMP ? QB_MAX(QB_MIN(at, len - 1), 0) :
				g->border == BORDER_REFLECT ? (int64_t)reflect((double)at, lo, hi) : -1;
			at = QB_MIN(at, len - 1);
		}
		t->at[k] = at;
	}
}

static double sample(const struct grid *g, const float *x, const struct axis_points t[SPATIAL])
{
	double sum = 0;

	for (int i = 0; i < t[0].count; i++) {
		for (int j = 0; j < t[1].count; j++) {
			for (int k = 0; k < t[2].count; k++) {
				if (t[0].at[i] >= 0 && t[1].at[j] >= 0 && t[2].at[k] >= 0) {
					sum += t[0].weight[i] * t[1].weight[j] * t[2].weight[k] *
						(double)x[(t[0].at[i] * g->in[1] + t[1].at[j]) * g->in[2] + t[2].at[k]];
				}
			}
		}
	}
	return sum;
}

static enum qb_err grid_sample_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0];
	int nd = x->ndim - 2;
	int64_t planes = op_span(x, 2, x->ndim), points = op_span(&out[0], 2, out[0].ndim), channels = x->dim[1];
	struct axis_points t[SPATIAL] = { { 1, { 0 }, { 1 } }, { 1, { 0 }, { 1 } }, { 1, { 0 }, { 1 } } };
	struct grid g;

	QB_TRY(read_grid(n, &g, eb));
	for (int i = 0; i < SPATIAL; i++) {
		g.in[i] = i < SPATIAL - nd ? 1 : x->dim[2 + i - (SPATIAL - nd)];
	}
	for (int64_t p = 0; p < x->dim[0] * points; p++) {
		const float *place = (const float *)in[1]->data + p * nd;

		for (int i = 0; i < nd; i++) {
			place_points(&g, SPATIAL - 1 - i, (double)place[i], &t[SPATIAL - 1 - i]);
		}
		for (int64_t c = 0; c < channels; c++) {
			int64_t plane = p / points * channels + c;

			((float *)out[0].data)[plane * points + p % points] =
				(float)sample(&g, (const float *)x->data + plane * planes, t);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_grid_sample(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(grid_sample_f32, n, in, out, eb);
}

/* ---- AffineGrid: theta [N,k,k+1], size [N,C,d...] -> [N,d...,k] ---- */

enum qb_err qb__infer_affine_grid(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t size[QB_MAX_DIMS];
	struct qb_shape y;
	int count;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, 3, eb));
	if (!op_const(n, 1)) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		return QB_OK;
	}
	count = qb__op_ints(op_const(n, 1), size, QB_MAX_DIMS);
	if (count != 4 && count != 5) {
		return qb_node_fail(eb, QB_EONNX, n, "size is not of 4 or 5 dimensions");
	}
	y = qb_shape_ranked(count);
	y.dim[0] = size[0];
	for (int i = 2; i < count; i++) {
		y.dim[i - 1] = size[i];
	}
	y.dim[count - 1] = count - 2;
	for (int i = 0; i < count; i++) {
		if (y.dim[i] < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "size holds %" PRId64, y.dim[i]);
		}
	}
	QB_TRY(qb__op_need_dim(n, 0, 0, size[0], eb));
	QB_TRY(qb__op_need_dim(n, 0, 1, count - 2, eb));
	QB_TRY(qb__op_need_dim(n, 0, 2, count - 1, eb));
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

static enum qb_err affine_grid_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int k = out[0].ndim - 2;
	bool align = qb_node_int(n, "align_corners", 0) != 0;
	int64_t points = op_span(&out[0], 1, out[0].ndim - 1);

	(void)eb;
	for (int64_t p = 0; p < out[0].dim[0] * points; p++) {
		const float *theta = (const float *)in[0]->data + p / points * k * (k + 1);
		int64_t rest = p % points;
		double place[3] = { 0 };

		for (int d = k - 1; d >= 0; d--) { /* the last dimension is coordinate 0 */
			int64_t len = out[0].dim[1 + d], i = rest % len;

			rest /= len;
			place[k - 1 - d] = align ? (len > 1 ? -1 + 2 * (double)i / (double)(len - 1) : 0) :
				(2 * (double)i + 1) / (double)len - 1;
		}
		for (int r = 0; r < k; r++) {
			double v = (double)theta[r * (k + 1) + k];

			for (int c = 0; c < k; c++) {
				v += (double)theta[r * (k + 1) + c] * place[c];
			}
			((float *)out[0].data)[p * k + r] = (float)v;
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_affine_grid(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(affine_grid_f32, n, in, out, eb);
}
