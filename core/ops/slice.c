/* SPDX-License-Identifier: Apache-2.0
 *
 * Slice: starts, ends, axes and steps are attributes before opset 10, inputs since.
 */
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"
#include "core/ops/strided_copy.h"

struct slice {
	bool known; /* all of starts, ends, axes and steps */
	int count;
	int axis[QB_MAX_DIMS];
	int64_t start[QB_MAX_DIMS], end[QB_MAX_DIMS], step[QB_MAX_DIMS];
};

static enum qb_err read_slice(const struct qb_node *n, const struct qb_tensor *const in[], int rank,
	struct slice *s, struct qb_errbuf *eb)
{
	int64_t axes[QB_MAX_DIMS];
	int counts[4];
	bool seen[QB_MAX_DIMS] = { false };

	counts[0] = qb__op_list(n, in, "starts", 1, s->start, QB_MAX_DIMS);
	counts[1] = qb__op_list(n, in, "ends", 2, s->end, QB_MAX_DIMS);
	counts[2] = qb__op_list(n, in, "axes", 3, axes, QB_MAX_DIMS);
	counts[3] = qb__op_list(n, in, "steps", 4, s->step, QB_MAX_DIMS);
	s->known = true;
	for (int i = 0; i < 4; i++) {
		if (counts[i] == OP_LIST_BAD || (i < 2 && counts[i] == OP_LIST_ABSENT)) {
			return qb_node_fail(eb, QB_EONNX, n, "starts, ends, axes and steps are not lists of integers");
		}
		s->known &= counts[i] != OP_LIST_UNKNOWN;
	}
	/* Which axes are cut may be known although where is not. */
	s->count = QB_MAX(counts[0], counts[1]);
	for (int i = 0; i < s->count; i++) {
		if (counts[2] == OP_LIST_UNKNOWN) {
			break;
		}
		if ((counts[2] >= 0 && i >= counts[2]) || (counts[2] == OP_LIST_ABSENT && i >= rank)) {
			return qb_node_fail(eb, QB_EONNX, n, "it has more starts than axes");
		}
		QB_TRY(qb__op_axis(n, counts[2] >= 0 ? axes[i] : i, rank, false, &s->axis[i], eb));
		if (seen[s->axis[i]]) {
			return qb_node_fail(eb, QB_EONNX, n, "axis %d is cut twice", s->axis[i]);
		}
		seen[s->axis[i]] = true;
		if (counts[3] == OP_LIST_ABSENT) {
			s->step[i] = 1;
		} else if (counts[3] >= 0 && (i >= counts[3] || s->step[i] == 0 || s->step[i] == INT64_MIN)) {
			return qb_node_fail(eb, QB_EONNX, n, "step %d is zero or missing", i);
		}
	}
	if (s->known && counts[0] != counts[1]) {
		return qb_node_fail(eb, QB_EONNX, n, "it has %d starts and %d ends", counts[0], counts[1]);
	}
	return QB_OK;
}

static int64_t clamp_index(int64_t v, int64_t dim, int64_t lo, int64_t hi)
{
	v = v < 0 ? (v < -dim ? -1 : v + dim) : v;
	return QB_MAX(QB_MIN(v, hi), lo);
}

/* First index and count along a dimension. */
static void slice_dim(const struct slice *s, int i, int64_t dim, int64_t *first, int64_t *count)
{
	int64_t step = s->step[i];
	bool back = step < 0;
	int64_t a = clamp_index(s->start[i], dim, 0, back ? dim - 1 : dim);
	int64_t b = clamp_index(s->end[i], dim, back ? -1 : 0, dim);

	*first = a;
	*count = 0;
	if (dim == 0) {
		return;
	}
	if (back && a > b) {
		*count = (a - b - 1) / -step + 1;
	} else if (!back && b > a) {
		*count = (b - a - 1) / step + 1;
	}
}

enum qb_err qb__infer_slice(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = *x;
	struct slice s = { 0 };

	(void)g;
	if (!x->known) {
		return qb__op_set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(read_slice(n, NULL, x->ndim, &s, eb));
	if (!s.known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_ranked(x->ndim));
		return QB_OK;
	}
	for (int i = 0; i < s.count; i++) {
		int64_t d = x->dim[s.axis[i]], first;

		if (qb_dim_number(d)) {
			slice_dim(&s, i, d, &first, &y.dim[s.axis[i]]);
		} else if (!(s.start[i] == 0 && s.end[i] >= INT32_MAX && s.step[i] == 1)) {
			y.dim[s.axis[i]] = QB_DIM_UNKNOWN;
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_slice(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t stride[QB_MAX_DIMS], base = 0;
	struct slice s = { 0 };

	QB_TRY(read_slice(n, in, in[0]->ndim, &s, eb));
	qb__op_strides(in[0], stride);
	if (!qb_tensor_size(&out[0])) {
		return QB_OK;
	}
	for (int i = 0; i < s.count; i++) {
		int64_t first, count;

		slice_dim(&s, i, in[0]->dim[s.axis[i]], &first, &count);
		base += first * stride[s.axis[i]];
		stride[s.axis[i]] = count > 1 ? stride[s.axis[i]] * s.step[i] : 0;
	}
	qb__op_copy_strided(in[0], base, stride, &out[0]);
	return QB_OK;
}

/* One axis after another: zeros around, or, with a step, rows put where they were taken. */
enum qb_err qb__gradient_slice(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape now = n->output[0]->shape;
	int64_t before[QB_MAX_DIMS] = {0}, after[QB_MAX_DIMS] = {0}, first, count, *index;
	struct qb_value *v = dy[0];
	struct slice s = {0};

	(void)wanted;
	QB_TRY(read_slice(n, NULL, x->ndim, &s, eb));
	if (!s.known) {
		return qb__rule_refuse(&r, "where it cuts is computed, and it has no gradient then");
	}
	for (int i = 0; i < s.count; i++) {
		int axis = s.axis[i];

		slice_dim(&s, i, x->dim[axis], &first, &count);
		if (s.step[i] == 1 || count < 2) {
			before[axis] = first;
			after[axis] = x->dim[axis] - first - count;
			continue;
		}
		index = qb_arena_alloc(g->arena, (size_t)count, sizeof(*index));
		if (!index) {
			return qb__op_no_memory(n, eb);
		}
		for (int64_t k = 0; k < count; k++) {
			index[k] = first + k * s.step[i];
		}
		now.dim[axis] = x->dim[axis];
		v = qb__rule_ungather(&r, qb__rule_list(&r, (int)count, index), v, axis, &now);
	}
	dx[0] = qb__rule_pad(&r, v, before, after);
	return r.err;
}
