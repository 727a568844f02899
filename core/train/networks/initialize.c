/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/networks/initialize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/graph/op.h"
#include "core/graph/shape.h"
#include "core/train/training_network.h"

struct initializer {
	struct qb_graph *g;
	uint64_t seed, stream; /* one stream a parameter */
	bool *done;            /* [values]: a parameter that several nodes read is made once */
	bool no_memory;
	struct qb_errbuf *eb;
};

/* ---- what stands behind a product ---- */

static bool is_rectifier(const struct qb_node *n)
{
	static const enum qb_op_id all[] = {QB_OP_Relu, QB_OP_Clip, QB_OP_LeakyRelu, QB_OP_PRelu, QB_OP_HardSwish, QB_OP_Gelu,
		QB_OP_Elu, QB_OP_Selu, QB_OP_Swish, QB_OP_Mish, QB_OP_Softplus};

	for (size_t i = 0; i < QB_COUNT(all); i++) {
		if (qb_node_is(n, all[i])) {
			return true;
		}
	}
	return false;
}

static bool adds_constant(const struct qb_node *n)
{
	return qb_node_is(n, QB_OP_Add) && (n->input[0]->constant || n->input[1]->constant);
}

static bool feeds_rectifier(const struct qb_node *n)
{
	const struct qb_node *next = n;

	if (is_rectifier(n)) {
		return true;
	}
	do {
		next = qb_value_only_user(next->output[0]);
	} while (qb_node_is(next, QB_OP_BatchNormalization) || adds_constant(next));
	return is_rectifier(next);
}

/* ---- filling ---- */

/* New elements of a float constant; NULL where it is none, or was made already. */
static float *renew(struct initializer *z, struct qb_value *v, size_t *count)
{
	struct qb_tensor *t;
	float *data;

	if (!v || !v->constant || v->constant->dtype != QB_F32 || z->done[v->index]) {
		return NULL;
	}
	*count = qb_tensor_size(v->constant);
	t = qb_arena_alloc(z->g->arena, 1, sizeof(*t));
	data = qb_arena_alloc(z->g->arena, *count + 1, sizeof(float));
	if (!t || !data) {
		z->no_memory = true;
		return NULL;
	}
	*t = *v->constant;
	t->data = data;
	z->done[v->index] = true;
	v->constant = t;
	return data;
}

static void fill(struct initializer *z, struct qb_value *v, float x)
{
	size_t count;
	float *to = renew(z, v, &count);

	for (size_t i = 0; to && i < count; i++) {
		to[i] = x;
	}
}

static void fill_normal(struct initializer *z, struct qb_value *v, double deviation)
{
	size_t count;
	float *to = renew(z, v, &count);

	for (size_t i = 0; to && i < count; i++) {
		to[i] = (float)(deviation * qb_random_normal(z->seed, z->stream, i));
	}
	z->stream += to ? 1 : 0;
}

/* Of what is looked up, and of learned places. */
static const double EMBEDDING = 0.02;

/* ---- one node ---- */

/* Terms of each sum. */
static double fan_in(const struct qb_node *n)
{
	const struct qb_shape *w = &n->input[1]->shape;
	double strides = 1;
	const int64_t *stride;
	int count;

	if (qb_node_is(n, QB_OP_Conv)) {
		return (double)qb_shape_product(w, 1, w->ndim);
	}
	if (qb_node_is(n, QB_OP_ConvTranspose)) {
		count = qb_node_ints(n, "strides", &stride);
		for (int i = 0; i < count; i++) {
			strides *= (double)stride[i];
		}
		return (double)w->dim[0] / (double)qb_node_int(n, "group", 1) * (double)qb_shape_product(w, 2, w->ndim) / strides;
	}
	if (qb_node_is(n, QB_OP_Gemm)) {
		return (double)w->dim[qb_node_int(n, "transB", 0) ? 1 : 0];
	}
	return (double)w->dim[w->ndim > 1 ? w->ndim - 2 : 0];
}

static void initialize_product(struct initializer *z, const struct qb_node *n)
{
	double gain = qb_node_has(n, QB_TRAIT_CONVOLUTION) || feeds_rectifier(n) ? 2 : 1;
	const struct qb_node *next = qb_value_only_user(n->output[0]);

	fill_normal(z, n->input[1], sqrt(gain / fmax(fan_in(n), 1)));
	if (n->inputs > 2) {
		fill(z, n->input[2], 0);
	}
	if (adds_constant(next)) {
		fill(z, next->input[next->input[0]->constant ? 0 : 1], 0);
	}
}

static enum qb_err initialize_node(struct initializer *z, const struct qb_node *n)
{
	if (qb_node_is(n, QB_OP_LSTM) || qb_node_is(n, QB_OP_GRU) || qb_node_is(n, QB_OP_RNN)) {
		return qb_node_fail(z->eb, QB_EUNSUPPORTED, n, "fresh weights of recurrent operators are not supported; start from "
			"the given ones");
	}
	if (n->op->weight_input == 1 && n->input[1]->constant) {
		initialize_product(z, n);
	} else if (qb_node_is(n, QB_OP_BatchNormalization)) {
		fill(z, n->input[1], 1);
		fill(z, n->input[2], 0);
		fill(z, n->input[3], 0);
		fill(z, n->input[4], 1);
	} else if (qb_node_is(n, QB_OP_LayerNormalization) || qb_node_is(n, QB_OP_InstanceNormalization) ||
		qb_node_is(n, QB_OP_GroupNormalization)) {
		fill(z, n->input[1], 1);
		fill(z, n->inputs > 2 ? n->input[2] : NULL, 0);
	} else if (qb_node_is(n, QB_OP_PRelu)) {
		fill(z, n->input[1], 0.25f);
	} else if (qb_node_has(n, QB_TRAIT_LOOKUP) && n->input[0]->shape.ndim == 2) {
		fill_normal(z, n->input[0], EMBEDDING);
	}
	return QB_OK;
}

/* What is added to all places of a sequence, or stands before them: positions, class tokens. Layers and norms have theirs. */
static enum qb_err initialize_places(struct initializer *z)
{
	struct qb_parameter_list list;

	QB_TRY(qb_list_parameters(z->g, &list, z->eb));
	for (int i = 0; i < list.count; i++) {
		const struct qb_parameter *p = &list.parameter[i];

		if ((p->role == QB_PARAMETER_ROLE_BIAS || p->role == QB_PARAMETER_ROLE_OTHER) && p->ndim > 1) {
			fill_normal(z, list.value[i], EMBEDDING);
		}
	}
	return QB_OK;
}

enum qb_err qb_graph_initialize(struct qb_graph *g, uint64_t seed, struct qb_errbuf *eb)
{
	struct initializer z = {.g = g, .seed = seed, .done = calloc((size_t)g->values + 1, sizeof(bool)), .eb = eb};
	enum qb_err err = z.done ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to initialize a network");

	for (int i = 0; err == QB_OK && i < g->nodes; i++) {
		err = initialize_node(&z, g->node[i]);
	}
	err = err == QB_OK ? initialize_places(&z) : err;
	free(z.done);
	return err == QB_OK && z.no_memory ? qb_fail(eb, QB_ENOMEM, "no memory for fresh weights") : err;
}
