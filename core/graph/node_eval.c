/* SPDX-License-Identifier: Apache-2.0
 *
 * One node in plain C: memory for its outputs, its operator, what passes fused into it.
 */
#include <math.h>
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

enum qb_err qb__node_outputs(const struct qb_node *n, struct qb_tensor *out, qb__alloc_fn *alloc,
	void *arg, struct qb_errbuf *eb)
{
	for (int i = 0; i < n->outputs; i++) {
		const struct qb_value *v = n->output[i];
		size_t bytes;

		out[i] = (struct qb_tensor){ 0 };
		if (!v) {
			continue;
		}
		if (!qb_shape_concrete(&v->shape)) {
			char text[256];

			return qb_node_fail(eb, QB_ESHAPE, n, "the shape %s of its output %s depends on data that is "
				"not known", qb_shape_text(&v->shape, text, sizeof(text)), v->name);
		}
		out[i].dtype = v->dtype;
		out[i].ndim = v->shape.ndim;
		memcpy(out[i].dim, v->shape.dim, sizeof(out[i].dim));
		QB_TRY(qb_tensor_bytes(&out[i], &bytes, eb));
		out[i].data = alloc(arg, bytes);
		if (!out[i].data) {
			return qb_node_fail(eb, QB_ENOMEM, n, "out of memory: output %s needs %zu bytes", v->name,
				bytes);
		}
	}
	return QB_OK;
}

static float activate(const struct qb_act *a, float x)
{
	switch (a->kind) {
	case QB_ACT_LEAKY:
		return x < 0 ? a->lo * x : x;
	case QB_ACT_GELU:
		return 0.5f * x * (1 + erff(x * 0.70710678f));
	case QB_ACT_SILU:
		return x / (1 + expf(-x));
	case QB_ACT_HARD_SWISH:
		return x * fminf(fmaxf(x / 6 + 0.5f, 0), 1);
	default: /* comparisons that let NaN through */
		x = x < a->lo ? a->lo : x;
		return x > a->hi ? a->hi : x;
	}
}

static bool is_layer(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Conv) || qb_node_is(n, QB_OP_MatMul) || qb_node_is(n, QB_OP_Gemm);
}

static void add_addend(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[])
{
	size_t count = qb_tensor_size(&out[0]);

	for (size_t i = 0; is_layer(n) && n->inputs > QB_ADDEND && i < count; i++) {
		((float *)out[0].data)[i] += ((const float *)in[QB_ADDEND]->data)[i];
	}
}

static void add_affine(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor *out)
{
	size_t inner = 1, channels = out->ndim > 1 ? (size_t)out->dim[1] : 1, count = qb_tensor_size(out);
	float *y = out->data;

	for (int i = 2; i < out->ndim; i++) {
		inner *= (size_t)out->dim[i];
	}
	for (size_t i = 0; n->affine.scale && i < count; i++) {
		size_t c = i / inner % channels;

		y[i] = fmaf(y[i], n->affine.scale[c], n->affine.shift[c]);
	}
	if (n->residual_last) {
		add_addend(n, in, out);
	}
}

enum qb_err qb_node_eval(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	float *y;
	size_t count;

	QB_TRY(n->op->eval(n, in, out, eb));
	if (!n->residual_last) {
		add_addend(n, in, out);
	}
	if (n->act.kind == QB_ACT_NONE && !n->affine.scale && !n->residual_last) {
		return QB_OK;
	}
	if (out[0].dtype != QB_F32) {
		return qb_node_fail(eb, QB_EINTERNAL, n, "a fused activation on %s", qb_dtype_name(out[0].dtype));
	}
	y = out[0].data;
	count = qb_tensor_size(&out[0]);
	for (size_t i = 0; n->act.kind != QB_ACT_NONE && i < count; i++) {
		y[i] = activate(&n->act, y[i]);
	}
	add_affine(n, in, &out[0]);
	return QB_OK;
}
