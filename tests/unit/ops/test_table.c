/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operators: every row is found by id and by name, and its traits do not contradict each other, its class
 * or its numbers of inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph/op.h"

static void table__every_row__is_found_by_id_and_name(void **state)
{
	int rows = 0;

	(void)state;
	for (const struct qb_op *op; (op = qb_op_at(rows)); rows++) {
		const struct qb_op *main = qb_op_of(op->id);

		assert_ptr_equal(qb_op_find(op->domain, op->type), op);
		assert_string_equal(main->type, op->type);
		assert_int_equal(main->traits, op->traits);
		assert_int_equal(main->class, op->class);
		assert_true(rows >= QB_OP_IDS || (int)op->id == rows);
		assert_non_null(op->infer);
		assert_non_null(op->eval);
	}
	assert_true(rows >= QB_OP_IDS);
	assert_null(qb_op_at(-1));
}

static bool has(const struct qb_op *op, unsigned traits)
{
	return (op->traits & traits) == traits;
}

/* Each line: what must hold of an operator that has the trait. */
static bool agrees(const struct qb_op *op, enum qb_op_trait trait)
{
	bool multiplies = op->class == QB_OP_MATMUL, moves = op->class == QB_OP_PASS;

	switch (trait) {
	case QB_TRAIT_MOVES: return moves && !has(op, QB_TRAIT_PRODUCTS);
	case QB_TRAIT_VIEW: return op->max_outputs == 1 && (moves || op->id == QB_OP_Cast);
	case QB_TRAIT_KEEPS_ORDER: return moves && op->max_outputs == 1;
	case QB_TRAIT_OF_ONE: return op->min_inputs == 1 && op->max_inputs < 0;
	case QB_TRAIT_ACTIVATION: return multiplies || op->class == QB_OP_ELTWISE;
	case QB_TRAIT_CONVOLUTION: return multiplies && op->weight_input == 1 && has(op, QB_TRAIT_SPATIAL);
	case QB_TRAIT_SPATIAL: return has(op, QB_TRAIT_SAME_LAYOUT);
	case QB_TRAIT_SAME_LAYOUT: return !has(op, QB_TRAIT_VIEW) || op->id == QB_OP_Identity || op->id == QB_OP_Cast;
	case QB_TRAIT_HOMOGENEOUS: return has(op, QB_TRAIT_SAME_LAYOUT) && !multiplies;
	case QB_TRAIT_MASKS: return op->max_inputs != 1;
	case QB_TRAIT_LOOKUP: return moves && op->min_inputs == 2;
	case QB_TRAIT_CODES: return op->class == QB_OP_OTHER;
	case QB_TRAIT_PRODUCTS: return !has(op, QB_TRAIT_WINDOWS);
	case QB_TRAIT_WINDOWS: return !has(op, QB_TRAIT_PRODUCTS);
	}
	return false;
}

static void table__traits__agree_with_class_and_arity(void **state)
{
	(void)state;
	for (int i = 0; i < QB_OP_IDS; i++) {
		const struct qb_op *op = qb_op_of((enum qb_op_id)i);

		assert_int_equal(op->traits >> QB_TRAITS, 0);
		for (int bit = 0; bit < QB_TRAITS; bit++) {
			enum qb_op_trait trait = (enum qb_op_trait)(1 << bit);

			if (has(op, trait) && !agrees(op, trait)) {
				fail_msg("%s: trait %d contradicts the rest of its row", op->type, bit);
			}
		}
	}
}

static void table__products_with_weights__name_the_weight_and_take_an_activation(void **state)
{
	(void)state;
	for (int i = 0; i < QB_OP_IDS; i++) {
		const struct qb_op *op = qb_op_of((enum qb_op_id)i);

		assert_int_equal(op->weight_input >= 0, op->class == QB_OP_MATMUL);
		assert_true(op->class != QB_OP_MATMUL || has(op, QB_TRAIT_ACTIVATION));
	}
}

static void node__no_node__is_nothing(void **state)
{
	struct qb_node n = {.type = "Unknown"};

	(void)state;
	assert_false(qb_node_is(NULL, (enum qb_op_id)0));
	assert_false(qb_node_is(&n, (enum qb_op_id)0));
	assert_false(qb_node_has(NULL, QB_TRAIT_MOVES));
	assert_false(qb_node_has(&n, QB_TRAIT_MOVES));
	qb_node_set_op(&n, QB_OP_Reshape);
	assert_true(qb_node_is(&n, QB_OP_Reshape));
	assert_true(qb_node_has(&n, QB_TRAIT_MOVES));
	assert_false(qb_node_has(&n, QB_TRAIT_ACTIVATION));
	assert_string_equal(n.type, "Reshape");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table__every_row__is_found_by_id_and_name),
		cmocka_unit_test(table__traits__agree_with_class_and_arity),
		cmocka_unit_test(table__products_with_weights__name_the_weight_and_take_an_activation),
		cmocka_unit_test(node__no_node__is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
