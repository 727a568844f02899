/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of functions of one number: a byte has 256 values, so the function is a table, made by the operator's
 * own evaluation and the output's quantizer.
 */
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/int8/lookup.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { INPUTS_MAX = 4 };

struct table {
	uint8_t entry[256];
	int64_t n;
	int threads;
};

enum { PIECE = 16384 };

static void look_up_piece(const void *context, const struct qb_operands *at, int64_t piece)
{
	const struct table *t = context;
	const int64_t i = piece * PIECE;

	qb_int8_lut(t->entry, (const uint8_t *)at->read[0] + i, (uint8_t *)at->write[0] + i, QB_MIN(PIECE, t->n - i));
}

static void run_table(const void *context, const struct qb_operands *at)
{
	const struct table *t = context;

	qb_threads_loop(t->n > 4 * PIECE ? t->threads : 1, (t->n + PIECE - 1) / PIECE, look_up_piece, t, at);
}

static struct qb_tensor numbers(float *data, int64_t n)
{
	return (struct qb_tensor){.dtype = QB_F32, .ndim = n > 1, .dim = {n}, .data = data};
}

/* Every byte of x through the node; all other inputs are constants of one number, or attributes in disguise. */
static enum qb_err fill(struct qb_builder *b, const struct qb_lowered *op, int variable,
	const struct qb_bytes *x, const struct qb_bytes *y, uint8_t entry[256], struct qb_errbuf *eb)
{
	const struct qb_int8_kernels *k = qb_int8_kernels();
	const struct qb_node *n = &op->node;
	float from[256], to[256] = {0};
	uint8_t byte[256];
	struct qb_tensor in[INPUTS_MAX], out = numbers(to, 256);
	const struct qb_tensor *arg[INPUTS_MAX];
	const float *number;

	for (int i = 0; i < 256; i++) {
		byte[i] = (uint8_t)i;
	}
	k->dequantize(byte, from, 256, x->scale, x->zero);
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		arg[i] = v ? &in[i] : NULL;
		if (i == variable) {
			in[i] = numbers(from, 256);
		} else if (v) {
			in[i] = *v->constant;
			in[i].ndim = 0;
			if (v->dtype == QB_F32) {
				QB_TRY(qb_builder_constant(b, v, &number, eb));
				in[i].data = (void *)number;
			}
		}
	}
	QB_TRY(qb_lowered_eval(op, arg, NULL, &out, eb));
	k->quantize(to, entry, 256, y->scale, y->zero, y->top);
	return QB_OK;
}

/* Which input varies, if it is one alone and the output's shape; -1. */
static int only_variable(const struct qb_node *n)
{
	int variable = -1;

	if (n->inputs > INPUTS_MAX || (n->outputs > 1 && n->output[1])) {
		return -1;
	}
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		if (v && !v->constant) {
			if (variable >= 0 || !qb__same_shape(&v->shape, &n->output[0]->shape)) {
				return -1;
			}
			variable = i;
		} else if (v && qb_tensor_size(v->constant) != 1) {
			return -1;
		}
	}
	return variable;
}

enum qb_err qb__plan_int8_lookup_table(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	int variable = only_variable(n);
	struct table t = {.threads = qb_builder_threads(b)};
	struct qb_bytes x, y;

	if (variable < 0) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[variable], &x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (x.inner != y.inner) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(fill(b, op, variable, &x, &y, t.entry, eb));
	t.n = y.pixels * y.stride;
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 table", .fn = run_table, QB_CONTEXT(t),
		.reads = {x.buffer}, .writes = {y.buffer}}, eb);
}
