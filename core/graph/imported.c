/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers imported from the file, as its QuantizeLinear and DequantizeLinear say them.
 */
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"

static bool same_tensor(const struct qb_tensor *a, const struct qb_tensor *b)
{
	size_t n;

	if (a == b) {
		return true;
	}
	if (!a || !b || a->dtype != b->dtype || qb_tensor_size(a) != qb_tensor_size(b)) {
		return false;
	}
	n = qb_tensor_size(a) * qb_dtype_bytes(a->dtype);
	return memcmp(a->data, b->data, n) == 0;
}

/* A missing zero point is as good as zeros. */
bool qb__all_zero(const struct qb_tensor *t)
{
	for (size_t i = 0; t && i < qb_tensor_size(t) * qb_dtype_bytes(t->dtype); i++) {
		if (((const uint8_t *)t->data)[i]) {
			return false;
		}
	}
	return true;
}

bool qb_imported_equal(const struct qb_imported *a, const struct qb_imported *b)
{
	if (!a || !b) {
		return a == b;
	}
	return a->code == b->code && a->overflows == b->overflows && a->axis == b->axis && a->block == b->block && a->scale && b->scale &&
		same_tensor(a->scale, b->scale) &&
		(same_tensor(a->zero, b->zero) || (qb__all_zero(a->zero) && qb__all_zero(b->zero)));
}

bool qb__good_scales(const struct qb_tensor *t)
{
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		float s = ((const float *)t->data)[i];

		/* The range in which quantizers are exact. */
		if (!(s >= 0x1p-100f && s <= 0x1p100f)) {
			return false;
		}
	}
	return qb_tensor_size(t) > 0;
}

/* What a QuantizeLinear or DequantizeLinear with constant scales says. */
bool qb__read_quantizer(const struct qb_node *n, enum qb_dtype code, struct qb_imported *out)
{
	const struct qb_value *s = n->input[1], *z = n->inputs > 2 ? n->input[2] : NULL;
	int ndim = n->input[0]->shape.known ? n->input[0]->shape.ndim : 0;

	if (!s->constant || s->dtype != QB_F32 || (z && !z->constant) || !qb__good_scales(s->constant)) {
		return false;
	}
	*out = (struct qb_imported){.scale = s->constant, .zero = z ? z->constant : NULL, .code = code,
		.axis = -1, .overflows = qb_dtype_is_float8(code) && qb_node_is(n, QB_OP_QuantizeLinear) &&
		!qb_node_int(n, "saturate", 1)};
	if (qb_tensor_size(s->constant) > 1 || qb_node_int(n, "block_size", 0)) {
		out->axis = (int)qb_node_int(n, "axis", 1);
		out->axis += out->axis < 0 ? ndim : 0;
		out->block = qb_node_int(n, "block_size", 0);
	}
	return true;
}

const struct qb_imported *qb__keep_imported(struct qb_graph *g, const struct qb_imported *c)
{
	struct qb_imported *copy = qb_arena_alloc(g->arena, 1, sizeof(*copy));

	if (copy) {
		*copy = *c;
	}
	return copy;
}

enum qb_err qb__carry(struct qb_graph *g, const struct qb_node *n, struct qb_value *v,
	struct qb_errbuf *eb)
{
	const struct qb_imported *of = n->inputs && n->input[0] ? n->input[0]->imported : NULL;
	struct qb_imported c;
	const int64_t *perm;
	bool imported = false;

	if (v->dtype != QB_F32) {
		return QB_OK;
	}
	if (qb_node_is(n, QB_OP_DequantizeLinear)) {
		imported = n->input[0]->dtype != QB_I32 && qb__read_quantizer(n, n->input[0]->dtype, &c);
	} else if (qb_node_is(n, QB_OP_Transpose) && of && !of->block) {
		int count = qb_node_ints(n, "perm", &perm), ndim = v->shape.ndim, axis = of->axis;

		c = *of;
		for (int i = 0; axis >= 0 && i < ndim; i++) {
			c.axis = (count ? perm[i] : ndim - 1 - i) == axis ? i : c.axis;
		}
		imported = true;
	} else if (qb_node_is(n, QB_OP_Reshape) && of && of->axis < 0) {
		c = *of;
		imported = true;
	}
	v->imported = imported ? qb__keep_imported(g, &c) : NULL;
	if (imported && !v->imported) {
		return qb_node_fail(eb, QB_ENOMEM, n, "out of memory while evaluating it");
	}
	return QB_OK;
}
