/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int64_t qb_dim_mul(int64_t a, int64_t b)
{
	int64_t product;

	if (a == 0 || b == 0) {
		return 0;
	}
	if (a == QB_DIM_UNKNOWN || b == QB_DIM_UNKNOWN || (a < 0 && b < 0)) {
		return QB_DIM_UNKNOWN; /* batch squared has no name */
	}
	if (__builtin_mul_overflow(a, b, &product)) {
		return QB_DIM_UNKNOWN;
	}
	return product;
}

int64_t qb_dim_div(int64_t a, int64_t b)
{
	if (a == QB_DIM_UNKNOWN || b == QB_DIM_UNKNOWN || b == 0) {
		return QB_DIM_UNKNOWN;
	}
	if (a < 0 && b < 0) {
		return a % b ? QB_DIM_UNKNOWN : a / b; /* the batch cancels */
	}
	if (b < 0) {
		return a == 0 ? 0 : QB_DIM_UNKNOWN;
	}
	return a % b ? QB_DIM_UNKNOWN : a / b;
}

int64_t qb_dim_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (a == 0) {
		return b;
	}
	if (b == 0) {
		return a;
	}
	if (a == QB_DIM_UNKNOWN || b == QB_DIM_UNKNOWN || (a < 0) != (b < 0) ||
	    __builtin_add_overflow(a, b, &sum)) {
		return QB_DIM_UNKNOWN;
	}
	return sum;
}

bool qb_dim_compatible(int64_t a, int64_t b)
{
	return a < 0 || b < 0 || a == b;
}

int64_t qb_dim_merge(int64_t a, int64_t b)
{
	if (a >= 0) {
		return a;
	}
	if (b >= 0) {
		return b;
	}
	return a == QB_DIM_UNKNOWN ? b : a;
}

bool qb_shape_concrete(const struct qb_shape *s)
{
	if (!s->known) {
		return false;
	}
	for (int i = 0; i < s->ndim; i++) {
		if (s->dim[i] < 0) {
			return false;
		}
	}
	return true;
}

int64_t qb_shape_product(const struct qb_shape *s, int from, int to)
{
	int64_t product = 1;
	bool unknown = !s->known;

	for (int i = from; s->known && i < to; i++) {
		if (s->dim[i] == 0) {
			return 0;
		}
		product = qb_dim_mul(product, s->dim[i]);
		unknown |= product == QB_DIM_UNKNOWN;
	}
	return unknown ? QB_DIM_UNKNOWN : product;
}

bool qb_shape_equal(const struct qb_shape *a, const struct qb_shape *b)
{
	return a->known && b->known && a->ndim == b->ndim &&
		memcmp(a->dim, b->dim, sizeof(a->dim[0]) * (size_t)a->ndim) == 0;
}

struct qb_shape qb_shape_make(int ndim, const int64_t *dim)
{
	struct qb_shape s = { .known = true, .ndim = ndim };

	for (int i = 0; i < ndim; i++) {
		s.dim[i] = dim[i];
	}
	return s;
}

struct qb_shape qb_shape_unknown(void)
{
	return (struct qb_shape){ .known = false };
}

struct qb_shape qb_shape_ranked(int ndim)
{
	struct qb_shape s = { .known = true, .ndim = ndim };

	for (int i = 0; i < ndim; i++) {
		s.dim[i] = QB_DIM_UNKNOWN;
	}
	return s;
}

struct qb_shape qb_shape_of(const struct qb_tensor *t)
{
	return qb_shape_make(t->ndim, t->dim);
}

bool qb_shape_broadcast(const struct qb_shape *a, const struct qb_shape *b, struct qb_shape *out)
{
	struct qb_shape s;

	if (!a->known || !b->known) {
		*out = qb_shape_unknown();
		return true;
	}
	s = qb_shape_ranked(QB_MAX(a->ndim, b->ndim));
	for (int i = 0; i < s.ndim; i++) {
		int ia = i - (s.ndim - a->ndim), ib = i - (s.ndim - b->ndim);
		int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];

		if (da == 1 || db == 1) {
			s.dim[i] = da == 1 ? db : da;
		} else if (!qb_dim_compatible(da, db)) {
			return false;
		} else {
			s.dim[i] = qb_dim_merge(da, db); /* a number other than 1 wins: the other is it, or 1 */
		}
	}
	*out = s;
	return true;
}

char *qb_shape_text(const struct qb_shape *s, char *out, size_t size)
{
	size_t n = 0;

	if (!s->known) {
		snprintf(out, size, "[?...]");
		return out;
	}
	n += (size_t)snprintf(out, size, "[");
	for (int i = 0; i < s->ndim && n < size; i++) {
		const char *comma = i ? "," : "";
		int64_t d = s->dim[i];

		if (d >= 0) {
			n += (size_t)snprintf(out + n, size - n, "%s%" PRId64, comma, d);
		} else if (d == QB_DIM_UNKNOWN) {
			n += (size_t)snprintf(out + n, size - n, "%s?", comma);
		} else if (d == -1) {
			n += (size_t)snprintf(out + n, size - n, "%sN", comma);
		} else {
			n += (size_t)snprintf(out + n, size - n, "%s%" PRId64 "N", comma, -d);
		}
	}
	if (n < size) {
		snprintf(out + n, size - n, "]");
	}
	return out;
}
