/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/size.h"
#include "core/ops/builder.h"
#include "core/ops/plans.h"
#include "core/ops/window.h"

static enum qb_err plan_window(struct qb_builder *b, const struct qb_node *n,
	dnnl_alg_kind_t kind, const struct qb_window *w, struct qb_errbuf *eb)
{
	const struct qb_place *home = qb_builder_home(b, n->input[0]);
	dnnl_memory_desc_t dense = qb_dnn_dense(&n->output[0]->shape), any = qb_dnn_any(&dense);
	dnnl_pooling_v2_desc_t d;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_dims_t strides, kernel, dilates, lo, hi;
	struct qb_place dst;
	struct qb_arg arg[2];
	dnnl_status_t s;
	enum qb_err err;

	for (int i = 0; i < w->ndim; i++) {
		strides[i] = w->stride[i];
		kernel[i] = w->kernel[i];
		dilates[i] = w->dilation[i] - 1;
		lo[i] = w->lo[i];
		/* What the last window covers, more or less than the pads with ceil_mode or odd strides. */
		hi[i] = (w->out[i] - 1) * w->stride[i] + qb_window_extent(w, i) - w->in[i] - w->lo[i];
		if (hi[i] < 0) {
			hi[i] = w->hi[i];
		}
	}
	QB_TRY(qb_builder_attr(n, &attr, eb));
	s = dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, kind, &home->md, &any,
		strides, kernel, dilates, lo, hi);
	s = s ? s : dnnl_primitive_desc_create(&pd, &d, attr, qb_dnn_engine(), NULL);
	dnnl_primitive_attr_destroy(attr);
	if (s) {
		return QB_EUNSUPPORTED;
	}
	arg[0] = (struct qb_arg){DNNL_ARG_SRC, false, home->buffer, home->md};
	QB_TRY_OUT(qb_builder_define(b, n->output[0],
		dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0), &dst, eb));
	arg[1] = (struct qb_arg){DNNL_ARG_DST, false, dst.buffer, dst.md};
	return qb_builder_primitive_take(b, n, pd, arg, 2, eb);
out:
	dnnl_primitive_desc_destroy(pd);
	return err;
}

enum qb_err qb__plan_pool(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0];
	int spatial = x->shape.ndim - 2;
	bool average = !strcmp(n->type, "AveragePool");
	bool ceil = qb_node_int(n, "ceil_mode", 0), padded = false;
	dnnl_alg_kind_t kind = dnnl_pooling_max;
	struct qb_window w;

	if (spatial < 1 || spatial > 3 || x->dtype != QB_F32 || x->constant ||
		(!average && strcmp(n->type, "MaxPool")) || (n->outputs > 1 && n->output[1])) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_pool(&w, n, spatial, x->shape.dim + 2, eb));
	for (int i = 0; i < spatial; i++) {
		padded = padded || w.lo[i] || w.hi[i];
	}
	if (average) {
		bool include = qb_node_int(n, "count_include_pad", 0);

		/* With ceil_mode the last window counts pads that oneDNN does not tell apart. */
		if (ceil && include) {
			return QB_EUNSUPPORTED;
		}
		kind = include && padded ? dnnl_pooling_avg_include_padding
					 : dnnl_pooling_avg_exclude_padding;
	}
	return plan_window(b, n, kind, &w, eb);
}

enum qb_err qb__plan_global_pool(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	const struct qb_value *x = n->input[0];
	bool average = !strcmp(n->type, "GlobalAveragePool");
	struct qb_window w = {.ndim = x->shape.ndim - 2};

	if (w.ndim < 1 || w.ndim > 3 || x->dtype != QB_F32 || x->constant ||
		(!average && strcmp(n->type, "GlobalMaxPool"))) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < w.ndim; i++) {
		w.in[i] = w.kernel[i] = x->shape.dim[2 + i];
		w.stride[i] = w.dilation[i] = w.out[i] = 1;
	}
	return plan_window(b, n, average ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max, &w,
		eb);
}
