/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/qdq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/quant/bias.h"
#include "core/quant/imported_quantizer.h"
#include "core/quant/weight.h"

enum qb_dtype qb_format_codes(const struct qb_format *f)
{
	static const struct {
		int bits;
		enum qb_dtype plain, with_sign;
	} integers[] = {{4, QB_U4, QB_I4}, {8, QB_U8, QB_I8}, {16, QB_U16, QB_I16}};
	static const enum qb_dtype floats[] = {QB_F8_E4M3FN, QB_F8_E4M3FNUZ, QB_F8_E5M2, QB_F8_E5M2FNUZ};

	for (size_t i = 0; f->kind == QB_FORMAT_INT && !f->block && i < QB_COUNT(integers); i++) {
		if (integers[i].bits == f->bits) {
			return f->is_signed ? integers[i].with_sign : integers[i].plain;
		}
	}
	for (size_t i = 0; f->kind == QB_FORMAT_FLOAT && !f->block && i < QB_COUNT(floats); i++) {
		struct qb_format g;

		if (qb_format_of_codes(&g, floats[i], NULL) == QB_OK && f->bits == g.bits &&
			f->is_signed == g.is_signed && f->exp_bits == g.exp_bits && f->man_bits == g.man_bits &&
			f->bias == g.bias && f->specials == g.specials && !f->no_subnormals) {
			return floats[i];
		}
	}
	return QB_DTYPE_NONE;
}

struct qdq {
	struct qb_graph *g;
	const struct qb_graph *bound;
	const struct qb_quantization *q;
	int *at;                  /* [values of g]: index in bound, or -1 */
	int values;               /* before new ones are added */
	struct qb_value **became; /* [values]: what its users read instead */
	struct qb_node *next;     /* what is added stands before this node; NULL: behind all */
	struct qb_errbuf *eb;
};

static enum qb_err no_memory(struct qdq *d)
{
	return qb_fail(d->eb, QB_ENOMEM, "out of memory while writing quantizers");
}

static const struct qb_quantizer *quantizer_of(const struct qdq *d, const struct qb_value *v)
{
	return v && v->index < d->values && d->at[v->index] >= 0 ? d->q->q[d->at[v->index]] : NULL;
}

static int opset_for(enum qb_dtype codes)
{
	switch (codes) {
	case QB_I4: case QB_U4: case QB_I16: case QB_U16:
		return 21;
	default:
		return qb_dtype_is_float8(codes) ? 19 : 13;
	}
}

/* Of integers that ONNX has no type for the next wider one, which holds their codes. */
static enum qb_dtype container(const struct qb_format *f)
{
	struct qb_format wider = *f;

	if (f->kind == QB_FORMAT_INT) {
		wider.bits = f->bits <= 4 ? 4 : f->bits <= 8 ? 8 : 16;
	}
	return qb_format_codes(&wider);
}

static enum qb_err codes_of(struct qdq *d, const struct qb_quantizer *q, const struct qb_value *v,
	enum qb_dtype *out)
{
	*out = container(&q->format);
	if (*out == QB_DTYPE_NONE) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "tensor %.200s is %s, which ONNX has no type for; integers of at most 16 bits, "
			"e4m3fn and e5m2 have one", v->name, q->format.name);
	}
	return QB_OK;
}

static struct qb_tensor *new_tensor(struct qdq *d, enum qb_dtype dtype, int ndim, const int64_t *dim)
{
	struct qb_tensor *t = qb_arena_alloc(d->g->arena, 1, sizeof(*t));

	if (!t) {
		return NULL;
	}
	t->dtype = dtype;
	t->ndim = ndim;
	for (int i = 0; i < ndim; i++) {
		t->dim[i] = dim[i];
	}
	t->data = qb_arena_alloc(d->g->arena, qb_tensor_size(t) + 1, qb_dtype_bytes(dtype));
	return t->data ? t : NULL;
}

static struct qb_value *constant(struct qdq *d, const char *of, const char *what,
	const struct qb_tensor *t)
{
	const char *name = qb_arena_printf(d->g->arena, "%s:%s", of, what);

	return t && name ? qb_graph_add_constant(d->g, name, t) : NULL;
}

static void store_code(struct qb_tensor *t, int64_t i, int32_t code)
{
	if (qb_dtype_bytes(t->dtype) == 2) {
		((uint16_t *)t->data)[i] = (uint16_t)code;
	} else {
		((uint8_t *)t->data)[i] = (uint8_t)code;
	}
}

/* Scale and zero point, as scalars or vectors. */
static enum qb_err parameters(struct qdq *d, const struct qb_quantizer *q, const char *name,
	enum qb_dtype codes, struct qb_value **scale, struct qb_value **zero)
{
	int ndim = q->channels > 1;
	struct qb_tensor *s = new_tensor(d, QB_F32, ndim, &q->channels);
	struct qb_tensor *z = new_tensor(d, codes, ndim, &q->channels);

	if (!s || !z) {
		return no_memory(d);
	}
	for (int64_t i = 0; i < q->channels; i++) {
		((float *)s->data)[i] = q->scale[i];
		store_code(z, i, q->zero ? q->zero[i] : 0);
	}
	*scale = constant(d, name, "scale", s);
	*zero = constant(d, name, "zero_point", z);
	return *scale && *zero ? QB_OK : no_memory(d);
}

static enum qb_err add(struct qdq *d, enum qb_op_id op, int opset, int inputs,
	struct qb_value *const *in, struct qb_value *y, int64_t axis)
{
	const char *name = qb_arena_printf(d->g->arena, "%s:%s", y->name, qb_op_of(op)->type);
	struct qb_node *n = name ? qb_node_create(d->g, op, name, opset, inputs, in, 1, &y) : NULL;

	if (!(d->next ? qb_graph_insert_before(d->g, n, d->next) : qb_graph_append(d->g, n))) {
		return no_memory(d);
	}
	if (axis >= 0) {
		qb_node_add_int(n, "axis", axis);
	}
	return QB_OK;
}

/* The codes of the constant as the scheme runs with it. */
static enum qb_err weight_codes(struct qdq *d, const struct qb_quantizer *q, const struct qb_value *v,
	struct qb_tensor *t)
{
	const struct qb_value *w = d->bound->value[d->at[v->index]];
	int64_t outer, channels, inner, n = (int64_t)qb_tensor_size(v->constant);
	float *y = malloc((size_t)n * sizeof(*y) + 1);
	int32_t *codes = malloc((size_t)n * sizeof(*codes) + 1);
	enum qb_err err = y && codes ? QB_OK : no_memory(d);

	if (err == QB_OK) {
		err = qb_quantization_constant(d->q, w, y, NULL, d->eb);
	}
	if (err == QB_OK) {
		qb_weight_extents(w, d->q->axis[w->index], &outer, &channels, &inner);
		qb_encode(q, y, codes, NULL, outer, channels, inner);
		for (int64_t i = 0; i < n; i++) {
			store_code(t, i, codes[i]);
		}
	}
	free(y);
	free(codes);
	return err;
}

/* Blocks run along all that one output channel sums over, [outer, channels, inner] around the channels. ONNX has them
 * along one axis: it can say so where that is one dimension. */
static int block_axis(const struct qb_value *v, int channel_axis)
{
	int axis = -1;

	for (int i = 0; i < v->shape.ndim; i++) {
		if (i != channel_axis && v->shape.dim[i] != 1) {
			if (axis >= 0) {
				return -1;
			}
			axis = i;
		}
	}
	return axis;
}

/* The codes of a weight in blocks, and what these have. */
struct block_tensors {
	struct qb_tensor *codes, *scale, *zero; /* zero: NULL without zero points */
};

/* codes [channels][summed] and what blocks have [channels][count], into the order of the tensors. */
static void store_blocks(const int32_t *codes, const struct qb_blocks *blocks, const struct qb_value *v,
	int channel_axis, int64_t count, const struct block_tensors *to)
{
	int64_t outer, channels, inner, summed;

	qb_weight_extents(v, channel_axis, &outer, &channels, &inner);
	summed = outer * inner;
	for (int64_t c = 0; c < channels; c++) {
		for (int64_t k = 0; k < summed; k++) {
			store_code(to->codes, (k / inner * channels + c) * inner + k % inner, codes[c * summed + k]);
		}
		for (int64_t b = 0; b < count; b++) {
			int64_t from = c * count + b, at = outer > 1 ? b * channels + c : from;

			((float *)to->scale->data)[at] = blocks->scale[from];
			if (to->zero) {
				store_code(to->zero, at, blocks->zero[from]);
			}
		}
	}
}

/* The codes of elements that a method decided, x [channels][summed], with the blocks that it decided; false where x is not on
 * their grids. */
static bool encode_decided(const struct qb_quantizer *q, const struct qb_blocks *blocks, const float *x, int64_t channels,
	int64_t summed, int32_t *codes)
{
	struct qb_quantizer of = {.format = q->format, .axis = -1, .channels = 1};
	int64_t block = q->format.block;
	bool same = true;

	of.format.block = 0;
	of.format.real_scale = true;
	for (int64_t c = 0, at = 0; c < channels; c++) {
		for (int64_t k = 0; k < summed; k += block, at++) {
			int64_t n = QB_MIN(block, summed - k), from = c * summed + k;

			of.scale = &blocks->scale[at];
			of.zero = q->format.asymmetric ? &blocks->zero[at] : NULL;
			qb_encode(&of, x + from, codes + from, NULL, 1, 1, n);
			for (int64_t i = 0; same && i < n; i++) {
				float y;

				qb_decode(&of, codes + from + i, NULL, &y, 1, 1, 1);
				same = y == x[from + i];
			}
		}
	}
	return same;
}

static enum qb_err encode_blocks(struct qdq *d, const struct qb_quantizer *q, const struct qb_value *v,
	int64_t count, const struct block_tensors *to)
{
	const struct qb_value *w = d->bound->value[d->at[v->index]];
	int channel_axis = d->q->axis[w->index];
	const float *decided = d->q->constant[w->index];
	const struct qb_blocks *own = &d->q->blocks[w->index];
	const float *x = decided ? decided : w->constant->data;
	size_t n = qb_tensor_size(w->constant);
	int64_t outer, channels, inner, summed;
	float *rows = malloc(n * sizeof(*rows) + 1);
	int32_t *codes = malloc(n * sizeof(*codes) + 1);
	struct qb_blocks blocks = {0};
	enum qb_err err = QB_OK;

	qb_weight_extents(w, channel_axis, &outer, &channels, &inner);
	summed = outer * inner;
	if (!rows || !codes) {
		err = no_memory(d);
		goto out;
	}
	for (int64_t c = 0; c < channels; c++) {
		for (int64_t k = 0; k < summed; k++) {
			rows[c * summed + k] = x[(k / inner * channels + c) * inner + k % inner];
		}
	}
	if (!decided) {
		QB_TRY_OUT(qb_blocks_init(&blocks, channels * count, d->eb));
		qb_encode(q, rows, codes, &blocks, 1, channels, summed);
	} else if (!own->scale || !encode_decided(q, own, rows, channels, summed, codes)) {
		err = qb_fail(d->eb, QB_EUNSUPPORTED, "tensor %.200s was rounded in blocks that ONNX does not have", v->name);
		goto out;
	}
	store_blocks(codes, decided ? own : &blocks, w, channel_axis, count, to);
out:
	free(rows);
	free(codes);
	qb_blocks_fini(&blocks);
	return err;
}

static enum qb_err write_blocks(struct qdq *d, struct qb_value *v)
{
	const struct qb_quantizer *q = quantizer_of(d, v);
	int axis = block_axis(v, d->q->axis[d->at[v->index]]);
	struct qb_format element = q->format;
	int64_t dim[QB_MAX_DIMS], blocks;
	int inputs = q->format.asymmetric ? 3 : 2;
	struct block_tensors t = {0};
	struct qb_value *in[3], *y;
	enum qb_dtype codes;

	element.block = 0;
	codes = container(&element);
	if (codes == QB_DTYPE_NONE) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "tensor %.200s is %s, which ONNX has no type for", v->name,
			q->format.name);
	}
	if (axis < 0) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "tensor %.200s has blocks over several dimensions; ONNX has them "
			"along one, as a matrix has", v->name);
	}
	memcpy(dim, v->constant->dim, sizeof(dim));
	blocks = (dim[axis] + q->format.block - 1) / q->format.block;
	dim[axis] = blocks;
	t.codes = new_tensor(d, codes, v->constant->ndim, v->constant->dim);
	t.scale = new_tensor(d, QB_F32, v->constant->ndim, dim);
	t.zero = q->format.asymmetric ? new_tensor(d, codes, v->constant->ndim, dim) : NULL;
	if (!t.codes || !t.scale || (inputs == 3 && !t.zero)) {
		return no_memory(d);
	}
	QB_TRY(encode_blocks(d, q, v, blocks, &t));
	in[0] = constant(d, v->name, "codes", t.codes);
	in[1] = constant(d, v->name, "scale", t.scale);
	in[2] = t.zero ? constant(d, v->name, "zero_point", t.zero) : NULL;
	y = qb_graph_add_value(d->g, v->name, QB_F32);
	if (!in[0] || !in[1] || (t.zero && !in[2]) || !y) {
		return no_memory(d);
	}
	y->shape = v->shape;
	d->became[v->index] = y;
	QB_TRY(add(d, QB_OP_DequantizeLinear, 21, inputs, in, y, axis));
	qb_node_add_int(y->producer, "block_size", q->format.block);
	return QB_OK;
}

static enum qb_err write_weight(struct qdq *d, struct qb_value *v)
{
	const struct qb_quantizer *q = quantizer_of(d, v);
	struct qb_value *in[3], *y;
	struct qb_tensor *t;
	enum qb_dtype codes;

	if (q->format.block) {
		return write_blocks(d, v);
	}
	QB_TRY(codes_of(d, q, v, &codes));
	t = new_tensor(d, codes, v->constant->ndim, v->constant->dim);
	if (!t) {
		return no_memory(d);
	}
	QB_TRY(weight_codes(d, q, v, t));
	in[0] = constant(d, v->name, "codes", t);
	y = qb_graph_add_value(d->g, v->name, QB_F32);
	if (!in[0] || !y) {
		return no_memory(d);
	}
	y->shape = v->shape;
	QB_TRY(parameters(d, q, v->name, codes, &in[1], &in[2]));
	d->became[v->index] = y;
	return add(d, QB_OP_DequantizeLinear, opset_for(codes), 3, in, y, q->channels > 1 ? q->axis : -1);
}

/* A constant that a method changed and that stays float: a corrected bias. */
static enum qb_err write_changed(struct qdq *d, struct qb_value *v)
{
	struct qb_tensor *t = new_tensor(d, QB_F32, v->constant->ndim, v->constant->dim);

	if (!t) {
		return no_memory(d);
	}
	QB_TRY(qb_quantization_constant(d->q, d->bound->value[d->at[v->index]], t->data, NULL, d->eb));
	v->constant = t;
	return QB_OK;
}

/* Where the type holds codes that the format does not have, a Clip of the real numbers in front leaves them out: what it cuts off
 * rounds to the first or last code, (k s) / s being within a few units in the last place of k. */
static enum qb_err clip(struct qdq *d, const struct qb_quantizer *q, const char *name, struct qb_value **x)
{
	const float s = q->scale[0], z = q->zero ? (float)q->zero[0] : 0;
	struct qb_tensor *low = new_tensor(d, QB_F32, 0, NULL), *high = new_tensor(d, QB_F32, 0, NULL);
	struct qb_value *in[3] = {*x}, *y;

	if (q->channels > 1) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "tensor %.200s is %s with a scale a channel, which ONNX has no type for", name,
			q->format.name);
	}
	if (!low || !high) {
		return no_memory(d);
	}
	*(float *)low->data = ((float)qb_format_min(&q->format) - z) * s;
	*(float *)high->data = ((float)qb_format_max(&q->format) - z) * s;
	in[1] = constant(d, name, "low", low);
	in[2] = constant(d, name, "high", high);
	y = qb_graph_add_value(d->g, qb_arena_printf(d->g->arena, "%s:clipped", name), QB_F32);
	if (!in[1] || !in[2] || !y) {
		return no_memory(d);
	}
	y->shape = (*x)->shape;
	*x = y;
	return add(d, QB_OP_Clip, 13, 3, in, y, -1);
}

/* A weight that is computed from the batch is one of these too: constant in the bound network alone. */
static enum qb_err write_activation(struct qdq *d, struct qb_value *v)
{
	const struct qb_quantizer *q = quantizer_of(d, v);
	int64_t axis = q->channels > 1 ? q->axis : -1;
	/* An input that is an output too has one name, and stays as it is fed. */
	bool output = v->producer && v->outputs;
	struct qb_value *in[3] = {v}, *code, *y;
	enum qb_dtype codes;
	const char *name = v->name;

	QB_TRY(codes_of(d, q, v, &codes));
	if (d->q->constant[d->at[v->index]]) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "the weight %.200s is computed from the batch, so the file has no place "
			"for what a method rounded it to", v->name);
	}
	code = qb_graph_add_value(d->g, qb_arena_printf(d->g->arena, "%s:codes", name), codes);
	y = qb_graph_add_value(d->g, output ? name
		: qb_arena_printf(d->g->arena, "%s:dequantized", name), QB_F32);
	if (!code || !y) {
		return no_memory(d);
	}
	code->shape = y->shape = v->shape;
	QB_TRY(parameters(d, q, name, codes, &in[1], &in[2]));
	if (output) {
		qb_graph_move_outputs(d->g, v, y);
		v->name = qb_arena_printf(d->g->arena, "%s:real", name);
	}
	d->became[v->index] = y;
	if (q->format.narrow || qb_format_codes(&q->format) == QB_DTYPE_NONE) {
		QB_TRY(clip(d, q, name, &in[0]));
	}
	QB_TRY(add(d, QB_OP_QuantizeLinear, opset_for(codes), 3, in, code, axis));
	if (q->format.overflows) {
		qb_node_add_int(code->producer, "saturate", 0);
	}
	in[0] = code;
	return add(d, QB_OP_DequantizeLinear, opset_for(codes), 3, in, y, axis);
}

/* The value in the bound network of a bias that has codes under the scheme; NULL of one that stays float. */
static const struct qb_value *coded_bias(const struct qdq *d, const struct qb_value *v)
{
	int at = v && v->constant && v->index < d->values ? d->at[v->index] : -1;

	return at >= 0 && qb_bias_scales(d->q, d->bound->value[at], NULL) ? d->bound->value[at] : NULL;
}

static enum qb_err write_bias(struct qdq *d, struct qb_node *n)
{
	struct qb_value *v = n->inputs > 2 ? n->input[2] : NULL, *in[2], *y;
	const struct qb_value *b = coded_bias(d, v);
	struct qb_tensor *codes, *scale;
	const float *x;

	if (!b) {
		return QB_OK;
	}
	codes = new_tensor(d, QB_I32, 1, b->constant->dim);
	scale = new_tensor(d, QB_F32, 1, b->constant->dim);
	if (!codes || !scale) {
		return no_memory(d);
	}
	x = d->q->constant[b->index] ? d->q->constant[b->index] : b->constant->data;
	qb_bias_scales(d->q, b, scale->data);
	for (int64_t i = 0; i < b->constant->dim[0]; i++) {
		((int32_t *)codes->data)[i] = qb_bias_code(x[i], ((const float *)scale->data)[i]);
	}
	in[0] = constant(d, n->name, "bias_codes", codes);
	in[1] = constant(d, n->name, "bias_scale", scale);
	y = qb_graph_add_value(d->g, qb_arena_printf(d->g->arena, "%s:bias", n->name), QB_F32);
	if (!in[0] || !in[1] || !y) {
		return no_memory(d);
	}
	y->shape = v->shape;
	n->input[2] = y;
	return add(d, QB_OP_DequantizeLinear, 13, 2, in, y, 0);
}

static enum qb_err write_all(struct qdq *d)
{
	int nodes = d->g->nodes;

	d->next = d->g->first;
	for (int i = 0; i < d->values; i++) {
		struct qb_value *v = d->g->value[i];

		if (v->constant && quantizer_of(d, v)) {
			QB_TRY(write_weight(d, v));
		} else if (v->constant && d->at[i] >= 0 && !coded_bias(d, v) &&
			qb_quantization_changes(d->q, d->bound->value[d->at[i]])) {
			QB_TRY(write_changed(d, v));
		} else if (!v->producer && quantizer_of(d, v)) {
			QB_TRY(write_activation(d, v));
		}
	}
	for (int i = 0; i < nodes; i++) {
		struct qb_node *n = d->g->node[i];

		d->next = n;
		QB_TRY(write_bias(d, n));
		for (int k = 0; k < n->inputs; k++) {
			struct qb_value *v = n->input[k];

			if (v && v->index < d->values && d->became[v->index]) {
				n->input[k] = d->became[v->index];
			}
		}
		d->next = n->after;
		for (int k = 0; k < n->outputs; k++) {
			if (n->output[k] && quantizer_of(d, n->output[k])) {
				QB_TRY(write_activation(d, n->output[k]));
			}
		}
	}
	return qb_graph_relink(d->g, d->eb);
}

bool qb_qdq_fits(const struct qb_graph *model, const struct qb_graph *bound, const struct qb_quantization *q)
{
	for (int i = 0; i < bound->values; i++) {
		const struct qb_value *v = bound->value[i], *w;
		int at = q->q[i] || q->constant[i] ? qb_graph_find(model, v->name, i) : i;

		if (at < 0) {
			return false;
		}
		w = q->q[i] || q->constant[i] ? model->value[at] : v;
		if (!w->constant != !v->constant || (v->constant && (w->constant->dtype != v->constant->dtype ||
			qb_tensor_size(w->constant) != qb_tensor_size(v->constant) || memcmp(w->constant->data, v->constant->data,
			qb_tensor_size(v->constant) * qb_dtype_bytes(v->constant->dtype)) != 0))) {
			return false;
		}
	}
	return true;
}

enum qb_err qb_qdq_graph(struct qb_graph **out, const struct qb_graph *model,
	const struct qb_graph *bound, const struct qb_quantization *q, struct qb_errbuf *eb)
{
	struct qdq d = {.bound = bound, .q = q, .eb = eb};
	enum qb_err err;

	QB_TRY(qb_graph_clone(&d.g, model, eb));
	d.values = d.g->values;
	d.at = qb_arena_alloc(d.g->arena, (size_t)d.values + 1, sizeof(*d.at));
	d.became = qb_arena_alloc(d.g->arena, (size_t)d.values + 1, sizeof(*d.became));
	err = d.at && d.became ? QB_OK : no_memory(&d);
	for (int i = 0; err == QB_OK && i < d.values; i++) {
		d.at[i] = qb_graph_find(bound, d.g->value[i]->name, i);
	}
	if (err == QB_OK) {
		err = write_all(&d);
	}
	if (err != QB_OK) {
		qb_graph_destroy(&d.g);
		return err;
	}
	*out = d.g;
	return QB_OK;
}
