/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/resize_axis.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/resize.h"
#include "core/ops/shape_rule.h"

static const char *const mode_names[] = { "nearest", "linear", "cubic", NULL };
static const char *const coordinate_names[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
	"align_corners", "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL };
static const char *const nearest_names[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL };

/* The operator, or the one whose gradient this is. */
static bool is(const struct qb_node *n, const char *type)
{
	return strcmp(qb_node_string(n, "operator", n->type), type) == 0;
}

static enum qb_err read_name(const struct qb_node *n, const char *attr, const char *fallback,
	const char *const *names, int *out, struct qb_errbuf *eb)
{
	const char *s = qb_node_string(n, attr, fallback);

	for (int i = 0; names[i]; i++) {
		if (strcmp(s, names[i]) == 0) {
			*out = i;
			return QB_OK;
		}
	}
	return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%s \"%.60s\" is not supported", attr, s);
}

static enum qb_err read_modes(const struct qb_node *n, struct qb__resize *r, struct qb_errbuf *eb)
{
	bool old = n->opset < 11; /* Upsample, and the first Resize */
	int v;

	*r = (struct qb__resize){ 0 };
	if (strcmp(qb_node_string(n, "mode", "nearest"), "bilinear") == 0) {
		v = RESIZE_LINEAR;
	} else {
		QB_TRY(read_name(n, "mode", "nearest", mode_names, &v, eb));
	}
	r->mode = (enum qb__resize_mode)v;
	QB_TRY(read_name(n, "coordinate_transformation_mode", old || is(n, "Upsample") ?
		"asymmetric" : "half_pixel", coordinate_names, &v, eb));
	r->coordinates = (enum qb__resize_coordinates)v;
	QB_TRY(read_name(n, "nearest_mode", old ? "floor" : "round_prefer_floor", nearest_names, &v, eb));
	r->nearest = (enum qb__resize_nearest)v;
	r->first = old && is(n, "Resize");
	r->antialias = qb_node_int(n, "antialias", 0) != 0;
	r->exclude_outside = qb_node_int(n, "exclude_outside", 0) != 0;
	r->cubic_a = (double)qb_node_float(n, "cubic_coeff_a", -0.75f);
	r->extrapolation = (double)qb_node_float(n, "extrapolation_value", 0);
	return QB_OK;
}

/* The inputs' places: Upsample and the first Resize have x, scales; later ones x, roi, scales, sizes. */
static const struct qb_tensor *argument(const struct qb_node *n, const struct qb_tensor *const in[], int i)
{
	const struct qb_tensor *t = qb_node_is(n, QB_OP_ResizeGradient) ? NULL : in ? op_arg(n, in, i) : op_const(n, i);

	return t && qb_tensor_size(t) ? t : NULL;
}

static enum qb_err use_axes(const struct qb_node *n, int rank, int axis[QB_MAX_DIMS], int *count,
	struct qb_errbuf *eb)
{
	const int64_t *ints;
	int have = qb_node_ints(n, "axes", &ints);

	if (have > rank) {
		return qb_node_fail(eb, QB_EONNX, n, "%d axes for %d dimensions", have, rank);
	}
	*count = have ? have : rank;
	for (int i = 0; i < *count; i++) {
		axis[i] = i;
		if (have) {
			QB_TRY(qb__op_axis(n, ints[i], rank, false, &axis[i], eb));
		}
	}
	return QB_OK;
}

static enum qb_err read_scales(const struct qb_node *n, const struct qb_tensor *scales,
	const struct qb_shape *x, const int *axis, int count, struct qb__resize *r, struct qb_errbuf *eb)
{
	const struct qb_attr *a = qb_node_attr(n, "scales");
	size_t have = scales ? qb_tensor_size(scales) : a ? (size_t)a->count : 0;

	if (have != (size_t)count || (!scales && (!a || a->kind != QB_ATTR_FLOATS))) {
		return qb_node_fail(eb, QB_EONNX, n, "%zu scales for %d dimensions", have, count);
	}
	for (int i = 0; i < count; i++) {
		double s = scales ? qb__op_load(scales->dtype, scales->data, (size_t)i) : (double)a->floats[i];
		int64_t d = x->dim[axis[i]];

		if (!(s > 0) || !(s < 1e9)) {
			return qb_node_fail(eb, QB_EONNX, n, "a scale of %g", s);
		}
		r->scale[axis[i]] = s;
		/* Scales are float32: 2/3 of 3 is 2 only in that precision. */
		r->out[axis[i]] = qb_dim_number(d) ? (int64_t)floor((double)((float)d * (float)s)) : s == 1 ? d :
			s == floor(s) ? qb_dim_mul(d, (int64_t)s) : QB_DIM_UNKNOWN;
	}
	return QB_OK;
}

static int size_list(const struct qb_node *n, const struct qb_tensor *sizes, int64_t size[QB_MAX_DIMS])
{
	const int64_t *ints;
	int count;

	if (sizes) {
		return qb__op_ints(sizes, size, QB_MAX_DIMS);
	}
	count = qb_node_ints(n, "sizes", &ints);
	for (int i = 0; i < count && i < QB_MAX_DIMS; i++) {
		size[i] = ints[i];
	}
	return count;
}

/* sizes: NULL of a gradient. */
static enum qb_err read_sizes(const struct qb_node *n, const struct qb_tensor *sizes,
	const struct qb_shape *x, const int *axis, int count, struct qb__resize *r, struct qb_errbuf *eb)
{
	const char *policy = qb_node_string(n, "keep_aspect_ratio_policy", "stretch");
	bool smaller = strcmp(policy, "not_larger") == 0, larger = strcmp(policy, "not_smaller") == 0;
	int64_t size[QB_MAX_DIMS];
	double common = smaller ? INFINITY : 0;

	if (size_list(n, sizes, size) != count) {
		return qb_node_fail(eb, QB_EONNX, n, "sizes does not name %d dimensions", count);
	}
	for (int i = 0; i < count; i++) {
		int64_t d = x->dim[axis[i]];
		double s = (double)size[i] / (double)d;

		if (size[i] < 0 || size[i] > QB_MAX_ELEMENTS || (d == 0 && size[i])) {
			return qb_node_fail(eb, QB_EONNX, n, "a size of %" PRId64, size[i]);
		}
		if (!qb_dim_number(d) && (smaller || larger)) {
			r->known = false;
			return QB_OK;
		}
		common = smaller ? fmin(common, s) : fmax(common, s);
		r->out[axis[i]] = size[i];
		r->scale[axis[i]] = qb_dim_number(d) && d ? s : 1;
	}
	for (int i = 0; i < count && (smaller || larger); i++) {
		r->scale[axis[i]] = common;
		r->out[axis[i]] = (int64_t)floor(common * (double)x->dim[axis[i]] + 0.5);
	}
	return QB_OK;
}

enum qb_err qb__resize_read(const struct qb_node *n, const struct qb_tensor *const in[],
	const struct qb_shape *x, struct qb__resize *r, struct qb_errbuf *eb)
{
	bool two_inputs = is(n, "Upsample") || n->opset < 11;
	const struct qb_tensor *scales = argument(n, in, two_inputs ? 1 : 2);
	const struct qb_tensor *sizes = two_inputs ? NULL : argument(n, in, 3);
	const struct qb_tensor *roi = two_inputs ? NULL : argument(n, in, 1);
	int axis[QB_MAX_DIMS], count = 0;

	QB_TRY(read_modes(n, r, eb));
	QB_TRY(use_axes(n, x->ndim, axis, &count, eb));
	for (int i = 0; i < x->ndim; i++) {
		r->scale[i] = r->roi_end[i] = 1;
		r->out[i] = x->dim[i];
	}
	r->known = true;
	if (sizes || (qb_node_is(n, QB_OP_ResizeGradient) && qb_node_attr(n, "sizes"))) {
		QB_TRY(read_sizes(n, sizes, x, axis, count, r, eb));
	} else if (scales || qb_node_attr(n, "scales")) {
		QB_TRY(read_scales(n, scales, x, axis, count, r, eb));
	} else if (!in && (op_in(n, two_inputs ? 1 : 2) || op_in(n, 3))) {
		r->known = false;
	} else {
		return qb_node_fail(eb, QB_EONNX, n, "it has neither scales nor sizes");
	}
	if (roi && r->coordinates == RESIZE_TF_CROP_AND_RESIZE) {
		if (qb_tensor_size(roi) != 2 * (size_t)count) {
			return qb_node_fail(eb, QB_EONNX, n, "roi does not name a region");
		}
		for (int i = 0; i < count; i++) {
			r->roi_start[axis[i]] = qb__op_load(roi->dtype, roi->data, (size_t)i);
			r->roi_end[axis[i]] = qb__op_load(roi->dtype, roi->data, (size_t)(i + count));
		}
	}
	return QB_OK;
}

/* ---- one axis ---- */

static double source_of(const struct qb__resize *r, int d, int64_t in, int64_t out, int64_t i)
{
	double x = (double)i, s = r->scale[d], half = (x + 0.5) / s - 0.5;

	switch (r->coordinates) {
	case RESIZE_HALF_PIXEL_SYMMETRIC:
		return (double)in / 2 * (1 - (double)out / (s * (double)in)) + half;
	case RESIZE_PYTORCH_HALF_PIXEL: return out > 1 ? half : 0;
	case RESIZE_ALIGN_CORNERS: return out > 1 ? x * (double)(in - 1) / (double)(out - 1) : 0;
	case RESIZE_ASYMMETRIC: return x / s;
	case RESIZE_TF_HALF_PIXEL_FOR_NN: return (x + 0.5) / s;
	case RESIZE_TF_CROP_AND_RESIZE:
		return out > 1 ? r->roi_start[d] * (double)(in - 1) +
			x * (r->roi_end[d] - r->roi_start[d]) * (double)(in - 1) / (double)(out - 1) :
			0.5 * (r->roi_start[d] + r->roi_end[d]) * (double)(in - 1);
	default: return half;
	}
}

static int64_t nearest_of(const struct qb__resize *r, int d, double x)
{
	enum qb__resize_nearest how = r->first && r->scale[d] < 1 ? RESIZE_NEAREST_CEIL : r->nearest;

	/* Exact multiples of a scale are exact in float32 alone. */
	x = r->coordinates == RESIZE_ASYMMETRIC ? (double)(float)x : x;
	switch (how) {
	case RESIZE_ROUND_PREFER_FLOOR: return (int64_t)ceil(x - 0.5);
	case RESIZE_ROUND_PREFER_CEIL: return (int64_t)floor(x + 0.5);
	case RESIZE_NEAREST_FLOOR: return (int64_t)floor(x);
	default: return (int64_t)ceil(x);
	}
}

/* Keys' kernel (Cubic convolution interpolation, 1981, eq. 15) with parameter a. */
static double cubic_weight(double x, double a)
{
	x = fabs(x);
	if (x <= 1) {
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	}
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static void fill_points(const struct qb__resize *r, int d, int64_t in, int64_t out, int reach, struct qb_resize_points *t)
{
	double shrink = r->antialias ? fmin(r->scale[d], 1) : 1;

	for (int64_t i = 0; i < out; i++) {
		double x = source_of(r, d, in, out, i), total = 0;
		int64_t base = (int64_t)floor(x);

		t->outside[i] = r->coordinates == RESIZE_TF_CROP_AND_RESIZE && (x < 0 || x > (double)(in - 1));
		x = fmax(fmin(x, 1e15), -1e15);
		base = (int64_t)floor(x);
		for (int k = 0; k < t->count; k++) {
			int64_t at = r->mode == RESIZE_NEAREST ? nearest_of(r, d, x) : base - reach + 1 + k;
			double away = ((double)at - x) * shrink, w = 1;

			if (r->mode == RESIZE_LINEAR) {
				w = fmax(1 - fabs(away), 0);
			} else if (r->mode == RESIZE_CUBIC) {
				w = cubic_weight(away, r->cubic_a);
			}
			if (r->exclude_outside && (at < 0 || at >= in)) {
				w = 0;
			}
			t->from[i * t->count + k] = QB_MAX(QB_MIN(at, in - 1), 0);
			t->weight[i * t->count + k] = w;
			total += w;
		}
		for (int k = 0; k < t->count && total != 0; k++) {
			t->weight[i * t->count + k] /= total;
		}
	}
}

void qb__resize_points_fini(struct qb_resize_points *t)
{
	free(t->from);
	free(t->weight);
	free(t->outside);
}

bool qb__resize_points_init(const struct qb__resize *r, int d, int64_t in, int64_t out, struct qb_resize_points *t)
{
	double shrink = r->antialias ? fmin(r->scale[d], 1) : 1;
	int reach = r->mode == RESIZE_LINEAR ? (int)ceil(1 / shrink) : (int)ceil(2 / shrink);
	size_t entries;

	*t = (struct qb_resize_points){ .count = r->mode == RESIZE_NEAREST ? 1 : 2 * reach };
	if (qb_mul_overflows((size_t)out, (size_t)t->count, &entries)) {
		return false;
	}
	t->from = qb_aligned_alloc(entries, sizeof(*t->from));
	t->weight = qb_aligned_alloc(entries, sizeof(*t->weight));
	t->outside = qb_aligned_alloc((size_t)out, sizeof(*t->outside));
	if (!t->from || !t->weight || !t->outside) {
		qb__resize_points_fini(t);
		return false;
	}
	fill_points(r, d, in, out, reach, t);
	return true;
}

enum qb_err qb_resize_points(const struct qb_node *n, int d, struct qb_resize_points *out,
	struct qb_errbuf *eb)
{
	struct qb_shape x = n->input[0]->shape;
	struct qb__resize r;

	if (qb_node_is(n, QB_OP_ResizeGradient)) {
		QB_TRY(qb__op_shape_attr(n, &x, eb));
	}
	QB_TRY(qb__resize_read(n, NULL, &x, &r, eb));
	return qb__resize_points_init(&r, d, x.dim[d], r.out[d], out) ? QB_OK : qb__op_no_memory(n, eb);
}

