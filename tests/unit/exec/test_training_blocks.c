/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of networks, differentiated: their training plans give what evaluation gives, and no step of them is evaluated in
 * plain C.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/graph/gradient.h"
#include "core/graph/recompute.h"
#include "tests/unit/exec/graph_maker.h"
#include "tests/unit/exec/training_check.h"
#include "tests/unit/levels.h"

enum { PARAMETERS = 40 };

struct block {
	struct graph_maker m;
	struct qb_value *parameter[PARAMETERS];
	int parameters;
	int64_t images;
};

static struct qb_value *parameter(struct block *b, int ndim, const int64_t *dim)
{
	struct qb_value *v = gm_input(&b->m, QB_F32, ndim, dim);

	assert_true(b->parameters < PARAMETERS);
	b->parameter[b->parameters++] = v;
	return v;
}

static struct qb_value *conv(struct block *b, struct qb_value *x, int64_t outputs, int64_t kernel, int64_t stride, bool depthwise)
{
	int64_t channels = x->shape.dim[1], dim[] = {outputs, depthwise ? 1 : channels, kernel, kernel};
	struct qb_node *n = gm_node(&b->m, QB_OP_Conv, 1, 2, (struct qb_value *[]){x, parameter(b, 4, dim)});

	qb_node_add_int(n, "group", depthwise ? channels : 1);
	gm_ints(&b->m, n, "strides", 2, (int64_t[]){stride, stride});
	gm_ints(&b->m, n, "pads", 4, (int64_t[]){kernel / 2, kernel / 2, kernel / 2, kernel / 2});
	return gm_add(&b->m, n);
}

static struct qb_value *norm(struct block *b, struct qb_value *x)
{
	struct qb_value *sums = GM_OP(&b->m, QB_OP_ShardSum, GM_OP(&b->m, QB_OP_BatchStatistics, x));
	struct qb_value *gain = parameter(b, 1, x->shape.dim + 1), *offset = parameter(b, 1, x->shape.dim + 1);
	struct qb_node *n = gm_node(&b->m, QB_OP_BatchNormalizationTraining, 1, 4, (struct qb_value *[]){x, gain, offset, sums});

	qb_node_add_int(n, "count", x->shape.dim[0] * x->shape.dim[2] * x->shape.dim[3]);
	return gm_add(&b->m, n);
}

static struct qb_value *relu6(struct block *b, struct qb_value *x)
{
	struct qb_value *lo = gm_constant(&b->m, QB_F32, 0, NULL, (float[]){0}), *hi = gm_constant(&b->m, QB_F32, 0, NULL, (float[]){6});

	return GM_OP(&b->m, QB_OP_Clip, x, lo, hi);
}

static void start_block(struct block *b, struct qb_value **x)
{
	*b = (struct block){.images = 3};
	gm_init(&b->m);
	*x = gm_input(&b->m, QB_F32, 4, (int64_t[]){b->images, 3, 12, 12});
}

/* Mean, layer and loss behind y; gradients of all parameters are outputs. Returns the loss. */
static struct qb_value *differentiate(struct block *b, struct qb_value *y)
{
	struct qb_value *target, *weight, *loss, *flat, *gradient[PARAMETERS];
	struct qb_value *shape = gm_constant(&b->m, QB_I64, 1, (int64_t[]){2}, (int64_t[]){b->images, y->shape.dim[1]});
	struct qb_errbuf eb = {0};

	flat = GM_OP(&b->m, QB_OP_Reshape, GM_OP(&b->m, QB_OP_GlobalAveragePool, y), shape);
	y = GM_OP(&b->m, QB_OP_Gemm, flat, parameter(b, 2, (int64_t[]){flat->shape.dim[1], 5}), parameter(b, 1, (int64_t[]){5}));
	target = gm_input(&b->m, QB_F32, 2, (int64_t[]){b->images, 5});
	weight = gm_input(&b->m, QB_F32, 1, (int64_t[]){1});
	loss = GM_OP(&b->m, QB_OP_SoftmaxCrossEntropy, y, target, weight);
	gm_output(&b->m, loss);
	gm_output(&b->m, y);
	gm_finish(&b->m);
	if (qb_graph_gradient(b->m.g, loss, b->parameter, b->parameters, gradient, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	for (int i = 0; i < b->parameters; i++) {
		assert_non_null(gradient[i]);
		gm_output(&b->m, gradient[i]);
	}
	gm_finish(&b->m);
	return loss;
}

static void end_block(struct block *b, struct qb_value *y)
{
	differentiate(b, y);
	/* Some are 0 but for rounding: those of what a later norm or softmax takes out again. */
	check_training_graph(&b->m, (struct tolerance){2e-4, 0.01}, 1, false);
}

typedef struct qb_value *block_fn(struct block *b);

static struct qb_value *resnet(struct block *b)
{
	struct qb_value *x, *y;

	start_block(b, &x);
	x = GM_OP(&b->m, QB_OP_Relu, norm(b, conv(b, x, 16, 3, 1, false)));
	y = GM_OP(&b->m, QB_OP_Relu, norm(b, conv(b, x, 24, 3, 2, false)));
	y = norm(b, conv(b, y, 24, 3, 1, false));
	return GM_OP(&b->m, QB_OP_Relu, GM_OP(&b->m, QB_OP_Add, y, norm(b, conv(b, x, 24, 1, 2, false))));
}

static void resnet_block__differentiated__no_step_is_evaluated(void **state)
{
	struct block b;

	(void)state;
	end_block(&b, resnet(&b));
}

static struct qb_value *mobilenet(struct block *b)
{
	struct qb_value *x, *y;

	start_block(b, &x);
	x = relu6(b, norm(b, conv(b, x, 8, 3, 1, false)));
	for (int stride = 1; stride <= 2; stride++) {
		y = relu6(b, norm(b, conv(b, x, 40, 1, 1, false)));
		y = relu6(b, norm(b, conv(b, y, 40, 3, stride, true)));
		y = norm(b, conv(b, y, 8, 1, 1, false));
		x = stride == 1 ? GM_OP(&b->m, QB_OP_Add, x, y) : y;
	}
	return x;
}

static void mobilenet_block__differentiated__no_step_is_evaluated(void **state)
{
	struct block b;

	(void)state;
	end_block(&b, mobilenet(&b));
}

/* ---- a block of a transformer ---- */

enum { BATCH = 2, TOKENS = 7, HEADS = 3, HEAD = 8, MODEL = HEADS * HEAD };

static struct qb_value *reshape(struct block *b, struct qb_value *x, int ndim, const int64_t *dim)
{
	int64_t n = ndim;

	return GM_OP(&b->m, QB_OP_Reshape, x, gm_constant(&b->m, QB_I64, 1, &n, dim));
}

static struct qb_value *transpose(struct block *b, struct qb_value *x, const int64_t *perm)
{
	struct qb_node *n = gm_node(&b->m, QB_OP_Transpose, 1, 1, &x);

	gm_ints(&b->m, n, "perm", x->shape.ndim, perm);
	return gm_add(&b->m, n);
}

static struct qb_value *linear(struct block *b, struct qb_value *x, int64_t outputs)
{
	struct qb_value *w = parameter(b, 2, (int64_t[]){x->shape.dim[x->shape.ndim - 1], outputs});

	return GM_OP(&b->m, QB_OP_Add, GM_OP(&b->m, QB_OP_MatMul, x, w), parameter(b, 1, &outputs));
}

static struct qb_value *layer_norm(struct block *b, struct qb_value *x)
{
	int64_t n = x->shape.dim[x->shape.ndim - 1];

	return GM_OP(&b->m, QB_OP_LayerNormalization, x, parameter(b, 1, &n), parameter(b, 1, &n));
}

static struct qb_value *attention(struct block *b, struct qb_value *x)
{
	static const int64_t split[] = {BATCH, TOKENS, HEADS, HEAD}, joined[] = {BATCH, TOKENS, MODEL};
	struct qb_value *q = transpose(b, reshape(b, linear(b, x, MODEL), 4, split), (int64_t[]){0, 2, 1, 3});
	struct qb_value *k = transpose(b, reshape(b, linear(b, x, MODEL), 4, split), (int64_t[]){0, 2, 3, 1});
	struct qb_value *v = transpose(b, reshape(b, linear(b, x, MODEL), 4, split), (int64_t[]){0, 2, 1, 3});
	struct qb_value *scale = gm_constant(&b->m, QB_F32, 0, NULL, (float[]){0.35f});
	struct qb_value *scores = GM_OP(&b->m, QB_OP_Mul, GM_OP(&b->m, QB_OP_MatMul, q, k), scale);

	v = GM_OP(&b->m, QB_OP_MatMul, GM_OP(&b->m, QB_OP_Softmax, scores), v);
	return linear(b, reshape(b, transpose(b, v, (int64_t[]){0, 2, 1, 3}), 3, joined), MODEL);
}

static struct qb_value *transformer(struct block *b)
{
	struct qb_value *x;

	*b = (struct block){.images = BATCH};
	gm_init(&b->m);
	x = parameter(b, 3, (int64_t[]){BATCH, TOKENS, MODEL});
	x = GM_OP(&b->m, QB_OP_Add, x, parameter(b, 2, (int64_t[]){TOKENS, MODEL}));
	x = GM_OP(&b->m, QB_OP_Add, x, attention(b, layer_norm(b, x)));
	x = GM_OP(&b->m, QB_OP_Add, x, linear(b, GM_OP(&b->m, QB_OP_Gelu, linear(b, layer_norm(b, x), 40)), MODEL));
	return transpose(b, reshape(b, x, 4, (int64_t[]){BATCH, TOKENS, 1, MODEL}), (int64_t[]){0, 3, 2, 1});
}

static void transformer_block__differentiated__no_step_is_evaluated(void **state)
{
	struct block b;

	(void)state;
	end_block(&b, transformer(&b));
}

/* ---- recomputation ---- */

static void blocks__recomputed__less_memory_and_the_same_bytes(void **state)
{
	static block_fn *const blocks[] = {resnet, mobilenet, transformer};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(blocks); i++) {
		struct block kept, again;
		struct qb_value *loss;
		struct qb_errbuf eb = {0};
		size_t bytes[2];
		int count = 0;

		differentiate(&kept, blocks[i](&kept));
		loss = differentiate(&again, blocks[i](&again));
		if (qb_graph_recompute(again.m.g, loss, &count, &eb) != QB_OK) {
			fail_msg("%s", eb.text);
		}
		assert_true(count > 0);
		check_same_training(kept.m.g, again.m.g, i, bytes);
		print_message("block %zu: %d nodes again, %zu bytes instead of %zu\n", i, count, bytes[1], bytes[0]);
		assert_true(bytes[1] < bytes[0]);
		gm_fini(&kept.m);
		check_training_graph(&again.m, (struct tolerance){2e-4, 0.01}, 1, false);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(resnet_block__differentiated__no_step_is_evaluated),
		cmocka_unit_test(mobilenet_block__differentiated__no_step_is_evaluated),
		cmocka_unit_test(transformer_block__differentiated__no_step_is_evaluated),
		cmocka_unit_test(blocks__recomputed__less_memory_and_the_same_bytes),
	};

	return cmocka_run_group_tests_name("training blocks", all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
