/* SPDX-License-Identifier: Apache-2.0
 *
 * The few nodes on float64 values of training graphs: a row of a batch norm's sums, and its elements as float32.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"

struct run {
	int64_t first, n;
};

static void copy_run(const void *context, const struct qb_operands *at)
{
	const struct run *r = context;

	memcpy(at->write[0], (const double *)at->read[0] + r->first, (size_t)r->n * sizeof(double));
}

static void round_run(const void *context, const struct qb_operands *at)
{
	const struct run *r = context;

	for (int64_t i = 0; i < r->n; i++) {
		((float *)at->write[0])[i] = (float)((const double *)at->read[0])[i];
	}
}

static struct qb_tensor tensor(const struct qb_value *v, int32_t *data)
{
	struct qb_tensor t = {.dtype = QB_I32, .ndim = v->shape.ndim, .data = data};

	memcpy(t.dim, v->shape.dim, sizeof(t.dim));
	return t;
}

/* Does the node copy a run of its input, and which? The operator itself says so, of the numbers 0, 1, 2 ... */
static bool find_run(const struct qb_node *n, struct run *r)
{
	enum { MANY = 8 };
	size_t from = qb_value_size(n->input[0]), to = qb_value_size(n->output[0]);
	int32_t *iota = calloc(from + 1, sizeof(*iota)), *got = calloc(to + 1, sizeof(*got));
	const struct qb_tensor *in[MANY];
	struct qb_tensor x, y;
	bool found = iota && got && n->inputs <= MANY && to > 0 && from < INT32_MAX;

	for (size_t i = 0; found && i < from; i++) {
		iota[i] = (int32_t)i;
	}
	x = tensor(n->input[0], iota);
	y = tensor(n->output[0], got);
	in[0] = &x;
	for (int i = 1; found && i < n->inputs; i++) {
		in[i] = n->input[i] ? n->input[i]->constant : NULL;
		found = !n->input[i] || in[i];
	}
	found = found && n->op->eval(n, in, &y, NULL) == QB_OK;
	for (size_t i = 0; found && i < to; i++) {
		found = got[i] == got[0] + (int32_t)i;
	}
	*r = (struct run){found ? got[0] : 0, (int64_t)to};
	free(iota);
	free(got);
	return found;
}

static enum qb_err add_step(struct qb_builder *b, const struct qb_node *n, const char *name, qb_call_fn *fn, const struct run *r,
	struct qb_errbuf *eb)
{
	struct qb_layout layout = qb_layout_dense(&n->output[0]->shape);
	struct qb_place to;

	QB_TRY(qb_builder_define(b, n->output[0], &layout, &to, eb));
	return qb_builder_call(b, n, &(struct qb_call){.name = name, .fn = fn, .context = r, .context_bytes = sizeof(*r),
		.reads = {qb_builder_home(b, n->input[0])->buffer}, .writes = {to.buffer}}, eb);
}

enum qb_err qb__plan_slice(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct run r;

	if (n->input[0]->dtype != QB_F64) {
		return qb__plan_copy(b, op, eb);
	}
	if (n->input[0]->constant || !find_run(n, &r)) {
		return QB_EUNSUPPORTED;
	}
	return add_step(b, n, "copy", copy_run, &r, eb);
}

enum qb_err qb__plan_cast(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct run r = {0, (int64_t)qb_value_size(n->output[0])};

	if (n->input[0]->constant || n->input[0]->dtype != QB_F64 || n->output[0]->dtype != QB_F32) {
		return QB_EUNSUPPORTED;
	}
	return add_step(b, n, "rounding", round_run, &r, eb);
}
