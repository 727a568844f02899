/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of lowered operators: what becomes an epilogue, in which order operators run, and that they compute what the
 * graph does.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/exec/lower/lowered.h"
#include "core/graph/op.h"
#include "tests/unit/graph/model_builder.h"

enum { F32 = 1, CHANNELS = 4, SIDE = 5, ELEMENTS = CHANNELS * SIDE * SIDE };

static const int64_t image[] = {1, CHANNELS, SIDE, SIDE};

struct net {
	struct model_builder b;
	struct qb_graph *model, *graph;
	struct qb_lowered_list list;
};

static void constant(struct model_builder *b, const char *name, int ndim, const int64_t *dim, uint64_t stream, float offset)
{
	size_t n = 1;
	float *x;

	for (int i = 0; i < ndim; i++) {
		n *= (size_t)dim[i];
	}
	x = (float *)mb_random(b, stream, n);
	for (size_t i = 0; i < n; i++) {
		x[i] = offset ? fabsf(x[i]) + offset : x[i];
	}
	mb_initializer(b, name, F32, ndim, dim, x, n * sizeof(*x));
}

/* Images x; weights w and v of 3 x 3 convolutions; vectors of a batch norm. */
static void begin(struct net *t)
{
	static const int64_t weight[] = {CHANNELS, CHANNELS, 3, 3}, vector[] = {CHANNELS};

	*t = (struct net){0};
	mb_init(&t->b, 17);
	mb_input(&t->b, "x", F32, 4, image);
	constant(&t->b, "w", 4, weight, 1, 0);
	constant(&t->b, "v", 4, weight, 2, 0);
	constant(&t->b, "gain", 1, vector, 3, 0);
	constant(&t->b, "shift", 1, vector, 4, 0);
	constant(&t->b, "mean", 1, vector, 5, 0);
	constant(&t->b, "variance", 1, vector, 6, 0.5f);
}

static void conv(struct net *t, const char *name, const char *weight, const char *x, const char *y)
{
	char in[64];

	snprintf(in, sizeof(in), "%s,%s", x, weight);
	mb_attr_ints(&t->b, mb_node(&t->b, "Conv", name, in, y), "pads", 4, (const int64_t[]){1, 1, 1, 1});
}

/* The output is y. */
static void lower(struct net *t, bool frozen)
{
	struct qb_errbuf eb = {0};

	mb_output(&t->b, "y", F32, 4, image);
	if (mb_import(&t->b, &t->model, &eb) || qb_graph_prepare(t->model, &eb) || qb_graph_bind(&t->graph, t->model, 1, &eb) ||
		qb_lowered_list_make(&t->list, t->graph->arena, t->graph, frozen ? QB_PLAN_FROZEN : QB_PLAN_OBSERVED, NULL, &eb)) {
		fail_msg("%s", eb.text);
	}
}

static struct qb_tensor tensor_of(const struct qb_value *v)
{
	struct qb_tensor t = {.dtype = QB_F32, .ndim = v->shape.ndim};

	memcpy(t.dim, v->shape.dim, sizeof(t.dim));
	t.data = calloc(qb_value_size(v), sizeof(float));
	return t;
}

/* The operators in the order of the list: each reads what is there already, and the output is the graph's. */
static void check_numbers(struct net *t)
{
	struct qb_tensor *at = calloc((size_t)t->graph->values, sizeof(*at)), want;
	const struct qb_tensor *in[5], *args[1];
	const struct qb_value *x = t->graph->input[0], *y = t->graph->output[0];

	at[x->index] = tensor_of(x);
	memcpy(at[x->index].data, mb_random(&t->b, 99, ELEMENTS), ELEMENTS * sizeof(float));
	args[0] = &at[x->index];
	for (int i = 0; i < t->list.count; i++) {
		const struct qb_lowered *op = t->list.op[i];
		const struct qb_node *n = &op->node;

		for (int k = 0; k < n->inputs; k++) {
			in[k] = !n->input[k] ? NULL : n->input[k]->constant ? n->input[k]->constant : &at[n->input[k]->index];
			assert_true(!in[k] || in[k]->data);
		}
		assert_true(!op->residual || at[op->residual->index].data);
		at[n->output[0]->index] = tensor_of(n->output[0]);
		assert_int_equal(qb_lowered_eval(op, in, op->residual ? &at[op->residual->index] : NULL, &at[n->output[0]->index],
			NULL), QB_OK);
	}
	assert_non_null(at[y->index].data);
	assert_int_equal(qb_graph_eval(t->graph, args, &want, NULL), QB_OK);
	for (int i = 0; i < ELEMENTS; i++) {
		float a = ((const float *)at[y->index].data)[i], w = ((const float *)want.data)[i];

		if (!(fabsf(a - w) <= 1e-5f * (1 + fabsf(w)))) {
			fail_msg("element %d is %.9g, the graph's is %.9g", i, (double)a, (double)w);
		}
	}
	for (int i = 0; i < t->graph->values; i++) {
		free(at[i].data);
	}
	free(want.data);
	free(at);
}

static void end(struct net *t)
{
	check_numbers(t);
	qb_graph_destroy(&t->graph);
	qb_graph_destroy(&t->model);
	mb_fini(&t->b);
}

static const struct qb_lowered *only(const struct net *t)
{
	assert_int_equal(t->list.count, 1);
	assert_string_equal(t->list.op[0]->node.output[0]->name, "y");
	return t->list.op[0];
}

static void residual__before_an_activation__is_added_first(void **state)
{
	(void)state;
	for (int frozen = 0; frozen < 2; frozen++) {
		struct net t;

		begin(&t);
		conv(&t, "conv", "w", "x", "c");
		mb_node(&t.b, "Add", "add", "x,c", "s");
		mb_node(&t.b, "Relu", "relu", "s", "y");
		lower(&t, frozen);
		if (frozen) {
			const struct qb_lowered *op = only(&t);

			assert_true(qb_node_is(&op->node, QB_OP_Conv));
			assert_ptr_equal(op->residual, t.graph->input[0]);
			assert_false(op->residual_last);
			assert_int_equal(op->act.kind, QB_ACT_RELU);
			assert_null(op->affine.scale);
		} else { /* the value between may be observed */
			assert_int_equal(t.list.count, 2);
			assert_null(t.list.op[0]->residual);
			assert_int_equal(t.list.op[1]->act.kind, QB_ACT_RELU);
		}
		end(&t);
	}
}

static void residual__behind_an_activation__is_added_last(void **state)
{
	struct net t;

	(void)state;
	begin(&t);
	conv(&t, "conv", "w", "x", "c");
	mb_node(&t.b, "Relu", "relu", "c", "a");
	mb_node(&t.b, "BatchNormalization", "norm", "a,gain,shift,mean,variance", "m");
	mb_node(&t.b, "Add", "add", "m,x", "y");
	lower(&t, true);
	assert_true(only(&t)->residual_last);
	assert_int_equal(only(&t)->act.kind, QB_ACT_RELU);
	assert_non_null(only(&t)->affine.scale);
	end(&t);
}

/* The layer that takes the sum then runs where the sum would. */
static void residual__computed_later__is_there_first(void **state)
{
	struct net t;

	(void)state;
	begin(&t);
	conv(&t, "first", "w", "x", "c");
	conv(&t, "second", "v", "x", "d");
	mb_node(&t.b, "Sigmoid", "sigmoid", "d", "e");
	mb_node(&t.b, "Add", "add", "e,c", "y");
	lower(&t, true);
	assert_int_equal(t.list.count, 3);
	assert_string_equal(t.list.op[0]->node.name, "second");
	assert_string_equal(t.list.op[1]->node.name, "sigmoid");
	assert_string_equal(t.list.op[2]->node.name, "first");
	assert_ptr_equal(t.list.op[2]->residual, t.list.op[1]->node.output[0]);
	for (int i = 0; i < t.graph->nodes; i++) {
		bool sum = qb_node_is(t.graph->node[i], QB_OP_Add);

		assert_string_equal(t.list.op[t.list.of[i]]->node.name, sum ? "first" : t.graph->node[i]->name);
	}
	assert_ptr_equal(qb_lowered_producer(&t.list, t.graph->output[0]), t.list.op[2]);
	assert_null(qb_lowered_producer(&t.list, t.graph->input[0]));
	assert_ptr_equal(qb_lowered_only_user(&t.list, t.list.op[1]->node.output[0]), t.list.op[2]);
	assert_null(qb_lowered_only_user(&t.list, t.graph->input[0])); /* two read it */
	end(&t);
}

static void smooth_activation__behind_a_layer__is_its_epilogue(void **state)
{
	static const struct {
		const char *type;
		enum qb_act_kind kind;
	} acts[] = {{"LeakyRelu", QB_ACT_LEAKY}, {"HardSwish", QB_ACT_HARD_SWISH}};

	(void)state;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		for (int frozen = 0; frozen < 2; frozen++) {
			struct net t;

			begin(&t);
			conv(&t, "conv", "w", "x", "c");
			mb_node(&t.b, acts[i].type, "act", "c", "y");
			lower(&t, frozen);
			if (frozen) {
				assert_int_equal(only(&t)->act.kind, acts[i].kind);
			} else {
				assert_int_equal(t.list.count, 2);
			}
			end(&t);
		}
	}
}

/* What others read must be there: neither sum nor activation is fused. */
static void epilogue__of_a_value_with_two_users__stays_apart(void **state)
{
	struct net t;

	(void)state;
	begin(&t);
	conv(&t, "conv", "w", "x", "c");
	mb_node(&t.b, "LeakyRelu", "act", "c", "a");
	mb_node(&t.b, "Add", "add", "a,c", "y");
	lower(&t, true);
	assert_int_equal(t.list.count, 3);
	for (int i = 0; i < t.list.count; i++) {
		assert_int_equal(t.list.op[i]->act.kind, QB_ACT_NONE);
		assert_null(t.list.op[i]->residual);
	}
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(residual__before_an_activation__is_added_first),
		cmocka_unit_test(residual__behind_an_activation__is_added_last),
		cmocka_unit_test(residual__computed_later__is_there_first),
		cmocka_unit_test(smooth_activation__behind_a_layer__is_its_epilogue),
		cmocka_unit_test(epilogue__of_a_value_with_two_users__stays_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
