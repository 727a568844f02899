/* SPDX-License-Identifier: Apache-2.0
 *
 * One node in plain C: memory for its outputs, its operator, what passes fused into it.
 */
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

enum qb_err qb_node_eval(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	float *y;

	QB_TRY(n->op->eval(n, in, out, eb));
	if (n->act.kind == QB_ACT_NONE) {
		return QB_OK;
	}
	if (out[0].dtype != QB_F32) {
		return qb_node_fail(eb, QB_EINTERNAL, n, "a fused activation on %s", qb_dtype_name(out[0].dtype));
	}
	y = out[0].data;
	for (size_t i = 0; i < qb_tensor_size(&out[0]); i++) { /* comparisons that let NaN through */
		y[i] = y[i] < n->act.lo ? n->act.lo : y[i];
		y[i] = y[i] > n->act.hi ? n->act.hi : y[i];
	}
	return QB_OK;
}
