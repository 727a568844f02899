/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks of float16, bfloat16 and float64 as networks of float32, the type that is measured and quantized. Runs after the
 * importer has folded what is constant, so that arithmetic on shapes keeps its own precision.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

static const enum qb_dtype kinds[] = {QB_F16, QB_BF16, QB_F64};

static bool is_other_float(enum qb_dtype t)
{
	for (size_t i = 0; i < QB_COUNT(kinds); i++) {
		if (t == kinds[i]) {
			return true;
		}
	}
	return false;
}

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "out of memory while converting a network to float32");
}

/* Numbers beyond float32, as masks have them, become its largest. */
static enum qb_err convert_tensor(struct qb_graph *g, const struct qb_tensor **t, struct qb_errbuf *eb)
{
	size_t n = qb_tensor_size(*t);
	struct qb_tensor *c = qb_arena_alloc(g->arena, 1, sizeof(*c));
	float *x;

	if (!c) {
		return no_memory(eb);
	}
	*c = **t;
	c->dtype = QB_F32;
	c->data = x = qb_arena_alloc(g->arena, n + 1, sizeof(*x));
	if (!x) {
		return no_memory(eb);
	}
	qb_convert_to_f32((*t)->dtype, (*t)->data, x, n);
	for (size_t i = 0; (*t)->dtype == QB_F64 && i < n; i++) {
		if (isinf(x[i]) && !isinf(((const double *)(*t)->data)[i])) {
			x[i] = copysignf(FLT_MAX, x[i]);
		}
	}
	*t = c;
	return QB_OK;
}

/* Attributes that name an element type (Cast and its like), and constants. */
static enum qb_err convert_attrs(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	static const char *const types[] = {"to", "dtype", "output_dtype"};
	struct qb_attr *attr = qb_arena_alloc(g->arena, (size_t)n->attrs + 1, sizeof(*attr));

	if (!attr) {
		return no_memory(eb);
	}
	for (int i = 0; i < n->attrs; i++) {
		attr[i] = n->attr[i];
		if (attr[i].kind == QB_ATTR_TENSOR && is_other_float(attr[i].tensor->dtype)) {
			QB_TRY(convert_tensor(g, &attr[i].tensor, eb));
		}
		for (size_t k = 0; attr[i].kind == QB_ATTR_INT && k < QB_COUNT(types); k++) {
			if (strcmp(attr[i].name, types[k]) == 0 && attr[i].i > 0 && attr[i].i <= INT32_MAX &&
				is_other_float(qb_dtype_from_onnx((int)attr[i].i))) {
				attr[i].i = qb_dtype_to_onnx(QB_F32);
			}
		}
	}
	n->attr = attr;
	return QB_OK;
}

static const char *kinds_of(struct qb_graph *g)
{
	const char *names = NULL;

	for (size_t k = 0; k < QB_COUNT(kinds); k++) {
		bool found = false;

		for (int i = 0; i < g->values; i++) {
			found |= g->value[i]->dtype == kinds[k];
		}
		if (found) {
			names = names ? qb_arena_printf(g->arena, "%s, %s", names, qb_dtype_name(kinds[k]))
				      : qb_dtype_name(kinds[k]);
		}
	}
	return names;
}

enum qb_err qb_pass_to_float32(struct qb_graph *g, struct qb_errbuf *eb)
{
	const char *names = kinds_of(g);

	if (!names) {
		return QB_OK;
	}
	for (int i = 0; i < g->values; i++) {
		struct qb_value *v = g->value[i];

		if (is_other_float(v->dtype)) {
			if (v->constant) {
				QB_TRY(convert_tensor(g, &v->constant, eb));
			}
			v->dtype = QB_F32;
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		QB_TRY(convert_attrs(g, g->node[i], eb));
	}
	g->converted = names;
	QB_TRY(qb_graph_infer(g, eb));
	return qb__graph_infer_batch(g);
}
