/* SPDX-License-Identifier: Apache-2.0
 *
 * RNN, GRU and LSTM, one or two directions, as the ONNX specification writes their equations.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/shape_rule.h"

enum cell { CELL_RNN, CELL_GRU, CELL_LSTM };
enum act { ACT_TANH, ACT_SIGMOID, ACT_RELU };

struct rnn {
	enum cell cell;
	int gates, dirs, acts; /* acts: activations of one direction */
	bool first_reversed, batch_first;
	enum act act[6];
	int64_t hidden;
	double clip;
};

static enum qb_err read_activations(const struct qb_node *n, struct rnn *r, struct qb_errbuf *eb)
{
	static const char *const names[] = { "Tanh", "Sigmoid", "Relu" };
	const struct qb_attr *a = qb_node_attr(n, "activations");

	r->acts = r->cell == CELL_RNN ? 1 : r->cell == CELL_GRU ? 2 : 3;
	for (int i = 0; i < r->acts * r->dirs; i++) {
		r->act[i] = r->cell != CELL_RNN && i % r->acts == 0 ? ACT_SIGMOID : ACT_TANH;
	}
	if (!a) {
		return QB_OK;
	}
	if (a->kind != QB_ATTR_STRINGS || a->count != r->acts * r->dirs) {
		return qb_node_fail(eb, QB_EONNX, n, "it needs %d activations", r->acts * r->dirs);
	}
	for (int i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < QB_COUNT(names) && strcmp(names[k], a->strings[i]) != 0) {
			k++;
		}
		if (k == QB_COUNT(names)) {
			return qb_node_fail(eb, QB_EUNSUPPORTED, n, "activation %.40s is not supported; Tanh, Sigmoid and "
				"Relu are", a->strings[i]);
		}
		r->act[i] = (enum act)k;
	}
	return QB_OK;
}

static enum qb_err read_rnn(const struct qb_node *n, struct rnn *r, struct qb_errbuf *eb)
{
	const char *direction = qb_node_string(n, "direction", "forward");

	*r = (struct rnn){ .cell = strcmp(n->type, "LSTM") == 0 ? CELL_LSTM : strcmp(n->type, "GRU") == 0 ?
		CELL_GRU : CELL_RNN };
	r->gates = r->cell == CELL_LSTM ? 4 : r->cell == CELL_GRU ? 3 : 1;
	r->dirs = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
	r->first_reversed = strcmp(direction, "reverse") == 0;
	r->batch_first = qb_node_int(n, "layout", 0) != 0;
	r->clip = (double)qb_node_float(n, "clip", INFINITY);
	if (qb_node_int(n, "input_forget", 0)) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "coupled input and forget gates are not supported");
	}
	return read_activations(n, r, eb);
}

enum qb_err qb__infer_rnn(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape, *rec = &n->input[2]->shape;
	enum qb_dtype t = n->input[0]->dtype;
	int64_t seq, batch, h;
	struct rnn r;

	(void)g;
	QB_TRY(read_rnn(n, &r, eb));
	QB_TRY(qb__op_need_float(n, 0, eb));
	for (int i = 0; i < 3; i++) {
		QB_TRY(qb__op_need_same(n, i, eb));
		QB_TRY(qb__op_need_rank(n, i, 3, 3, eb));
	}
	QB_TRY(qb__op_need_dtype(n, 4, QB_I32, eb));
	if (!x->known || !w->known || !rec->known || !qb_dim_number(rec->dim[2])) {
		return qb_node_fail(eb, QB_EUNSUPPORTED, n, "its shapes are not known");
	}
	h = rec->dim[2];
	seq = x->dim[r.batch_first];
	batch = x->dim[!r.batch_first];
	QB_TRY(qb__op_need_dim(n, 1, 0, r.dirs, eb));
	QB_TRY(qb__op_need_dim(n, 1, 1, qb_dim_mul(r.gates, h), eb));
	QB_TRY(qb__op_need_dim(n, 1, 2, x->dim[2], eb));
	QB_TRY(qb__op_need_dim(n, 2, 0, r.dirs, eb));
	QB_TRY(qb__op_need_dim(n, 2, 1, qb_dim_mul(r.gates, h), eb));
	if (op_in(n, 3)) {
		QB_TRY(qb__op_need_same(n, 3, eb));
		QB_TRY(qb__op_need_rank(n, 3, 2, 2, eb));
		QB_TRY(qb__op_need_dim(n, 3, 0, r.dirs, eb));
		QB_TRY(qb__op_need_dim(n, 3, 1, qb_dim_mul(2 * r.gates, h), eb));
	}
	QB_TRY(qb__op_need_vector(n, 4, batch, eb));
	for (int i = 5; i < 7; i++) {
		if (op_in(n, i)) {
			QB_TRY(qb__op_need_same(n, i, eb));
			QB_TRY(qb__op_need_rank(n, i, 3, 3, eb));
			QB_TRY(qb__op_need_dim(n, i, r.batch_first, r.dirs, eb));
			QB_TRY(qb__op_need_dim(n, i, !r.batch_first, batch, eb));
			QB_TRY(qb__op_need_dim(n, i, 2, h, eb));
		}
	}
	if (op_in(n, 7)) {
		QB_TRY(qb__op_need_same(n, 7, eb));
		QB_TRY(qb__op_need_rank(n, 7, 2, 2, eb));
		QB_TRY(qb__op_need_dim(n, 7, 0, r.dirs, eb));
		QB_TRY(qb__op_need_dim(n, 7, 1, qb_dim_mul(3, h), eb));
	}
	if (r.batch_first) {
		qb__op_set(n, 0, t, qb_shape_make(4, (int64_t[]){ batch, seq, r.dirs, h }));
	} else {
		qb__op_set(n, 0, t, qb_shape_make(4, (int64_t[]){ seq, r.dirs, batch, h }));
	}
	for (int i = 1; i < 3; i++) {
		qb__op_set(n, i, t, r.batch_first ? qb_shape_make(3, (int64_t[]){ batch, r.dirs, h }) :
			qb_shape_make(3, (int64_t[]){ r.dirs, batch, h }));
	}
	return QB_OK;
}

/* ---- one sequence in one direction ---- */

struct lane {
	const struct rnn *r;
	const enum act *act;
	int64_t in, h;
	const float *w, *rec, *bias, *peephole; /* of this direction; the last two NULL where absent */
	bool linear_before_reset;
	double *state, *cell, *gate, *recurrent; /* [h], [h], [gates * h], [gates * h] */
};

static double activate(const struct lane *l, int which, double v)
{
	v = v > l->r->clip ? l->r->clip : v < -l->r->clip ? -l->r->clip : v;
	switch (l->act[which]) {
	case ACT_SIGMOID: return 1 / (1 + exp(-v));
	case ACT_RELU: return v > 0 ? v : 0;
	default: return tanh(v);
	}
}

static double dot_state(const struct lane *l, const float *row, const double *scale)
{
	double sum = 0;

	for (int64_t j = 0; j < l->h; j++) {
		sum += (double)row[j] * l->state[j] * (scale ? scale[j] : 1);
	}
	return sum;
}

/* gate = W x + Wb; recurrent = R state + Rb */
static void project(const struct lane *l, const float *x)
{
	int64_t rows = l->r->gates * l->h;

	for (int64_t i = 0; i < rows; i++) {
		double sum = l->bias ? (double)l->bias[i] : 0;

		for (int64_t j = 0; j < l->in; j++) {
			sum += (double)l->w[i * l->in + j] * (double)x[j];
		}
		l->gate[i] = sum;
		l->recurrent[i] = dot_state(l, l->rec + i * l->h, NULL) + (l->bias ? (double)l->bias[rows + i] : 0);
	}
}

static double peek(const struct lane *l, int gate, int64_t i, double c)
{
	return l->peephole ? (double)l->peephole[gate * l->h + i] * c : 0;
}

static void step_lstm(struct lane *l)
{
	int64_t h = l->h;

	for (int64_t i = 0; i < h; i++) { /* gates in the order i, o, f, c */
		double in = activate(l, 0, l->gate[i] + l->recurrent[i] + peek(l, 0, i, l->cell[i]));
		double forget = activate(l, 0, l->gate[2 * h + i] + l->recurrent[2 * h + i] + peek(l, 2, i, l->cell[i]));
		double fresh = activate(l, 1, l->gate[3 * h + i] + l->recurrent[3 * h + i]);
		double c = forget * l->cell[i] + in * fresh;
		double out = activate(l, 0, l->gate[h + i] + l->recurrent[h + i] + peek(l, 1, i, c));

		l->cell[i] = c;
		l->state[i] = out * activate(l, 2, c);
	}
}

static void step_gru(struct lane *l)
{
	int64_t h = l->h;
	double *reset = l->gate + h;

	for (int64_t i = 0; i < 2 * h; i++) { /* gates in the order z, r, h */
		l->gate[i] = activate(l, 0, l->gate[i] + l->recurrent[i]);
	}
	for (int64_t i = 0; i < h; i++) {
		double v = l->gate[2 * h + i];

		if (l->linear_before_reset) {
			v += reset[i] * l->recurrent[2 * h + i];
		} else {
			v += dot_state(l, l->rec + (2 * h + i) * h, reset) + (l->bias ? (double)l->bias[5 * h + i] : 0);
		}
		l->recurrent[i] = activate(l, 1, v);
	}
	for (int64_t i = 0; i < h; i++) {
		l->state[i] = (1 - l->gate[i]) * l->recurrent[i] + l->gate[i] * l->state[i];
	}
}

static void step(struct lane *l, const float *x)
{
	project(l, x);
	if (l->r->cell == CELL_LSTM) {
		step_lstm(l);
	} else if (l->r->cell == CELL_GRU) {
		step_gru(l);
	} else {
		for (int64_t i = 0; i < l->h; i++) {
			l->gate[i] = activate(l, 0, l->gate[i] + l->recurrent[i]);
		}
		memcpy(l->state, l->gate, sizeof(double) * (size_t)l->h);
	}
}

/* ---- all of them ---- */

struct sizes {
	int64_t seq, batch;
};

static int64_t state_at(const struct rnn *r, const struct sizes *z, int d, int64_t b, int64_t h)
{
	return (r->batch_first ? b * r->dirs + d : d * z->batch + b) * h;
}

static void load_state(const struct qb_tensor *t, int64_t at, double *state, int64_t h)
{
	for (int64_t i = 0; i < h; i++) {
		state[i] = t ? (double)((const float *)t->data)[at + i] : 0;
	}
}

static void save_state(const double *state, struct qb_tensor *t, int64_t at, int64_t h)
{
	for (int64_t i = 0; i < h; i++) {
		((float *)t->data)[at + i] = (float)state[i];
	}
}

static enum qb_err run_lane(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct lane *l, const struct sizes *z, int d, int64_t b, struct qb_errbuf *eb)
{
	const struct rnn *r = l->r;
	const struct qb_tensor *lengths = op_arg(n, in, 4);
	int64_t length = lengths ? ((const int32_t *)lengths->data)[b] : z->seq, at = state_at(r, z, d, b, l->h);
	bool reversed = d == 1 || r->first_reversed;

	if (length < 0 || length > z->seq) {
		return qb_node_fail(eb, QB_EONNX, n, "a sequence of %" PRId64 " in %" PRId64 " steps", length, z->seq);
	}
	load_state(op_arg(n, in, 5), at, l->state, l->h);
	load_state(op_arg(n, in, 6), at, l->cell, l->h);
	for (int64_t s = 0; s < length; s++) {
		int64_t t = reversed ? length - 1 - s : s;

		step(l, (const float *)in[0]->data + (r->batch_first ? b * z->seq + t : t * z->batch + b) * l->in);
		if (op_wants(n, out, 0)) {
			save_state(l->state, &out[0], (r->batch_first ? (b * z->seq + t) * r->dirs + d :
				(t * r->dirs + d) * z->batch + b) * l->h, l->h);
		}
	}
	if (op_wants(n, out, 1)) {
		save_state(l->state, &out[1], at, l->h);
	}
	if (op_wants(n, out, 2)) {
		save_state(l->cell, &out[2], at, l->h);
	}
	return QB_OK;
}

static enum qb_err rnn_f32(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *bias = op_arg(n, in, 3), *peephole = op_arg(n, in, 7);
	int64_t h = in[2]->dim[2], rows;
	enum qb_err err = QB_OK;
	struct sizes z;
	struct rnn r;
	double *memory;

	QB_TRY(read_rnn(n, &r, eb));
	rows = r.gates * h;
	z.seq = in[0]->dim[r.batch_first];
	z.batch = in[0]->dim[!r.batch_first];
	memory = qb_aligned_alloc((size_t)(2 * h + 2 * rows), sizeof(*memory));
	if (!memory) {
		return qb__op_no_memory(n, eb);
	}
	for (int d = 0; d < r.dirs; d++) {
		struct lane l = { .r = &r, .act = r.act + d * r.acts, .in = in[0]->dim[2], .h = h };

		l.w = (const float *)in[1]->data + d * rows * l.in;
		l.rec = (const float *)in[2]->data + d * rows * h;
		l.bias = bias ? (const float *)bias->data + d * 2 * rows : NULL;
		l.peephole = peephole ? (const float *)peephole->data + d * 3 * h : NULL;
		l.linear_before_reset = qb_node_int(n, "linear_before_reset", 0) != 0;
		l.state = memory;
		l.cell = memory + h;
		l.gate = memory + 2 * h;
		l.recurrent = memory + 2 * h + rows;
		for (int64_t b = 0; b < z.batch && err == QB_OK; b++) {
			err = run_lane(n, in, out, &l, &z, d, b, eb);
		}
	}
	free(memory);
	return err;
}

enum qb_err qb__eval_rnn(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f32(rnn_f32, n, in, out, eb);
}
