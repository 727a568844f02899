/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/graph/double_graph.h"

#include <stdlib.h>

static const struct qb_tensor *converted(struct qb_graph *g, const struct qb_tensor *t)
{
	struct qb_tensor *d = qb_arena_alloc(g->arena, 1, sizeof(*d));
	size_t n = qb_tensor_size(t);

	*d = *t;
	d->dtype = QB_F64;
	d->data = qb_arena_alloc(g->arena, n, sizeof(double));
	for (size_t i = 0; i < n; i++) {
		((double *)d->data)[i] = (double)((const float *)t->data)[i];
	}
	return d;
}

void double_graph(struct qb_graph *g)
{
	for (int i = 0; i < g->values; i++) {
		struct qb_value *v = g->value[i];

		if (v->dtype == QB_F32) {
			v->dtype = QB_F64;
			v->constant = v->constant ? converted(g, v->constant) : NULL;
		}
	}
}
