/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/layout.h"

#include <string.h>

#include "core/base/size.h"

static struct qb_layout of_dims(int ndim, const int64_t *dim)
{
	struct qb_layout l = {.ndim = ndim};

	memcpy(l.dim, dim, (size_t)ndim * sizeof(*dim));
	memcpy(l.padded, dim, (size_t)ndim * sizeof(*dim));
	return l;
}

struct qb_layout qb_layout_ordered(int ndim, const int64_t *dim, const int *order, int blocked, int64_t size)
{
	struct qb_layout l = of_dims(ndim, dim);
	int64_t step = size;

	if (size > 1) {
		l.blocks = 1;
		l.block[0].dim = blocked;
		l.block[0].size = size;
		l.padded[blocked] = (dim[blocked] + size - 1) / size * size;
	}
	for (int i = ndim - 1; i >= 0; i--) {
		int d = order[i];

		l.stride[d] = step;
		step *= QB_MAX(d == blocked ? l.padded[d] / size : l.padded[d], INT64_C(1));
	}
	return l;
}

struct qb_layout qb_layout_dense(const struct qb_shape *s)
{
	static const int order[QB_MAX_DIMS] = {0, 1, 2, 3, 4, 5, 6, 7};

	_Static_assert(QB_MAX_DIMS == 8, "as many in order");
	return s->ndim ? qb_layout_ordered(s->ndim, s->dim, order, 0, 1) : qb_layout_vector(1);
}

struct qb_layout qb_layout_vector(int64_t n)
{
	return qb_layout_ordered(1, &n, (const int[]){0}, 0, 1);
}

struct qb_layout qb_layout_channels_last(const struct qb_shape *s)
{
	static const int order[][5] = {{0, 2, 1}, {0, 2, 3, 1}, {0, 2, 3, 4, 1}};

	return qb_layout_ordered(s->ndim, s->dim, order[s->ndim - 3], 0, 1);
}

/* Dimensions by stride, the smallest first; of equal strides the smaller dimension. */
static void sort_by_stride(const struct qb_layout *l, int *order)
{
	for (int d = 0; d < l->ndim; d++) {
		int at = d;

		while (at > 0 && (l->stride[order[at - 1]] > l->stride[d] ||
			(l->stride[order[at - 1]] == l->stride[d] && l->dim[order[at - 1]] > l->dim[d]))) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = d;
	}
}

bool qb_layout_strided(struct qb_layout *out, int ndim, const int64_t *dim, const int64_t *stride)
{
	struct qb_layout l = of_dims(ndim, dim);
	int order[QB_LAYOUT_DIMS];
	int64_t least = 1;
	bool empty = false;

	for (int d = 0; d < ndim; d++) {
		l.stride[d] = stride[d];
		empty = empty || !dim[d];
	}
	sort_by_stride(&l, order);
	for (int i = 0; i < ndim && !empty; i++) {
		int d = order[i];
		bool moves = l.stride[d] && dim[d] > 1;

		if (moves && l.stride[d] < least) {
			return false;
		}
		least = moves ? l.stride[d] * dim[d] : least;
	}
	*out = l;
	return true;
}

bool qb_layout_equal(const struct qb_layout *a, const struct qb_layout *b)
{
	if (a->ndim != b->ndim || a->blocks != b->blocks) {
		return false;
	}
	for (int d = 0; d < a->ndim; d++) {
		bool moves = a->dim[d] != 1 || a->padded[d] != 1;

		if (a->dim[d] != b->dim[d] || a->padded[d] != b->padded[d] || (moves && a->stride[d] != b->stride[d])) {
			return false;
		}
	}
	for (int i = 0; i < a->blocks; i++) {
		if (a->block[i].dim != b->block[i].dim || a->block[i].size != b->block[i].size) {
			return false;
		}
	}
	return true;
}

size_t qb_layout_elements(const struct qb_layout *l)
{
	int64_t count[QB_LAYOUT_DIMS], inner = 1, most = 0;

	memcpy(count, l->padded, sizeof(count));
	for (int i = 0; i < l->blocks; i++) {
		count[l->block[i].dim] /= l->block[i].size;
		inner *= l->block[i].size;
	}
	for (int d = 0; d < l->ndim; d++) {
		if (!l->dim[d]) {
			return 0;
		}
		most = QB_MAX(most, count[d] == 1 ? inner : count[d] * l->stride[d]);
	}
	return (size_t)most;
}

size_t qb_layout_bytes(const struct qb_layout *l)
{
	return qb_layout_elements(l) * sizeof(float);
}

bool qb_layout_is_padded(const struct qb_layout *l)
{
	for (int d = 0; d < l->ndim; d++) {
		if (l->padded[d] != l->dim[d]) {
			return true;
		}
	}
	return false;
}
