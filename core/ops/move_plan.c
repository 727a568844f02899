/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move numbers: new shapes on the same memory, concatenation.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/ops/builder.h"
#include "core/ops/plans.h"

/* Reshape, Flatten, Squeeze ...: row-major numbers seen in another shape. */
enum qb_err qb__plan_alias(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_place place;
	dnnl_memory_desc_t md;

	/* A quantizer of its own needs memory of its own. */
	if (n->input[0]->dtype != QB_F32 || n->input[0]->constant ||
		(n->outputs > 1 && n->output[1]) ||
		(n->output[0]->carried &&
			!qb_carried_equal(n->output[0]->carried, n->input[0]->carried))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_dense(b, n->input[0], &place, eb));
	md = qb_dnn_dense(&n->output[0]->shape);
	return qb_builder_alias(b, n->output[0], place.buffer, &md, eb);
}

enum qb_err qb__plan_concat(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	enum { MANY = 8 };
	dnnl_memory_desc_t src[MANY], dst = qb_dnn_dense(&n->output[0]->shape), any = qb_dnn_any(&dst);
	int64_t axis = qb_node_int(n, "axis", 1);
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	struct qb_place place;
	struct qb_arg arg[MANY + 1];
	dnnl_status_t s;
	enum qb_err err;

	if (n->inputs < 2 || n->inputs > MANY || n->output[0]->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	axis += axis < 0 ? n->output[0]->shape.ndim : 0;
	for (int i = 0; i < n->inputs; i++) {
		if (n->input[i]->constant) {
			return QB_EUNSUPPORTED;
		}
		src[i] = qb_builder_home(b, n->input[i])->md;
	}
	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = dnnl_concat_primitive_desc_create(&pd, &any, n->inputs, (int)axis, src, attr,
		qb_dnn_engine());
	dnnl_primitive_attr_destroy(attr);
	if (s) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < n->inputs; i++) {
		place = *qb_builder_home(b, n->input[i]);
		arg[i] = (struct qb_arg){DNNL_ARG_MULTIPLE_SRC + i, false, place.buffer, place.md};
	}
	QB_TRY_OUT(qb_builder_define(b, n->output[0],
		dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0), &place, eb));
	arg[n->inputs] = (struct qb_arg){DNNL_ARG_DST, false, place.buffer, place.md};
	return qb_builder_primitive_take(b, n, pd, arg, n->inputs + 1, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}
