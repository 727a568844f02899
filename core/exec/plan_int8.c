/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer plans: every node that can computes on bytes; the others get floats made of bytes and give floats that are
 * made bytes again, as the simulation has it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/exec/plan.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"
#include "core/kernels/int8/kernels.h"
#include "core/quant/weight.h"

/* What integers can hold */

enum qb_err qb_int8_check(const struct qb_quantization *q, struct qb_errbuf *eb)
{
	const struct qb_scheme *s = &q->scheme;

	if (!s->weights.quantized || !s->activations.quantized) {
		return qb_fail(eb, QB_EUNSUPPORTED, "weights or activations stay float");
	}
	if (s->weights.format.kind != QB_FORMAT_INT || s->activations.format.kind != QB_FORMAT_INT) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"this processor has no instructions for %s: weights %s, activations %s", s->name,
			s->weights.format.name, s->activations.format.name);
	}
	if (s->weights.format.bits > 8 || s->activations.format.bits > 8) {
		return qb_fail(eb, QB_EUNSUPPORTED, "integer execution holds at most 8 bits");
	}
	/* Of imported weights only those with zero points stay float. */
	if ((s->weights.format.asymmetric && !s->imported) || s->weights.format.block || s->activations.format.block ||
		s->activations.granularity != QB_PER_TENSOR) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"integer execution needs symmetric weights per tensor or channel and activations per "
			"tensor");
	}
	return QB_OK;
}

/* Bytes */

static int64_t pixels_of(const struct qb_shape *s, int channel_axis)
{
	int64_t n = 1;

	for (int i = 0; i < s->ndim; i++) {
		n *= i == channel_axis ? 1 : s->dim[i];
	}
	return n;
}

static bool is_image_shaped(const struct qb_value *v)
{
	return v && !v->constant && v->shape.ndim == 4;
}

/* What one of a node's values is, all of its values of four dimensions are; true when something was learnt. */
static bool spread_images(const struct qb_node *n, bool *image)
{
	bool any = qb_node_has(n, QB_TRAIT_SPATIAL), learnt = false;

	if (!qb_node_has(n, QB_TRAIT_SAME_LAYOUT)) {
		return false;
	}
	for (int i = 0; i < n->inputs + n->outputs; i++) {
		const struct qb_value *v = i < n->inputs ? n->input[i] : n->output[i - n->inputs];

		any = any || (is_image_shaped(v) && image[v->index]);
	}
	for (int i = 0; any && i < n->inputs + n->outputs; i++) {
		const struct qb_value *v = i < n->inputs ? n->input[i] : n->output[i - n->inputs];

		if (is_image_shaped(v) && !image[v->index]) {
			image[v->index] = true;
			learnt = true;
		}
	}
	return learnt;
}

static void find_images(const struct qb_lowered_list *l, bool *image)
{
	bool learnt = true;

	while (learnt) {
		learnt = false;
		for (int i = 0; i < l->count; i++) {
			learnt = spread_images(&l->op[i]->node, image) || learnt;
		}
		for (int i = l->count - 1; i >= 0; i--) {
			learnt = spread_images(&l->op[i]->node, image) || learnt;
		}
	}
}

static struct qb_bytes describe(const struct qb_builder *b, const struct qb_value *v,
	const struct qb_quantizer *q)
{
	int axis = b->plan->image[v->index] ? 1 : v->shape.ndim - 1;
	int lo = (int)qb_format_min(&q->format);
	struct qb_bytes y = {.channels = axis < 0 ? 1 : v->shape.dim[axis],
		.pixels = pixels_of(&v->shape, axis), .scale = q->scale[0], .inner = 1};

	if (axis == 1 && v->shape.ndim == 4) {
		y.inner = v->shape.dim[2] * v->shape.dim[3];
	}
	/* Few channels lie close together: a convolution widens whole rows anyway. */
	y.stride = y.channels < 4 ? y.channels : (int64_t)qb_align_up((size_t)y.channels, 4);
	y.zero = (q->zero ? q->zero[0] : 0) - lo;
	y.top = (int)qb_format_max(&q->format) - lo;
	return y;
}

static const struct qb_quantizer *activation_quantizer(const struct qb_builder *b,
	const struct qb_value *v)
{
	const struct qb_quantizer *q =
		b->plan->quantization && v->dtype == QB_F32 ? b->plan->quantization->q[v->index] : NULL;

	return q && qb_quantizer_is_bytes(q) && q->channels == 1 && !v->constant ? q : NULL;
}

bool qb_builder_has_bytes(const struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);

	if (q && out) {
		*out = describe(b, v, q);
	}
	return q != NULL;
}

const struct qb_bytes *qb_builder_home_bytes(const struct qb_builder *b, const struct qb_value *v)
{
	return b->plan->bytes[v->index];
}

enum qb_err qb_builder_define_bytes(struct qb_builder *b, const struct qb_value *v,
	struct qb_bytes *out, struct qb_errbuf *eb)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);
	struct qb_bytes *kept = qb_arena_alloc(b->plan->arena, 1, sizeof(*kept));
	size_t bytes;

	if (!q) {
		return QB_EUNSUPPORTED;
	}
	if (!kept) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	*kept = describe(b, v, q);
	/* Kernels may read a few bytes past the last channel. */
	bytes = (size_t)(kept->pixels * kept->stride) + 64;
	QB_TRY(qb__add_buffer(b, bytes, &kept->buffer, eb));
	b->plan->bytes[v->index] = kept;
	*out = *kept;
	return QB_OK;
}

struct convert {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes q;
	int64_t outer, inner; /* row-major floats: [outer, channels, inner] */
};

static struct convert conversion(const struct qb_bytes *q)
{
	return (struct convert){.kernels = qb_int8_kernels(), .q = *q,
		.outer = q->inner ? q->pixels / q->inner : 0, .inner = q->inner};
}

/* Row-major floats to bytes, channels last. */
static void quantize(const void *context, const struct qb_operands *at)
{
	enum { CHUNK = 256 };
	const struct convert *c = context;
	const float *x = at->read[0];
	uint8_t *y = at->write[0], line[CHUNK];

	if (c->inner == 1) {
		for (int64_t o = 0; o < c->outer; o++) {
			c->kernels->quantize(x + o * c->q.channels, y + o * c->q.stride,
				(size_t)c->q.channels, c->q.scale, c->q.zero, c->q.top);
		}
		return;
	}
	for (int64_t o = 0; o < c->outer; o++) {
		for (int64_t i = 0; i < c->inner; i += CHUNK) {
			int64_t n = QB_MIN(CHUNK, c->inner - i);

			for (int64_t k = 0; k < c->q.channels; k++) {
				uint8_t *to = y + (o * c->inner + i) * c->q.stride + k;

				c->kernels->quantize(x + (o * c->q.channels + k) * c->inner + i, line, (size_t)n,
					c->q.scale, c->q.zero, c->q.top);
				for (int64_t p = 0; p < n; p++) {
					to[p * c->q.stride] = line[p];
				}
			}
		}
	}
}

/* Channels last to row-major, in squares that the caches hold. */
static void dequantize(const void *context, const struct qb_operands *at)
{
	enum { CHUNK = 256 };
	const struct convert *c = context;
	const uint8_t *x = at->read[0];
	float *y = at->write[0];

	if (c->inner == 1) {
		for (int64_t o = 0; o < c->outer; o++) {
			c->kernels->dequantize(x + o * c->q.stride, y + o * c->q.channels,
				(size_t)c->q.channels, c->q.scale, c->q.zero);
		}
		return;
	}
	for (int64_t o = 0; o < c->outer; o++) {
		for (int64_t i = 0; i < c->inner; i += CHUNK) {
			int64_t n = QB_MIN(CHUNK, c->inner - i);

			for (int64_t k = 0; k < c->q.channels; k++) {
				const uint8_t *from = x + (o * c->inner + i) * c->q.stride + k;
				uint8_t line[CHUNK];

				for (int64_t p = 0; p < n; p++) {
					line[p] = from[p * c->q.stride];
				}
				c->kernels->dequantize(line, y + (o * c->q.channels + k) * c->inner + i,
					(size_t)n, c->q.scale, c->q.zero);
			}
		}
	}
}

static void name_last_step(struct qb_builder *b, const char *what)
{
	b->plan->step[b->plan->steps - 1].what = what;
}

enum qb_err qb_builder_bytes(struct qb_builder *b, const struct qb_value *v, struct qb_bytes *out,
	struct qb_errbuf *eb)
{
	struct qb_place place;
	struct convert c;

	if (b->plan->bytes[v->index]) {
		*out = *b->plan->bytes[v->index];
		return QB_OK;
	}
	if (!activation_quantizer(b, v) || !b->plan->home[v->index]) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_dense(b, v, &place, eb));
	QB_TRY(qb_builder_define_bytes(b, v, out, eb));
	c = conversion(out);
	QB_TRY(qb_builder_call(b, b->node, &(struct qb_call){.name = "quantize", .fn = quantize, QB_CONTEXT(c),
		.reads = {place.buffer}, .writes = {out->buffer}}, eb));
	name_last_step(b, "quantize");
	return QB_OK;
}

/* A value that is only there as bytes, as float. */
static enum qb_err need_float(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb)
{
	const struct qb_bytes *q = b->plan->bytes[v->index];
	struct qb_layout layout;
	struct qb_place place;
	struct convert c;

	if (b->plan->home[v->index] || !q) {
		return QB_OK;
	}
	layout = qb_layout_dense(&v->shape);
	QB_TRY(qb_builder_define(b, v, &layout, &place, eb));
	c = conversion(q);
	QB_TRY(qb_builder_call(b, b->node, &(struct qb_call){.name = "dequantize", .fn = dequantize, QB_CONTEXT(c),
		.reads = {q->buffer}, .writes = {place.buffer}}, eb));
	name_last_step(b, "dequantize");
	return QB_OK;
}

enum qb_err qb_builder_alias_bytes(struct qb_builder *b, const struct qb_value *v,
	const struct qb_value *of, struct qb_errbuf *eb)
{
	const struct qb_quantizer *q = activation_quantizer(b, v);
	struct qb_bytes from, *kept;

	QB_TRY(qb_builder_bytes(b, of, &from, eb));
	kept = qb_arena_alloc(b->plan->arena, 1, sizeof(*kept));
	if (!q || !kept) {
		return QB_EUNSUPPORTED;
	}
	*kept = describe(b, v, q);
	kept->buffer = from.buffer;
	/* The same bytes in the same order: row-major without gaps, or with the same gaps. */
	if (kept->scale != from.scale || kept->zero != from.zero || kept->top != from.top ||
		kept->inner != 1 || from.inner != 1 ||
		(kept->channels != from.channels &&
			(kept->stride != kept->channels || from.stride != from.channels))) {
		return QB_EUNSUPPORTED;
	}
	b->plan->bytes[v->index] = kept;
	return QB_OK;
}

/* Weights */

const struct qb_quantizer *qb_builder_weight_quantizer(const struct qb_builder *b,
	const struct qb_value *w)
{
	const struct qb_quantizer *q =
		b->plan->quantization && w->constant ? b->plan->quantization->q[w->index] : NULL;

	return q && qb_quantizer_is_bytes(q) && !q->zero ? q : NULL;
}

const int8_t *qb_builder_weight_codes(struct qb_builder *b, const struct qb_value *w)
{
	const struct qb_quantizer *q = qb_builder_weight_quantizer(b, w);
	size_t n = qb_tensor_size(w->constant);
	int8_t *codes = qb_arena_alloc(b->plan->arena, n, 1);
	float *y = qb_aligned_alloc(n, sizeof(*y));
	int64_t outer, channels, inner;

	if (!q || !codes || !y) {
		free(y);
		return NULL;
	}
	qb_weight_extents(w, b->plan->quantization->axis[w->index], &outer, &channels, &inner);
	if (qb_quantization_constant(b->plan->quantization, w, y, NULL, NULL) != QB_OK) {
		free(y);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t c = q->channels > 1 ? (int64_t)i / inner % channels : 0;

		codes[i] = (int8_t)lrintf(y[i] / q->scale[c]);
	}
	free(y);
	return codes;
}

enum qb_err qb_builder_constant(struct qb_builder *b, const struct qb_value *v, const float **out, struct qb_errbuf *eb)
{
	const struct qb_quantization *q = b->plan->quantization;
	float *y;

	*out = v->constant->data;
	if (!q || !qb_quantization_changes(q, v)) {
		return QB_OK;
	}
	y = qb_arena_alloc(b->plan->arena, qb_tensor_size(v->constant) + 1, sizeof(*y));
	*out = y;
	return y ? qb_quantization_constant(q, v, y, NULL, eb) : qb_fail(eb, QB_ENOMEM, "no memory for a plan");
}

void *qb_builder_alloc(struct qb_builder *b, size_t count, size_t size)
{
	return qb_arena_alloc(b->plan->arena, count, size);
}

int qb_builder_threads(const struct qb_builder *b)
{
	return b->plan->threads;
}

/* Plans */

static enum qb_err observe_bytes(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb_plan *p = b->plan;
	struct qb_step s = {.kind = QB_STEP_OBSERVE, .node = b->node, .what = "observer",
		.implementation = "", .value = v->index, .bytes = p->bytes[v->index]};

	if (!qb_builder_is_observed(b, v) || !s.bytes) {
		return QB_OK;
	}
	p->observer_scratch_bytes = QB_MAX(p->observer_scratch_bytes,
		(size_t)(s.bytes->pixels * s.bytes->channels) * sizeof(float));
	QB_TRY(qb__ids(b, &s.read, &s.bytes->buffer, 1, eb));
	QB_TRY(qb__ids(b, &s.write, &s.bytes->buffer, 1, eb)); /* observers may change it */
	return qb__add_step(b, &s, eb);
}

/* Does the step that computes v do the work of its only user as well, so that v is nowhere? */
static bool is_within_a_step(const struct qb_builder *b, const struct qb_value *v)
{
	const struct qb_lowered *user = qb_builder_only_user(b, v);

	return user && qb__is_absorbed(b, &user->node);
}

/* What follows sees what the bytes can say, not the float they came from. */
static enum qb_err quantize_output(struct qb_builder *b, const struct qb_value *v, struct qb_errbuf *eb)
{
	struct qb_bytes bytes;

	if (!v || !activation_quantizer(b, v) || is_within_a_step(b, v)) {
		return QB_OK;
	}
	/* An output that nothing reads may have been left out. */
	if (!b->plan->bytes[v->index] && !b->plan->home[v->index]) {
		return QB_OK;
	}
	if (!b->plan->bytes[v->index]) {
		QB_TRY(qb_builder_bytes(b, v, &bytes, eb));
		b->plan->home[v->index] = NULL;
	}
	return observe_bytes(b, v, eb);
}

static const char *why_float(const struct qb_builder *b, const struct qb_node *n)
{
	const struct qb_value *y = n->outputs ? n->output[0] : NULL;

	if (y && y->dtype != QB_F32) {
		return "computes no float32 numbers";
	}
	if (y && !activation_quantizer(b, y)) {
		return "its output is not quantized: nothing quantized reads it";
	}
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		if (v && !v->constant && v->dtype == QB_F32 && !activation_quantizer(b, v)) {
			return "an input is not quantized";
		}
	}
	return qb__lowering_int8(n->op) ? "no integer step takes these shapes or attributes"
				: "this operator has no integer step";
}

static enum qb_err plan_operator(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	qb_lowering *lower = qb__lowering_int8(n->op);
	enum qb_err err = QB_EUNSUPPORTED;
	int first = b->plan->steps;

	b->node = n;
	if (qb__is_absorbed(b, n)) {
		err = QB_OK;
	} else if (lower) {
		err = lower(b, op, eb);
	}
	if (err == QB_OK && b->plan->steps > first) {
		name_last_step(b, "int8");
	}
	if (err == QB_EUNSUPPORTED) {
		for (int i = 0; i < n->outputs; i++) {
			if (n->output[i]) {
				b->plan->bytes[n->output[i]->index] = NULL;
			}
		}
		for (int i = 0; i < n->inputs; i++) {
			if (n->input[i] && !n->input[i]->constant) {
				QB_TRY(need_float(b, n->input[i], eb));
			}
		}
		first = b->plan->steps;
		err = qb__plan_float(b, op, eb);
		for (int i = first; err == QB_OK && i < b->plan->steps; i++) {
			b->plan->step[i].why_float = why_float(b, n);
		}
	}
	QB_TRY(err);
	for (int i = 0; i < n->outputs; i++) {
		QB_TRY(quantize_output(b, n->output[i], eb));
	}
	return QB_OK;
}

static enum qb_err build(struct qb_plan *p, const bool *observed, struct qb_errbuf *eb)
{
	struct qb_builder b = {.plan = p, .observed = observed};
	const struct qb_graph *g = p->graph;

	p->home = qb_arena_alloc(p->arena, (size_t)g->values + 1, sizeof(*p->home));
	p->bytes = qb_arena_alloc(p->arena, (size_t)g->values + 1, sizeof(*p->bytes));
	p->image = qb_arena_alloc(p->arena, (size_t)g->values + 1, sizeof(*p->image));
	if (!p->home || !p->bytes || !p->image) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(qb_lowered_list_make(&b.lowered, p->arena, g, QB_PLAN_OBSERVED, observed, eb));
	find_images(&b.lowered, p->image);
	QB_TRY(qb__place_inputs(&b, eb));
	for (int i = 0; i < g->inputs; i++) {
		QB_TRY(quantize_output(&b, g->input[i], eb));
	}
	for (int i = 0; i < b.lowered.count; i++) {
		QB_TRY(plan_operator(&b, b.lowered.op[i], eb));
	}
	b.node = NULL;
	for (int i = 0; i < g->outputs; i++) {
		if (!g->output[i]->constant) {
			QB_TRY(need_float(&b, g->output[i], eb));
		}
	}
	QB_TRY(qb__place_outputs(&b, eb));
	QB_TRY(qb__plan_layout(p, eb));
	return qb_overlay_create(&p->overlay, p, p->quantization, eb);
}

/* Layers of a scheme may differ: floats between integer layers do, formats that only the simulation knows do not. */
static enum qb_err check_activations(const struct qb_graph *g, const struct qb_quantization *q,
	struct qb_errbuf *eb)
{
	for (int i = 0; i < g->values; i++) {
		if (q->q[i] && !g->value[i]->constant &&
			(!qb_quantizer_is_bytes(q->q[i]) || q->q[i]->channels != 1)) {
			return qb_fail(eb, QB_EUNSUPPORTED,
				"tensor %.100s is quantized to %s, which integer execution cannot hold",
				g->value[i]->name, q->q[i]->format.name);
		}
	}
	return QB_OK;
}

enum qb_err qb_plan_create_int8(struct qb_plan **out, const struct qb_graph *graph, int threads,
	const struct qb_quantization *q, const bool *observed, struct qb_errbuf *eb)
{
	const struct qb_plan as = {.graph = graph, .threads = threads, .quantization = q};

	QB_TRY(qb_int8_check(q, eb));
	QB_TRY(check_activations(graph, q, eb));
	return qb__plan_make(out, &as, build, observed, eb);
}
