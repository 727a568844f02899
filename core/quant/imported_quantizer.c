/* SPDX-License-Identifier: Apache-2.0
 */
#include "core/quant/imported_quantizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/weight.h"

enum qb_err qb_format_of_codes(struct qb_format *out, enum qb_dtype code, struct qb_errbuf *eb)
{
	static const struct {
		enum qb_dtype code;
		const char *name;
	} table[] = {
		{QB_I4, "int4"}, {QB_U4, "uint4"}, {QB_I8, "int8"}, {QB_U8, "uint8"}, {QB_I16, "int16"},
		{QB_U16, "uint16"}, {QB_F8_E4M3FN, "e4m3fn"}, {QB_F8_E4M3FNUZ, "e4m3fnuz"},
		{QB_F8_E5M2, "e5m2"}, {QB_F8_E5M2FNUZ, "e5m2fnuz"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].code == code) {
			return qb_format_parse(out, table[i].name, eb);
		}
	}
	return qb_fail(eb, QB_EUNSUPPORTED, "no format has codes of type %s", qb_dtype_name(code));
}

static int32_t zero_at(const struct qb_tensor *t, size_t i)
{
	switch (t->dtype) {
	case QB_U8: case QB_U4: return ((const uint8_t *)t->data)[i];
	case QB_I8: case QB_I4: return ((const int8_t *)t->data)[i];
	case QB_U16: return ((const uint16_t *)t->data)[i];
	case QB_I16: return ((const int16_t *)t->data)[i];
	default: return 0; /* an 8-bit float's zero point is 0 */
	}
}

/* Unsigned weight codes around a zero point are signed ones around 0, as long as none is out of their range: integer
 * execution wants its weights so. */
static bool fits_signed(const struct qb_quantizer *q, const struct qb_value *v)
{
	const float *x = v->constant->data;
	int64_t outer, channels, inner, n = (int64_t)qb_tensor_size(v->constant);
	float lo = -(float)(1 << (q->format.bits - 1)), hi = -lo - 1;

	qb_weight_extents(v, q->axis, &outer, &channels, &inner);
	for (int64_t i = 0; i < n; i++) {
		float code = x[i] / q->scale[q->channels > 1 ? i / inner % channels : 0];

		if (code < lo - 0.5f || code > hi + 0.5f) {
			return false;
		}
	}
	return true;
}

static void make_signed(struct qb_quantizer *q, const struct qb_value *v)
{
	struct qb_format f;
	char name[16];

	if (!q->zero || !v->constant || !fits_signed(q, v)) {
		return;
	}
	snprintf(name, sizeof(name), "int%d", q->format.bits);
	if (qb_format_parse(&f, name, NULL) == QB_OK) {
		q->format = f;
		free(q->zero);
		q->zero = NULL;
	}
}

enum qb_err qb_quantizer_imported(struct qb_quantizer *q, const struct qb_value *v,
	struct qb_errbuf *eb)
{
	const struct qb_imported *c = v->imported;
	struct qb_format f;
	struct qb_quantizer r;
	bool zeros = false;

	if (c->block) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s is quantized in blocks", v->name);
	}
	QB_TRY(qb_format_of_codes(&f, c->code, eb));
	QB_TRY(qb_quantizer_alloc(&r, &f, c->axis, (int64_t)qb_tensor_size(c->scale), true, eb));
	for (int64_t i = 0; i < r.channels; i++) {
		r.scale[i] = ((const float *)c->scale->data)[i];
		r.zero[i] = c->zero ? zero_at(c->zero, (size_t)i) : 0;
		zeros = zeros || r.zero[i];
	}
	if (!zeros) {
		free(r.zero);
		r.zero = NULL;
	}
	if (zeros) {
		r.format = qb_format_integer(r.format.bits, r.format.is_signed, true);
	}
	r.format.overflows = c->overflows;
	make_signed(&r, v);
	*q = r;
	return QB_OK;
}

bool qb_graph_is_quantized(const struct qb_graph *g)
{
	for (int i = 0; i < g->values; i++) {
		if (g->value[i]->imported) {
			return true;
		}
	}
	return false;
}

enum qb_err qb_quantizer_observed(struct qb_quantizer *q, const struct qb_value *v,
	const struct qb_observer *o, struct qb_errbuf *eb)
{
	struct qb_format f;
	float lo = 0, hi = 0;

	QB_TRY(qb_format_of_codes(&f, v->imported->code, eb));
	f = qb_format_integer(f.bits, f.is_signed, true);
	if (o) {
		qb_observer_minmax(o, &lo, &hi);
	}
	return qb_quantizer_init(q, &f, -1, 1, &lo, &hi, eb);
}

/* The format of a value that the file has in blocks. */
static enum qb_err blocks_format(struct qb_format *out, const struct qb_imported *c)
{
	QB_TRY(qb_format_of_codes(out, c->code, NULL));
	out->block = (int)c->block;
	for (size_t i = 0; c->zero && i < qb_tensor_size(c->zero); i++) {
		out->asymmetric = out->asymmetric || zero_at(c->zero, i);
	}
	return QB_OK;
}

void qb_imported_note(struct qb_scheme_part *part, const struct qb_value *v,
	const struct qb_quantizer *q)
{
	struct qb_format f;

	if (!part->quantized) {
		if (!q && blocks_format(&f, v->imported) != QB_OK) {
			return;
		}
		part->quantized = true;
		part->format = q ? q->format : f;
		part->granularity = q ? QB_PER_TENSOR : QB_PER_BLOCK;
	}
	if (q && q->channels > 1) {
		part->granularity = QB_PER_CHANNEL;
	}
}
