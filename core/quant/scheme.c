/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/scheme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/carried.h"

/* Schemes */

const char *qb_granularity_name(enum qb_granularity g)
{
	static const char *const names[] = {"per_tensor", "per_channel", "per_block"};

	return names[g];
}

struct qb_format qb_activation_format(const struct qb_format *f)
{
	struct qb_format a = *f;

	if (f->kind == QB_FORMAT_INT && !f->block && !f->narrow) {
		a.is_signed = false;
		a.asymmetric = true;
		snprintf(a.name, sizeof(a.name), "uint%d_asym", f->bits);
	}
	return a;
}

static bool parse_wa(struct qb_scheme *s, const char *name)
{
	int w, a, n = 0;
	char format[16];

	if (sscanf(name, "w%2da%2d%n", &w, &a, &n) != 2 || name[n] || w < 1 || a < 1) {
		return false;
	}
	snprintf(format, sizeof(format), "int%d", w);
	s->weights.quantized = w != 32;
	if (w != 32 && qb_format_parse(&s->weights.format, format, NULL) != QB_OK) {
		return false;
	}
	snprintf(format, sizeof(format), "int%d", a);
	s->activations.quantized = a != 32;
	if (a != 32 && qb_format_parse(&s->activations.format, format, NULL) != QB_OK) {
		return false;
	}
	return true;
}

enum qb_err qb_scheme_part_parse(struct qb_scheme_part *out, const char *format,
	struct qb_errbuf *eb)
{
	bool any = !strcmp(format, "fp8_auto");

	out->quantized = strcmp(format, "float32") != 0;
	out->any_split = any;
	if (!out->quantized) {
		return QB_OK;
	}
	QB_TRY(qb_format_parse(&out->format, any ? "E4" : format, eb));
	if (any) {
		snprintf(out->format.name, sizeof(out->format.name), "fp8_auto");
	}
	return QB_OK;
}

/* "int4/E4", "int8/float32" */
static enum qb_err parse_halves(struct qb_scheme *s, const char *name, struct qb_errbuf *eb)
{
	char half[QB_FORMAT_NAME_MAX];

	snprintf(half, sizeof(half), "%.*s", (int)strcspn(name, "/"), name);
	QB_TRY(qb_scheme_part_parse(&s->weights, half, eb));
	return qb_scheme_part_parse(&s->activations, strchr(name, '/') + 1, eb);
}

enum qb_err qb_scheme_parse(struct qb_scheme *out, const char *name, struct qb_errbuf *eb)
{
	struct qb_scheme s = {0};

	if (strlen(name) >= sizeof(s.name)) {
		return qb_fail(eb, QB_EINVAL, "the name of a scheme has at most %zu characters",
			sizeof(s.name) - 1);
	}
	snprintf(s.name, sizeof(s.name), "%s", name);
	if (!strcmp(name, "carried")) {
		s.carried = true;
		*out = s;
		return QB_OK;
	}
	if (!strcmp(name, "float32")) {
		*out = s;
		return QB_OK;
	}
	if (strchr(name, '/')) {
		QB_TRY(parse_halves(&s, name, eb));
	} else if (!parse_wa(&s, name)) {
		if (qb_scheme_part_parse(&s.weights, name, eb) != QB_OK) {
			return qb_fail_in(eb, QB_EINVAL,
				"no scheme of the form wBaA such as w4a8 or WEIGHTS/ACTIVATIONS, and");
		}
		s.activations = s.weights;
	}
	s.activations.format = qb_activation_format(&s.activations.format);
	s.weights.granularity = s.weights.format.block ? QB_PER_BLOCK : QB_PER_CHANNEL;
	s.activations.granularity = s.activations.format.block ? QB_PER_BLOCK : QB_PER_TENSOR;
	s.weights.range = s.activations.range = (struct qb_range_options){.method = QB_RANGE_MSE, .percentile = 99.99};
	*out = s;
	return QB_OK;
}

/* Quantizers */

void qb_weight_extents(const struct qb_value *w, int axis, int64_t *outer, int64_t *channels,
	int64_t *inner)
{
	*outer = *channels = *inner = 1;
	for (int i = 0; i < w->shape.ndim; i++) {
		int64_t *part = i < axis ? outer : i == axis ? channels : inner;

		*part *= w->shape.dim[i];
	}
}

/* x [outer, channels, inner] to y [channels, outer * inner]: a channel's numbers side by side. */
static void gather_channels(const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner, bool back)
{
	for (int64_t c = 0; c < channels; c++) {
		for (int64_t o = 0; o < outer; o++) {
			const int64_t a = (o * channels + c) * inner, b = (c * outer + o) * inner;

			memcpy(y + (back ? a : b), x + (back ? b : a), (size_t)inner * sizeof(*y));
		}
	}
}

static enum qb_err weight_quantizer_of(struct qb_quantizer *q, const struct qb_format *f,
	const struct qb_scheme_part *part, const struct qb_value *w, int axis, struct qb_errbuf *eb)
{
	const float *x = w->constant->data;
	int64_t outer, channels, inner, n;
	float *side_by_side = NULL, *lo = NULL, *hi = NULL;
	enum qb_err err;

	qb_weight_extents(w, axis, &outer, &channels, &inner);
	n = outer * channels * inner;
	if (part->granularity != QB_PER_CHANNEL) {
		float l = 0, h = 0;

		qb_range_from_data(x, (size_t)n, f, &part->range, &l, &h);
		return qb_quantizer_init(q, f, -1, 1, &l, &h, eb);
	}
	side_by_side = malloc((size_t)n * sizeof(*x));
	lo = malloc((size_t)channels * sizeof(*lo));
	hi = malloc((size_t)channels * sizeof(*hi));
	if (!side_by_side || !lo || !hi) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);
		goto out;
	}
	gather_channels(x, side_by_side, outer, channels, inner, false);
	for (int64_t c = 0; c < channels; c++) {
		qb_range_from_data(side_by_side + c * outer * inner, (size_t)(outer * inner), f,
			&part->range, &lo[c], &hi[c]);
	}
	err = qb_quantizer_init(q, f, axis, channels, lo, hi, eb);
out:
	free(side_by_side);
	free(lo);
	free(hi);
	return err;
}

/* The splits of fp8_auto. */
static const char *const splits[] = {"E2", "E3", "E4", "E5"};

static enum qb_err weight_error(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	double *error, struct qb_errbuf *eb)
{
	struct qb_qdq_sums s = {0};
	float *y = malloc(qb_tensor_size(w->constant) * sizeof(*y) + 1);
	enum qb_err err = y ? qb_quantize_weight(q, w, axis, y, &s, eb)
			    : qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);

	*error = s.noise;
	free(y);
	return err;
}

static enum qb_err weight_quantizer(struct qb_quantizer *q, const struct qb_scheme_part *part,
	const struct qb_value *w, int axis, struct qb_errbuf *eb)
{
	double least = INFINITY;

	if (!part->any_split) {
		return weight_quantizer_of(q, &part->format, part, w, axis, eb);
	}
	for (size_t i = 0; i < QB_COUNT(splits); i++) {
		struct qb_quantizer now = {0};
		struct qb_format f;
		double error;

		QB_TRY(qb_format_parse(&f, splits[i], eb));
		QB_TRY(weight_quantizer_of(&now, &f, part, w, axis, eb));
		if (weight_error(&now, w, axis, &error, eb) != QB_OK) {
			qb_quantizer_fini(&now);
			return QB_ENOMEM;
		}
		if (error < least || !q->scale) {
			qb_quantizer_fini(q);
			*q = now;
			least = error;
		} else {
			qb_quantizer_fini(&now);
		}
	}
	return QB_OK;
}

enum qb_err qb_quantize_weight(const struct qb_quantizer *q, const struct qb_value *w, int axis,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb)
{
	struct qb_qdq_sums unused = {0};
	int64_t outer, channels, inner;
	float *t;

	qb_weight_extents(w, axis, &outer, &channels, &inner);
	if (!q->format.block || outer == 1) {
		/* A block runs along what one output channel sums over: the inner dimensions. */
		qb_qdq_measure(q, w->constant->data, NULL, y, outer, channels, inner,
			sums ? sums : &unused);
		return QB_OK;
	}
	t = malloc((size_t)(outer * channels * inner) * sizeof(*t));
	if (!t) {
		return qb_fail(eb, QB_ENOMEM, "no memory to quantize %s", w->name);
	}
	gather_channels(w->constant->data, t, outer, channels, inner, false);
	qb_qdq_measure(q, t, NULL, t, 1, channels, outer * inner, sums ? sums : &unused);
	gather_channels(t, y, outer, channels, inner, true);
	free(t);
	return QB_OK;
}

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
		a.asymmetric = true;
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
	for (size_t i = 0; i < QB_COUNT(splits); i++) {
		double error;

		QB_TRY(qb_format_parse(&f, splits[i], eb));
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
	return weight ? weight_quantizer(r->q[i], part, g->value[i], p->weight_axis[i], eb)
		      : activation_quantizer(r->q[i], part, observer[i], eb);
}

enum qb_err qb_quantization_create(struct qb_quantization **out, const struct qb_scheme *s,
	const struct qb_graph *g, const struct qb_placement *p,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	struct qb_quantization *r = calloc(1, sizeof(*r));
	const struct qb_scheme_part **part = calloc((size_t)g->values + 1, sizeof(*part));
	enum qb_err err = QB_OK;

	if (!part || !r || !(r->q = calloc((size_t)g->values + 1, sizeof(*r->q))) ||
		!(r->shared = calloc((size_t)g->values + 1, sizeof(*r->shared))) ||
		!(r->axis = calloc((size_t)g->values + 1, sizeof(*r->axis))) ||
		!(r->constant = calloc((size_t)g->values + 1, sizeof(*r->constant)))) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", g->values);
		goto out;
	}
	r->scheme = *s;
	r->values = g->values;
	if (s->carried) {
		QB_TRY_OUT(qb__quantization_carried(r, g, observer, eb));
		*out = r;
		r = NULL;
		goto out;
	}
	QB_TRY_OUT(qb_scheme_parts(s, g, p, part, eb));
	for (int i = 0; i < g->values; i++) {
		err = create_quantizer(r, i, part[i], g, p, observer, eb);
		if (err != QB_OK) {
			qb_fail_in(eb, err, "scheme %s, tensor %s", s->name, g->value[i]->name);
			goto out;
		}
	}
	for (int i = 0; i < g->values; i++) {
		if (p->shares[i] >= 0) {
			r->q[i] = r->q[p->shares[i]];
			r->shared[i] = true;
		}
	}
	*out = r;
	r = NULL;
out:
	free(part);
	qb_quantization_destroy(&r);
	return err;
}

void qb_quantization_destroy(struct qb_quantization **q)
{
	struct qb_quantization *r = *q;

	if (!r) {
		return;
	}
	for (int i = 0; r->q && i < r->values; i++) {
		if (r->q[i] && !r->shared[i]) {
			qb_quantizer_fini(r->q[i]);
			free(r->q[i]);
		}
	}
	for (int i = 0; r->constant && i < r->values; i++) {
		free(r->constant[i]);
	}
	free(r->q);
	free(r->shared);
	free(r->axis);
	free(r->constant);
	free(r);
	*q = NULL;
}

bool qb_quantization_changes(const struct qb_quantization *q, const struct qb_value *constant)
{
	return constant->constant && (q->q[constant->index] || q->constant[constant->index]);
}

enum qb_err qb_quantization_constant(const struct qb_quantization *q, const struct qb_value *constant,
	float *y, struct qb_qdq_sums *sums, struct qb_errbuf *eb)
{
	const float *x = constant->constant->data, *decided = q->constant[constant->index];
	size_t n = qb_tensor_size(constant->constant);

	if (!decided && q->q[constant->index]) {
		return qb_quantize_weight(q->q[constant->index], constant, q->axis[constant->index], y,
			sums, eb);
	}
	for (size_t i = 0; sums && i < n; i++) {
		double d = decided ? (double)decided[i] - x[i] : 0;

		sums->signal += (double)x[i] * x[i];
		sums->noise += d * d;
	}
	memcpy(y, decided ? decided : x, n * sizeof(*y));
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
		return qb_fail(eb, QB_ENOMEM, "no memory for the numbers of %s", constant->name);
	}
	memcpy(*to, y, n * sizeof(**to));
	return QB_OK;
}
