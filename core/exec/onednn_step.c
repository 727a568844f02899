/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/onednn_step.h"

#include <math.h>
#include <string.h>

#include "core/exec/plan.h"
#include "core/graph/op.h"

/* Descriptors */

dnnl_memory_desc_t qb__dnn_wanted(const struct qb_dnn_operand *o)
{
	dnnl_memory_desc_t md = qb__dnn_md(o->want.ndim ? &o->want : &o->as);

	if (!o->want.ndim) {
		dnnl_memory_desc_init_by_tag(&md, o->as.ndim, o->as.dim, dnnl_f32, dnnl_format_tag_any);
	}
	return md;
}

/* The layout that oneDNN chose; QB_EUNSUPPORTED where it is one of its own. */
static enum qb_err layout_of(struct qb_layout *l, const dnnl_memory_desc_t *md, struct qb_errbuf *eb)
{
	const dnnl_blocking_desc_t *b = &md->format_desc.blocking;

	if (md->data_type != dnnl_f32 || md->format_kind != dnnl_blocked || md->offset0 || md->extra.flags ||
		b->inner_nblks > QB_LAYOUT_BLOCKS) {
		return qb_fail(eb, QB_EUNSUPPORTED, "oneDNN wants a layout that is not of strides and blocks");
	}
	*l = (struct qb_layout){.ndim = md->ndims, .blocks = b->inner_nblks};
	memcpy(l->dim, md->dims, (size_t)md->ndims * sizeof(*l->dim));
	memcpy(l->padded, md->padded_dims, (size_t)md->ndims * sizeof(*l->padded));
	memcpy(l->stride, b->strides, (size_t)md->ndims * sizeof(*l->stride));
	for (int i = 0; i < l->blocks; i++) {
		l->block[i].dim = (int)b->inner_idxs[i];
		l->block[i].size = b->inner_blks[i];
	}
	return QB_OK;
}

struct qb_dnn_dims qb__dnn_dims(const struct qb_dnn_window *w)
{
	struct qb_dnn_dims d;

	memset(&d, 0, sizeof(d));
	for (int i = 0; i < QB_DNN_SPATIAL; i++) {
		d.kernel[i] = w->kernel[i];
		d.stride[i] = w->stride[i];
		d.dilation[i] = w->dilation[i] - 1;
		d.before[i] = w->before[i];
		d.after[i] = w->after[i];
	}
	return d;
}

enum qb_err qb__dnn_attr(const struct qb_dnn_call *call, dnnl_primitive_attr_t *out, struct qb_errbuf *eb)
{
	dnnl_primitive_attr_t attr = NULL;
	dnnl_post_ops_t ops = NULL;
	dnnl_status_t s = dnnl_primitive_attr_create(&attr);
	const struct qb_lowered *op = call->op;

	s = s ? s : dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
	if (!s && op && (op->act.kind == QB_ACT_RELU || op->act.kind == QB_ACT_CLIP) && (!op->residual || op->residual_last)) {
		bool relu = op->act.lo == 0 && isinf(op->act.hi);

		s = dnnl_post_ops_create(&ops);
		s = s ? s : dnnl_post_ops_append_eltwise(ops, 1, relu ? dnnl_eltwise_relu : dnnl_eltwise_clip,
				    relu ? 0 : op->act.lo, relu ? 0 : op->act.hi);
		s = s ? s : dnnl_primitive_attr_set_post_ops(attr, ops);
		dnnl_post_ops_destroy(ops);
	}
	if (s) {
		dnnl_primitive_attr_destroy(attr);
		return qb__dnn_check(s, call->node->name, eb);
	}
	*out = attr;
	return QB_OK;
}

enum qb_err qb__dnn_describe(struct qb_dnn_call *call, dnnl_status_t status, const_dnnl_op_desc_t op,
	const_dnnl_primitive_desc_t hint, struct qb_errbuf *eb)
{
	dnnl_primitive_attr_t attr = NULL;

	QB_TRY(qb__dnn_attr(call, &attr, eb));
	status = status ? status : dnnl_primitive_desc_create(&call->pd, op, attr, qb__dnn_engine(), hint);
	dnnl_primitive_attr_destroy(attr);
	return status == dnnl_unimplemented || status == dnnl_invalid_arguments
		? QB_EUNSUPPORTED : qb__dnn_check(status, call->node->name, eb);
}

/* Operands and the step */

static enum qb_err add_arg(struct qb_dnn_call *call, int arg, bool written, const struct qb_place *at, struct qb_errbuf *eb)
{
	if (call->args == QB_DNN_ARGS) {
		return qb_fail(eb, QB_EINTERNAL, "node %s: a primitive of more than %d arguments", call->node->name, QB_DNN_ARGS);
	}
	call->arg[call->args++] = (struct qb_dnn_arg){arg, written, *at};
	return QB_OK;
}

enum qb_err qb__dnn_read(struct qb_builder *b, struct qb_dnn_call *call, int arg, const struct qb_dnn_operand *o,
	struct qb_errbuf *eb)
{
	struct qb_layout want;
	struct qb_place at;

	QB_TRY(layout_of(&want, dnnl_primitive_desc_query_md(call->pd, dnnl_query_exec_arg_md, arg), eb));
	QB_TRY(qb_builder_operand(b, o->value, &o->as, &want, &at, eb));
	return add_arg(call, arg, false, &at, eb);
}

enum qb_err qb__dnn_write(struct qb_builder *b, struct qb_dnn_call *call, int arg, const struct qb_dnn_operand *o,
	struct qb_errbuf *eb)
{
	struct qb_layout dense = qb_layout_dense(&o->value->shape), as;
	struct qb_place at;

	QB_TRY(layout_of(&as, dnnl_primitive_desc_query_md(call->pd, dnnl_query_exec_arg_md, arg), eb));
	if (qb_layout_equal(&o->as, &dense)) {
		dense = as;
	} else if (!qb_layout_equal(&o->as, &as)) {
		return qb_fail(eb, QB_EINTERNAL, "node %s: %s in other dimensions is not row-major", call->node->name,
			o->value->name);
	}
	QB_TRY(qb_builder_define(b, o->value, &dense, &at, eb));
	at.layout = as;
	return add_arg(call, arg, true, &at, eb);
}

enum qb_err qb__dnn_add_take(struct qb_builder *b, struct qb_dnn_call *call, struct qb_errbuf *eb)
{
	struct qb_step s = {.node = call->node, .what = "float",
		.primitive = qb_arena_alloc(b->plan->arena, 1, sizeof(*s.primitive))};
	const char *info = "";
	enum qb_err err = QB_OK;

	if (s.primitive) {
		s.primitive->args = call->args;
		memcpy(s.primitive->arg, call->arg, sizeof(call->arg));
		dnnl_primitive_desc_query(call->pd, dnnl_query_impl_info_str, 0, (void *)&info);
		s.implementation = qb_arena_strdup(b->plan->arena, info);
		err = qb__primitive_create(s.primitive, call->pd, call->node->name, eb);
	}
	dnnl_primitive_desc_destroy(call->pd);
	call->pd = NULL;
	if (!s.primitive || !s.implementation) {
		qb__primitive_destroy(&s.primitive);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	err = err == QB_OK ? qb__dnn_add_step(b, &s, eb) : err;
	if (err != QB_OK) {
		qb__primitive_destroy(&s.primitive);
	}
	return err;
}
