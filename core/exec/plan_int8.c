/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer plans: every node that can computes on bytes; the others get floats made of bytes and give floats that are
 * made bytes again, as the simulation has it.
 */
#include "core/base/size.h"
#include "core/exec/plan.h"
#include "core/exec/lower/lowerings.h"
#include "core/graph/op.h"

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

/* Images */

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

	if (!v || !qb_builder_has_bytes(b, v, NULL) || is_within_a_step(b, v)) {
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
	if (y && !qb_builder_has_bytes(b, y, NULL)) {
		return "its output is not quantized: nothing quantized reads it";
	}
	for (int i = 0; i < n->inputs; i++) {
		const struct qb_value *v = n->input[i];

		if (v && !v->constant && v->dtype == QB_F32 && !qb_builder_has_bytes(b, v, NULL)) {
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
		b->plan->step[b->plan->steps - 1].what = "int8";
	}
	if (err == QB_EUNSUPPORTED) {
		for (int i = 0; i < n->outputs; i++) {
			if (n->output[i]) {
				b->plan->bytes[n->output[i]->index] = NULL;
			}
		}
		for (int i = 0; i < n->inputs; i++) {
			if (n->input[i] && !n->input[i]->constant) {
				QB_TRY(qb__need_float(b, n->input[i], eb));
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
			QB_TRY(qb__need_float(&b, g->output[i], eb));
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
