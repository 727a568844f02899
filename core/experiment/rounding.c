/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/rounding.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/experiment/experiment.h"
#include "core/json/params.h"
#include "core/quant/quantizer.h"

enum { VALUES_MAX = 64, FORMATS_MAX = 64, BITS_MAX = 16 };

/* A format, its scaled grid, and the rows so far. */
struct rounding {
	struct qb_format f;
	float scale;
	struct qb_format_info info;
	json_t *rows;
};

/* The numbers of the grid beside x; NaN beyond its ends. */
static void neighbours(const struct rounding *r, double x, double *below, double *above)
{
	int lo = 0, hi = r->info.value_count;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (r->info.values[mid] * (double)r->scale <= x) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	*below = lo > 0 ? r->info.values[lo - 1] * (double)r->scale : NAN;
	*above = lo > 0 && *below == x ? x
		: lo < r->info.value_count ? r->info.values[lo] * (double)r->scale : NAN;
}

static void code_bits(const struct rounding *r, int32_t code, char out[BITS_MAX + 1])
{
	int n = r->f.bits;

	for (int i = 0; i < n; i++) {
		out[i] = (uint32_t)code >> (n - 1 - i) & 1 ? '1' : '0';
	}
	out[n] = '\0';
}

/* What is a float prints as one, so that equal numbers are equal texts. */
static json_t *number(double v)
{
	return (double)(float)v == v ? qb_json_float((float)v) : qb_json_real(v);
}

static void round_one(struct rounding *r, float x)
{
	const struct qb_quantizer q = {.format = r->f, .axis = -1, .channels = 1, .scale = &r->scale};
	float y;
	int32_t code;
	char bits[BITS_MAX + 1];
	double below, above, error;

	qb_qdq(&q, &x, &y, 1, 1, 1);
	qb_encode(&q, &x, &code, NULL, 1, 1, 1);
	neighbours(r, x, &below, &above);
	code_bits(r, code, bits);
	error = (double)y - (double)x;
	json_array_append_new(r->rows, json_pack("{s:o, s:s, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:b}",
		"value", qb_json_float(x), "format", r->f.name, "scale", qb_json_float(r->scale), "nearest",
		number(y), "code", (int)code, "bits", bits, "error", qb_json_real(error),
		"relative_error", qb_json_real(error / (double)x), "below", number(below), "above",
		number(above), "saturated",
		(double)x > r->info.max * (double)r->scale || (double)x < r->info.min * (double)r->scale));
}

/* Blocks are left to tensors: the element's own grid rounds a number. A real scale makes c the largest value. */
static enum qb_err begin_format(struct rounding *r, const json_t *name, double range,
	struct qb_errbuf *eb)
{
	double most;

	if (!json_is_string(name)) {
		return qb_fail(eb, QB_EJOB, "takes the name of a format");
	}
	QB_TRY(qb_format_parse(&r->f, json_string_value(name), eb));
	if (r->f.bits > BITS_MAX) {
		return qb_fail(eb, QB_EUNSUPPORTED, "%s has more than %d bits", r->f.name, BITS_MAX);
	}
	r->f.block = 0;
	most = qb_format_max(&r->f) > 0 ? qb_format_max(&r->f) : -qb_format_min(&r->f);
	r->scale = range > 0 && r->f.real_scale && most > 0 ? (float)(range / most) : 1;
	return qb_format_describe(&r->f, &r->info, eb);
}

enum qb_err qb_round_values(const json_t *question, json_t **answer, struct qb_errbuf *eb)
{
	static const char *const known[] = {"value", "formats", "range", NULL};
	struct rounding r = {0};
	const json_t *formats = NULL, *name;
	double value[VALUES_MAX], range = 0;
	int count = 0;
	size_t i;
	enum qb_err err;

	QB_TRY(qb_param_only(question, "", known, eb));
	QB_TRY(qb_param_reals(question, "", "value", value, VALUES_MAX, &count, eb));
	QB_TRY(qb_param_real(question, "", "range", 1e-20, 1e20, &range, eb));
	QB_TRY(qb_param_array(question, "", "formats", &formats, eb));
	if (!count || json_array_size(formats) < 1 || json_array_size(formats) > FORMATS_MAX) {
		return qb_fail(eb, QB_EJOB, "give a value, or a list of up to %d, and 1 to %d formats: {\"value\": "
			"0.3, \"formats\": [\"int8\"]}", VALUES_MAX, FORMATS_MAX);
	}
	r.rows = json_array();
	json_array_foreach(formats, i, name) {
		err = begin_format(&r, name, range, eb);
		if (err != QB_OK) {
			json_decref(r.rows);
			return qb_fail_in_entry(eb, QB_EJOB, "formats", i);
		}
		for (int k = 0; k < count; k++) {
			round_one(&r, (float)fmin(fmax(value[k], -FLT_MAX), FLT_MAX));
		}
		qb_format_info_fini(&r.info);
	}
	*answer = json_pack("{s:o}", "rows", r.rows);
	return *answer ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the answer");
}
