/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/broadcast.h"

void qb__rows_init(struct qb__rows *r, const struct qb_tensor *out, const struct qb_tensor *const t[],
	int operands)
{
	*r = (struct qb__rows){ .ndim = out->ndim, .operands = operands };
	for (int k = 0; k < operands; k++) {
		int64_t stride = 1;
		int shift = out->ndim - t[k]->ndim;

		for (int i = t[k]->ndim - 1; i >= 0; i--) {
			r->stride[k][i + shift] = t[k]->dim[i] == 1 ? 0 : stride;
			stride *= t[k]->dim[i];
		}
		r->step[k] = out->ndim ? r->stride[k][out->ndim - 1] : 0;
	}
	r->left = (int64_t)qb_tensor_size(out);
	for (int i = 0; i < out->ndim; i++) {
		r->dim[i] = out->dim[i];
	}
	r->row = out->ndim ? out->dim[out->ndim - 1] : 1;
	r->at = -r->row;
}

bool qb__rows_next(struct qb__rows *r)
{
	if (r->left <= 0) {
		return false;
	}
	r->left -= r->row;
	if (r->at < 0) {
		r->at = 0;
		return true;
	}
	r->at += r->row;
	for (int i = r->ndim - 2; i >= 0; i--) {
		r->index[i]++;
		for (int k = 0; k < r->operands; k++) {
			r->offset[k] += r->stride[k][i];
		}
		if (r->index[i] < r->dim[i]) {
			return true;
		}
		r->index[i] = 0;
		for (int k = 0; k < r->operands; k++) {
			r->offset[k] -= r->stride[k][i] * r->dim[i];
		}
	}
	return true;
}
