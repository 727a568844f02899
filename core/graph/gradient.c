/* SPDX-License-Identifier: Apache-2.0 */
#include "core/graph/gradient.h"

#include <stdlib.h>

#include "core/graph/infer.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"

/* All tables by qb_value.index at the start. */
struct differentiation {
	struct qb_graph *g;
	int values, nodes;
	bool *needed;              /* a wanted value is upstream of it, by values of floating point */
	struct qb_value **gradient; /* what is known of it so far */
	/* of one node, room for the widest */
	struct qb_value **dy, **dx;
	bool *wanted;
	struct qb_errbuf *eb;
};

static bool is_real(const struct qb_value *v)
{
	return v->dtype == QB_F32 || v->dtype == QB_F64 || v->dtype == QB_F16 || v->dtype == QB_BF16;
}

static enum qb_err no_memory(const struct differentiation *d)
{
	return qb_fail(d->eb, QB_ENOMEM, "out of memory while differentiating a network");
}

/* ---- where gradients go ---- */

static bool reads_needed(const struct differentiation *d, const struct qb_node *n)
{
	for (int i = 0; i < n->inputs; i++) {
		if (n->input[i] && d->needed[n->input[i]->index]) {
			return true;
		}
	}
	return false;
}

static void mark_needed(struct differentiation *d, struct qb_value *const *wanted, int count)
{
	for (int i = 0; i < count; i++) {
		d->needed[wanted[i]->index] = is_real(wanted[i]);
	}
	for (int i = 0; i < d->nodes; i++) {
		const struct qb_node *n = d->g->node[i];
		bool reads = reads_needed(d, n);

		for (int j = 0; reads && j < n->outputs; j++) {
			d->needed[n->output[j]->index] |= is_real(n->output[j]);
		}
	}
}

/* ---- new nodes ---- */

static struct qb_value *add(struct differentiation *d, const struct qb_value *of, struct qb_value *a, struct qb_value *b)
{
	const char *name = qb_arena_printf(d->g->arena, "%s.gradient.sum%d", of->name, d->g->values);
	struct qb_value *sum = name ? qb_graph_add_value(d->g, name, of->dtype) : NULL;
	struct qb_node *n = sum ? qb_node_create(d->g, QB_OP_Add, name, 14, 2, (struct qb_value *[]){a, b}, 1, &sum) : NULL;

	if (!n || !qb_graph_append(d->g, n) || qb__node_infer(d->g, n, d->eb) != QB_OK) {
		return NULL;
	}
	return sum;
}

static enum qb_err accumulate(struct differentiation *d, const struct qb_node *n, const struct qb_value *v, struct qb_value *dv)
{
	struct qb_value **known = &d->gradient[v->index];

	if (dv->dtype != v->dtype || !qb_shape_equal(&dv->shape, &v->shape)) {
		char have[256], want[256];

		return qb_node_fail(d->eb, QB_EINTERNAL, n, "the gradient of its input %s is %s%s, the input %s%s", v->name,
			qb_dtype_name(dv->dtype), qb_shape_text(&dv->shape, have, sizeof(have)), qb_dtype_name(v->dtype),
			qb_shape_text(&v->shape, want, sizeof(want)));
	}
	*known = *known ? add(d, v, *known, dv) : dv;
	return *known ? QB_OK : no_memory(d);
}

static enum qb_err start(struct differentiation *d, const struct qb_value *loss)
{
	const char *name = qb_arena_printf(d->g->arena, "%s.gradient", loss->name);
	struct qb_tensor *one = qb_arena_alloc(d->g->arena, 1, sizeof(*one));

	if (loss->dtype != QB_F32 && loss->dtype != QB_F64) {
		return qb_fail(d->eb, QB_EUNSUPPORTED, "the loss %s is %s; only a float32 or float64 one has a gradient",
			loss->name, qb_dtype_name(loss->dtype));
	}
	if (qb_value_size(loss) != 1) {
		return qb_fail(d->eb, QB_ESHAPE, "the loss %s has %zu elements, not one", loss->name, qb_value_size(loss));
	}
	if (!name || !one) {
		return no_memory(d);
	}
	*one = (struct qb_tensor){.dtype = loss->dtype, .ndim = loss->shape.ndim};
	for (int i = 0; i < one->ndim; i++) {
		one->dim[i] = 1;
	}
	one->data = qb_arena_alloc(d->g->arena, 1, sizeof(double));
	if (!one->data) {
		return no_memory(d);
	}
	if (one->dtype == QB_F64) {
		*(double *)one->data = 1;
	} else {
		*(float *)one->data = 1;
	}
	d->gradient[loss->index] = qb_graph_add_constant(d->g, name, one);
	return d->gradient[loss->index] ? QB_OK : no_memory(d);
}

/* ---- one node ---- */

/* Whether its inputs get gradients; dy and wanted are set. */
static bool takes_part(struct differentiation *d, const struct qb_node *n)
{
	bool any = false, given = false;

	for (int i = 0; i < n->outputs; i++) {
		d->dy[i] = d->needed[n->output[i]->index] ? d->gradient[n->output[i]->index] : NULL;
		given |= d->dy[i] != NULL;
	}
	for (int i = 0; i < n->inputs; i++) {
		d->wanted[i] = n->input[i] && d->needed[n->input[i]->index];
		any |= d->wanted[i];
		d->dx[i] = NULL;
	}
	return any && given;
}

static enum qb_err differentiate(struct differentiation *d, struct qb_node *n)
{
	if (!takes_part(d, n)) {
		return QB_OK;
	}
	if (!n->op->gradient) {
		return qb_node_fail(d->eb, QB_EUNSUPPORTED, n, "this operator has no rule of differentiation, and parameters "
			"before it would be trained through it: freeze all parameters before it, or replace it in the network");
	}
	QB_TRY(n->op->gradient(d->g, n, d->dy, d->wanted, d->dx, d->eb));
	for (int i = 0; i < n->inputs; i++) {
		if (d->wanted[i] && d->dx[i]) {
			QB_TRY(accumulate(d, n, n->input[i], d->dx[i]));
		}
	}
	return QB_OK;
}

static enum qb_err check_bound(const struct differentiation *d)
{
	for (int i = 0; i < d->values; i++) {
		if (!qb_shape_concrete(&d->g->value[i]->shape)) {
			return qb_fail(d->eb, QB_ESHAPE, "the shape of %s is not known: bind the network before differentiating it",
				d->g->value[i]->name);
		}
	}
	return QB_OK;
}

static bool init(struct differentiation *d)
{
	size_t widest = 1;

	for (int i = 0; i < d->nodes; i++) {
		widest = (size_t)QB_MAX(QB_MAX(d->g->node[i]->inputs, d->g->node[i]->outputs), (int)widest);
	}
	d->needed = calloc((size_t)d->values + 1, sizeof(*d->needed));
	d->gradient = calloc((size_t)d->values + 1, sizeof(struct qb_value *));
	d->dy = calloc(widest, sizeof(struct qb_value *));
	d->dx = calloc(widest, sizeof(struct qb_value *));
	d->wanted = calloc(widest, sizeof(*d->wanted));
	return d->needed && d->gradient && d->dy && d->dx && d->wanted;
}

enum qb_err qb_graph_gradient(struct qb_graph *g, struct qb_value *loss, struct qb_value *const *wanted, int count,
	struct qb_value **gradient, struct qb_errbuf *eb)
{
	struct differentiation d = {.g = g, .values = g->values, .nodes = g->nodes, .eb = eb};
	struct qb_value **found = NULL;
	enum qb_err err;

	if (!init(&d) || !(found = calloc((size_t)count + 1, sizeof(*found)))) {
		err = no_memory(&d);
		goto out;
	}
	QB_TRY_OUT(check_bound(&d));
	QB_TRY_OUT(start(&d, loss));
	mark_needed(&d, wanted, count);
	for (int i = d.nodes - 1; i >= 0; i--) {
		QB_TRY_OUT(differentiate(&d, g->node[i]));
	}
	for (int i = 0; i < count; i++) {
		found[i] = d.needed[wanted[i]->index] ? d.gradient[wanted[i]->index] : NULL;
	}
	QB_TRY_OUT(qb_graph_relink(g, eb));
	for (int i = 0; i < count; i++) {
		gradient[i] = found[i];
	}
out:
	free(d.needed);
	free(d.gradient);
	free(d.dy);
	free(d.dx);
	free(d.wanted);
	free(found);
	return err;
}
