/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks by name: counts as published, weights as seeded.
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
#include "core/experiment/spec/network_spec.h"
#include "core/graph/op.h"
#include "core/train/networks/initialize.h"
#include "tests/unit/networks/named_network.h"

static struct qb_graph *build(const char *description)
{
	return named_network(description, 1);
}

static size_t statistics(const struct qb_graph *g)
{
	size_t n = 0;

	for (int i = 0; i < g->nodes; i++) {
		if (qb_node_is(g->node[i], QB_OP_BatchNormalization)) {
			n += 2 * qb_tensor_size(g->node[i]->input[3]->constant);
		}
	}
	return n;
}

/* Of float constants with dimensions: no bounds of a Clip, no padding, no mask. */
static size_t parameters(const struct qb_graph *g)
{
	size_t n = 0;

	for (int i = 0; i < g->values; i++) {
		const struct qb_tensor *t = g->value[i]->constant;

		n += t && t->dtype == QB_F32 && t->ndim && strcmp(g->value[i]->name, "causal.mask") ? qb_tensor_size(t) : 0;
	}
	return n;
}

static int64_t macs(const struct qb_graph *g)
{
	int64_t sum = 0;

	for (int i = 0; i < g->nodes; i++) {
		sum -= qb_node_macs(g->node[i]); /* multiples of the batch, which is -1 */
	}
	return sum;
}

/* Sizes of small transformers. */
enum { V = 50, T = 12, D = 24, F = 40, L = 3 };
#define SIZE "\"layers\": 3, \"width\": 24, \"heads\": 2, \"ffn\": 40, \"vocabulary\": 50, \"length\": 12"
#define BERT "{\"name\": \"bert\", " SIZE "}"
#define OPT "{\"name\": \"opt\", " SIZE "}"
#define BARE "{\"name\": \"opt\", " SIZE ", \"bias\": false, \"tied\": false}"

static void architectures__as_published__have_its_parameters_and_macs(void **state)
{
	/* Trained parameters: torchvision's documentation of mobilenet_v2 says 3504872 and 0.30 GMACs; MLPerf Tiny's Keras
	 * summaries count statistics in, 78666 and 24908; He et al. say 0.27 M, of which their PyTorch twin counts 269722. DeiT-Ti,
	 * which is ViT at width 192, has 5717416. Transformers of tokens are counted by hand below. */
	static const struct {
		const char *description;
		size_t trained, all;
		int64_t macs;
	} rows[] = {
		{"\"resnet8\"", 78186, 78666, 12501632},
		{"\"resnet20\"", 269722, 271098, 40551040},
		{"{\"name\": \"mobilenetv2\", \"classes\": 1000, \"input\": [3, 224, 224]}", 3504872, 3538984, 300774272},
		{"\"mobilenetv2\"", 2236682, 2270794, 0},
		{"\"ds_cnn\"", 23756, 24908, 2656768},
		{"{\"name\": \"mlp\", \"layers\": [128, 64], \"input\": [1, 28, 28]}", 109386, 109386, 784 * 128 + 128 * 64 + 64 * 10},
		{"{\"name\": \"vit\", \"layers\": 12, \"patch\": 16, \"input\": [3, 224, 224], \"classes\": 1000}", 5717416, 5717416, 0},
		/* Table, positions, norm; a layer's attention, norms, blocks; head and its norm, bias of the scores. Products of each
		 * token, and of pairs of tokens in attention. */
		{BERT, V * D + T * D + 2 * D + L * (4 * (D * D + D) + 4 * D + D * F + F + F * D + D) + D * D + D + 2 * D + V,
			V * D + T * D + 2 * D + L * (4 * (D * D + D) + 4 * D + D * F + F + F * D + D) + D * D + D + 2 * D + V,
			T * (L * (4 * D * D + 2 * D * F + 2 * T * D) + D * D + D * V)},
		{OPT, V * D + T * D + L * (4 * (D * D + D) + 4 * D + D * F + F + F * D + D) + 2 * D,
			V * D + T * D + L * (4 * (D * D + D) + 4 * D + D * F + F + F * D + D) + 2 * D,
			T * (L * (4 * D * D + 2 * D * F + 2 * T * D) + D * V)},
		{BARE, 2 * V * D + T * D + L * (4 * D * D + 2 * D + 2 * D * F) + D, 2 * V * D + T * D + L * (4 * D * D + 2 * D + 2 * D * F) + D,
			T * (L * (4 * D * D + 2 * D * F + 2 * T * D) + D * V)},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_graph *g = build(rows[i].description);

		assert_int_equal(parameters(g), rows[i].all);
		assert_int_equal(parameters(g) - statistics(g), rows[i].trained);
		if (rows[i].macs) {
			assert_int_equal(macs(g), rows[i].macs);
		}
		qb_graph_destroy(&g);
	}
}

static const struct qb_value *find(const struct qb_graph *g, const char *name)
{
	int i = qb_graph_find(g, name, 0);

	if (i < 0) {
		fail_msg("there is no value %s", name);
	}
	return g->value[i];
}

static void mobilenetv2__by_width_and_strides__has_its_channels_and_places(void **state)
{
	static const struct {
		const char *description;
		int64_t stem, last, side, expanded, head;
	} rows[] = {
		{"\"mobilenetv2\"", 32, 320, 4, 960, 1280},
		{"{\"name\": \"mobilenetv2\", \"width\": 0.5}", 16, 160, 4, 480, 1280},
		{"{\"name\": \"mobilenetv2\", \"width\": 0.35, \"input\": [3, 96, 96]}", 16, 112, 3, 336, 1280},
		{"{\"name\": \"mobilenetv2\", \"strides\": \"imagenet\"}", 32, 320, 1, 960, 1280},
		{"{\"name\": \"mobilenetv2\", \"width\": 0.25, \"expansion\": 3, \"head\": 48}", 8, 80, 4, 120, 48},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_graph *g = build(rows[i].description);
		const struct qb_value *last = find(g, "block16.project_bn.out");

		assert_int_equal(find(g, "block16.expand.out")->shape.dim[1], rows[i].expanded);
		assert_int_equal(find(g, "head.conv.out")->shape.dim[1], rows[i].head);
		assert_int_equal(find(g, "stem.conv.out")->shape.dim[1], rows[i].stem);
		assert_int_equal(last->shape.dim[1], rows[i].last);
		assert_int_equal(last->shape.dim[2], rows[i].side);
		qb_graph_destroy(&g);
	}
}

static double deviation(const struct qb_value *v)
{
	const float *x = v->constant->data;
	size_t n = qb_tensor_size(v->constant);
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		sum += (double)x[i];
		squares += (double)x[i] * (double)x[i];
	}
	return sqrt(squares / (double)n - sum / (double)n * sum / (double)n);
}

/* He et al., 2015, eq. 10; the last layer has no rectifier behind it. */
static void weights__of_a_seed__have_the_deviations_of_kaiming(void **state)
{
	struct qb_graph *g = build("\"resnet20\""), *m = build("{\"name\": \"mlp\", \"input\": [1000]}");

	(void)state;
	assert_float_equal(deviation(find(g, "layer3.2.conv2.weight")), sqrt(2. / (9 * 64)), 0.001);
	assert_float_equal(deviation(find(g, "layer2.0.conv1.weight")), sqrt(2. / (9 * 16)), 0.005);
	assert_float_equal(deviation(find(g, "linear.weight")), sqrt(1. / 64), 0.015);
	assert_float_equal(deviation(find(m, "linear0.weight")), sqrt(2. / 1000), 0.0005);
	assert_float_equal(deviation(find(m, "linear2.weight")), sqrt(1. / 64), 0.015);
	assert_float_equal(((float *)find(g, "bn1.weight")->constant->data)[3], 1, 0);
	assert_float_equal(((float *)find(g, "bn1.running_var")->constant->data)[3], 1, 0);
	assert_float_equal(((float *)find(g, "bn1.running_mean")->constant->data)[3], 0, 0);
	assert_float_equal(((float *)find(g, "linear.bias")->constant->data)[3], 0, 0);
	qb_graph_destroy(&g);
	qb_graph_destroy(&m);
}

static bool same_constants(const struct qb_graph *a, const struct qb_graph *b)
{
	bool same = a->values == b->values;

	for (int i = 0; same && i < a->values; i++) {
		const struct qb_tensor *x = a->value[i]->constant, *y = b->value[i]->constant;

		same = !x == !y && (!x || !memcmp(x->data, y->data, qb_tensor_size(x) * qb_dtype_bytes(x->dtype)));
	}
	return same;
}

static void weights__of_one_seed_and_another__are_the_same_and_others(void **state)
{
	struct qb_graph *a = named_network("\"resnet8\"", 5), *b = named_network("\"resnet8\"", 5),
		*c = named_network("\"resnet8\"", 6);

	(void)state;
	assert_true(same_constants(a, b));
	assert_false(same_constants(a, c));
	assert_int_equal(qb_graph_initialize(c, 5, NULL), QB_OK); /* of a network that has weights */
	assert_true(same_constants(a, c));
	qb_graph_destroy(&a);
	qb_graph_destroy(&b);
	qb_graph_destroy(&c);
}

static void descriptions__that_are_wrong__are_refused_by_field(void **state)
{
	static const struct {
		const char *description, *field, *words;
	} rows[] = {
		{"\"resnet9\"", "/network", "there is no network \"resnet9\""},
		{"{\"name\": \"resnet8\", \"width\": 2}", "/network/width", "width"},
		{"{\"name\": \"mobilenetv2\", \"width\": 0}", "/network/width", "0.05"},
		{"{\"name\": \"mlp\", \"layers\": [0]}", "/network/layers", "widths"},
		{"{\"name\": \"resnet20\", \"shortcut\": \"C\"}", "/network/shortcut", "A"},
		{"7", "/network", "name of a network"},
		{"{\"name\": \"bert\", \"width\": 100, \"heads\": 3}", "/network/heads", "do not divide the width"},
		{"{\"name\": \"vit\", \"pool\": \"max\"}", "/network/pool", "mean"},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_network_spec spec;
		struct qb_errbuf eb = {0};
		json_t *v = json_loads(rows[i].description, JSON_DECODE_ANY, NULL);

		assert_int_equal(qb_network_spec_read(&spec, v, "network", &eb), QB_EJOB);
		assert_string_equal(eb.field, rows[i].field);
		if (!strstr(eb.text, rows[i].words)) {
			fail_msg("\"%s\" does not say \"%s\"", eb.text, rows[i].words);
		}
		qb_network_spec_fini(&spec);
		json_decref(v);
	}
}

static void input__of_a_vector__is_none_for_images(void **state)
{
	const struct qb_architecture_input in = {1, {40}, 10};
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;

	(void)state;
	assert_int_equal(qb_architecture_build(&g, qb_architecture_find("resnet8"), &in, NULL, 1, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "images"));
}

static void input__that_does_not_fit_a_transformer__is_refused(void **state)
{
	const struct qb_architecture_input image = {3, {3, 30, 32}, 10};
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;
	void *params;

	(void)state;
	assert_int_equal(qb_named_defaults(&params, &qb_architecture_find("vit")->named, &eb), QB_OK);
	assert_int_equal(qb_architecture_build(&g, qb_architecture_find("vit"), &image, params, 1, &eb), QB_EJOB);
	assert_string_equal(eb.field, "/patch");
	assert_non_null(strstr(eb.text, "30 x 32"));
	free(params);
	assert_int_equal(qb_named_defaults(&params, &qb_architecture_find("opt")->named, &eb), QB_OK);
	assert_int_equal(qb_architecture_build(&g, qb_architecture_find("opt"), &image, params, 1, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "tokens [length]"));
	free(params);
}

/* 0.02 of what is looked up and of places; positions and class tokens are no zeros. */
static void transformers__fresh__have_the_deviations_of_transformers(void **state)
{
	struct qb_graph *g = build("\"opt\""), *v = build("\"vit\"");

	(void)state;
	assert_float_equal(deviation(find(g, "embedding.weight")), 0.02, 0.0005);
	assert_float_equal(deviation(find(g, "positions.weight")), 0.02, 0.0005);
	assert_float_equal(deviation(find(g, "layer0.attention.query.weight")), sqrt(1. / 256), 0.001);
	assert_float_equal(deviation(find(g, "layer0.ffn.up.weight")), sqrt(2. / 256), 0.001);
	assert_float_equal(deviation(find(v, "positions.weight")), 0.02, 0.001);
	assert_float_equal(deviation(find(v, "class.weight")), 0.02, 0.005);
	assert_float_equal(((float *)find(g, "causal.mask")->constant->data)[1], -1e9, 0);
	qb_graph_destroy(&g);
	qb_graph_destroy(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(architectures__as_published__have_its_parameters_and_macs),
		cmocka_unit_test(mobilenetv2__by_width_and_strides__has_its_channels_and_places),
		cmocka_unit_test(weights__of_a_seed__have_the_deviations_of_kaiming),
		cmocka_unit_test(weights__of_one_seed_and_another__are_the_same_and_others),
		cmocka_unit_test(descriptions__that_are_wrong__are_refused_by_field),
		cmocka_unit_test(input__of_a_vector__is_none_for_images),
		cmocka_unit_test(input__that_does_not_fit_a_transformer__is_refused),
		cmocka_unit_test(transformers__fresh__have_the_deviations_of_transformers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
