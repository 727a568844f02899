/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/quantization.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/bias.h"
#include "core/quant/imported_quantizer.h"
#include "core/quant/scheme_layers.h"
#include "core/quant/weight.h"

/* The format as it suits what was seen. */
static struct qb_format activation_format(const struct qb_format *f, const struct qb_observer *o)
{
	struct qb_format a = *f;
	float lo, hi;

	qb_observer_minmax(o, &lo, &hi);
	if (lo >= 0 && !f->asymmetric) {
		/* Nothing is negative: the sign is not spent. */
		a = qb_format_unsigned(f);
	} else if (lo < 0 && f->kind == QB_FORMAT_INT && !f->is_signed && !f->block) {
		a = qb_format_integer(f->bits, false, true);
	}
	return a;
}

static enum qb_err activation_quantizer(struct qb_quantizer *q, const struct qb_scheme_part *part,
	const struct qb_observer *o, struct qb_errbuf *eb)
{
	struct qb_format f = activation_format(&part->format, o), best = f;
	float lo = 0, hi = 0, l, h;
	double least = INFINITY;

	if (!part->any_split) {
		qb_range_from_observer(o, &f, &part->range, &lo, &hi);
		return qb_quantizer_init(q, &f, -1, 1, &lo, &hi, eb);
	}
	for (size_t i = 0; i < QB_SCHEME_SPLITS; i++) {
		double error;

		QB_TRY(qb_format_parse(&f, qb_scheme_splits[i], eb));
		f = activation_format(&f, o);
		qb_range_from_observer(o, &f, &part->range, &l, &h);
		error = qb_range_error_of_observer(o, &f, l, h);
		if (error < least || i == 0) {
			least = error;
			best = f;
			lo = l;
			hi = h;
		}
	}
	return qb_quantizer_init(q, &best, -1, 1, &lo, &hi, eb);
}

static enum qb_err create_quantizer(struct qb_quantization *r, int i,
	const struct qb_scheme_part *part, const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	bool weight = p->role[i] == QB_ROLE_WEIGHT;

	r->axis[i] = p->weight_axis[i];
	if (!part || (!weight && !observer[i])) {
		return QB_OK;
	}
	if (!weight && part->granularity == QB_PER_CHANNEL) {
		return qb_fail(eb, QB_EUNSUPPORTED,
			"activations are quantized per tensor; per_channel is for weights");
	}
	r->q[i] = calloc(1, sizeof(**r->q));
	if (!r->q[i]) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", g->values);
	}
	return weight ? qb_weight_quantizer(r->q[i], part, g->value[i], p->weight_axis[i], eb)
		      : activation_quantizer(r->q[i], part, observer[i], eb);
}

static enum qb_err create_imported_one(struct qb_quantization *r, const struct qb_value *v,
	const struct qb_observer *o, struct qb_errbuf *eb)
{
	struct qb_quantizer *q = NULL;

	if (!v->imported->block) {
		q = r->q[v->index] = calloc(1, sizeof(*q));
		if (!q) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", r->values);
		}
		QB_TRY(v->imported->scale ? qb_quantizer_imported(q, v, eb)
					 : qb_quantizer_observed(q, v, o, eb));
	}
	qb_imported_note(v->constant ? &r->scheme.weights : &r->scheme.activations, v, q);
	return QB_OK;
}

static enum qb_err create_imported(struct qb_quantization *r, const struct qb_graph *g,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	if (!qb_graph_is_quantized(g)) {
		return qb_fail(eb, QB_EJOB, "scheme carried: the model's file brings no quantization; use a "
			"quantized ONNX or TFLite file, or another scheme");
	}
	for (int i = 0; i < g->values; i++) {
		const struct qb_value *v = g->value[i];

		r->axis[i] = v->imported ? v->imported->axis : -1;
		if (v->imported && v->dtype == QB_F32) {
			QB_TRY(create_imported_one(r, v, observer ? observer[i] : NULL, eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_quantization_init(struct qb_quantization *q, const struct qb_graph *g, const struct qb_scheme *s,
	struct qb_errbuf *eb)
{
	size_t room = (size_t)g->values + 1;

	*q = (struct qb_quantization){.scheme = *s, .values = g->values, .q = calloc(room, sizeof(*q->q)),
		.part = calloc(room, sizeof(*q->part)), .shared = calloc(room, sizeof(*q->shared)),
		.axis = calloc(room, sizeof(*q->axis)),
		.constant = calloc(room, sizeof(*q->constant)), .blocks = calloc(room, sizeof(*q->blocks)), .bias = calloc(room, sizeof(*q->bias))};
	if (!q->q || !q->part || !q->shared || !q->axis || !q->constant || !q->blocks || !q->bias) {
		qb_quantization_fini(q);
		return qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", g->values);
	}
	qb_biases_find(q->bias, g);
	return QB_OK;
}

static enum qb_err create_scheme(struct qb_quantization *r, const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	QB_TRY(qb_scheme_parts(&r->scheme, g, p, r->part, eb));
	for (int i = 0; i < g->values; i++) {
		enum qb_err err = create_quantizer(r, i, r->part[i], g, p, observer, eb);

		if (err != QB_OK) {
			return qb_fail_in(eb, err, "scheme %s, tensor %s", r->scheme.name, g->value[i]->name);
		}
	}
	for (int i = 0; i < g->values; i++) {
		if (p->shares[i] >= 0) {
			r->q[i] = r->q[p->shares[i]];
			r->shared[i] = true;
		}
	}
	return qb_bias_fit_scales(r, g, p, observer, eb);
}

enum qb_err qb_quantization_create(struct qb_quantization **out, const struct qb_scheme *s,
	const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	struct qb_quantization *r = calloc(1, sizeof(*r));
	enum qb_err err;

	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", g->values);
	}
	QB_TRY_OUT(qb_quantization_init(r, g, s, eb));
	QB_TRY_OUT(s->imported ? create_imported(r, g, observer, eb) : create_scheme(r, g, p, observer, eb));
	*out = r;
	r = NULL;
out:
	qb_quantization_destroy(&r);
	return err;
}

void qb_quantization_fini(struct qb_quantization *q)
{
	for (int i = 0; !q->borrows && q->q && q->shared && i < q->values; i++) {
		if (q->q[i] && !q->shared[i]) {
			qb_quantizer_fini(q->q[i]);
			free(q->q[i]);
		}
	}
	for (int i = 0; !q->borrows && q->constant && i < q->values; i++) {
		free(q->constant[i]);
	}
	for (int i = 0; !q->borrows && q->blocks && i < q->values; i++) {
		qb_blocks_fini(&q->blocks[i]);
	}
	free(q->q);
	free(q->part);
	free(q->shared);
	free(q->axis);
	free(q->constant);
	free(q->blocks);
	free(q->bias);
	*q = (struct qb_quantization){0};
}

void qb_quantization_destroy(struct qb_quantization **q)
{
	if (*q) {
		qb_quantization_fini(*q);
		free(*q);
		*q = NULL;
	}
}

bool qb_quantization_changes(const struct qb_quantization *q, const struct qb_value *constant)
{
	return constant->constant && (q->q[constant->index] || q->constant[constant->index] ||
		qb_bias_scales(q, constant, NULL));
}

enum qb_err qb_quantization_constant(const struct qb_quantization *q, const struct qb_value *constant,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb)
{
	const float *x = constant->constant->data, *decided = q->constant[constant->index];
	size_t n = qb_tensor_size(constant->constant);
	bool codes;

	if (!decided && q->q[constant->index]) {
		return qb_quantize_weight(q->q[constant->index], constant, q->axis[constant->index], y,
			sums, eb);
	}
	/* The scales come to y first, so that no more memory is needed. */
	codes = qb_bias_scales(q, constant, y);
	for (size_t i = 0; i < n; i++) {
		float now = decided ? decided[i] : x[i];

		y[i] = codes ? qb_bias_number(qb_bias_code(now, y[i]), y[i]) : now;
	}
	for (size_t i = 0; sums && i < n; i++) {
		double d = (double)y[i] - x[i];

		sums->signal += (double)x[i] * x[i];
		sums->noise += d * d;
	}
	return QB_OK;
}

enum qb_err qb_quantization_override(struct qb_quantization *q, const struct qb_value *constant,
	const float *y, struct qb_errbuf *eb)
{
	size_t n = qb_tensor_size(constant->constant);
	float **to = &q->constant[constant->index];

	if (!*to) {
		*to = qb_aligned_alloc(n, sizeof(**to));
	}
	if (!*to) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the elements of %s", constant->name);
	}
	memcpy(*to, y, n * sizeof(**to));
	return QB_OK;
}

enum qb_err qb_quantization_override_blocks(struct qb_quantization *q, const struct qb_value *constant,
	const struct qb_blocks *blocks, int64_t count, struct qb_errbuf *eb)
{
	struct qb_blocks *to = &q->blocks[constant->index];
	int64_t outer, channels, inner;

	qb_blocks_fini(to);
	qb_weight_extents(constant, q->axis[constant->index], &outer, &channels, &inner);
	if (count != qb_block_count(q->q[constant->index], 1, channels, outer * inner)) {
		return QB_OK; /* the layer's rows are not the weight's channels */
	}
	QB_TRY(qb_blocks_init(to, count, eb));
	memcpy(to->scale, blocks->scale, (size_t)count * sizeof(*to->scale));
	memcpy(to->zero, blocks->zero, (size_t)count * sizeof(*to->zero));
	return QB_OK;
}
