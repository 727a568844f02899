/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of operators that move numbers: the operator's own evaluation moves the numbers' indices once, when the
 * plan is made, and the step copies the runs of bytes that came to lie side by side. Where scales differ the copy goes
 * through a table.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"
#include "core/kernels/int8/lookup.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { PARTS_MAX = QB_CALL_READS, INPUTS_MAX = 16, OUTPUTS_MAX = 64 };

/* to[0 .. n) = from[0 .. n) of a part; part -1: the fill byte. */
struct run {
	int32_t to, from, n, part;
};

struct move {
	const struct run *run;
	int64_t runs, bytes;
	const uint8_t *table[PARTS_MAX]; /* [256] where the part's scale is not the output's, or NULL */
	uint8_t fill;
	int parts, threads;
};

static void copy_run(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct move *m = context;
	const struct run *r = &m->run[i];
	uint8_t *y = (uint8_t *)at->write[0] + r->to;
	const uint8_t *x;

	if (r->part < 0) {
		memset(y, m->fill, (size_t)r->n);
		return;
	}
	x = (const uint8_t *)at->read[r->part] + r->from;
	if (m->table[r->part]) {
		qb_int8_lut(m->table[r->part], x, y, r->n);
	} else if (r->n == 1) {
		*y = *x;
	} else {
		memcpy(y, x, (size_t)r->n);
	}
}

static void run_move(const void *context, const struct qb_operands *at)
{
	const struct move *m = context;

	qb_threads_loop(m->bytes > 65536 ? m->threads : 1, m->runs, copy_run, m, at);
}

/* A moved input, or one of several. */
struct source {
	const struct qb_value *value[PARTS_MAX];
	struct qb_bytes bytes[PARTS_MAX];
	int64_t first[PARTS_MAX + 1]; /* numbers are counted on from part to part, from 1: 0 is what a pad puts in */
	int parts;
};

static int64_t count(const struct qb_shape *s)
{
	int64_t n = 1;

	for (int i = 0; i < s->ndim; i++) {
		n *= s->dim[i];
	}
	return n;
}

static struct qb_tensor like(const struct qb_shape *s, float *data)
{
	struct qb_tensor t = {.dtype = QB_F32, .ndim = s->ndim, .data = data};

	memcpy(t.dim, s->dim, sizeof(t.dim));
	return t;
}

/* Floats hold the indices, so that whatever evaluates floats moves them. */
enum { NUMBERS_MAX = 1 << 24 };

/* Output `which` of the node with numbers' indices in their stead; the caller frees. */
static enum qb_err move_indices(const struct qb_node *n, const struct source *s, int which,
	float **moved, struct qb_errbuf *eb)
{
	struct qb_tensor in[PARTS_MAX], out[OUTPUTS_MAX] = {{0}};
	const struct qb_tensor *arg[INPUTS_MAX] = {0};
	float *all = malloc((size_t)s->first[s->parts] * sizeof(*all));
	bool pads = qb_node_is(n, QB_OP_Pad);
	enum qb_err err;

	for (int i = 0; all && i < s->first[s->parts]; i++) {
		all[i] = (float)i;
	}
	for (int i = 0; i < n->outputs && all; i++) {
		if (n->output[i]) {
			out[i] = like(&n->output[i]->shape, NULL);
			out[i].data = calloc((size_t)count(&n->output[i]->shape) + 1, sizeof(float));
		}
	}
	for (int i = 0; i < n->inputs; i++) {
		/* A pad's value is not an index. */
		arg[i] = n->input[i] && n->input[i]->constant && !(pads && i == 2) ? n->input[i]->constant
										   : NULL;
		for (int k = 0; k < s->parts && all; k++) {
			if (n->input[i] == s->value[k]) {
				in[k] = like(&s->value[k]->shape, all + s->first[k]);
				arg[i] = &in[k];
			}
		}
	}
	err = all && out[which].data ? n->op->eval(n, arg, out, eb)
				     : qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	*moved = out[which].data;
	for (int i = 0; i < n->outputs; i++) {
		if (i != which) {
			free(out[i].data);
		}
	}
	free(all);
	if (err != QB_OK) {
		free(*moved);
	}
	return err;
}

/* The byte of a row-major index. */
static int64_t byte_of(const struct qb_bytes *q, int64_t i)
{
	int64_t c = i / q->inner % q->channels, p = i / q->inner / q->channels * q->inner + i % q->inner;

	return p * q->stride + c;
}

/* The next byte's run, or more of the last. */
static void add_byte(struct move *m, struct run *run, const struct source *s, int32_t index, int32_t to)
{
	struct run r = {.to = to, .n = 1, .part = -1}, *last = m->runs ? &run[m->runs - 1] : NULL;

	for (int k = 0; k < s->parts; k++) {
		if (index >= s->first[k] && index < s->first[k + 1] && index) {
			r.part = k;
			r.from = (int32_t)byte_of(&s->bytes[k], index - s->first[k]);
		}
	}
	if (last && last->part == r.part && last->to + last->n == to &&
		(r.part < 0 || last->from + last->n == r.from)) {
		last->n++;
	} else {
		run[m->runs++] = r;
	}
}

static enum qb_err find_runs(struct qb_builder *b, struct move *m, const struct source *s,
	const struct qb_bytes *y, const float *moved, struct qb_errbuf *eb)
{
	struct run *run = malloc((size_t)(y->pixels * y->channels + 1) * sizeof(*run)), *kept;

	if (!run) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t p = 0; p < y->pixels; p++) {
		for (int64_t c = 0; c < y->channels; c++) {
			int64_t i = (p / y->inner * y->channels + c) * y->inner + p % y->inner;

			add_byte(m, run, s, (int32_t)moved[i], (int32_t)(p * y->stride + c));
		}
	}
	kept = qb_builder_alloc(b, (size_t)m->runs + 1, sizeof(*kept));
	if (kept) {
		memcpy(kept, run, (size_t)m->runs * sizeof(*kept));
	}
	free(run);
	m->run = kept;
	return kept ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a plan");
}

static enum qb_err move_output(struct qb_builder *b, const struct qb_node *n, const struct source *s,
	int which, struct qb_errbuf *eb)
{
	struct move m = {.parts = s->parts, .threads = qb_builder_threads(b)};
	struct qb_call call = {.name = "int8 move", .fn = run_move, QB_CONTEXT(m)};
	float value = 0;
	float *moved;
	struct qb_bytes y;
	enum qb_err err;

	QB_TRY(qb_builder_define_bytes(b, n->output[which], &y, eb));
	for (int i = 0; i < s->parts; i++) {
		QB_TRY(qb__requantize(b, &s->bytes[i], &y, &m.table[i], eb));
		call.reads[i] = s->bytes[i].buffer;
	}
	/* A value that is computed is a part, of one element. */
	if (qb_node_is(n, QB_OP_Pad) && n->inputs > 2 && n->input[2] && n->input[2]->constant) {
		value = *(const float *)n->input[2]->constant->data;
	}
	qb_int8_kernels()->quantize(&value, &m.fill, 1, y.scale, y.zero, y.top);
	m.bytes = y.pixels * y.stride;
	QB_TRY(move_indices(n, s, which, &moved, eb));
	err = find_runs(b, &m, s, &y, moved, eb);
	free(moved);
	QB_TRY(err);
	call.writes[0] = y.buffer;
	return qb_builder_call(b, n, &call, eb);
}

enum qb_err qb__plan_int8_copy(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct source s = {.first = {1}};

	if (n->inputs > INPUTS_MAX) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		if (!v || v->constant) {
			continue;
		}
		if (s.parts == PARTS_MAX || v->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
		QB_TRY(qb_builder_bytes(b, v, &s.bytes[s.parts], eb));
		s.value[s.parts] = v;
		s.first[s.parts + 1] = s.first[s.parts] + count(&v->shape);
		s.parts++;
	}
	if (!s.parts || (qb_node_is(n, QB_OP_Concat) && s.parts != n->inputs) ||
		n->outputs > OUTPUTS_MAX ||
		(qb_node_is(n, QB_OP_Pad) && qb_node_float(n, "value", 0) != 0) ||
		s.first[s.parts] > NUMBERS_MAX || count(&n->output[0]->shape) > NUMBERS_MAX) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < n->outputs; i++) {
		if (n->output[i] && qb_value_is_used(n->output[i])) {
			QB_TRY(move_output(b, n, &s, i, eb));
		}
	}
	return QB_OK;
}
