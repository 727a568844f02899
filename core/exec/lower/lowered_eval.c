/* SPDX-License-Identifier: Apache-2.0
 *
 * A lowered operator in plain C: what every step is compared with, and what runs where no step is better.
 */
#include <math.h>

#include "core/exec/lower/lowered.h"
#include "core/graph/op.h"

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

static void add(const struct qb_tensor *residual, const struct qb_tensor *out)
{
	size_t count = residual ? qb_tensor_size(out) : 0;

	for (size_t i = 0; i < count; i++) {
		((float *)out->data)[i] += ((const float *)residual->data)[i];
	}
}

static void scale(const struct qb_affine *a, const struct qb_tensor *out)
{
	size_t inner = 1, channels = out->ndim > 1 ? (size_t)out->dim[1] : 1, count = a->scale ? qb_tensor_size(out) : 0;
	float *y = out->data;

	for (int i = 2; i < out->ndim; i++) {
		inner *= (size_t)out->dim[i];
	}
	for (size_t i = 0; i < count; i++) {
		size_t c = i / inner % channels;

		y[i] = fmaf(y[i], a->scale[c], a->shift[c]);
	}
}

enum qb_err qb_lowered_eval(const struct qb_lowered *op, const struct qb_tensor *const in[], const struct qb_tensor *residual,
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	float *y = out[0].data;

	QB_TRY(n->op->eval(n, in, out, eb));
	if (op->act.kind == QB_ACT_NONE && !op->affine.scale && !residual) {
		return QB_OK;
	}
	if (out[0].dtype != QB_F32) {
		return qb_node_fail(eb, QB_EINTERNAL, n, "an epilogue on %s", qb_dtype_name(out[0].dtype));
	}
	add(op->residual_last ? NULL : residual, &out[0]);
	for (size_t i = 0; op->act.kind != QB_ACT_NONE && i < qb_tensor_size(&out[0]); i++) {
		y[i] = activate(&op->act, y[i]);
	}
	scale(&op->affine, &out[0]);
	add(op->residual_last ? residual : NULL, &out[0]);
	return QB_OK;
}
