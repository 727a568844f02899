/* SPDX-License-Identifier: Apache-2.0
 *
 * Pad: constant, reflect, edge and wrap.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/pad.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"
#include "core/ops/strided_copy.h"

enum qb_err qb_pad_read(struct qb_pad *p, const struct qb_node *n, const struct qb_tensor *const in[], int rank, struct qb_errbuf *eb)
{
	static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
	const char *mode = qb_node_string(n, "mode", "constant");
	int64_t pads[2 * QB_MAX_DIMS], axes[QB_MAX_DIMS];
	int count = qb__op_list(n, in, "pads", 1, pads, 2 * QB_MAX_DIMS);
	int axis_count = qb__op_list(n, in, "axes", 3, axes, QB_MAX_DIMS), m = 0;

	*p = (struct qb_pad){ 0 };
	while (m < (int)QB_COUNT(modes) && strcmp(mode, modes[m]) != 0) {
		m++;
	}
	if (m == (int)QB_COUNT(modes)) {
		return qb_node_fail(eb, QB_EONNX, n, "mode \"%.40s\" is not one of constant, reflect, edge, wrap", mode);
	}
	p->mode = (enum qb_pad_mode)m;
	if (count == OP_LIST_UNKNOWN || axis_count == OP_LIST_UNKNOWN) {
		return QB_OK;
	}
	if (count < 0 || axis_count == OP_LIST_BAD || count != 2 * (axis_count >= 0 ? axis_count : rank)) {
		return qb_node_fail(eb, QB_EONNX, n, "pads has %d entries; two a dimension are needed", count);
	}
	for (int i = 0; i < count / 2; i++) {
		int axis = i;

		if (axis_count >= 0) {
			QB_TRY(qb__op_axis(n, axes[i], rank, false, &axis, eb));
		}
		p->lo[axis] = pads[i];
		p->hi[axis] = pads[i + count / 2];
		if (llabs(QB_MAX(pads[i], -INT64_MAX)) > QB_MAX_ELEMENTS ||
		    llabs(QB_MAX(pads[i + count / 2], -INT64_MAX)) > QB_MAX_ELEMENTS) {
			return qb_node_fail(eb, QB_ESHAPE, n, "a padding of %" PRId64 " is larger than any memory",
				pads[i]);
		}
	}
	p->known = true;
	return QB_OK;
}

enum qb_err qb__infer_pad(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = *x;
	struct qb_pad p;

	(void)g;
	QB_TRY(qb__op_need_same(n, 2, eb));
	if (op_in(n, 2) && n->input[2]->shape.known && qb_shape_concrete(&n->input[2]->shape) &&
	    qb_shape_product(&n->input[2]->shape, 0, n->input[2]->shape.ndim) != 1) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the constant %s is not one number", n->input[2]->name);
	}
	if (!x->known) {
		return qb__op_set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(qb_pad_read(&p, n, NULL, x->ndim, eb));
	for (int i = 0; i < x->ndim; i++) {
		int64_t more = p.lo[i] + p.hi[i];

		if (!p.known) {
			y.dim[i] = QB_DIM_UNKNOWN;
		} else if (more || p.lo[i]) {
			y.dim[i] = qb_dim_number(x->dim[i]) ? x->dim[i] + more : QB_DIM_UNKNOWN;
			if (qb_dim_number(x->dim[i]) && (y.dim[i] < 0 || (x->dim[i] == 0 && p.mode != QB_PAD_CONSTANT))) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of %" PRId64 " does not pad by %" PRId64
					" and %" PRId64, i, x->dim[i], p.lo[i], p.hi[i]);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* The source of output index i (already less the pad), or -1 for the constant. */
static int64_t pad_source(enum qb_pad_mode mode, int64_t i, int64_t dim)
{
	int64_t period;

	if (i >= 0 && i < dim) {
		return i;
	}
	switch (mode) {
	case QB_PAD_EDGE:
		return i < 0 ? 0 : dim - 1;
	case QB_PAD_WRAP:
		return (i % dim + dim) % dim;
	case QB_PAD_REFLECT:
		period = QB_MAX(2 * (dim - 1), 1);
		i = (i % period + period) % period;
		return i < dim ? i : period - i;
	default:
		return -1;
	}
}

/* A row of the last dimension, `width` elements, of the input's row, which is NULL where all of it is filled. */
static void pad_row(const struct qb_pad *p, const struct qb_tensor *x, const char *row, const void *fill, char *out,
	int64_t width)
{
	size_t size = qb_dtype_bytes(x->dtype);
	int64_t dim = x->ndim ? x->dim[x->ndim - 1] : 1, lo = x->ndim ? p->lo[x->ndim - 1] : 0;
	int64_t begin = QB_MAX(lo, 0), end = QB_MIN(width, lo + dim);

	if (row && p->mode == QB_PAD_CONSTANT && begin < end) {
		memcpy(out + (size_t)begin * size, row + (size_t)(begin - lo) * size, (size_t)(end - begin) * size);
	} else {
		begin = end = 0;
	}
	for (int64_t i = 0; i < width; i++) {
		int64_t from;

		if (i >= begin && i < end) {
			i = end - 1;
			continue;
		}
		from = row ? pad_source(p->mode, i - lo, dim) : -1;
		memcpy(out + (size_t)i * size, from >= 0 ? row + (size_t)from * size : fill, size);
	}
}

enum qb_err qb__eval_pad(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(&out[0]);
	const struct qb_tensor *value = op_arg(n, in, 2);
	int64_t stride[QB_MAX_DIMS], index[QB_MAX_DIMS] = { 0 };
	uint64_t fill = 0;
	int last = in[0]->ndim - 1;
	int64_t width = last < 0 ? 1 : out[0].dim[last];
	struct qb_pad p;

	QB_TRY(qb_pad_read(&p, n, in, in[0]->ndim, eb));
	if (value) {
		memcpy(&fill, value->data, size);
	} else {
		qb__op_store(in[0]->dtype, &fill, 0, (double)qb_node_float(n, "value", 0));
	}
	qb__op_strides(in[0], stride);
	for (size_t i = 0; i < count; i += (size_t)width) {
		const char *row = in[0]->data;

		for (int d = 0; d < last && row; d++) {
			int64_t from = pad_source(p.mode, index[d] - p.lo[d], in[0]->dim[d]);

			row = from >= 0 ? row + (size_t)(from * stride[d]) * size : NULL;
		}
		pad_row(&p, in[0], row, &fill, (char *)out[0].data + i * size, width);
		for (int d = last - 1; d >= 0 && ++index[d] == out[0].dim[d]; d--) {
			index[d] = 0;
		}
	}
	return QB_OK;
}

/* Reflected, repeated or wrapped elements add to those that they came from: a gather along each axis, transposed. */
static struct qb_value *unpad_axis(struct qb__rule *r, struct qb_value *v, const struct qb_pad *p, int axis, int64_t dim)
{
	int64_t wide = dim + p->lo[axis] + p->hi[axis];
	int64_t *index = qb_arena_alloc(r->g->arena, (size_t)wide + 1, sizeof(*index));
	struct qb_shape to;

	if (!index || r->err != QB_OK) {
		qb__rule_refuse(r, "out of memory");
		return NULL;
	}
	for (int64_t i = 0; i < wide; i++) {
		index[i] = pad_source(p->mode, i - p->lo[axis], dim);
	}
	to = v->shape;
	to.dim[axis] = dim;
	return qb__rule_ungather(r, qb__rule_list(r, (int)wide, index), v, axis, &to);
}

/* The constant's gradient: that of all outputs less that of the input. */
static struct qb_value *constant_gradient(struct qb__rule *r, const struct qb_node *n, struct qb_value *dy,
	struct qb_value *inner)
{
	struct qb_shape one = qb_shape_make(0, NULL);
	struct qb_value *outer = qb__rule_sub(r, qb__rule_sum_to(r, dy, &one), qb__rule_sum_to(r, inner, &one));

	return qb__rule_reshape(r, outer, &n->input[2]->shape);
}

enum qb_err qb__gradient_pad(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t before[QB_MAX_DIMS], after[QB_MAX_DIMS];
	struct qb_value *v = dy[0];
	struct qb_pad p;

	QB_TRY(qb_pad_read(&p, n, NULL, x->ndim, eb));
	if (!p.known) {
		return qb__rule_refuse(&r, "its pads are computed, and it has no gradient then");
	}
	for (int i = 0; i < x->ndim; i++) {
		int64_t wide = x->dim[i] + p.lo[i] + p.hi[i];

		if (p.mode != QB_PAD_CONSTANT && (p.lo[i] || p.hi[i])) {
			v = unpad_axis(&r, v, &p, i, x->dim[i]);
		} else {
			v = qb__rule_slice(&r, v, i, QB_MAX(p.lo[i], 0), wide - QB_MAX(p.hi[i], 0));
		}
		before[i] = p.mode == QB_PAD_CONSTANT ? QB_MAX(-p.lo[i], 0) : 0;
		after[i] = p.mode == QB_PAD_CONSTANT ? QB_MAX(-p.hi[i], 0) : 0;
	}
	if (wanted[0]) {
		dx[0] = qb__rule_pad(&r, v, before, after);
	}
	if (n->inputs > 2 && wanted[2]) {
		dx[2] = constant_gradient(&r, n, dy[0], v);
	}
	return r.err;
}
