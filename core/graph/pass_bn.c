/* SPDX-License-Identifier: Apache-2.0
 *
 * Per-channel affine maps (BatchNormalization, Mul and Add of constants) into the weights and bias of the
 * Conv, ConvTranspose, Gemm or MatMul before them. Computed in double precision, rounded once.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/activation.h"
#include "core/graph/infer.h"
#include "core/graph/linear.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

enum linear_kind { NOT_LINEAR, CONV, CONV_TRANSPOSE, GEMM, MATMUL };

static enum linear_kind kind_of(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Conv) ? CONV : qb_node_is(n, QB_OP_ConvTranspose) ? CONV_TRANSPOSE :
		qb_node_is(n, QB_OP_Gemm) ? GEMM : qb_node_is(n, QB_OP_MatMul) ? MATMUL : NOT_LINEAR;
}

/* y = scale[c] * x + shift[c]. scale NULL: only a shift. */
struct affine {
	int64_t channels;
	double *scale, *shift;
	const char *output; /* what a new bias is named after; NULL: the layer's output */
};

static const float *constant_f32(const struct qb_node *n, int i, size_t *count)
{
	const struct qb_value *v = i < n->inputs ? n->input[i] : NULL;

	if (!v || !v->constant || v->constant->dtype != QB_F32) {
		return NULL;
	}
	*count = qb_tensor_size(v->constant);
	return v->constant->data;
}

static int64_t out_channels(const struct qb_node *n, enum linear_kind kind)
{
	const struct qb_shape *w = &n->input[1]->shape;

	switch (kind) {
	case CONV: return w->dim[0];
	case CONV_TRANSPOSE: return w->dim[1] * qb_node_int(n, "group", 1);
	case GEMM: return w->dim[qb_node_int(n, "transB", 0) ? 0 : 1];
	default: return w->ndim == 2 ? w->dim[1] : -1;
	}
}

/* The producer of v if an affine map after it can go into its weights. */
static struct qb_node *linear_before(const struct qb_value *v, struct affine *a)
{
	struct qb_node *p = v->producer;
	enum linear_kind kind = p ? kind_of(p) : NOT_LINEAR;
	size_t count;

	/* A quantizer between the two would be lost. */
	if (kind == NOT_LINEAR || !qb_value_only_user(v) || v->imported || v->dtype != QB_F32 ||
	    !constant_f32(p, 1, &count)) {
		return NULL;
	}
	if (p->inputs > 2 && p->input[2] && !constant_f32(p, 2, &count)) {
		return NULL;
	}
	if (kind == GEMM && p->inputs > 2 && p->input[2]) { /* C may be a whole matrix */
		const struct qb_tensor *c = p->input[2]->constant;

		if (c->ndim == 2 && c->dim[0] != 1) {
			return NULL;
		}
	}
	a->channels = out_channels(p, kind);
	return a->channels > 0 ? p : NULL;
}

static bool affine_alloc(struct qb_arena *arena, struct affine *a)
{
	a->scale = qb_arena_alloc(arena, (size_t)a->channels, sizeof(double));
	a->shift = qb_arena_alloc(arena, (size_t)a->channels, sizeof(double));
	return a->scale && a->shift;
}

bool qb_batch_norm_read(struct qb_arena *arena, const struct qb_node *n, int64_t channels, double **scale, double **shift)
{
	struct affine a = {.channels = channels};
	const float *p[4];
	double eps = (double)qb_node_float(n, "epsilon", 1e-5f);

	if (n->outputs > 1) {
		return false;
	}
	for (int i = 0; i < 4; i++) {
		size_t count = 0;

		p[i] = constant_f32(n, i + 1, &count);
		if (!p[i] || count != (size_t)channels) {
			return false;
		}
	}
	if (!affine_alloc(arena, &a)) {
		return false;
	}
	for (int64_t c = 0; c < channels; c++) {
		a.scale[c] = (double)p[0][c] / sqrt((double)p[3][c] + eps);
		a.shift[c] = (double)p[1][c] - (double)p[2][c] * a.scale[c];
	}
	*scale = a.scale;
	*shift = a.shift;
	return true;
}

/* The constant operand as one number a channel of x: it must vary along the channel axis only, and not broadcast
 * x to anything larger. */
static const float *per_channel(const struct qb_node *n, int side, enum linear_kind kind, int64_t channels,
	size_t *step)
{
	const struct qb_shape *x = &n->input[1 - side]->shape, *y = &n->output[0]->shape;
	size_t count;
	const float *data = constant_f32(n, side, &count);
	const struct qb_tensor *t;

	if (!data || !x->known || !y->known || x->ndim != y->ndim) {
		return NULL;
	}
	t = n->input[side]->constant;
	if (t->ndim > x->ndim || (count != 1 && count != (size_t)channels)) {
		return NULL;
	}
	for (int i = 0; i < t->ndim; i++) {
		int axis = i + x->ndim - t->ndim;
		bool channel = kind == CONV || kind == CONV_TRANSPOSE ? axis == 1 : axis == x->ndim - 1;

		if (t->dim[i] != 1 && !channel) {
			return NULL;
		}
		/* A dimension of x that is 1 would be stretched. */
		if (t->dim[i] != 1 && x->dim[axis] != t->dim[i]) {
			return NULL;
		}
	}
	*step = count > 1;
	return data;
}

static bool read_arithmetic(struct qb_graph *g, const struct qb_node *n, int side, enum linear_kind kind,
	struct affine *a)
{
	size_t step;
	const float *c = per_channel(n, side, kind, a->channels, &step);
	bool mul = qb_node_is(n, QB_OP_Mul), add = qb_node_is(n, QB_OP_Add);
	bool div = qb_node_is(n, QB_OP_Div) && side == 1, sub = qb_node_is(n, QB_OP_Sub) && side == 1;

	if (!c || !(mul || add || div || sub) || !affine_alloc(g->arena, a)) {
		return false;
	}
	for (int64_t i = 0; i < a->channels; i++) {
		double v = (double)c[(size_t)i * step];

		a->scale[i] = mul ? v : div ? 1 / v : 1;
		a->shift[i] = add ? v : sub ? -v : 0;
	}
	return true;
}

/* ---- applying ---- */

static struct qb_tensor *new_tensor(struct qb_graph *g, int ndim, const int64_t *dim)
{
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));

	if (!t) {
		return NULL;
	}
	t->dtype = QB_F32;
	t->ndim = ndim;
	memcpy(t->dim, dim, sizeof(dim[0]) * (size_t)ndim);
	t->data = qb_arena_alloc(g->arena, qb_tensor_size(t), sizeof(float));
	return t->data ? t : NULL;
}

/* The output channel that element i of the weight belongs to. */
static int64_t channel_of(const struct qb_node *n, enum linear_kind kind, const struct qb_tensor *w,
	int64_t i)
{
	int64_t inner = 1, group, c, m;

	switch (kind) {
	case CONV:
		return i / ((int64_t)qb_tensor_size(w) / w->dim[0]);
	case CONV_TRANSPOSE:
		for (int d = 2; d < w->ndim; d++) {
			inner *= w->dim[d];
		}
		m = i / inner % w->dim[1];
		c = i / inner / w->dim[1];
		group = c / (w->dim[0] / qb_node_int(n, "group", 1));
		return group * w->dim[1] + m;
	case GEMM:
		return qb_node_int(n, "transB", 0) ? i / w->dim[1] : i % w->dim[1];
	default:
		return i % w->dim[w->ndim - 1];
	}
}

static enum qb_err set_bias(struct qb_graph *g, struct qb_node *n, const char *of, const struct qb_tensor *t,
	struct qb_errbuf *eb)
{
	const char *name = n->inputs > 2 && n->input[2] ? n->input[2]->name : NULL;
	struct qb_value **input = qb_arena_alloc(g->arena, 3, sizeof(*input)), *v;

	if (!name) {
		name = qb_arena_printf(g->arena, "%s.bias", of);
	}
	v = name ? qb_graph_add_constant(g, name, t) : NULL;
	if (!v || !input) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while folding");
	}
	input[0] = n->input[0];
	input[1] = n->input[1];
	input[2] = v;
	n->input = input;
	n->inputs = 3;
	return QB_OK;
}

/* Gemm's beta is then in C. */
static enum qb_err drop_attr(struct qb_graph *g, struct qb_node *n, const char *name,
	struct qb_errbuf *eb)
{
	struct qb_attr *kept = qb_arena_alloc(g->arena, (size_t)n->attrs + 1, sizeof(*kept));
	int count = 0;

	if (!kept) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while folding");
	}
	for (int i = 0; i < n->attrs; i++) {
		if (strcmp(n->attr[i].name, name) != 0) {
			kept[count++] = n->attr[i];
		}
	}
	n->attr = kept;
	n->attrs = count;
	return QB_OK;
}

static enum qb_err apply(struct qb_graph *g, struct qb_node *n, const struct affine *a, bool scales,
	struct qb_errbuf *eb)
{
	enum linear_kind kind = kind_of(n);
	const struct qb_tensor *w = n->input[1]->constant;
	const struct qb_tensor *b = n->inputs > 2 && n->input[2] ? n->input[2]->constant : NULL;
	double beta = kind == GEMM ? (double)qb_node_float(n, "beta", 1) : 1;
	struct qb_tensor *wt, *bt = new_tensor(g, 1, &a->channels);

	if (scales) {
		struct qb_value *v;

		wt = new_tensor(g, w->ndim, w->dim);
		v = wt ? qb_graph_add_constant(g, n->input[1]->name, wt) : NULL;
		if (!v) {
			return qb_fail(eb, QB_ENOMEM, "out of memory while folding");
		}
		for (int64_t i = 0; i < (int64_t)qb_tensor_size(w); i++) {
			((float *)wt->data)[i] = (float)((double)((const float *)w->data)[i] *
				a->scale[channel_of(n, kind, w, i)]);
		}
		n->input[1] = v;
	}
	if (!bt) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while folding");
	}
	for (int64_t c = 0; c < a->channels; c++) {
		size_t at = b && qb_tensor_size(b) > 1 ? (size_t)c : 0;
		double old = b ? (double)((const float *)b->data)[at] * beta : 0;

		((float *)bt->data)[c] = (float)(old * a->scale[c] + a->shift[c]);
	}
	QB_TRY(set_bias(g, n, a->output ? a->output : n->output[0]->name, bt, eb));
	return drop_attr(g, n, "beta", eb);
}

enum qb_err qb_pass_add_biases(struct qb_graph *g, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];
		enum linear_kind kind = kind_of(n);
		struct affine a = {0};
		size_t count;

		if (kind == NOT_LINEAR || !constant_f32(n, 1, &count) ||
		    (n->inputs > 2 && n->input[2] && !constant_f32(n, 2, &count))) {
			continue;
		}
		a.channels = out_channels(n, kind);
		a.output = qb_node_result(n)->name;
		if (a.channels < 1 || (n->inputs > 2 && n->input[2] && qb_value_only_user(n->input[2]) &&
			count == (size_t)a.channels && qb_node_float(n, "beta", 1) == 1)) {
			continue;
		}
		/* Gemm's C may be a whole matrix, which is no bias. */
		if (n->inputs > 2 && n->input[2] && count != 1 && count != (size_t)a.channels) {
			continue;
		}
		if (!affine_alloc(g->arena, &a)) {
			return qb_fail(eb, QB_ENOMEM, "out of memory while adding biases");
		}
		for (int64_t c = 0; c < a.channels; c++) {
			a.scale[c] = 1;
		}
		QB_TRY(apply(g, n, &a, false, eb));
	}
	QB_TRY(qb_graph_relink(g, eb));
	return qb_pass_name_values(g, eb); /* of a bias that was shared, one for each */
}

/* What p puts out is now what n did: a batch norm makes normals of its shift and scale, arithmetic moves them. */
static enum qb_err note_normal(struct qb_graph *g, struct qb_node *p, const struct qb_node *n, bool bn,
	const struct affine *a, struct qb_errbuf *eb)
{
	double *mean, *deviation;

	if (!bn) {
		return p->normal ? qb_graph_set_normal(g, p, a->channels, NULL, NULL, a->scale, a->shift, eb) : QB_OK;
	}
	mean = qb_arena_alloc(g->arena, (size_t)a->channels, sizeof(*mean));
	deviation = qb_arena_alloc(g->arena, (size_t)a->channels, sizeof(*deviation));
	if (!mean || !deviation) {
		return qb_fail(eb, QB_ENOMEM, "out of memory while folding");
	}
	for (int64_t c = 0; c < a->channels; c++) {
		mean[c] = (double)((const float *)n->input[2]->constant->data)[c];
		deviation[c] = fabs((double)((const float *)n->input[1]->constant->data)[c]);
	}
	return qb_graph_set_normal(g, p, a->channels, mean, deviation, NULL, NULL, eb);
}

/* One node of the graph into the one before it, where it can go there. */
static enum qb_err try_fold(struct qb_graph *g, struct qb_node *n, bool scales, struct qb_errbuf *eb)
{
	bool bn = qb_node_is(n, QB_OP_BatchNormalization);
	struct affine a = { 0 };
	struct qb_node *p = NULL;

	for (int side = 1; side >= 0 && !p; side--) { /* side: which input is the constant */
		if (bn ? side != 1 : n->inputs != 2) {
			continue;
		}
		p = n->input[1 - side] ? linear_before(n->input[1 - side], &a) : NULL;
		if (p && !(bn ? scales && qb_batch_norm_read(g->arena, n, a.channels, &a.scale, &a.shift) : read_arithmetic(g, n, side, kind_of(p), &a))) {
			p = NULL;
		}
	}
	/* A normalisation over channels fits what follows channels: of a matrix product that is a matrix only. */
	if (!p || (bn && (kind_of(p) == MATMUL || kind_of(p) == GEMM) && n->input[0]->shape.ndim != 2)) {
		return QB_OK;
	}
	QB_TRY(apply(g, p, &a, scales, eb));
	QB_TRY(note_normal(g, p, n, bn, &a, eb));
	qb_graph_merge(g, p, n); /* what comes next may fold too */
	return QB_OK;
}

/* Whether it is a map that pass `scales` is for. */
static bool is_affine(const struct qb_node *n, bool scales)
{
	return scales ? qb_node_is(n, QB_OP_BatchNormalization) || qb_node_is(n, QB_OP_Mul) || qb_node_is(n, QB_OP_Div)
		      : qb_node_is(n, QB_OP_Add) || qb_node_is(n, QB_OP_Sub);
}

static enum qb_err fold_all(struct qb_graph *g, bool scales, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_relink(g, eb));
	for (int i = 0; i < g->nodes; i++) {
		if (is_affine(g->node[i], scales)) {
			QB_TRY(try_fold(g, g->node[i], scales, eb));
		}
	}
	return qb_graph_relink(g, eb);
}

enum qb_err qb_pass_fold_batch_norm(struct qb_graph *g, struct qb_errbuf *eb)
{
	return fold_all(g, true, eb);
}

enum qb_err qb_pass_fuse_bias(struct qb_graph *g, struct qb_errbuf *eb)
{
	return fold_all(g, false, eb);
}
