/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/ops/builder.h"
#include "core/ops/plans.h"

enum qb_err qb__plan_softmax(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *shape = &n->input[0]->shape;
	int64_t axis = qb_node_int(n, "axis", n->opset < 13 ? 1 : -1);
	bool log = !strcmp(n->type, "LogSoftmax");
	dnnl_memory_desc_t md;
	dnnl_softmax_v2_desc_t d;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	struct qb_place x, y;
	struct qb_arg arg[2];
	dnnl_status_t s;
	enum qb_err err;

	axis += axis < 0 ? shape->ndim : 0;
	/* Before opset 13 everything from the axis on was one dimension. */
	if (n->input[0]->dtype != QB_F32 || n->input[0]->constant || shape->ndim < 1 ||
		(strcmp(n->type, "Softmax") && !log) || (n->opset < 13 && axis != shape->ndim - 1)) {
		return QB_EUNSUPPORTED;
	}
	md = qb_dnn_dense(shape);
	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = dnnl_softmax_v2_forward_desc_init(&d, dnnl_forward_inference,
		log ? dnnl_softmax_log : dnnl_softmax_accurate, &md, &md, (int)axis);
	s = s ? s : dnnl_primitive_desc_create(&pd, &d, attr, qb_dnn_engine(), NULL);
	dnnl_primitive_attr_destroy(attr);
	if (s) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY_OUT(qb_builder_dense(b, n->input[0], &x, eb));
	QB_TRY_OUT(qb_builder_define(b, n->output[0], &md, &y, eb));
	arg[0] = (struct qb_arg){DNNL_ARG_SRC, false, x.buffer, md};
	arg[1] = (struct qb_arg){DNNL_ARG_DST, false, y.buffer, md};
	return qb_builder_primitive_take(b, n, pd, arg, 2, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}
