/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move elements: transposes, slices, joins, copies. They move bytes and know no types.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/ops/operands.h"

static void strides_of(const struct qb_tensor *t, int64_t stride[QB_MAX_DIMS])
{
	int64_t s = 1;

	for (int i = t->ndim - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

/* y[index] = x[base + sum index[i] * stride[i]]: every operator here that takes regularly is this. */
static void gather_strided(const struct qb_tensor *x, int64_t base, const int64_t stride[QB_MAX_DIMS],
	struct qb_tensor *y)
{
	size_t size = qb_dtype_bytes(x->dtype), count = qb_tensor_size(y);
	int64_t index[QB_MAX_DIMS] = { 0 }, at = base;

	for (size_t i = 0; i < count; i++) {
		memcpy((char *)y->data + i * size, (const char *)x->data + (size_t)at * size, size);
		for (int d = y->ndim - 1; d >= 0; d--) {
			at += stride[d];
			if (++index[d] < y->dim[d]) {
				break;
			}
			at -= stride[d] * y->dim[d];
			index[d] = 0;
		}
	}
}

static enum qb_err set_unknown(struct qb_node *n, enum qb_dtype dtype)
{
	for (int i = 0; i < n->outputs; i++) {
		qb__op_set(n, i, dtype, qb_shape_unknown());
	}
	return QB_OK;
}

/* ---- Transpose ---- */

static enum qb_err read_perm(const struct qb_node *n, int rank, int perm[QB_MAX_DIMS], struct qb_errbuf *eb)
{
	const int64_t *ints;
	int count = qb_node_ints(n, "perm", &ints);
	bool seen[QB_MAX_DIMS] = { false };

	if (count && count != rank) {
		return qb_node_fail(eb, QB_ESHAPE, n, "perm has %d entries for %d dimensions", count, rank);
	}
	for (int i = 0; i < rank; i++) {
		int64_t p = count ? ints[i] : rank - 1 - i;

		if (p < 0 || p >= rank || seen[p]) {
			return qb_node_fail(eb, QB_EONNX, n, "perm is not a permutation");
		}
		seen[p] = true;
		perm[i] = (int)p;
	}
	return QB_OK;
}

enum qb_err qb__infer_transpose(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape y = *x;
	int perm[QB_MAX_DIMS];

	(void)g;
	if (!x->known) {
		return set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(read_perm(n, x->ndim, perm, eb));
	for (int i = 0; i < x->ndim; i++) {
		y.dim[i] = x->dim[perm[i]];
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_transpose(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t stride[QB_MAX_DIMS], moved[QB_MAX_DIMS];
	int perm[QB_MAX_DIMS];

	QB_TRY(read_perm(n, in[0]->ndim, perm, eb));
	strides_of(in[0], stride);
	for (int i = 0; i < in[0]->ndim; i++) {
		moved[i] = stride[perm[i]];
	}
	gather_strided(in[0], 0, moved, &out[0]);
	return QB_OK;
}

/* ---- Concat, Split ---- */

enum qb_err qb__infer_concat(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;
	int axis = 0;

	(void)g;
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_shape *x;

		if (!n->input[i]) {
			return qb_node_fail(eb, QB_EONNX, n, "input %d is left out", i);
		}
		QB_TRY(qb__op_need_same(n, i, eb));
		x = &n->input[i]->shape;
		if (!x->known || !y.known) {
			y.known = false;
			continue;
		}
		if (x->ndim != y.ndim) {
			return qb_node_fail(eb, QB_ESHAPE, n, "%s has %d dimensions, %s has %d", n->input[i]->name,
				x->ndim, n->input[0]->name, y.ndim);
		}
		QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 1), y.ndim, false, &axis, eb));
		for (int d = 0; i && d < y.ndim; d++) {
			if (d == axis) {
				y.dim[d] = qb_dim_add(y.dim[d], x->dim[d]);
			} else {
				QB_TRY(qb__op_need_dim(n, i, d, y.dim[d], eb));
				y.dim[d] = qb_dim_merge(y.dim[d], x->dim[d]);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_concat(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 1), outer, row;
	size_t size = qb_dtype_bytes(out[0].dtype);
	char *dst = out[0].data;

	(void)eb;
	axis += axis < 0 ? out[0].ndim : 0;
	outer = op_span(&out[0], 0, (int)axis);
	for (int64_t o = 0; o < outer; o++) {
		for (int i = 0; i < n->inputs; i++) {
			row = op_span(in[i], (int)axis, in[i]->ndim);
			memcpy(dst, (const char *)in[i]->data + (size_t)(o * row) * size, (size_t)row * size);
			dst += (size_t)row * size;
		}
	}
	return QB_OK;
}

enum { MAX_SPLIT = 4096 };

/* The sizes of the parts: given, or equal ones of which the last may be smaller (opset 18). */
static enum qb_err split_sizes(const struct qb_node *n, const struct qb_tensor *const in[], int64_t total,
	int64_t size[MAX_SPLIT], bool *known, struct qb_errbuf *eb)
{
	int count, parts = n->outputs;
	int64_t sum = 0, each;

	if (parts > MAX_SPLIT) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "%d outputs; at most %d are supported", parts, MAX_SPLIT);
	}
	count = qb__op_list(n, in, "split", 1, size, MAX_SPLIT);
	*known = count != OP_LIST_UNKNOWN;
	if (count == OP_LIST_UNKNOWN) {
		return QB_OK;
	}
	if (count == OP_LIST_ABSENT) {
		parts = (int)QB_MIN(QB_MAX(qb_node_int(n, "num_outputs", parts), 1), MAX_SPLIT);
		*known = qb_dim_number(total);
		if (!*known) {
			return QB_OK;
		}
		if (n->opset < 18 && total % parts) {
			return qb_node_fail(eb, QB_ESHAPE, n, "%" PRId64 " does not split into %d equal parts", total,
				parts);
		}
		each = (total + parts - 1) / parts;
		for (int i = 0; i < parts; i++) {
			size[i] = QB_MAX(QB_MIN(each, total - i * each), 0);
		}
		count = parts;
	}
	if (count < n->outputs) {
		return qb_node_fail(eb, QB_ESHAPE, n, "split names %d sizes for %d outputs", count, n->outputs);
	}
	for (int i = 0; i < count; i++) {
		if (size[i] < 0 || size[i] > QB_MAX_ELEMENTS) {
			return qb_node_fail(eb, QB_ESHAPE, n, "split has a part of %" PRId64, size[i]);
		}
		sum += size[i];
	}
	if (qb_dim_number(total) && sum != total) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the parts sum to %" PRId64 ", the dimension is %" PRId64, sum,
			total);
	}
	return QB_OK;
}

enum qb_err qb__infer_split(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t size[MAX_SPLIT];
	struct qb_shape y = *x;
	bool known;
	int axis;

	(void)g;
	if (!x->known) {
		return set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(qb__op_axis(n, qb_node_int(n, "axis", 0), x->ndim, false, &axis, eb));
	QB_TRY(split_sizes(n, NULL, x->dim[axis], size, &known, eb));
	for (int i = 0; i < n->outputs; i++) {
		y.dim[axis] = known ? size[i] : QB_DIM_UNKNOWN;
		qb__op_set(n, i, n->input[0]->dtype, y);
	}
	return QB_OK;
}

enum qb_err qb__eval_split(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t axis = qb_node_int(n, "axis", 0), size[MAX_SPLIT], outer, row, inner, begin = 0;
	size_t bytes = qb_dtype_bytes(in[0]->dtype);
	bool known;

	axis += axis < 0 ? in[0]->ndim : 0;
	QB_TRY(split_sizes(n, in, in[0]->dim[axis], size, &known, eb));
	outer = op_span(in[0], 0, (int)axis);
	inner = op_span(in[0], (int)axis + 1, in[0]->ndim);
	row = in[0]->dim[axis] * inner;
	for (int i = 0; i < n->outputs; i++) {
		for (int64_t o = 0; o < outer && op_wants(n, out, i); o++) {
			memcpy((char *)out[i].data + (size_t)(o * size[i] * inner) * bytes,
				(const char *)in[0]->data + (size_t)(o * row + begin * inner) * bytes,
				(size_t)(size[i] * inner) * bytes);
		}
		begin += size[i];
	}
	return QB_OK;
}

/* ---- Slice: attributes before opset 10, inputs since ---- */

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
		return set_unknown(n, n->input[0]->dtype);
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
	strides_of(in[0], stride);
	if (!qb_tensor_size(&out[0])) {
		return QB_OK;
	}
	for (int i = 0; i < s.count; i++) {
		int64_t first, count;

		slice_dim(&s, i, in[0]->dim[s.axis[i]], &first, &count);
		base += first * stride[s.axis[i]];
		stride[s.axis[i]] = count > 1 ? stride[s.axis[i]] * s.step[i] : 0;
	}
	gather_strided(in[0], base, stride, &out[0]);
	return QB_OK;
}

/* ---- Expand, Tile ---- */

enum qb_err qb__infer_expand(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t dims[QB_MAX_DIMS];
	const struct qb_shape *want = &n->input[1]->shape;
	struct qb_shape to, y;
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	QB_TRY(qb__op_need_rank(n, 1, 1, 1, eb));
	if (!op_const(n, 1)) {
		bool ranked = want->known && qb_dim_number(want->dim[0]) && want->dim[0] <= QB_MAX_DIMS;

		to = ranked ? qb_shape_ranked((int)want->dim[0]) : qb_shape_unknown();
		qb_shape_broadcast(&n->input[0]->shape, &to, &y);
		for (int i = 0; y.known && i < y.ndim; i++) {
			y.dim[i] = QB_DIM_UNKNOWN;
		}
		qb__op_set(n, 0, n->input[0]->dtype, y);
		return QB_OK;
	}
	count = qb__op_ints(op_const(n, 1), dims, QB_MAX_DIMS);
	for (int i = 0; i < count; i++) {
		if (dims[i] < 0) {
			count = -1;
		}
	}
	if (count < 0) {
		return qb_node_fail(eb, QB_EONNX, n, "the new shape is not a list of up to %d sizes", QB_MAX_DIMS);
	}
	to = qb_shape_make(count, dims);
	if (!qb_shape_broadcast(&n->input[0]->shape, &to, &y)) {
		char t[256], u[256];

		return qb_node_fail(eb, QB_ESHAPE, n, "%s of shape %s does not expand to %s", n->input[0]->name,
			qb_shape_text(&n->input[0]->shape, t, sizeof(t)), qb_shape_text(&to, u, sizeof(u)));
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_expand(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t stride[QB_MAX_DIMS], wide[QB_MAX_DIMS] = { 0 };
	int shift = out[0].ndim - in[0]->ndim;

	(void)n, (void)eb;
	strides_of(in[0], stride);
	for (int i = 0; i < in[0]->ndim; i++) {
		wide[i + shift] = in[0]->dim[i] == 1 ? 0 : stride[i];
	}
	gather_strided(in[0], 0, wide, &out[0]);
	return QB_OK;
}

enum qb_err qb__infer_tile(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t repeats[QB_MAX_DIMS];
	struct qb_shape y = *x;
	int count;

	(void)g;
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	if (!x->known) {
		return set_unknown(n, n->input[0]->dtype);
	}
	if (!op_const(n, 1)) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_ranked(x->ndim));
		return QB_OK;
	}
	count = qb__op_ints(op_const(n, 1), repeats, QB_MAX_DIMS);
	if (count != x->ndim) {
		return qb_node_fail(eb, QB_ESHAPE, n, "repeats has %d entries for %d dimensions", count, x->ndim);
	}
	for (int i = 0; i < count; i++) {
		if (repeats[i] < 0) {
			return qb_node_fail(eb, QB_EONNX, n, "repeats holds %" PRId64, repeats[i]);
		}
		y.dim[i] = qb_dim_mul(x->dim[i], repeats[i]);
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_tile(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(&out[0]);
	int64_t stride[QB_MAX_DIMS], index[QB_MAX_DIMS] = { 0 };

	(void)n, (void)eb;
	strides_of(in[0], stride);
	for (size_t i = 0; i < count; i++) {
		int64_t at = 0;

		for (int d = 0; d < out[0].ndim; d++) {
			at += index[d] % in[0]->dim[d] * stride[d];
		}
		memcpy((char *)out[0].data + i * size, (const char *)in[0]->data + (size_t)at * size, size);
		for (int d = out[0].ndim - 1; d >= 0 && ++index[d] == out[0].dim[d]; d--) {
			index[d] = 0;
		}
	}
	return QB_OK;
}

/* ---- Pad ---- */

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

struct pad {
	bool known;
	enum pad_mode mode;
	int64_t lo[QB_MAX_DIMS], hi[QB_MAX_DIMS];
};

static enum qb_err read_pad(const struct qb_node *n, const struct qb_tensor *const in[], int rank,
	struct pad *p, struct qb_errbuf *eb)
{
	static const char *const modes[] = { "constant", "reflect", "edge", "wrap" };
	const char *mode = qb_node_string(n, "mode", "constant");
	int64_t pads[2 * QB_MAX_DIMS], axes[QB_MAX_DIMS];
	int count = qb__op_list(n, in, "pads", 1, pads, 2 * QB_MAX_DIMS);
	int axis_count = qb__op_list(n, in, "axes", 3, axes, QB_MAX_DIMS), m = 0;

	*p = (struct pad){ 0 };
	while (m < (int)QB_COUNT(modes) && strcmp(mode, modes[m]) != 0) {
		m++;
	}
	if (m == (int)QB_COUNT(modes)) {
		return qb_node_fail(eb, QB_EONNX, n, "mode \"%.40s\" is not one of constant, reflect, edge, wrap", mode);
	}
	p->mode = (enum pad_mode)m;
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
	struct pad p;

	(void)g;
	QB_TRY(qb__op_need_same(n, 2, eb));
	if (op_in(n, 2) && n->input[2]->shape.known && qb_shape_concrete(&n->input[2]->shape) &&
	    qb_shape_product(&n->input[2]->shape, 0, n->input[2]->shape.ndim) != 1) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the constant %s is not one number", n->input[2]->name);
	}
	if (!x->known) {
		return set_unknown(n, n->input[0]->dtype);
	}
	QB_TRY(read_pad(n, NULL, x->ndim, &p, eb));
	for (int i = 0; i < x->ndim; i++) {
		int64_t more = p.lo[i] + p.hi[i];

		if (!p.known) {
			y.dim[i] = QB_DIM_UNKNOWN;
		} else if (more || p.lo[i]) {
			y.dim[i] = qb_dim_number(x->dim[i]) ? x->dim[i] + more : QB_DIM_UNKNOWN;
			if (qb_dim_number(x->dim[i]) && (y.dim[i] < 0 || (x->dim[i] == 0 && p.mode != PAD_CONSTANT))) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of %" PRId64 " does not pad by %" PRId64
					" and %" PRId64, i, x->dim[i], p.lo[i], p.hi[i]);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* The source of output index i (already less the pad), or -1 for the constant. */
static int64_t pad_source(enum pad_mode mode, int64_t i, int64_t dim)
{
	int64_t period;

	if (i >= 0 && i < dim) {
		return i;
	}
	switch (mode) {
	case PAD_EDGE:
		return i < 0 ? 0 : dim - 1;
	case PAD_WRAP:
		return (i % dim + dim) % dim;
	case PAD_REFLECT:
		period = QB_MAX(2 * (dim - 1), 1);
		i = (i % period + period) % period;
		return i < dim ? i : period - i;
	default:
		return -1;
	}
}

enum qb_err qb__eval_pad(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	size_t size = qb_dtype_bytes(in[0]->dtype), count = qb_tensor_size(&out[0]);
	const struct qb_tensor *value = op_arg(n, in, 2);
	int64_t stride[QB_MAX_DIMS], index[QB_MAX_DIMS] = { 0 };
	uint64_t fill = 0;
	struct pad p;

	QB_TRY(read_pad(n, in, in[0]->ndim, &p, eb));
	if (value) {
		memcpy(&fill, value->data, size);
	} else {
		qb__op_store(in[0]->dtype, &fill, 0, (double)qb_node_float(n, "value", 0));
	}
	strides_of(in[0], stride);
	for (size_t i = 0; i < count; i++) {
		int64_t at = 0;
		bool inside = true;

		for (int d = 0; d < out[0].ndim && inside; d++) {
			int64_t from = pad_source(p.mode, index[d] - p.lo[d], in[0]->dim[d]);

			inside = from >= 0;
			at += from * stride[d];
		}
		memcpy((char *)out[0].data + i * size,
			inside ? (const char *)in[0]->data + (size_t)at * size : (const char *)&fill, size);
		for (int d = out[0].ndim - 1; d >= 0 && ++index[d] == out[0].dim[d]; d--) {
			index[d] = 0;
		}
	}
	return QB_OK;
}

/* ---- DepthToSpace, SpaceToDepth ---- */

enum qb_err qb__infer_depth_space(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t b = qb_node_int(n, "blocksize", 0);
	bool to_space = strcmp(n->type, "DepthToSpace") == 0;
	struct qb_shape y = *x;

	(void)g;
	QB_TRY(qb__op_need_rank(n, 0, 4, 4, eb));
	if (b < 1 || b > 1 << 15) {
		return qb_node_fail(eb, QB_EONNX, n, "blocksize is %" PRId64, b);
	}
	if (x->known) {
		y.dim[1] = to_space ? qb_dim_div(x->dim[1], b * b) : qb_dim_mul(x->dim[1], b * b);
		for (int i = 2; i < 4; i++) {
			y.dim[i] = to_space ? qb_dim_mul(x->dim[i], b) : qb_dim_div(x->dim[i], b);
		}
		for (int i = 1; i < 4; i++) {
			if (y.dim[i] == QB_DIM_UNKNOWN && qb_dim_number(x->dim[i])) {
				return qb_node_fail(eb, QB_ESHAPE, n, "dimension %d of %" PRId64 " does not divide by the "
					"blocks of %" PRId64, i, x->dim[i], b);
			}
		}
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

enum qb_err qb__eval_depth_space(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t b = qb_node_int(n, "blocksize", 1);
	bool to_space = strcmp(n->type, "DepthToSpace") == 0;
	bool crd = strcmp(qb_node_string(n, "mode", "DCR"), "CRD") == 0;
	const struct qb_tensor *deep = to_space ? in[0] : &out[0], *wide = to_space ? &out[0] : in[0];
	int64_t c = wide->dim[1], h = deep->dim[2], w = deep->dim[3];
	size_t size = qb_dtype_bytes(in[0]->dtype);

	(void)eb;
	for (int64_t i = 0; i < (int64_t)qb_tensor_size(wide); i++) {
		int64_t x = i % wide->dim[3], y = i / wide->dim[3] % wide->dim[2];
		int64_t ch = i / wide->dim[3] / wide->dim[2] % c, s = i / wide->dim[3] / wide->dim[2] / c;
		int64_t block = y % b * b + x % b, depth = crd ? ch * b * b + block : block * c + ch;
		int64_t j = ((s * c * b * b + depth) * h + y / b) * w + x / b;

		memcpy((char *)out[0].data + (size_t)(to_space ? i : j) * size,
			(const char *)in[0]->data + (size_t)(to_space ? j : i) * size, size);
	}
	return QB_OK;
}

/* ---- Trilu ---- */

enum qb_err qb__infer_trilu(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_trilu(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0], *k = op_arg(n, in, 1);
	int64_t offset = k ? qb__op_load_int(k->dtype, k->data, 0) : 0, cols = x->dim[x->ndim - 1];
	int64_t rows = x->dim[x->ndim - 2], count = (int64_t)qb_tensor_size(x);
	bool upper = qb_node_int(n, "upper", 1) != 0;
	size_t size = qb_dtype_bytes(x->dtype);

	(void)eb;
	offset = QB_MAX(QB_MIN(offset, QB_MAX_ELEMENTS), -QB_MAX_ELEMENTS);
	for (int64_t i = 0; i < count; i++) {
		int64_t d = i % cols - i / cols % rows;

		if (upper ? d >= offset : d <= offset) {
			memcpy((char *)out[0].data + (size_t)i * size, (const char *)x->data + (size_t)i * size, size);
		}
	}
	return QB_OK;
}

/* ---- ReverseSequence ---- */

enum qb_err qb__infer_reverse_sequence(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t batch = qb_node_int(n, "batch_axis", 1), time = qb_node_int(n, "time_axis", 0);

	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (batch < 0 || batch > 1 || time != 1 - batch) {
		return qb_node_fail(eb, QB_EONNX, n, "batch_axis and time_axis are not 0 and 1");
	}
	QB_TRY(qb__op_need_dtype(n, 1, QB_I64, eb));
	if (n->input[0]->shape.known) {
		QB_TRY(qb__op_need_vector(n, 1, n->input[0]->shape.dim[batch], eb));
	}
	return qb__op_infer_same(g, n, eb);
}

enum qb_err qb__eval_reverse_sequence(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int time_axis = (int)qb_node_int(n, "time_axis", 0);
	int64_t inner = op_span(in[0], 2, in[0]->ndim), cols = in[0]->dim[1], times = in[0]->dim[time_axis];
	size_t bytes = (size_t)inner * qb_dtype_bytes(in[0]->dtype);

	for (int64_t i = 0; i < in[0]->dim[0] * cols; i++) {
		int64_t t = time_axis ? i % cols : i / cols, b = time_axis ? i / cols : i % cols;
		int64_t len = ((const int64_t *)in[1]->data)[b], from;

		if (len < 0 || len > times) {
			return qb_node_fail(eb, QB_EONNX, n, "a sequence of %" PRId64 " in %" PRId64 " steps", len, times);
		}
		t = t < len ? len - 1 - t : t;
		from = time_axis ? b * cols + t : t * cols + b;
		memcpy((char *)out[0].data + (size_t)i * bytes, (const char *)in[0]->data + (size_t)from * bytes,
			bytes);
	}
	return QB_OK;
}
