/* SPDX-License-Identifier: Apache-2.0
 *
 * What folding a node costs, and how much folding a network may ask for: a file of a few kilobytes can multiply its constants
 * for hours.
 */
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* Seconds of plain C, and as much for each constant of the file as any conversion of it needs. */
#define BUDGET ((int64_t)1 << 31)
enum { BUDGET_PER_ELEMENT = 16 };
/* Arithmetic on shapes is folded whatever was spent before. */
enum { ALWAYS = 4096 };
/* Elements that are read for one that is written, at most, of operators that have no weights and a bounded window. */
enum { WINDOW = 64 };

static int64_t elements(struct qb_value *const *v, int count)
{
	int64_t sum = 0;

	for (int i = 0; i < count; i++) {
		int64_t n = v[i] ? qb_shape_product(&v[i]->shape, 0, v[i]->shape.ndim) : 0;

		sum += v[i] && v[i]->shape.known && n > 0 ? n : 0;
	}
	return sum;
}

static int64_t window(const struct qb_node *n)
{
	const int64_t *kernel;
	int64_t size = 1;
	int count = qb_node_ints(n, "kernel_shape", &kernel);

	for (int i = 0; i < count; i++) {
		size = qb_dim_mul(size, QB_MAX(kernel[i], 1));
	}
	return size;
}

/* Multiply-accumulates, or elements that are read and written. */
static int64_t work_of(const struct qb_node *n)
{
	int64_t in = elements(n->input, n->inputs), out = elements(n->output, n->outputs);
	int64_t macs = qb_node_macs(n), each = 1;

	if (qb_node_has(n, QB_TRAIT_PRODUCTS)) {
		each = 1 + in; /* every element meets every other at worst */
	} else if (qb_node_has(n, QB_TRAIT_WINDOWS)) {
		each = WINDOW;
	} else {
		each = window(n);
	}
	out = qb_dim_mul(out, each);
	return out < 0 ? INT64_MAX : QB_MAX(macs, 0) / 2 + QB_MIN(in + out, INT64_MAX / 2);
}

bool qb__graph_may_fold(struct qb_graph *g, const struct qb_node *n)
{
	int64_t work = work_of(n);

	if (!g->fold_budget) {
		g->fold_budget = BUDGET;
		for (int i = 0; i < g->values; i++) {
			if (g->value[i]->constant) {
				g->fold_budget += BUDGET_PER_ELEMENT * elements(&g->value[i], 1);
			}
		}
	}
	if (work > ALWAYS && work > g->fold_budget - g->folded) {
		return false;
	}
	g->folded += work;
	return true;
}
