/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move numbers: new shapes on the same memory, views, copies, joins.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/base/vectorized.h"
#include "core/exec/lower/f32/choice.h"
#include "core/graph/op.h"
#include "core/exec/onednn.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

/* A layout of strides alone, seen in another shape: groups of dimensions with one product each must lie evenly in x. */
static bool reshape_layout(const struct qb_layout *x, const struct qb_shape *shape, struct qb_layout *y)
{
	const int64_t *from = x->stride;
	int64_t dims[QB_LAYOUT_DIMS], strides[QB_LAYOUT_DIMS];
	int i = 0, k = 0;

	while (i < x->ndim || k < shape->ndim) {
		int64_t in = i < x->ndim ? x->dim[i] : 1, out = k < shape->ndim ? shape->dim[k] : 1;
		int i0 = i, k0 = k, last;

		i += i < x->ndim;
		k += k < shape->ndim;
		while (in != out) {
			if (in < out ? i == x->ndim : k == shape->ndim) {
				return false;
			}
			if (in < out) {
				in *= x->dim[i++];
			} else {
				out *= shape->dim[k++];
			}
		}
		last = i - 1; /* the group's innermost dimension that has a stride of its own */
		while (last > i0 && x->dim[last] == 1) {
			last--;
		}
		for (int a = last - 1, b = last; a >= i0; a--) {
			if (x->dim[a] == 1) {
				continue;
			}
			if (from[a] != from[b] * x->dim[b]) {
				return false;
			}
			b = a;
		}
		for (int64_t a = k - 1, step = i > i0 ? from[last] : 1; a >= k0; a--) {
			dims[a] = shape->dim[a];
			strides[a] = step;
			step *= dims[a];
		}
	}
	return qb_layout_strided(y, shape->ndim, dims, strides);
}

/* Reshape, Flatten, Squeeze ...: numbers seen in another shape where they lie, or else row-major. */
enum qb_err qb__plan_alias(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0];
	struct qb_place place;
	struct qb_layout layout;

	if (x->dtype == QB_F64 && n->output[0]->dtype == QB_F64 && !x->constant && n->outputs < 2) {
		layout = qb_layout_dense(&n->output[0]->shape); /* such values are row-major always */
		return qb_builder_alias(b, n->output[0], qb_builder_home(b, x)->buffer, &layout, eb);
	}
	/* A quantizer of its own needs memory of its own. */
	if (n->input[0]->dtype != QB_F32 || n->input[0]->constant ||
		(n->outputs > 1 && n->output[1]) ||
		(n->output[0]->imported &&
			!qb_imported_equal(n->output[0]->imported, n->input[0]->imported))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, n->input[0], &place, eb));
	if (!n->output[0]->shape.ndim || !reshape_layout(&place.layout, &n->output[0]->shape, &layout)) {
		QB_TRY(qb_builder_dense(b, n->input[0], &place, eb));
		layout = qb_layout_dense(&n->output[0]->shape);
	}
	return qb_builder_alias(b, n->output[0], place.buffer, &layout, eb);
}

/* ---- copies ----
 *
 * y lies without gaps and is written in order; where its numbers come from is a nest of loops over x. */

enum { LEVELS = 12, BLOCK = 16, SHORT = 512, PARALLEL = 65536 };

struct move {
	int levels;                          /* innermost first */
	int64_t count[LEVELS], step[LEVELS]; /* numbers of y, and how far apart they lie in x */
	int64_t base, to;                    /* the first number of x, and its place in y */
	int64_t gap;                         /* the outermost level's distance in y; 0: no gaps */
};

/* Two runs, number by number in turns: what a shuffle of two groups of channels does to a pixel. */
static inline __attribute__((always_inline)) void interleave_body(const float *restrict a, const float *restrict b,
	float *restrict y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		y[2 * i] = a[i];
		y[2 * i + 1] = b[i];
	}
}

QB_FOR_EVERY_LEVEL(static, interleave, (const float *a, const float *b, float *y, int64_t n), (a, b, y, n))

/* Rows of a pixel's channels are too short to call memcpy for each. */
static inline __attribute__((always_inline)) void copy_rows_body(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t n)
{
	enum { LANES = 16 };
	typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

	for (int64_t r = 0; r < rows; r++, x += x_step, y += y_step) {
		int64_t i = 0;

		for (; i + LANES <= n; i += LANES) {
			*(lanes *)(void *)(y + i) = *(const lanes *)(const void *)(x + i);
		}
		for (; i < n; i++) {
			y[i] = x[i];
		}
	}
}

QB_FOR_EVERY_LEVEL_512(static, copy_rows, (const float *x, int64_t x_step, float *y, int64_t y_step, int64_t rows, int64_t n),
	(x, x_step, y, y_step, rows, n))

/* One level is contiguous in y, another in x: block by block, so that both are read and written in lines. */
static void transpose(const float *x, int64_t x_step, float *y, int64_t y_step, int64_t inner,
	int64_t outer)
{
	if (inner == 2 && y_step == 2) {
		interleave(x, x + x_step, y, outer);
		return;
	}
	for (int64_t i = 0; i < inner; i += BLOCK) {
		for (int64_t j = 0; j < outer; j += BLOCK) {
			int64_t ni = QB_MIN((int64_t)BLOCK, inner - i), nj = QB_MIN((int64_t)BLOCK, outer - j);

			for (int64_t v = j; v < j + nj; v++) {
				for (int64_t u = i; u < i + ni; u++) {
					y[v * y_step + u] = x[u * x_step + v];
				}
			}
		}
	}
}

static void move_level(const struct move *m, const int64_t *y_step, int level, int skip, const float *x,
	float *y)
{
	if (level == skip) {
		level--;
	}
	if (level == 1 && !skip && m->step[0] == 1 && m->count[0] <= SHORT) {
		copy_rows(x, m->step[1], y, y_step[1], m->count[1], m->count[0]);
	} else if (level > 0) {
		for (int64_t i = 0; i < m->count[level]; i++) {
			move_level(m, y_step, level - 1, skip, x + i * m->step[level], y + i * y_step[level]);
		}
	} else if (skip > 0) {
		transpose(x, m->step[0], y, y_step[skip], m->count[0], m->count[skip]);
	} else if (m->step[0] == 1) {
		memcpy(y, x, (size_t)m->count[0] * sizeof(*y));
	} else {
		for (int64_t i = 0; i < m->count[0]; i++) {
			y[i] = x[i * m->step[0]];
		}
	}
}

/* Part t of `threads` of the outermost level. */
static void move_part(const struct move *m, const struct qb_operands *at, int64_t t, int64_t threads)
{
	int64_t y_step[LEVELS], step = 1, first;
	int skip = 0, top = m->levels - 1;
	struct move part = *m;

	for (int i = 0; i < m->levels; i++) {
		y_step[i] = step;
		step *= m->count[i];
		if (i && !skip && m->step[0] != 1 && m->step[i] == 1) {
			skip = i;
		}
	}
	if (m->gap) {
		y_step[top] = m->gap;
	}
	first = m->count[top] * t / threads;
	part.count[top] = m->count[top] * (t + 1) / threads - first;
	move_level(&part, y_step, top, skip, (const float *)at->read[0] + m->base + first * m->step[top],
		(float *)at->write[0] + m->to + first * y_step[top]);
}

struct shared_move {
	const struct move *m;
	int threads;
};

static void move_shared(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct shared_move *s = context;

	move_part(s->m, at, t, s->threads);
}

static void run_move(const void *context, const struct qb_operands *at)
{
	const struct move *m = context;
	struct shared_move s = {m, qb_threads()};
	int64_t n = 1;

	for (int i = 0; i < m->levels; i++) {
		n *= m->count[i];
	}
	if (n < PARALLEL || s.threads == 1) {
		move_part(m, at, 0, 1);
	} else {
		qb_threads_loop(s.threads, s.threads, move_shared, &s, at);
	}
}

/* The nest that visits from[0], from[1] ...; false where there is none. */
static bool find_nest(const int64_t *from, int64_t n, struct move *m)
{
	int64_t done = 1;

	memset(m, 0, sizeof(*m));
	m->base = from[0];
	while (done < n) {
		int64_t step = from[done] - from[0], count = 2;

		while (count * done < n && from[count * done] == from[0] + count * step) {
			count++;
		}
		if (m->levels == LEVELS || n % (count * done)) {
			return false;
		}
		m->count[m->levels] = count;
		m->step[m->levels++] = step;
		done *= count;
	}
	for (int64_t i = 0; i < n; i++) {
		int64_t at = m->base, rest = i;

		for (int l = 0; l < m->levels; l++) {
			at += rest % m->count[l] * m->step[l];
			rest /= m->count[l];
		}
		if (at != from[i]) {
			return false;
		}
	}
	if (!m->levels) {
		m->levels = 1;
		m->count[0] = m->step[0] = 1;
	}
	return true;
}

/* Where the numbers of a plain layout lie, in row-major order. */
static void positions(const struct qb_layout *layout, int32_t *at, int64_t n)
{
	int64_t index[QB_LAYOUT_DIMS] = {0}, p = 0;
	const int64_t *stride = layout->stride;

	for (int64_t i = 0; i < n; i++) {
		at[i] = (int32_t)p;
		p += qb_index_next(index, layout->ndim, layout->dim, stride);
	}
}

static int64_t numbers(const struct qb_value *v)
{
	return (int64_t)qb_value_size(v);
}

static struct qb_tensor tensor(const struct qb_value *v, enum qb_dtype dtype, void *data)
{
	struct qb_tensor t = {.dtype = dtype, .ndim = v->shape.ndim, .data = data};

	memcpy(t.dim, v->shape.dim, sizeof(t.dim));
	return t;
}

/* Channels innermost where x has them so, row-major otherwise. */
static struct qb_layout like(const struct qb_layout *x, const struct qb_value *y)
{
	bool channels_last = x->ndim == 4 && y->shape.ndim == 4 && x->stride[1] == 1 && x->dim[1] > 1;

	return channels_last ? qb_layout_channels_last(&y->shape) : qb_layout_dense(&y->shape);
}

/* The operator itself, on the numbers 0, 1, 2 ..., says where each number of output k comes from. */
static bool probe(const struct qb_node *n, int k, const struct qb_layout *x_layout,
	const struct qb_layout *y_layout, struct move *m)
{
	enum { MANY = 64 };
	int64_t nx = numbers(n->input[0]), ny = numbers(n->output[k]), all = 0;
	const struct qb_tensor *in[MANY];
	struct qb_tensor x, out[MANY];
	int32_t *iota = malloc((size_t)nx * sizeof(*iota)), *where = malloc((size_t)nx * sizeof(*where));
	int32_t *to = malloc((size_t)ny * sizeof(*to)), *got;
	int64_t *from = calloc((size_t)ny, sizeof(*from));
	bool found = false;

	for (int i = 0; i < n->outputs; i++) {
		all += n->output[i] ? numbers(n->output[i]) : 0;
	}
	got = calloc((size_t)all + 1, sizeof(*got));
	if (iota && where && to && from && got) {
		int32_t *next = got, *mine = got;

		x = tensor(n->input[0], QB_I32, iota);
		for (int64_t i = 0; i < nx; i++) {
			iota[i] = (int32_t)i;
		}
		for (int i = 0; i < n->inputs; i++) {
			in[i] = !i ? &x : n->input[i] ? n->input[i]->constant : NULL;
		}
		memset(out, 0, (size_t)n->outputs * sizeof(*out));
		for (int i = 0; i < n->outputs; i++) {
			if (n->output[i]) {
				mine = i == k ? next : mine;
				out[i] = tensor(n->output[i], QB_I32, next);
				next += numbers(n->output[i]);
			}
		}
		if (n->op->eval(n, in, out, NULL) == QB_OK) {
			positions(x_layout, where, nx);
			positions(y_layout, to, ny);
			for (int64_t i = 0; i < ny; i++) {
				from[to[i]] = where[mine[i]];
			}
			found = find_nest(from, ny, m);
		}
	}
	free(iota);
	free(where);
	free(to);
	free(from);
	free(got);
	return found;
}

/* Of float64, which lies row-major: one run. */
static void run_move_f64(const void *context, const struct qb_operands *at)
{
	const struct move *m = context;

	memcpy(at->write[0], (const double *)at->read[0] + m->base, (size_t)m->count[0] * sizeof(double));
}

static enum qb_err plan_copy_f64(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_layout from = qb_layout_dense(&n->input[0]->shape), to = qb_layout_dense(&n->output[0]->shape);
	struct qb_place y;
	struct move m;

	if (n->outputs > 1 || numbers(n->output[0]) < 1 || !probe(n, 0, &from, &to, &m) || m.levels > 1 || m.step[0] != 1) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_define(b, n->output[0], &to, &y, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = "move", .fn = run_move_f64, QB_CONTEXT(m),
		.reads = {qb_builder_home(b, n->input[0])->buffer}, .writes = {y.buffer}}, eb);
}

/* Everything that takes numbers of its first input regularly, the rest being constants. */
enum qb_err qb__plan_copy(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_place x, y;

	bool f64 = n->input[0]->dtype == QB_F64;

	if ((n->input[0]->dtype != QB_F32 && !f64) || n->input[0]->constant || n->inputs > 64 || n->outputs > 64 ||
		numbers(n->input[0]) > INT32_MAX || numbers(n->input[0]) < 1) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 1; i < n->inputs; i++) {
		if (n->input[i] && !n->input[i]->constant) {
			return QB_EUNSUPPORTED;
		}
	}
	if (f64) {
		return plan_copy_f64(b, n, eb);
	}
	QB_TRY(qb_builder_plain(b, n->input[0], &x, eb));
	for (int k = 0; k < n->outputs; k++) {
		struct qb_layout layout;
		struct move m;

		if (!n->output[k]) {
			continue;
		}
		layout = like(&x.layout, n->output[k]);
		if (numbers(n->output[k]) < 1 || numbers(n->output[k]) > INT32_MAX ||
			!probe(n, k, &x.layout, &layout, &m)) {
			return k ? qb_fail(eb, QB_EINTERNAL, "output %d moves irregularly", k) : QB_EUNSUPPORTED;
		}
		QB_TRY(qb_builder_define(b, n->output[k], &layout, &y, eb));
		QB_TRY(qb_builder_call(b, n, &(struct qb_call){.name = "move", .fn = run_move, QB_CONTEXT(m),
			.reads = {x.buffer}, .writes = {y.buffer}}, eb));
	}
	return QB_OK;
}

/* Transpose is another view of the same memory. */
enum qb_err qb__plan_transpose(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	const struct qb_value *x = n->input[0], *y = n->output[0];
	struct qb_layout layout;
	struct qb_place place;
	const int64_t *perm;
	int count = qb_node_ints(n, "perm", &perm);
	int64_t dims[QB_LAYOUT_DIMS], strides[QB_LAYOUT_DIMS];

	if (x->dtype != QB_F32 || x->constant || x->shape.ndim < 1) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_plain(b, x, &place, eb));
	for (int i = 0; i < x->shape.ndim; i++) {
		int from = count ? (int)perm[i] : x->shape.ndim - 1 - i;

		dims[i] = y->shape.dim[i];
		strides[i] = place.layout.stride[from];
	}
	if (!qb_layout_strided(&layout, x->shape.ndim, dims, strides)) {
		return QB_EUNSUPPORTED;
	}
	return qb_builder_alias(b, y, place.buffer, &layout, eb);
}

/* ---- Concat ---- */

static enum qb_err join_input(struct qb_builder *b, const struct qb_node *n, int i, int axis,
	int64_t before, const struct qb_place *y, struct qb_errbuf *eb)
{
	const int64_t *stride = y->layout.stride, *dim = y->layout.dim;
	struct move m = {.levels = 1, .step = {1, 0}, .to = before * stride[axis]};
	struct qb_place x;
	struct qb_layout layout = like(&y->layout, n->input[i]);
	int64_t slab = numbers(n->input[i]);

	/* In y's order of dimensions the axis and all inside it are one run. */
	for (int d = 0; d < y->layout.ndim; d++) {
		if (d != axis && stride[d] > stride[axis]) {
			slab /= dim[d];
		}
	}
	QB_TRY(qb_builder_source(b, n->input[i], &layout, &x, eb));
	m.count[0] = slab;
	if (numbers(n->input[i]) > slab) {
		m.count[m.levels] = numbers(n->input[i]) / slab;
		m.step[m.levels++] = slab;
		m.gap = stride[axis] * dim[axis];
	}
	return qb_builder_call(b, n, &(struct qb_call){.name = "concat", .fn = run_move, QB_CONTEXT(m),
		.reads = {x.buffer}, .writes = {y->buffer}}, eb);
}

static enum qb_err plan_join(struct qb_builder *b, const struct qb_node *n, int axis,
	struct qb_errbuf *eb)
{
	struct qb_place y;
	struct qb_layout layout;
	int64_t before = 0;

	QB_TRY(qb_builder_plain(b, n->input[0], &y, eb));
	layout = like(&y.layout, n->output[0]);
	QB_TRY(qb_builder_define(b, n->output[0], &layout, &y, eb));
	for (int i = 0; i < n->inputs; i++) {
		if (numbers(n->input[i])) {
			QB_TRY(join_input(b, n, i, axis, before, &y, eb));
		}
		before += n->input[i]->shape.dim[axis];
	}
	return QB_OK;
}

enum qb_err qb__plan_concat(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct qb_concat_args a = {.sources = n->inputs, .dst = qb_dnn_any(n->output[0])};
	int64_t axis = qb_node_int(n, "axis", 1);

	if (n->inputs < 2 || n->output[0]->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	axis += axis < 0 ? n->output[0]->shape.ndim : 0;
	for (int i = 0; i < n->inputs; i++) {
		if (n->input[i]->constant) {
			return QB_EUNSUPPORTED;
		}
	}
	if (qb_f32_ours(QB_F32_CONCAT)) {
		return plan_join(b, n, (int)axis, eb);
	}
	if (n->inputs > QB_DNN_SOURCES) {
		return QB_EUNSUPPORTED;
	}
	a.axis = (int)axis;
	for (int i = 0; i < n->inputs; i++) {
		a.src[i] = qb_dnn_home(b, n->input[i]);
	}
	return qb_dnn_concat(b, n, &a, eb);
}
