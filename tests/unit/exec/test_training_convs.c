/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions of training plans: forward with computed weights, transposed, and both gradients, of random shapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/exec/graph_maker.h"
#include "tests/unit/exec/training_check.h"
#include "tests/unit/levels.h"

struct conv {
	int ndim; /* spatial */
	int64_t images, channels, outputs, group, in[3], out[3], kernel[3], stride[3], dilation[3], pad[6];
};

enum kind { ANY_GROUPS, ONE_GROUP, DEPTHWISE, POINTWISE };

static struct conv draw_conv(struct draw *d, enum kind kind)
{
	struct conv c = {.ndim = (int)between(d, 1, 2), .images = between(d, 1, 3), .group = 1};

	c.channels = between(d, 1, 40);
	c.outputs = between(d, 1, 40);
	if (kind == DEPTHWISE) {
		c.channels = c.outputs = c.group = between(d, 2, 70);
	} else if (kind == ANY_GROUPS) {
		c.group = between(d, 2, 5);
		c.channels = c.group * between(d, 1, 20);
		c.outputs = c.group * between(d, 1, 20);
	}
	for (int i = 0; i < c.ndim; i++) {
		do {
			c.in[i] = between(d, 1, kind == DEPTHWISE ? 30 : 12);
			c.kernel[i] = kind == POINTWISE ? 1 : between(d, 1, 4);
			c.stride[i] = between(d, 1, 3);
			c.dilation[i] = between(d, 0, 3) ? 1 : 2;
			c.pad[i] = kind == POINTWISE ? 0 : between(d, 0, 2);
			c.pad[c.ndim + i] = kind == POINTWISE ? 0 : between(d, 0, 2);
			c.out[i] = c.in[i] + c.pad[i] + c.pad[c.ndim + i] - (c.kernel[i] - 1) * c.dilation[i] - 1;
		} while (c.out[i] < 0);
		c.out[i] = c.out[i] / c.stride[i] + 1;
	}
	return c;
}

static void add_attributes(struct graph_maker *m, struct qb_node *n, const struct conv *c)
{
	qb_node_add_int(n, "group", c->group);
	gm_ints(m, n, "kernel_shape", c->ndim, c->kernel);
	gm_ints(m, n, "strides", c->ndim, c->stride);
	gm_ints(m, n, "dilations", c->ndim, c->dilation);
	gm_ints(m, n, "pads", 2 * c->ndim, c->pad);
}

static void dims(int64_t *out, int64_t first, int64_t second, const int64_t *rest, int ndim)
{
	out[0] = first;
	out[1] = second;
	memcpy(out + 2, rest, (size_t)ndim * sizeof(*out));
}

/* Forward with weights and bias that are inputs, and both gradients. */
static void check_conv(uint64_t seed, enum kind kind)
{
	struct draw d = {.seed = seed};
	struct conv c = draw_conv(&d, kind);
	struct graph_maker m;
	struct qb_value *x, *w, *bias, *dy;
	struct qb_node *n;
	int64_t xs[5], ws[5], ys[5];

	gm_init(&m);
	dims(xs, c.images, c.channels, c.in, c.ndim);
	dims(ws, c.outputs, c.channels / c.group, c.kernel, c.ndim);
	dims(ys, c.images, c.outputs, c.out, c.ndim);
	x = gm_input(&m, QB_F32, 2 + c.ndim, xs);
	w = gm_input(&m, QB_F32, 2 + c.ndim, ws);
	bias = gm_input(&m, QB_F32, 1, ws);
	dy = gm_input(&m, QB_F32, 2 + c.ndim, ys);
	n = gm_node(&m, QB_OP_Conv, 1, between(&d, 0, 1) ? 3 : 2, (struct qb_value *[]){x, w, bias});
	add_attributes(&m, n, &c);
	gm_output(&m, gm_add(&m, n));
	n = gm_node(&m, QB_OP_ConvInputGradient, 1, 2, (struct qb_value *[]){dy, w});
	add_attributes(&m, n, &c);
	gm_ints(&m, n, "shape", 2 + c.ndim, xs);
	gm_output(&m, gm_add(&m, n));
	n = gm_node(&m, QB_OP_ConvWeightGradient, 1, 2, (struct qb_value *[]){x, dy});
	add_attributes(&m, n, &c);
	gm_ints(&m, n, "shape", 2 + c.ndim, ws);
	gm_output(&m, gm_add(&m, n));
	check_training_steps(&m, seed, kind == ANY_GROUPS);
}

/* The transposed convolution of y, with weights and a bias that are inputs. */
static void check_transposed(uint64_t seed, enum kind kind)
{
	struct draw d = {.seed = seed};
	struct conv c = draw_conv(&d, kind);
	struct graph_maker m;
	struct qb_value *y, *w, *bias;
	struct qb_node *n;
	int64_t ws[5], ys[5], output_padding[3];
	bool positive = true;

	gm_init(&m);
	dims(ys, c.images, c.outputs, c.out, c.ndim);
	dims(ws, c.outputs, c.channels / c.group, c.kernel, c.ndim);
	for (int i = 0; i < c.ndim; i++) {
		int64_t reach = (c.out[i] - 1) * c.stride[i] + (c.kernel[i] - 1) * c.dilation[i] + 1 - c.pad[i] - c.pad[c.ndim + i];

		output_padding[i] = between(&d, 0, c.stride[i] - 1);
		positive = positive && reach > 0;
	}
	y = gm_input(&m, QB_F32, 2 + c.ndim, ys);
	w = gm_input(&m, QB_F32, 2 + c.ndim, ws);
	bias = gm_input(&m, QB_F32, 1, &c.channels);
	n = gm_node(&m, QB_OP_ConvTranspose, 1, between(&d, 0, 1) ? 3 : 2, (struct qb_value *[]){y, w, bias});
	add_attributes(&m, n, &c);
	gm_ints(&m, n, "output_padding", c.ndim, output_padding);
	if (!positive) {
		gm_fini(&m);
		return;
	}
	gm_output(&m, gm_add(&m, n));
	check_training_steps(&m, seed, false);
}

static void conv_transpose__computed_weights__as_evaluated(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		check_transposed(seed, ONE_GROUP);
		check_transposed(seed, ANY_GROUPS);
		check_transposed(seed, DEPTHWISE);
	}
}

static void conv__one_group__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		check_conv(seed, ONE_GROUP);
	}
}

static void conv__pointwise__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		check_conv(seed, POINTWISE);
	}
}

static void conv__depthwise__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		check_conv(seed, DEPTHWISE);
	}
}

static void conv__groups__forward_and_gradients(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		check_conv(seed, ANY_GROUPS);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(conv__one_group__forward_and_gradients),
		cmocka_unit_test(conv__pointwise__forward_and_gradients),
		cmocka_unit_test(conv__depthwise__forward_and_gradients),
		cmocka_unit_test(conv__groups__forward_and_gradients),
		cmocka_unit_test(conv_transpose__computed_weights__as_evaluated),
	};

	return cmocka_run_group_tests_name("training convolutions", all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
