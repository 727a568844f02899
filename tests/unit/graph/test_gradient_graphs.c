/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of graphs of several nodes: uses that add up, paths that carry none, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph/gradient.h"
#include "core/graph/shape.h"
#include "tests/unit/graph/gradient_check.h"

static struct qb_value *apply(struct builder *b, enum qb_op_id op, int inputs, struct qb_value *const *in)
{
	struct qb_errbuf eb = {0};
	struct qb_node *n = add_node(b, op, 18, inputs, in, 1);

	must(n->op->infer(b->g, n, &eb), &eb, "building");
	return n->output[0];
}

#define APPLY(b, op, ...) apply(b, QB_OP_##op, (int)QB_COUNT(((struct qb_value *[]){__VA_ARGS__})), (struct qb_value *[]){__VA_ARGS__})

/* Differentiated by x alone, for its statistics are of x: dx has both paths. */
static void gradient__batch_normalization_of_the_batch__goes_through_its_statistics(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 3};
	struct qb_value *x = drawn(&b, "4,3,5"), *gain = drawn(&b, "0.5~2@3"), *offset = drawn(&b, "3"), *y;
	struct qb_value *sums = APPLY(&b, ShardSum, APPLY(&b, BatchStatistics, x));
	struct qb_errbuf eb = {0};
	struct qb_node *n = add_node(&b, QB_OP_BatchNormalizationTraining, 1, 4, (struct qb_value *[]){x, gain, offset, sums}, 1);

	(void)state;
	qb_node_add_int(n, "count", 20);
	qb_node_add_float(n, "epsilon", 0.01f);
	must(n->op->infer(b.g, n, &eb), &eb, "batch normalization");
	y = APPLY(&b, Tanh, n->output[0]);
	check_gradients(&b, weighted_sum(&b, y), "batch normalization");
	qb_graph_destroy(&b.g);
}

static void gradient__values_of_several_uses__adds_up(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 4};
	struct qb_value *x = drawn(&b, "3,3"), *w = drawn(&b, "3,3"), *a, *y;

	(void)state;
	a = APPLY(&b, Add, APPLY(&b, Mul, x, x), APPLY(&b, MatMul, x, w));
	y = APPLY(&b, Add, APPLY(&b, Mul, a, APPLY(&b, Sigmoid, x)), APPLY(&b, Sub, a, APPLY(&b, MatMul, w, w)));
	check_gradients(&b, weighted_sum(&b, y), "several uses");
	qb_graph_destroy(&b.g);
}

/* Layer normalization and GELU as exporters write them out. */
static void gradient__composites_in_pieces__agree(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 6};
	struct qb_value *x = drawn(&b, "2,3,8"), *gain = drawn(&b, "0.5~2@8"), *axes = given(&b, QB_I64, "1=-1");
	struct qb_value *d = APPLY(&b, Sub, x, APPLY(&b, ReduceMean, x, axes)), *y, *e;

	(void)state;
	y = APPLY(&b, ReduceMean, APPLY(&b, Pow, d, given(&b, QB_F32, "=2")), axes);
	y = APPLY(&b, Div, d, APPLY(&b, Sqrt, APPLY(&b, Add, y, given(&b, QB_F32, "=0.00001"))));
	y = APPLY(&b, Mul, y, gain);
	e = APPLY(&b, Erf, APPLY(&b, Div, y, given(&b, QB_F32, "=1.4142135")));
	y = APPLY(&b, Mul, APPLY(&b, Mul, y, APPLY(&b, Add, e, given(&b, QB_F32, "=1"))), given(&b, QB_F32, "=0.5"));
	check_gradients(&b, weighted_sum(&b, y), "in pieces");
	qb_graph_destroy(&b.g);
}

/* Elements that are exactly 0, one and two of them in a row. */
static void gradient__products_with_zeros__are_of_the_other_elements(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 11};
	struct qb_value *mask = given(&b, QB_F32, "3,4=1,1,1,1,1,0,1,1,0,1,0,1"), *shift = drawn(&b, "3,4"), *x;

	(void)state;
	x = APPLY(&b, Add, mask, shift);
	for (int i = 5; i < 11; i += i == 5 ? 3 : 2) { /* the shift itself is 0 there */
		((float *)shift->constant->data)[i] = 0;
	}
	check_gradients(&b, weighted_sum(&b, APPLY(&b, ReduceProd, x, given(&b, QB_I64, "1=1"))), "products with zeros");
	qb_graph_destroy(&b.g);
}

/* A graph of one loss, its inputs taken; gradient [b->inputs]. */
static enum qb_err differentiate(struct builder *b, struct qb_value *loss, struct qb_value **gradient, struct qb_errbuf *eb)
{
	struct qb_value **output = qb_arena_alloc(b->g->arena, 1, sizeof(*output));
	struct point p;

	take_inputs(b, &p);
	*output = loss;
	b->g->output = output;
	b->g->outputs = 1;
	finish(b, "building");
	return qb_graph_gradient(b->g, loss, b->input, b->inputs, gradient, eb);
}

static void gradient__paths_of_integers__carry_none(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 7};
	struct qb_value *x = drawn(&b, "4,3"), *table = drawn(&b, "4,2"), *unused = drawn(&b, "3"), *gradient[3] = {NULL}, *rows, *y;
	struct qb_errbuf eb = {0};

	(void)state;
	rows = APPLY(&b, ArgMax, x);
	y = APPLY(&b, Gather, table, rows);
	y = APPLY(&b, Reshape, y, APPLY(&b, Shape, y));
	must(differentiate(&b, APPLY(&b, ReduceSum, y), gradient, &eb), &eb, "integers");
	assert_null(gradient[0]);
	assert_non_null(gradient[1]);
	assert_null(gradient[2]);
	assert_true(qb_shape_equal(&gradient[1]->shape, &table->shape));
	assert_non_null(unused);
	qb_graph_destroy(&b.g);
}

static void gradient__operator_without_rule__names_the_node(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 8};
	struct qb_value *x = drawn(&b, "3,3"), *w = drawn(&b, "3,3"), *gradient[2] = {NULL}, *det;
	struct qb_errbuf eb = {0};

	(void)state;
	det = APPLY(&b, Det, x);
	det->producer->name = "determinant";
	assert_int_equal(differentiate(&b, weighted_sum(&b, APPLY(&b, Mul, w, det)), gradient, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "node determinant (Det): this operator has no rule of differentiation"));
	qb_graph_destroy(&b.g);
}

/* Nothing that is wanted is upstream of it. */
static void gradient__operator_without_rule_beside_the_path__does_not_matter(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 9};
	struct qb_value *det = APPLY(&b, Det, drawn(&b, "c3,3")), *x = drawn(&b, "3,3"), *gradient[1] = {NULL};
	struct qb_errbuf eb = {0};

	(void)state;
	must(differentiate(&b, weighted_sum(&b, APPLY(&b, Mul, x, det)), gradient, &eb), &eb, "beside the path");
	assert_non_null(gradient[0]);
	qb_graph_destroy(&b.g);
}

static void gradient__loss_of_many_elements__is_refused(void **state)
{
	struct builder b = {.g = qb_graph_create(), .seed = 10};
	struct qb_value *loss = APPLY(&b, Exp, drawn(&b, "3,3")), *gradient[1] = {NULL};
	struct qb_errbuf eb = {0};

	(void)state;
	assert_int_equal(differentiate(&b, loss, gradient, &eb), QB_ESHAPE);
	assert_non_null(strstr(eb.text, "9 elements, not one"));
	qb_graph_destroy(&b.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient__batch_normalization_of_the_batch__goes_through_its_statistics),
		cmocka_unit_test(gradient__values_of_several_uses__adds_up),
		cmocka_unit_test(gradient__composites_in_pieces__agree),
		cmocka_unit_test(gradient__products_with_zeros__are_of_the_other_elements),
		cmocka_unit_test(gradient__paths_of_integers__carry_none),
		cmocka_unit_test(gradient__operator_without_rule__names_the_node),
		cmocka_unit_test(gradient__operator_without_rule_beside_the_path__does_not_matter),
		cmocka_unit_test(gradient__loss_of_many_elements__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
