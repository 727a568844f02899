/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks by name: counts as published, weights as seeded.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/experiment/spec/network_spec.h"
#include "core/graph/op.h"
#include "core/train/networks/initialize.h"

static struct qb_graph *build_seeded(const char *description, uint64_t seed)
{
	struct qb_network_spec spec;
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;
	json_t *v = json_loads(description, JSON_DECODE_ANY, NULL);

	if (qb_network_spec_read(&spec, v, "network", &eb) != QB_OK) {
		fail_msg("%s: %s", description, eb.text);
	}
	if (qb_network_spec_build(&g, &spec, NULL, seed, &eb) != QB_OK) {
		fail_msg("%s: %s", description, eb.text);
	}
	qb_network_spec_fini(&spec);
	json_decref(v);
	return g;
}

static struct qb_graph *build(const char *description)
{
	return build_seeded(description, 1);
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

/* Of float constants with dimensions: no bounds of a Clip, no padding. */
static size_t parameters(const struct qb_graph *g)
{
	size_t n = 0;

	for (int i = 0; i < g->values; i++) {
		const struct qb_tensor *t = g->value[i]->constant;

		n += t && t->dtype == QB_F32 && t->ndim ? qb_tensor_size(t) : 0;
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

static void architectures__as_published__have_its_parameters_and_macs(void **state)
{
	/* Trained parameters: torchvision's documentation of mobilenet_v2 says 3504872 and 0.30 GMACs; MLPerf Tiny's Keras
	 * summaries count statistics in, 78666 and 24908; He et al. say 0.27 M, of which their PyTorch twin counts 269722. */
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
		int64_t stem, last, side;
	} rows[] = {
		{"\"mobilenetv2\"", 32, 320, 4},
		{"{\"name\": \"mobilenetv2\", \"width\": 0.5}", 16, 160, 4},
		{"{\"name\": \"mobilenetv2\", \"width\": 0.35, \"input\": [3, 96, 96]}", 16, 112, 3},
		{"{\"name\": \"mobilenetv2\", \"strides\": \"imagenet\"}", 32, 320, 1},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_graph *g = build(rows[i].description);
		const struct qb_value *last = find(g, "block16.project_bn.out");

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
	struct qb_graph *a = build_seeded("\"resnet8\"", 5), *b = build_seeded("\"resnet8\"", 5),
		*c = build_seeded("\"resnet8\"", 6);

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(architectures__as_published__have_its_parameters_and_macs),
		cmocka_unit_test(mobilenetv2__by_width_and_strides__has_its_channels_and_places),
		cmocka_unit_test(weights__of_a_seed__have_the_deviations_of_kaiming),
		cmocka_unit_test(weights__of_one_seed_and_another__are_the_same_and_others),
		cmocka_unit_test(descriptions__that_are_wrong__are_refused_by_field),
		cmocka_unit_test(input__of_a_vector__is_none_for_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
