/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear: per tensor, axis or block (opset 21).
 */
#include <inttypes.h>
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

static bool is_code(enum qb_dtype t)
{
	return t == QB_U8 || t == QB_I8 || t == QB_U16 || t == QB_I16 || t == QB_U4 || t == QB_I4 ||
		qb_dtype_is_float8(t);
}

/* The scale is one number, a vector along the axis, or has x's rank with blocks along the axis. */
static enum qb_err check_scale(const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *s = &n->input[1]->shape;
	int64_t block = qb_node_int(n, "block_size", 0);
	int axis;

	QB_TRY(qb__op_need_float(n, 1, eb));
	if (!x->known || !s->known || s->ndim == 0 || (s->ndim == 1 && s->dim[0] == 1 && !block)) {
		return QB_OK;
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 1), x->ndim, false, &axis, eb));
	if (!block) {
		if (s->ndim != 1 || !qb_dim_compatible(s->dim[0], x->dim[axis])) {
			return qb_node_fail(eb, QB_ESHAPE, n, "the scale %s does not fit dimension %d of %" PRId64,
				n->input[1]->name, axis, x->dim[axis]);
		}
		return QB_OK;
	}
	if (block < 0 || s->ndim != x->ndim) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the scale of blocks has %d dimensions, its input %d", s->ndim,
			x->ndim);
	}
	for (int i = 0; i < x->ndim; i++) {
		int64_t want = i == axis && qb_dim_number(x->dim[i]) ? (x->dim[i] + block - 1) / block : x->dim[i];

		QB_TRY(qb__op_need_dim(n, 1, i, want, eb));
	}
	return QB_OK;
}

static enum qb_err check_zero(const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *z = op_in(n, 2), *s = n->input[1];
	int64_t a = z ? qb_shape_product(&z->shape, 0, z->shape.ndim) : 0;
	int64_t b = qb_shape_product(&s->shape, 0, s->shape.ndim);

	if (z && !qb_dim_compatible(a, b)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the zero point %s has %" PRId64 " elements, the scale %" PRId64,
			z->name, a, b);
	}
	return QB_OK;
}

enum qb_err qb__infer_quantize(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	enum qb_dtype t = op_in(n, 2) ? n->input[2]->dtype : QB_U8;

	(void)g;
	if (!op_in(n, 2) && qb_node_int(n, "output_dtype", 0)) {
		t = qb_dtype_from_onnx((int)QB_MAX(QB_MIN(qb_node_int(n, "output_dtype", 0), 1000), 0));
	}
	if (!is_code(t)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "quantizing to that type is not supported; int4, uint4, "
			"int8, uint8, int16, uint16 and 8-bit floats are");
	}
	if (n->input[0]->dtype != QB_I32) {
		QB_TRY(qb__op_need_float(n, 0, eb));
	}
	QB_TRY(check_scale(n, eb));
	QB_TRY(check_zero(n, eb));
	qb__op_set(n, 0, t, n->input[0]->shape);
	return QB_OK;
}

enum qb_err qb__infer_dequantize(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	if (!is_code(n->input[0]->dtype) && n->input[0]->dtype != QB_I32) {
		return qb_node_fail(eb, QB_EONNX, n, "input 0, %s, is %s, not a code", n->input[0]->name,
			qb_dtype_name(n->input[0]->dtype));
	}
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(check_scale(n, eb));
	QB_TRY(check_zero(n, eb));
	qb__op_set(n, 0, n->input[1]->dtype, n->input[0]->shape);
	return QB_OK;
}

/* Which entry of the scale element i uses. */
struct grouping {
	int64_t dim, inner, block, blocks;
	bool single;
};

static struct grouping grouping_of(const struct qb_node *n, const struct qb_tensor *x,
	const struct qb_tensor *scale)
{
	struct grouping q = { .single = qb_tensor_size(scale) == 1 };
	int64_t axis = qb_node_int(n, "axis", 1);

	if (!q.single) {
		axis += axis < 0 ? x->ndim : 0;
		q.dim = x->dim[axis];
		q.inner = op_span(x, (int)axis + 1, x->ndim);
		q.block = qb_node_int(n, "block_size", 0);
		q.blocks = q.block ? scale->dim[axis] : 0;
	}
	return q;
}

static size_t entry_of(const struct grouping *q, size_t i)
{
	int64_t at = (int64_t)i, k;

	if (q->single) {
		return 0;
	}
	k = at / q->inner % q->dim;
	return (size_t)(q->block ? (at / q->inner / q->dim * q->blocks + k / q->block) * q->inner + at % q->inner : k);
}

static double code_limit(enum qb_dtype t, bool high)
{
	switch (t) {
	case QB_U4: return high ? 15 : 0;
	case QB_I4: return high ? 7 : -8;
	case QB_U8: return high ? UINT8_MAX : 0;
	case QB_I8: return high ? INT8_MAX : INT8_MIN;
	case QB_U16: return high ? UINT16_MAX : 0;
	default: return high ? INT16_MAX : INT16_MIN;
	}
}

enum qb_err qb__eval_quantize(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *s = in[1], *z = op_arg(n, in, 2);
	struct grouping q = grouping_of(n, x, s);
	double lo = code_limit(out[0].dtype, false), hi = code_limit(out[0].dtype, true);
	size_t count = qb_tensor_size(x);

	(void)eb;
	for (size_t i = 0; i < count; i++) {
		size_t k = entry_of(&q, i);
		/* The division is in float32, as the specification's reference does it. */
		float ratio = (float)qb__op_load(x->dtype, x->data, i) / (float)qb__op_load(s->dtype, s->data, k);
		double v;

		if (qb_dtype_is_float8(out[0].dtype)) {
			qb__op_store(out[0].dtype, out[0].data, i, (double)ratio);
			continue;
		}
		v = nearbyint((double)ratio) + (z ? qb__op_load(z->dtype, z->data, k) : 0);
		qb__op_store(out[0].dtype, out[0].data, i, isnan(v) ? 0 : QB_MAX(QB_MIN(v, hi), lo));
	}
	return QB_OK;
}

enum qb_err qb__eval_dequantize(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *s = in[1], *z = op_arg(n, in, 2);
	struct grouping q = grouping_of(n, x, s);
	size_t count = qb_tensor_size(x);

	(void)eb;
	for (size_t i = 0; i < count; i++) {
		size_t k = entry_of(&q, i);
		/* Codes of at most 32 bits, or 8-bit floats: exact in double. */
		double code = qb__op_load(x->dtype, x->data, i) - (z ? qb__op_load(z->dtype, z->data, k) : 0);

		qb__op_store(out[0].dtype, out[0].data, i, code * qb__op_load(s->dtype, s->data, k));
	}
	return QB_OK;
}

/* ---- DynamicQuantizeLinear: uint8 codes, scale and zero point of the tensor itself ---- */

enum qb_err qb__infer_dynamic_quantize(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(qb__op_need_dtype(n, 0, QB_F32, eb));
	qb__op_set(n, 0, QB_U8, n->input[0]->shape);
	qb__op_set(n, 1, QB_F32, qb_shape_ranked(0));
	qb__op_set(n, 2, QB_U8, qb_shape_ranked(0));
	return QB_OK;
}

enum qb_err qb__eval_dynamic_quantize(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const float *x = in[0]->data;
	size_t count = qb_tensor_size(in[0]);
	float lo = 0, hi = 0, scale;
	double zero;

	(void)eb;
	for (size_t i = 0; i < count; i++) { /* the range always holds zero */
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	scale = (hi - lo) / 255;
	zero = scale > 0 ? nearbyint((double)(-lo / scale)) : 0;
	zero = QB_MAX(QB_MIN(zero, 255), 0);
	for (size_t i = 0; i < count; i++) {
		double v = scale > 0 ? nearbyint((double)(x[i] / scale)) + zero : zero;

		((uint8_t *)out[0].data)[i] = (uint8_t)QB_MAX(QB_MIN(v, 255), 0);
	}
	if (op_wants(n, out, 1)) {
		*(float *)out[1].data = scale;
	}
	if (op_wants(n, out, 2)) {
		*(uint8_t *)out[2].data = (uint8_t)zero;
	}
	return QB_OK;
}
