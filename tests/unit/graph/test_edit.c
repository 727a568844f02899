/* SPDX-License-Identifier: Apache-2.0
 *
 * Editing a graph: where nodes stand, and what values know of their users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph/op.h"
#include "tests/unit/graph/model_builder.h"

enum { F32 = 1 };

/* x -> a -> s, s -> b -> y, s -> c (Add of s and s) -> z; y and z are outputs. */
static struct qb_graph *import(struct model_builder *b)
{
	static const int64_t shape[] = {2, 3};
	struct qb_graph *g = NULL;

	mb_init(b, 17);
	mb_input(b, "x", F32, 2, shape);
	mb_output(b, "y", F32, 2, shape);
	mb_output(b, "z", F32, 2, shape);
	mb_node(b, "Abs", "a", "x", "s");
	mb_node(b, "Neg", "b", "s", "y");
	mb_node(b, "Add", "c", "s,s", "z");
	assert_int_equal(mb_import(b, &g, NULL), QB_OK);
	return g;
}

static struct qb_value *value(const struct qb_graph *g, const char *name)
{
	int at = qb_graph_find(g, name, 0);

	assert_true(at >= 0);
	return g->value[at];
}

static struct qb_node *node(const struct qb_graph *g, const char *name)
{
	for (int i = 0; i < g->nodes; i++) {
		if (!strcmp(g->node[i]->name, name)) {
			return g->node[i];
		}
	}
	return NULL;
}

/* A Neg of v to a new value. */
static struct qb_node *negative(struct qb_graph *g, struct qb_value *v, const char *name)
{
	struct qb_value *y = qb_graph_add_value(g, name, QB_F32);

	y->shape = v->shape;
	return qb_node_create(g, QB_OP_Neg, name, 13, 1, &v, 1, &y);
}

/* The names of the nodes, by the array and by the list, which agree. */
static void expect_order(const struct qb_graph *g, const char *names)
{
	const struct qb_node *n = g->first;
	char text[256] = "";

	for (int i = 0; i < g->nodes; i++, n = n->after) {
		assert_ptr_equal(g->node[i], n);
		assert_int_equal(n->index, i);
		assert_ptr_equal(n->before, i ? g->node[i - 1] : NULL);
		strcat(strcat(text, i ? " " : ""), n->name);
	}
	assert_null(n);
	assert_ptr_equal(g->last, g->node[g->nodes - 1]);
	assert_string_equal(text, names);
}

/* Users by their nodes' names and inputs. */
static void expect_users(const struct qb_value *v, const char *users, int outputs)
{
	char text[256] = "", one[64];

	for (int i = 0; i < v->users; i++) {
		const struct qb_use *u = &v->user[i];

		assert_ptr_equal(u->node->input[u->input], v);
		snprintf(one, sizeof(one), "%s%s:%d", i ? " " : "", u->node->name, u->input);
		strcat(text, one);
	}
	assert_string_equal(text, users);
	assert_int_equal(v->outputs, outputs);
}

static void users__of_a_graph__are_listed_in_order(void **state)
{
	struct model_builder b;
	struct qb_graph *g = import(&b), *copy;

	(void)state;
	expect_users(value(g, "x"), "a:0", 0);
	expect_users(value(g, "s"), "b:0 c:0 c:1", 0);
	expect_users(value(g, "z"), "", 1);
	assert_ptr_equal(qb_value_only_user(value(g, "x")), node(g, "a"));
	assert_null(qb_value_only_user(value(g, "s")));
	assert_null(qb_value_only_user(value(g, "y")));
	assert_true(qb_value_is_used(value(g, "y")));
	assert_int_equal(qb_graph_clone(&copy, g, NULL), QB_OK);
	qb_graph_destroy(&g);
	expect_users(value(copy, "s"), "b:0 c:0 c:1", 0);
	expect_order(copy, "a b c");
	qb_graph_destroy(&copy);
	mb_fini(&b);
}

/* A value that only one node reads, but that is an output too, has no only user. */
static void only_user__of_an_output__is_none(void **state)
{
	struct model_builder b;
	struct qb_graph *g = import(&b);

	(void)state;
	qb_graph_replace_value(g, value(g, "y"), value(g, "x"));
	qb_graph_remove(g, node(g, "b"));
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	expect_order(g, "a c");
	expect_users(value(g, "y"), "a:0", 1); /* x, which has the output's name now */
	assert_null(qb_value_only_user(value(g, "y")));
	qb_graph_destroy(&g);
	mb_fini(&b);
}

static void edits__of_nodes__keep_the_order_that_was_asked_for(void **state)
{
	struct model_builder b;
	struct qb_graph *g = import(&b);
	struct qb_node *c = node(g, "c");
	struct qb_value *s = value(g, "s"), *made;

	(void)state;
	assert_true(qb_graph_insert_before(g, negative(g, s, "d"), c));
	assert_true(qb_graph_insert_before(g, negative(g, s, "e"), c));
	assert_true(qb_graph_insert_after(g, negative(g, s, "f"), c));
	assert_true(qb_graph_append(g, negative(g, s, "h")));
	assert_int_equal(g->nodes, 4); /* as before the edits, and what was appended */
	assert_string_equal(g->node[3]->name, "h");
	qb_graph_remove(g, node(g, "b"));
	made = g->node[3]->output[0];
	qb_graph_replace_value(g, value(g, "y"), made);
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	expect_order(g, "a d e c f h");
	expect_users(s, "d:0 e:0 c:0 c:1 f:0 h:0", 0);
	assert_string_equal(made->name, "y");
	expect_users(made, "", 1);
	assert_int_equal(qb_pass_remove_dead(g, NULL), QB_OK);
	expect_order(g, "a c h");
	expect_users(s, "c:0 c:1 h:0", 0);
	assert_false(qb_graph_append(g, NULL));
	assert_false(qb_graph_insert_before(g, NULL, c));
	assert_false(qb_graph_insert_after(g, NULL, c));
	qb_graph_destroy(&g);
	mb_fini(&b);
}

/* A node that stands before what it reads comes behind it. */
static void relink__of_a_node_before_its_inputs__sorts(void **state)
{
	struct model_builder b;
	struct qb_graph *g = import(&b);

	(void)state;
	assert_true(qb_graph_insert_before(g, negative(g, value(g, "s"), "d"), node(g, "a")));
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	expect_order(g, "a d b c");
	qb_graph_destroy(&g);
	mb_fini(&b);
}

/* More appended than any array has room for. */
static void append__of_many__keeps_all(void **state)
{
	enum { MANY = 1000 };
	struct model_builder b;
	struct qb_graph *g = import(&b);
	struct qb_value *s = value(g, "s");

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_true(qb_graph_append(g, negative(g, s, name)));
	}
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	assert_int_equal(g->nodes, 3 + MANY);
	assert_int_equal(s->users, 3 + MANY);
	for (int i = 0; i < MANY; i++) {
		assert_ptr_equal(s->user[3 + i].node, g->node[3 + i]);
	}
	assert_string_equal(g->node[3 + MANY - 1]->name, "n999");
	qb_graph_destroy(&g);
	mb_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users__of_a_graph__are_listed_in_order),
		cmocka_unit_test(only_user__of_an_output__is_none),
		cmocka_unit_test(edits__of_nodes__keep_the_order_that_was_asked_for),
		cmocka_unit_test(relink__of_a_node_before_its_inputs__sorts),
		cmocka_unit_test(append__of_many__keeps_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
