/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of softmax and layer normalization, and the cross entropy of a softmax: of rows that lie together.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/kernels/f32/norm_backward.h"

struct rows {
	int64_t count, length;
	float epsilon, scale;
	bool weighted; /* one weight a row; else one for all */
};

/* Rows along `axis`, which is the last dimension, or, joined, all from there on. */
static bool rows_of(const struct qb_node *n, bool joined, struct rows *r)
{
	const struct qb_shape *s = &n->input[0]->shape;
	int64_t axis = qb_node_int(n, "axis", -1);

	axis += axis < 0 ? s->ndim : 0;
	*r = (struct rows){.length = 1, .epsilon = qb_node_float(n, "epsilon", 1e-5f), .scale = 1 / qb_node_float(n, "temperature", 1)};
	for (int i = (int)axis; i < s->ndim; i++) {
		r->length *= s->dim[i];
	}
	if (n->input[0]->dtype != QB_F32 || !qb_value_size(n->input[0]) || (!joined && r->length != s->dim[axis])) {
		return false;
	}
	r->count = (int64_t)qb_value_size(n->input[0]) / r->length;
	return true;
}

/* Reads all inputs and defines all outputs row-major. */
static enum qb_err add_step(struct qb_builder *b, const struct qb_node *n, struct qb_call *call, struct qb_errbuf *eb)
{
	for (int i = 0; i < n->inputs; i++) {
		QB_TRY(qb_builder_read(b, n->input[i], false, &call->reads[i], eb));
	}
	for (int i = 0; i < n->outputs; i++) {
		struct qb_layout layout = qb_layout_dense(&n->output[i]->shape);
		struct qb_place place;

		QB_TRY(qb_builder_define(b, n->output[i], &layout, &place, eb));
		call->writes[i] = place.buffer;
	}
	return qb_builder_call(b, n, call, eb);
}

/* ---- SoftmaxGradient(y, dy) ---- */

static void run_softmax(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;

	for (int64_t i = 0; i < r->count * r->length; i += r->length) {
		qb_f32_softmax_gradient((const float *)at->read[0] + i, (const float *)at->read[1] + i, (float *)at->write[0] + i, r->length);
	}
}

enum qb_err qb__plan_softmax_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct rows r;

	return rows_of(n, false, &r)
		? add_step(b, n, &(struct qb_call){.name = "softmax gradient", .fn = run_softmax, QB_CONTEXT(r)}, eb) : QB_EUNSUPPORTED;
}

/* ---- LayerNormalizationGradient(x, scale, dy) -> dx, dscale, dbias ---- */

static void run_layer_norm(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;
	double *sums = at->scratch[0];

	memset(sums, 0, 2 * (size_t)r->length * sizeof(*sums));
	for (int64_t i = 0; i < r->count * r->length; i += r->length) {
		qb_f32_layer_norm_gradient((const float *)at->read[0] + i, at->read[1], (const float *)at->read[2] + i, r->epsilon,
			(float *)at->write[0] + i, sums, r->length);
	}
	/* A norm without a bias has nobody who reads the bias' gradient: it has no memory. */
	for (int k = 0; k < 2; k++) {
		float *y = at->write[1 + k];

		for (int64_t i = 0; y && i < r->length; i++) {
			y[i] = (float)sums[k * r->length + i];
		}
	}
}

enum qb_err qb__plan_layer_norm_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct rows r;

	if (!rows_of(n, true, &r)) {
		return QB_EUNSUPPORTED;
	}
	return add_step(b, n, &(struct qb_call){.name = "layer norm gradient", .fn = run_layer_norm, QB_CONTEXT(r),
		.scratch = {2 * (size_t)r.length * sizeof(double)}}, eb);
}

/* ---- SoftmaxCrossEntropy(logits, target, weight), and its gradient ---- */

static void run_loss(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;
	const float *weight = at->read[2];
	double loss = 0;

	for (int64_t i = 0; i < r->count; i++) {
		loss += (double)weight[r->weighted ? i : 0] * qb_f32_cross_entropy((const float *)at->read[0] + i * r->length, r->scale,
			(const float *)at->read[1] + i * r->length, r->length);
	}
	*(float *)at->write[0] = (float)loss;
}

static void run_loss_gradient(const void *context, const struct qb_operands *at)
{
	const struct rows *r = context;
	const float *weight = at->read[2];

	for (int64_t i = 0; i < r->count; i++) {
		qb_f32_cross_entropy_gradient((const float *)at->read[0] + i * r->length, r->scale, (const float *)at->read[1] + i * r->length,
			*(const float *)at->read[3] * weight[r->weighted ? i : 0] * r->scale, (float *)at->write[0] + i * r->length, r->length);
	}
}

static enum qb_err plan_loss(struct qb_builder *b, const struct qb_node *n, const char *name, qb_call_fn *fn, struct qb_errbuf *eb)
{
	struct rows r;

	if (!rows_of(n, false, &r)) {
		return QB_EUNSUPPORTED;
	}
	r.weighted = qb_value_size(n->input[2]) > 1;
	return add_step(b, n, &(struct qb_call){.name = name, .fn = fn, QB_CONTEXT(r)}, eb);
}

enum qb_err qb__plan_cross_entropy(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	return plan_loss(b, n, "cross entropy", run_loss, eb);
}

enum qb_err qb__plan_cross_entropy_gradient(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	return plan_loss(b, n, "cross entropy gradient", run_loss_gradient, eb);
}
