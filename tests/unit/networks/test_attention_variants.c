/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention in networks by name: where it is found, what variants make of it, and that files keep it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/graph/attention.h"
#include "core/graph/shape.h"
#include "core/quant/placement.h"
#include "core/train/training_network.h"
#include "tests/unit/networks/named_network.h"

#define SMALL "\"layers\": 2, \"width\": 24, \"heads\": 3"
#define BERT "{\"name\": \"bert\", " SMALL ", \"vocabulary\": 11, \"length\": 8}"
#define OPT "{\"name\": \"opt\", " SMALL ", \"vocabulary\": 11, \"length\": 8}"
#define BARE "{\"name\": \"opt\", \"layers\": 3, \"width\": 24, \"heads\": 1, \"bias\": false, \"tied\": false, \"length\": 8}"
#define VIT "{\"name\": \"vit\", " SMALL ", \"input\": [3, 12, 16]}"
#define MEAN "{\"name\": \"vit\", " SMALL ", \"input\": [3, 12, 16], \"pool\": \"mean\", \"patch_norm\": true}"

static const char *const variants[] = {NULL, "\"clipped_softmax\"", "{\"name\": \"clipped_softmax\", \"renormalize\": true}",
	"\"gated\"", "{\"name\": \"gated\", \"gate\": \"mlp\"}", "{\"name\": \"gated\", \"gate\": \"all_heads\"}"};

static struct qb_graph *make(const char *network, const char *variant)
{
	struct qb_graph *g = named_network(network, 1);

	set_attention(g, variant, 1);
	return g;
}

static struct qb_value *find(const struct qb_graph *g, const char *name)
{
	int i = qb_graph_find(g, name, 0);

	if (i < 0) {
		fail_msg("there is no value %s", name);
	}
	return g->value[i];
}

/* ---- the finder ---- */

static void attention__of_networks_by_name__is_found(void **state)
{
	static const struct {
		const char *network;
		int layers;
		int64_t heads, width, keys;
		bool causal;
	} rows[] = {{BERT, 2, 3, 8, 8, false}, {OPT, 2, 3, 8, 8, true}, {BARE, 3, 1, 24, 8, true}, {VIT, 2, 3, 8, 13, false},
		{MEAN, 2, 3, 8, 12, false}, {"\"resnet8\"", 0, 0, 0, 0, false}};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows) * QB_COUNT(variants); i++) {
		const char *variant = variants[i % QB_COUNT(variants)];
		const int row = (int)(i / QB_COUNT(variants));
		struct qb_graph *g = make(rows[row].network, rows[row].layers ? variant : NULL);
		struct qb_attention_list list;

		assert_int_equal(qb_graph_find_attention(&list, g, NULL), QB_OK);
		assert_int_equal(list.count, rows[row].layers);
		for (int k = 0; k < list.count; k++) {
			const struct qb_attention *a = &list.at[k];
			char name[64];

			assert_int_equal(a->heads, rows[row].heads);
			assert_int_equal(a->width, rows[row].width);
			assert_int_equal(a->value_width, rows[row].width);
			assert_int_equal(a->queries, rows[row].keys);
			assert_int_equal(a->keys, rows[row].keys);
			assert_int_equal(a->causal, rows[row].causal);
			assert_int_equal(a->clipped, variant && strstr(variant, "clipped") != NULL);
			assert_int_equal(a->gated, variant && strstr(variant, "gated") != NULL);
			snprintf(name, sizeof(name), "layer%d.attention.output", k);
			assert_string_equal(a->output->name, name);
			snprintf(name, sizeof(name), "layer%d.attention.query", k);
			assert_string_equal(a->query->name, name);
			assert_ptr_equal(a->input, a->key->input[0]);
			assert_ptr_equal(a->input, a->value->input[0]);
			assert_ptr_equal(a->merged, a->output->input[0]);
		}
		qb_graph_destroy(&g);
	}
}

static struct qb_value *node(struct qb_graph *g, enum qb_op_id op, struct qb_value *a, struct qb_value *b)
{
	const char *name = qb_arena_printf(g->arena, "v%d", g->values);
	struct qb_value *y = qb_graph_add_value(g, name, QB_F32);

	assert_true(qb_graph_append(g, qb_node_create(g, op, name, 17, b ? 2 : 1, (struct qb_value *[]){a, b}, 1, &y)));
	return y;
}

/* Queries with 2^40 paths back to the input and no layer on any of them. */
static void attention__of_sums_of_sums__is_found_in_little_time(void **state)
{
	struct qb_graph *g = qb_graph_create();
	struct qb_value *x = qb_graph_add_value(g, "x", QB_F32), *q = x, *p;
	struct qb_attention_list list;

	(void)state;
	x->shape = qb_shape_make(3, (const int64_t[]){-1, 4, 4});
	for (int i = 0; i < 40; i++) {
		q = node(g, QB_OP_Add, q, q);
	}
	p = node(g, QB_OP_Softmax, node(g, QB_OP_MatMul, q, x), NULL);
	p = node(g, QB_OP_MatMul, p, q);
	g->input = &x;
	g->output = &p;
	g->inputs = g->outputs = 1;
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	assert_int_equal(qb_graph_infer(g, NULL), QB_OK);
	assert_int_equal(qb_graph_find_attention(&list, g, NULL), QB_OK);
	assert_int_equal(list.count, 1);
	assert_null(list.at[0].query);
	assert_null(list.at[0].output);
	assert_false(list.at[0].causal);
	assert_int_equal(list.at[0].width, 4);
	assert_int_equal(list.at[0].heads, 1);
	qb_graph_destroy(&g);
}

/* ---- files ---- */

static char *printed(const struct qb_graph *g)
{
	char *text = NULL, *line;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	qb_graph_print(g, f);
	fclose(f);
	/* The first line tells the opset, which is that of the newest node in a file. */
	line = strdup(strchr(text, '\n'));
	free(text);
	return line;
}

static void variants__written_and_read__are_the_same_graph(void **state)
{
	static const char *const networks[] = {BERT, OPT, BARE, VIT, MEAN};
	char path[] = "/tmp/test_attention.XXXXXX";
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	close(file);
	for (size_t i = 0; i < QB_COUNT(networks) * QB_COUNT(variants); i++) {
		struct qb_graph *g = make(networks[i / QB_COUNT(variants)], variants[i % QB_COUNT(variants)]), *again;
		struct qb_errbuf eb = {0};
		char *want, *got;

		if (qb_graph_export(g, path, &eb) != QB_OK || qb_graph_import(&again, path, &eb) != QB_OK) {
			fail_msg("%s", eb.text);
		}
		want = printed(g);
		got = printed(again);
		assert_string_equal(got, want);
		free(want);
		free(got);
		qb_graph_destroy(&again);
		qb_graph_destroy(&g);
	}
	unlink(path);
}

/* ---- values ---- */

/* A copy of what a value is in a run. */
struct seen {
	const char *name;
	struct qb_tensor tensor;
};
struct watched {
	struct seen *seen;
	int count;
};

static enum qb_err watch(void *arg, const struct qb_value *v, const struct qb_tensor *t, struct qb_errbuf *eb)
{
	const struct watched *w = arg;

	(void)eb;
	for (int i = 0; i < w->count; i++) {
		if (!strcmp(v->name, w->seen[i].name)) {
			w->seen[i].tensor = *t;
			w->seen[i].tensor.data = malloc(qb_tensor_size(t) * sizeof(float));
			memcpy(w->seen[i].tensor.data, t->data, qb_tensor_size(t) * sizeof(float));
		}
	}
	return QB_OK;
}

static void run(const struct qb_graph *g, struct seen *seen, int count)
{
	int64_t tokens[2][8];
	const struct qb_tensor in = {.dtype = QB_I64, .ndim = 2, .dim = {2, 8}, .data = tokens};
	struct watched w = {seen, count};
	struct qb_tensor out;

	for (int i = 0; i < 16; i++) {
		tokens[i / 8][i % 8] = (7 * i + 3) % 11;
	}
	assert_int_equal(qb_graph_eval_visit(g, (const struct qb_tensor *[]){&in}, &out, watch, &w, NULL), QB_OK);
	free(out.data);
	for (int i = 0; i < count; i++) {
		assert_non_null(seen[i].tensor.data);
	}
}

/* gamma -0.3, zeta 1.1 and 8 keys: eta 1.1, beta 1.1 + 0.3 - 2.4 = -1. */
static void clipped_softmax__renormalised__keeps_sum_and_largest_of_rows(void **state)
{
	const double beta = 1.1 + 0.3 - 8 * 0.3, eta = 1.1;
	struct qb_graph *g = make(OPT, "{\"name\": \"clipped_softmax\", \"gamma\": -0.3, \"zeta\": 1.1, \"renormalize\": true}");
	struct seen seen[] = {{.name = "layer0.attention.probabilities.out"}, {.name = "layer0.attention.probabilities.shifted.out"},
		{.name = "layer0.attention.probabilities.clipped.out"}};

	(void)state;
	run(g, seen, 3);
	assert_int_equal(qb_tensor_size(&seen[0].tensor), 2 * 3 * 8 * 8);
	for (int row = 0; row < 2 * 3 * 8; row++) {
		const float *p = (const float *)seen[0].tensor.data + 8 * row, *y = (const float *)seen[1].tensor.data + 8 * row,
			*clipped = (const float *)seen[2].tensor.data + 8 * row;
		int keys = row % 8 + 1;
		double sum = 0;

		for (int j = 0; j < keys; j++) {
			/* The line through (1 / k, beta / k), the mean, and (1, eta). */
			double want = keys == 1 ? (double)p[j] : eta + ((double)p[j] - 1) * (eta - beta / keys) / (1 - 1. / keys);

			assert_float_equal(y[j], want, 1e-5);
			sum += (double)y[j];
		}
		assert_float_equal(sum, keys == 1 ? 1 : beta, 1e-5);
		for (int j = 0; j < 8; j++) {
			assert_float_equal(clipped[j], fmin(fmax((double)y[j], 0), 1), 0);
			assert_true(j < keys || clipped[j] == 0);
		}
		if (keys == 8) {
			assert_float_equal(y[0], 1.4 * (double)p[0] - 0.3, 1e-5);
		}
	}
	for (int i = 0; i < 3; i++) {
		free(seen[i].tensor.data);
	}
	qb_graph_destroy(&g);
}

static void gates__fresh__are_open_as_asked(void **state)
{
	static const char *const gates[] = {"linear", "mlp", "all_heads"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct seen seen = {.name = "layer1.attention.context.gate.sigmoid.out"};
		struct qb_graph *g;
		char variant[128];

		snprintf(variant, sizeof(variant), "{\"name\": \"gated\", \"gate\": \"%s\", \"initial\": 0.8}", gates[i]);
		g = make(BERT, variant);
		run(g, &seen, 1);
		assert_int_equal(qb_tensor_size(&seen.tensor), 2 * 3 * 8);
		for (int k = 0; k < 2 * 3 * 8; k++) {
			assert_float_equal(((const float *)seen.tensor.data)[k], 0.8, 0.1);
		}
		free(seen.tensor.data);
		qb_graph_destroy(&g);
	}
}

static void variants__of_one_seed__begin_from_the_same_weights(void **state)
{
	struct qb_graph *g = make(VIT, NULL), *h;

	(void)state;
	for (size_t i = 1; i < QB_COUNT(variants); i++) {
		h = make(VIT, variants[i]);
		for (int k = 0; k < g->values; k++) {
			const struct qb_tensor *want = g->value[k]->constant, *got = want ? find(h, g->value[k]->name)->constant : NULL;

			assert_true(!want || !memcmp(want->data, got->data, qb_tensor_size(want) * qb_dtype_bytes(want->dtype)));
		}
		qb_graph_destroy(&h);
	}
	qb_graph_destroy(&g);
}

/* ---- what trains, and what is quantized ---- */

static void variants__new_constants__train_where_they_are_weights(void **state)
{
	/* layers times: linear 24 + 3; mlp 3 * 8 * 16 + 3 * 16 + 3 * 16 + 3; all heads 24 * 3 + 3 */
	static const size_t more[] = {0, 0, 0, 2 * 27, 2 * (384 + 48 + 48 + 3), 2 * 75};
	size_t vanilla = 0;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(variants); i++) {
		struct qb_graph *g = make(OPT, variants[i]);
		struct qb_parameter_list list;
		size_t all = 0;

		assert_int_equal(qb_list_parameters(g, &list, NULL), QB_OK);
		for (int k = 0; k < list.count; k++) {
			all += list.parameter[k].size;
		}
		vanilla = i == 0 ? all : vanilla;
		assert_int_equal(all - vanilla, more[i]);
		qb_graph_destroy(&g);
	}
}

static void placement__clipped_softmax__quantizes_clipped_probabilities(void **state)
{
	struct qb_graph *g = make(OPT, "\"clipped_softmax\"");
	struct qb_placement *p;

	(void)state;
	assert_int_equal(qb_graph_prepare(g, NULL), QB_OK);
	assert_int_equal(qb_placement_create(&p, g, NULL), QB_OK);
	assert_int_equal(p->role[find(g, "layer0.attention.scores.out")->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->role[find(g, "layer0.attention.scaled.out")->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->role[find(g, "layer0.attention.masked.out")->index], QB_ROLE_FLOAT);
	assert_int_equal(p->role[find(g, "layer0.attention.probabilities.out")->index], QB_ROLE_FLOAT);
	assert_int_equal(p->role[find(g, "layer0.attention.probabilities.stretched.out")->index], QB_ROLE_FLOAT);
	assert_int_equal(p->role[find(g, "layer0.attention.probabilities.clipped.out.linear")->index], QB_ROLE_FLOAT);
	assert_int_equal(p->role[find(g, "layer0.attention.probabilities.clipped.out")->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->role[find(g, "layer0.attention.context.out")->index], QB_ROLE_ACTIVATION);
	qb_placement_destroy(&p);
	qb_graph_destroy(&g);
}

/* ---- errors ---- */

static void variants__that_do_not_fit__are_refused_by_field(void **state)
{
	static const struct {
		const char *network, *before, *variant, *field, *words;
	} rows[] = {
		{"\"resnet8\"", NULL, "\"gated\"", "/attention", "no attention"},
		{"\"resnet8\"", NULL, "\"vanilla\"", "/attention", "no attention"},
		{OPT, "\"gated\"", "\"gated\"", "/attention", "layer0.attention.probabilities: is gated already"},
		{OPT, "\"clipped_softmax\"", "\"gated\"", "/attention", "clipped already"},
		{OPT, NULL, "\"gate\"", "/attention", "there is no variant of attention \"gate\""},
		{OPT, NULL, "{\"name\": \"clipped_softmax\", \"gamma\": 0.1}", "/attention/gamma", "gamma"},
		{OPT, NULL, "{\"name\": \"clipped_softmax\", \"gamma\": -0.1, \"alpha\": 2}", "/attention/alpha", "both given"},
		{OPT, NULL, "{\"name\": \"gated\", \"initial\": 1}", "/attention/initial", "initial"},
		{OPT, NULL, "{\"name\": \"gated\", \"gate\": \"one\"}", "/attention/gate", "all_heads"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_graph *g = make(rows[i].network, rows[i].before);

		expect_no_attention(g, rows[i].variant, rows[i].field, rows[i].words);
		qb_graph_destroy(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attention__of_networks_by_name__is_found),
		cmocka_unit_test(attention__of_sums_of_sums__is_found_in_little_time),
		cmocka_unit_test(variants__written_and_read__are_the_same_graph),
		cmocka_unit_test(clipped_softmax__renormalised__keeps_sum_and_largest_of_rows),
		cmocka_unit_test(gates__fresh__are_open_as_asked),
		cmocka_unit_test(variants__of_one_seed__begin_from_the_same_weights),
		cmocka_unit_test(variants__new_constants__train_where_they_are_weights),
		cmocka_unit_test(placement__clipped_softmax__quantizes_clipped_probabilities),
		cmocka_unit_test(variants__that_do_not_fit__are_refused_by_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
