/* SPDX-License-Identifier: Apache-2.0
 *
 * Dividing channels keeps a network's function, wherever the scales go.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/graph/rescale.h"
#include "tests/unit/graph/model_builder.h"

enum { F32 = 1, N = 6, ROWS = 5 };

static const int64_t vector[] = {N}, one[] = {1}, square[] = {N, N}, input[] = {2, ROWS, N};

static void constant(struct model_builder *b, const char *name, int ndim, const int64_t *dim, uint64_t stream)
{
	size_t n = 1;

	for (int i = 0; i < ndim; i++) {
		n *= (size_t)dim[i];
	}
	mb_initializer(b, name, F32, ndim, dim, mb_random(b, stream, n), n * sizeof(float));
}

static void begin(struct model_builder *b)
{
	mb_init(b, 17);
	mb_input(b, "x", F32, 3, input);
	mb_output(b, "y", F32, 3, input);
	constant(b, "gamma", 1, vector, 1);
	constant(b, "beta", 1, vector, 2);
	constant(b, "half", 1, one, 3);
	constant(b, "w", 2, square, 4);
	constant(b, "w2", 2, square, 5);
}

static struct qb_value *value_named(const struct qb_graph *g, const char *name)
{
	for (int i = 0; i < g->values; i++) {
		if (!strcmp(g->value[i]->name, name)) {
			return g->value[i];
		}
	}
	fail_msg("there is no value %s", name);
	return NULL;
}

static float *run(struct model_builder *b, const struct qb_graph *g)
{
	struct qb_tensor in = {.dtype = QB_F32, .ndim = 3, .dim = {2, ROWS, N}}, out;
	const struct qb_tensor *args[1] = {&in};

	in.data = (void *)mb_random(b, 99, 2 * ROWS * N);
	assert_int_equal(qb_graph_eval(g, args, &out, NULL), QB_OK);
	return out.data;
}

/* Divides `name` by s in everything that the MatMuls use, multiplies their weights, and compares the network's output.
 * Says which nodes are left over from those that are in `types`. */
static void check(struct model_builder *b, const char *name, int products, bool insert, bool expect_insert,
	const char *kept)
{
	const float s[N] = {0.01f, 3, 1, 250, 0.5f, 8};
	struct qb_graph *g = NULL;
	struct qb_errbuf eb;
	struct qb_value *v, *divided = NULL;
	bool inserted, found = false;
	float *before, *after;
	int used = 0;

	assert_int_equal(mb_import(b, &g, &eb), QB_OK);
	before = run(b, g);
	v = value_named(g, name);
	assert_int_equal(qb_graph_divide_channels(g, v, &(struct qb_channel_divisors){s, N, products, insert}, &divided, &inserted, &eb), QB_OK);
	assert_non_null(divided);
	assert_int_equal(inserted, expect_insert);
	for (int i = 0; i < g->nodes; i++) {
		struct qb_node *n = g->node[i];

		if (!strcmp(n->type, "MatMul") && n->input[0] == v && n->output[0] != divided) {
			float *w = n->input[1]->constant->data;

			for (int j = 0; j < N * N; j++) {
				w[j] *= s[j / N];
			}
			n->input[0] = divided;
			used++;
		}
	}
	assert_int_equal(used, products);
	assert_int_equal(qb_graph_relink(g, &eb), QB_OK);
	assert_int_equal(qb_pass_remove_dead(g, &eb), QB_OK);
	after = run(b, g);
	for (int i = 0; i < 2 * ROWS * N; i++) {
		if (!(fabsf(before[i] - after[i]) < 2e-5f * (1 + fabsf(before[i])))) {
			fail_msg("%s, number %d: %g before, %g after", name, i, (double)before[i], (double)after[i]);
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		found = found || !strcmp(g->node[i]->name, kept);
	}
	assert_int_equal(found, *kept != 0);
	free(before);
	free(after);
	qb_graph_destroy(&g);
	mb_fini(b);
}

static void divide__layer_norm_with_other_users__is_copied_and_kept(void **state)
{
	struct model_builder b;

	(void)state;
	begin(&b);
	mb_node(&b, "LayerNormalization", "norm", "x,gamma,beta", "v");
	mb_node(&b, "MatMul", "q", "v,w", "q");
	mb_node(&b, "MatMul", "k", "v,w2", "k");
	mb_node(&b, "Mul", "qk", "q,k", "qk");
	mb_node(&b, "Add", "sum", "qk,v", "y");
	check(&b, "v", 2, false, false, "norm");
}

static void divide__layer_norm_in_pieces__reaches_both_constants(void **state)
{
	struct model_builder b;

	(void)state;
	begin(&b);
	mb_node(&b, "Tanh", "norm", "x", "n");
	mb_node(&b, "Mul", "scale", "n,gamma", "scaled");
	mb_node(&b, "Add", "shift", "beta,scaled", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	check(&b, "v", 1, false, false, "");
}

static void divide__gelu__goes_into_its_half(void **state)
{
	struct model_builder b;

	(void)state;
	begin(&b);
	mb_node(&b, "Tanh", "gate", "x", "t");
	mb_node(&b, "Mul", "gated", "x,t", "g");
	mb_node(&b, "Mul", "halved", "g,half", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	check(&b, "v", 1, false, false, "gated");
	begin(&b);
	mb_node(&b, "Tanh", "gate", "x", "t");
	mb_node(&b, "Div", "halved", "x,half", "g");
	mb_node(&b, "Mul", "gated", "t,g", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	check(&b, "v", 1, false, false, "gate");
}

static void divide__product_used_by_products_alone__goes_into_its_weights(void **state)
{
	struct model_builder b;

	(void)state;
	begin(&b);
	mb_node(&b, "MatMul", "first", "x,w2", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	check(&b, "v", 1, false, false, "");
	/* Someone else needs it as it was. */
	begin(&b);
	mb_node(&b, "MatMul", "first", "x,w2", "v");
	mb_node(&b, "MatMul", "q", "v,w", "z");
	mb_node(&b, "Add", "sum", "z,v", "y");
	check(&b, "v", 1, true, true, "first");
}

static void divide__no_constant_before_it__inserts_a_product_if_asked(void **state)
{
	const float s[N] = {1, 1, 1, 1, 1, 2};
	struct qb_graph *g = NULL;
	struct model_builder b;
	struct qb_value *divided;
	bool inserted;

	(void)state;
	begin(&b);
	mb_node(&b, "Tanh", "t", "x", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	check(&b, "v", 1, true, true, "t");
	begin(&b);
	mb_node(&b, "Tanh", "t", "x", "v");
	mb_node(&b, "MatMul", "q", "v,w", "y");
	assert_int_equal(mb_import(&b, &g, NULL), QB_OK);
	assert_int_equal(qb_graph_divide_channels(g, value_named(g, "v"), &(struct qb_channel_divisors){s, N, 1, false}, &divided,
		&inserted, NULL), QB_OK);
	assert_null(divided);
	qb_graph_destroy(&g);
	mb_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(divide__layer_norm_with_other_users__is_copied_and_kept),
		cmocka_unit_test(divide__layer_norm_in_pieces__reaches_both_constants),
		cmocka_unit_test(divide__gelu__goes_into_its_half),
		cmocka_unit_test(divide__product_used_by_products_alone__goes_into_its_weights),
		cmocka_unit_test(divide__no_constant_before_it__inserts_a_product_if_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
