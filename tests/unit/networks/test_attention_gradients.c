/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients of bert, opt and vit by all of their parameters, with every variant of attention, against central differences in
 * double precision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/train/training_network.h"
#include "tests/unit/graph/gradient_check.h"
#include "tests/unit/networks/named_network.h"

enum { BATCH = 2, VOCABULARY = 5 };

#define SIZE "\"layers\": 1, \"width\": 4, \"heads\": 2, \"ffn\": 6"
#define TEXT SIZE ", \"vocabulary\": 5, \"length\": 3"
#define IMAGE SIZE ", \"input\": [1, 4, 4], \"patch\": 2, \"classes\": 3"

/* Far from fresh ones, so that gates and clipped probabilities matter. */
static const struct qb_tensor *drawn_like(struct qb_arena *arena, const struct qb_tensor *t, uint64_t stream)
{
	struct qb_tensor *out = qb_arena_alloc(arena, 1, sizeof(*out));
	float *x = qb_arena_alloc(arena, qb_tensor_size(t), sizeof(*x));

	*out = *t;
	out->data = x;
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		x[i] = ((const float *)t->data)[i] + (float)(0.5 * qb_random_normal(7, stream, i));
	}
	return out;
}

/* The parameters become inputs of the graph, behind its own; *count of them, and their elements. */
static void open_parameters(struct qb_graph *g, const struct qb_tensor **elements, int *count)
{
	struct qb_parameter_list list;
	struct qb_value **input;

	assert_int_equal(qb_list_parameters(g, &list, NULL), QB_OK);
	assert_true(list.count <= MAX_INPUTS);
	input = qb_arena_alloc(g->arena, (size_t)list.count + 1, sizeof(*input));
	input[0] = g->input[0];
	for (int i = 0; i < list.count; i++) {
		elements[i] = drawn_like(g->arena, list.value[i]->constant, (uint64_t)i);
		list.value[i]->constant = NULL;
		input[1 + i] = list.value[i];
	}
	g->input = input;
	g->inputs = 1 + list.count;
	*count = list.count;
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
}

/* Tokens, or an image. */
static const struct qb_tensor *sample(struct qb_arena *arena, const struct qb_value *v)
{
	struct qb_tensor *t = qb_arena_alloc(arena, 1, sizeof(*t));

	*t = (struct qb_tensor){.dtype = v->dtype, .ndim = v->shape.ndim};
	memcpy(t->dim, v->shape.dim, sizeof(t->dim));
	t->data = qb_arena_alloc(arena, qb_tensor_size(t), 8);
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		if (t->dtype == QB_I64) {
			((int64_t *)t->data)[i] = (int64_t)(7 * i * i + 3) % VOCABULARY;
		} else {
			((float *)t->data)[i] = (float)qb_random_normal(3, 0, i);
		}
	}
	return t;
}

static void check(const char *network, const char *variant)
{
	struct qb_graph *g = named_network(network, 1);
	const struct qb_tensor *elements[MAX_INPUTS];
	struct builder b = {.seed = 11};
	struct qb_errbuf eb = {0};
	char what[512];

	snprintf(what, sizeof(what), "%s, %s", network, variant);
	set_attention(g, variant, 2);
	open_parameters(g, elements, &b.inputs);
	must(qb_graph_bind(&b.g, g, BATCH, &eb), &eb, what);
	for (int i = 0; i < b.inputs; i++) {
		b.input[i] = b.g->input[1 + i];
		b.input[i]->constant = elements[i];
	}
	b.g->input[0]->constant = sample(b.g->arena, b.g->input[0]);
	check_gradients(&b, weighted_sum(&b, b.g->output[0]), what);
	qb_graph_destroy(&b.g);
	qb_graph_destroy(&g);
}

static void check_variants(const char *network)
{
	static const char *const variants[] = {"\"vanilla\"", "{\"name\": \"clipped_softmax\", \"gamma\": -0.1, \"zeta\": 1.2}",
		"\"gated\"", "{\"name\": \"gated\", \"gate\": \"mlp\", \"hidden\": 3}", "{\"name\": \"gated\", \"gate\": \"all_heads\"}"};

	for (size_t i = 0; i < QB_COUNT(variants); i++) {
		check(network, variants[i]);
	}
}

static void bert__all_variants__gradients_are_central_differences(void **state)
{
	(void)state;
	check_variants("{\"name\": \"bert\", " TEXT "}");
}

static void opt__all_variants__gradients_are_central_differences(void **state)
{
	(void)state;
	check_variants("{\"name\": \"opt\", " TEXT "}");
	check("{\"name\": \"opt\", " TEXT ", \"bias\": false, \"tied\": false}",
		"{\"name\": \"clipped_softmax\", \"alpha\": 0.5, \"renormalize\": true}");
}

static void vit__all_variants__gradients_are_central_differences(void **state)
{
	(void)state;
	check_variants("{\"name\": \"vit\", " IMAGE "}");
	check("{\"name\": \"vit\", " IMAGE ", \"pool\": \"mean\", \"patch_norm\": true}", "\"gated\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bert__all_variants__gradients_are_central_differences),
		cmocka_unit_test(opt__all_variants__gradients_are_central_differences),
		cmocka_unit_test(vit__all_variants__gradients_are_central_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
