/* SPDX-License-Identifier: Apache-2.0 */
#include "core/format/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/order.h"

static bool is_float(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_FLOAT || f->kind == QB_FORMAT_LOG2;
}

double qb_format_code_value(const struct qb_format *f, uint32_t code)
{
	uint32_t sign_bit = f->is_signed ? 1u << (f->bits - 1) : 0;
	uint32_t m_mask = (1u << f->man_bits) - 1, e_mask = (1u << f->exp_bits) - 1;
	uint32_t magnitude = code & ~sign_bit & ((1u << f->bits) - 1);
	uint32_t m = magnitude & m_mask, e = magnitude >> f->man_bits & e_mask;
	double sign = code & sign_bit ? -1 : 1, v;

	if (f->kind == QB_FORMAT_TABLE) {
		return (int)code < f->table_count ? f->table[code] : NAN;
	}
	if (f->kind == QB_FORMAT_INT) {
		return code & sign_bit ? (double)code - 2.0 * sign_bit : (double)code;
	}
	if (f->specials == QB_SPECIALS_IEEE && e == e_mask) {
		return m ? NAN : sign * INFINITY;
	}
	if ((f->specials == QB_SPECIALS_FN && e == e_mask && m == m_mask) ||
		(f->specials == QB_SPECIALS_FNUZ && code == sign_bit && f->is_signed)) {
		return NAN;
	}
	if (e == 0 && !f->no_zero) {
		v = f->no_subnormals ? 0 : ldexp(m, 1 - f->bias - f->man_bits);
	} else {
		v = ldexp(m + (1u << f->man_bits), (int)e - f->bias - f->man_bits);
	}
	return sign * v;
}

double qb_format_max(const struct qb_format *f)
{
	uint32_t m_mask = (1u << f->man_bits) - 1, e_mask = (1u << f->exp_bits) - 1;

	switch (f->kind) {
	case QB_FORMAT_INT:
		return f->bits == 1 && f->is_signed ? 0 : (1 << (f->bits - f->is_signed)) - 1;
	case QB_FORMAT_TABLE:
		return f->table[f->table_count - 1];
	default:
		break;
	}
	if (f->specials == QB_SPECIALS_IEEE) {
		e_mask--;
	} else if (f->specials == QB_SPECIALS_FN) {
		/* All ones is NaN; without mantissa bits that costs a whole exponent. */
		if (m_mask) {
			m_mask--;
		} else {
			e_mask--;
		}
	}
	return qb_format_code_value(f, e_mask << f->man_bits | m_mask);
}

double qb_format_min(const struct qb_format *f)
{
	switch (f->kind) {
	case QB_FORMAT_INT:
		return f->is_signed ? -(double)(1 << (f->bits - 1)) + f->narrow : 0;
	case QB_FORMAT_TABLE:
		return f->table[0];
	default:
		return f->is_signed ? -qb_format_max(f) : f->no_zero ? qb_format_smallest(f) : 0;
	}
}

double qb_format_smallest(const struct qb_format *f)
{
	if (f->kind == QB_FORMAT_INT) {
		return 1;
	}
	if (f->kind == QB_FORMAT_TABLE) {
		double smallest = INFINITY;

		for (int i = 0; i < f->table_count; i++) {
			double v = fabs((double)f->table[i]);

			smallest = v > 0 && v < smallest ? v : smallest;
		}
		return smallest;
	}
	if (f->no_zero) {
		return ldexp(1, -f->bias);
	}
	return f->no_subnormals || f->man_bits == 0 ? ldexp(1, 1 - f->bias)
						    : ldexp(1, 1 - f->bias - f->man_bits);
}

int qb_format_values(const struct qb_format *f, double *values, int cap)
{
	int n = 0, kept = 0;
	uint32_t codes = f->kind == QB_FORMAT_TABLE ? (uint32_t)f->table_count : 1u << f->bits;

	if (f->bits > 16) {
		return 0;
	}
	for (uint32_t c = 0; c < codes; c++) {
		double v = qb_format_code_value(f, c);

		if (isfinite(v) && v >= qb_format_min(f) && v <= qb_format_max(f) && n < cap) {
			values[n++] = v + 0.0; /* -0 becomes 0 */
		}
	}
	qsort(values, (size_t)n, sizeof(*values), qb_double_order);
	for (int i = 0; i < n; i++) {
		if (!kept || values[i] != values[kept - 1]) {
			values[kept++] = values[i];
		}
	}
	return kept;
}

struct qb_format qb_format_unsigned(const struct qb_format *f)
{
	struct qb_format u = *f;

	if (!f->is_signed || f->kind == QB_FORMAT_TABLE || f->kind == QB_FORMAT_LOG2 ||
		!f->real_scale || f->specials != QB_SPECIALS_NONE || f->no_subnormals || f->block) {
		return u;
	}
	u.is_signed = false;
	u.narrow = false;
	if (is_float(f)) {
		u.man_bits++;
	}
	if (!strncmp(f->name, "fp", 2)) {
		snprintf(u.name, sizeof(u.name), "ufp%d_e%dm%d", u.bits, u.exp_bits, u.man_bits);
	} else {
		snprintf(u.name, sizeof(u.name), "u%.60s", f->name);
	}
	return u;
}

bool qb_format_has_nan(const struct qb_format *f)
{
	return is_float(f) && f->specials != QB_SPECIALS_NONE &&
		!(f->specials == QB_SPECIALS_IEEE && f->man_bits == 0);
}

static uint32_t float_code(const struct qb_format *f, float value)
{
	uint32_t m_mask = (1u << f->man_bits) - 1, e_mask = (1u << f->exp_bits) - 1;
	uint32_t sign = f->is_signed && signbit(value) ? 1u << (f->bits - 1) : 0;
	double a = fabs((double)value);
	int e;

	if (isnan(value)) {
		return f->specials == QB_SPECIALS_FNUZ ? 1u << (f->bits - 1) : e_mask << f->man_bits | m_mask;
	}
	if (isinf(value)) {
		return sign | e_mask << f->man_bits;
	}
	if (a == 0) {
		return f->specials == QB_SPECIALS_FNUZ ? 0 : sign;
	}
	e = ilogb(a) + f->bias;
	if (e < 1 && !f->no_zero) {
		return sign | (uint32_t)ldexp(a, f->bias + f->man_bits - 1);
	}
	return sign | (uint32_t)e << f->man_bits |
		((uint32_t)ldexp(a, f->bias + f->man_bits - e) & m_mask);
}

uint32_t qb_format_value_code(const struct qb_format *f, float value)
{
	int lo = 0, hi = f->table_count - 1;

	if (f->kind == QB_FORMAT_INT) {
		return (uint32_t)(int32_t)value & ((1u << f->bits) - 1);
	}
	if (f->kind != QB_FORMAT_TABLE) {
		return float_code(f, value);
	}
	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (f->table[mid] < value) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return (uint32_t)lo;
}

double qb_format_bits_per_value(const struct qb_format *f)
{
	static const int scale_bits[] = {[QB_SCALE_F32] = 32, [QB_SCALE_E8M0] = 8, [QB_SCALE_E4M3] = 8};

	return f->bits + (f->block ? (double)(scale_bits[f->block_scale] + (f->asymmetric ? f->bits : 0)) / f->block : 0);
}

enum qb_err qb_format_describe(const struct qb_format *f, struct qb_format_info *out,
	struct qb_errbuf *eb)
{
	struct qb_format_info r = {.min = qb_format_min(f), .max = qb_format_max(f),
		.smallest = qb_format_smallest(f), .bits_per_value = qb_format_bits_per_value(f),
		.has_nan = qb_format_has_nan(f),
		.has_inf = is_float(f) && f->specials == QB_SPECIALS_IEEE};

	if (f->bits <= 16) {
		r.code_count = f->kind == QB_FORMAT_TABLE ? (uint32_t)f->table_count : 1u << f->bits;
		r.values = malloc(r.code_count * sizeof(*r.values));
		r.code_values = malloc(r.code_count * sizeof(*r.code_values));
		if (!r.values || !r.code_values) {
			qb_format_info_fini(&r);
			return qb_fail(eb, QB_ENOMEM, "no memory for the %u codes of %s", r.code_count, f->name);
		}
		r.value_count = qb_format_values(f, r.values, (int)r.code_count);
		for (uint32_t c = 0; c < r.code_count; c++) {
			r.code_values[c] = qb_format_code_value(f, c);
		}
	}
	*out = r;
	return QB_OK;
}

void qb_format_info_fini(struct qb_format_info *info)
{
	free(info->values);
	free(info->code_values);
	info->values = NULL;
	info->code_values = NULL;
}
