/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/networks/architecture.h"

#include "core/base/size.h"
#include "core/train/networks/initialize.h"
#include "core/train/networks/layers.h"

#define X(name) extern const struct qb_architecture qb_architecture_##name;
QB_ARCHITECTURES(X)
#undef X

static const struct qb_architecture *const all[] = {
#define X(name) &qb_architecture_##name,
	QB_ARCHITECTURES(X)
#undef X
};

static const struct qb_named *const named[] = {
#define X(name) &qb_architecture_##name.named,
	QB_ARCHITECTURES(X)
#undef X
};
const struct qb_named_table qb_architectures = {"network", QB_COUNT(named), named};

const struct qb_architecture *qb_architecture_at(int i)
{
	return i >= 0 && i < qb_architectures.count ? all[i] : NULL;
}

const struct qb_architecture *qb_architecture_find(const char *name)
{
	return qb_architecture_at(qb_named_index(&qb_architectures, name));
}

static enum qb_err check_input(const struct qb_architecture *a, const struct qb_architecture_input *in, struct qb_errbuf *eb)
{
	char shape[128];

	if (in->classes < 2) {
		return qb_fail(eb, QB_EJOB, "a network needs 2 classes or more, not %lld", (long long)in->classes);
	}
	if (a->tokens && in->ndim != 1) {
		return qb_fail(eb, QB_EJOB, "%s takes tokens [length], not %s", a->named.name,
			qb_shape_print(in->dim, in->ndim, shape, sizeof(shape)));
	}
	/* Networks of images want images; those of any shape say so with one dimension. */
	if (a->usual.ndim == 3 && in->ndim != 3) {
		return qb_fail(eb, QB_EJOB, "%s takes images [channels, height, width], not %s", a->named.name,
			qb_shape_print(in->dim, in->ndim, shape, sizeof(shape)));
	}
	for (int i = 0; i < in->ndim; i++) {
		if (in->dim[i] < 1 || in->dim[i] > 65536) {
			return qb_fail(eb, QB_EJOB, "an input of shape %s is not possible; its dimensions are 1 to 65536",
				qb_shape_print(in->dim, in->ndim, shape, sizeof(shape)));
		}
	}
	return QB_OK;
}

static enum qb_err build(struct qb_graph *g, const struct qb_architecture *a, const struct qb_architecture_input *input,
	const void *params, struct qb_errbuf *eb)
{
	struct qb__layers l = {.g = g, .eb = eb};
	struct qb_value *x, *y;

	g->format = "onnx";
	g->name = a->named.name;
	g->producer = "quantbench";
	g->opset = 17;
	x = qb__layer_input(&l, "input", a->tokens ? QB_I64 : QB_F32, input->ndim, input->dim);
	y = x ? a->build(&l, x, input, params) : NULL;
	g->output = qb_arena_alloc(g->arena, 1, sizeof(*g->output));
	if (!y || !g->output) {
		return l.err != QB_OK ? l.err : qb_fail(eb, QB_ENOMEM, "no memory for a network");
	}
	g->output[0] = y;
	g->outputs = 1;
	QB_TRY(qb_graph_relink(g, eb));
	return qb_pass_fold_constants(g, eb); /* and shapes, those that are computed of the batch as well */
}

enum qb_err qb_architecture_build(struct qb_graph **out, const struct qb_architecture *a,
	const struct qb_architecture_input *input, const void *params, uint64_t seed, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL;
	enum qb_err err;

	QB_TRY(check_input(a, input, eb));
	g = qb_graph_create();
	if (!g) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a network");
	}
	QB_TRY_OUT(build(g, a, input, params, eb));
	QB_TRY_OUT(qb_graph_initialize(g, seed, eb));
	*out = g;
	g = NULL;
out:
	qb_graph_destroy(&g);
	return err;
}
