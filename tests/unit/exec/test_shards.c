/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch in shards: random graphs of rows, parameters and sums over the batch give what the evaluation of the whole batch
 * gives, and the same bytes whatever the number of threads.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/shards.h"
#include "tests/unit/exec/graph_maker.h"
#include "tests/unit/levels.h"

enum { SHARDS = 5, ROWS = 3, WIDTH = 19, NODES = 14, PARAMETERS = 3, GRAPHS = 40, INPUTS = 1 + PARAMETERS };
/* Outputs: rows; a sum over the batch; a sum over the shard's rows; a parameter again; the second once more. */
enum { ROWS_OUT, SUM_OUT, PART_OUT, PARAMETER_OUT, AGAIN_OUT, OUTPUTS };

struct draw {
	uint64_t seed, at;
};

static int below(struct draw *d, int n)
{
	return (int)(qb_random_u32(d->seed, 1, d->at++) % (uint32_t)n);
}

static struct qb_value *sum_rows(struct graph_maker *m, struct qb_value *x)
{
	struct qb_value *axes = gm_constant(m, QB_I64, 1, (int64_t[]){1}, (int64_t[]){0});

	return GM_OP(m, QB_OP_ReduceSum, x, axes);
}

/* The sum over the batch, as a mean. */
static struct qb_value *batch_mean(struct graph_maker *m, struct qb_value *x)
{
	struct qb_value *part = GM_OP(m, QB_OP_ShardSum, sum_rows(m, x));
	struct qb_value *count = gm_constant(m, QB_F32, 0, NULL, (float[]){1.0f / (SHARDS * ROWS)});

	return GM_OP(m, QB_OP_Mul, part, count);
}

/* The same graph for a shard's rows and for those of the batch. */
static void make_graph(struct graph_maker *m, uint64_t seed, int64_t rows)
{
	static const enum qb_op_id binary[] = {QB_OP_Add, QB_OP_Sub, QB_OP_Mul};
	struct draw d = {.seed = seed};
	struct qb_value *of_rows[NODES + 1], *of_batch[NODES + PARAMETERS], *square;
	int many = 1, sums = 0;

	gm_init(m);
	of_rows[0] = gm_input(m, QB_F32, 2, (int64_t[]){rows, WIDTH});
	of_batch[sums++] = gm_input(m, QB_F32, 1, (int64_t[]){WIDTH});
	of_batch[sums++] = gm_input(m, QB_F32, 2, (int64_t[]){1, WIDTH});
	square = gm_input(m, QB_F32, 2, (int64_t[]){WIDTH, WIDTH});
	for (int i = 0; i < NODES; i++) {
		struct qb_value *x = of_rows[below(&d, many)], *y = below(&d, 2) ? of_rows[below(&d, many)] : of_batch[below(&d, sums)];

		switch (below(&d, 4)) {
		case 0:
			of_rows[many++] = GM_OP(m, QB_OP_Tanh, GM_OP(m, QB_OP_MatMul, x, square));
			break;
		case 1:
			of_batch[sums++] = batch_mean(m, x);
			break;
		default:
			of_rows[many++] = GM_OP(m, QB_OP_Tanh, GM_OP(m, binary[below(&d, 3)], x, y));
		}
	}
	of_batch[sums++] = batch_mean(m, of_rows[many - 1]);
	gm_output(m, GM_OP(m, QB_OP_Add, of_rows[many - 1], of_batch[below(&d, sums)]));
	gm_output(m, of_batch[sums - 1]);
	gm_output(m, sum_rows(m, of_rows[below(&d, many)]));
	gm_output(m, square);
	gm_output(m, of_batch[sums - 1]);
	gm_finish(m);
}

static float *random_floats(uint64_t seed, uint64_t stream, size_t n)
{
	float *x = malloc(n * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++) {
		x[i] = (float)qb_random_normal(seed, 100 + stream, i) * 0.5f;
	}
	return x;
}

/* The inputs of a batch, and what its shards and the evaluation of all of it give. */
struct batch {
	float *input[INPUTS];
	float *output[SHARDS][OUTPUTS];
	size_t size[OUTPUTS]; /* of a shard's outputs */
};

static void start_batch(struct batch *b, uint64_t seed, const struct qb_graph *shard)
{
	for (int i = 0; i < INPUTS; i++) {
		b->input[i] = random_floats(seed, (uint64_t)i, qb_value_size(shard->input[i]) * (i ? 1 : SHARDS));
	}
	for (int k = 0; k < OUTPUTS; k++) {
		b->size[k] = qb_value_size(shard->output[k]);
		for (int s = 0; s < SHARDS; s++) {
			b->output[s][k] = calloc(b->size[k], sizeof(float));
			assert_non_null(b->output[s][k]);
		}
	}
}

static void end_batch(struct batch *b)
{
	for (int i = 0; i < INPUTS; i++) {
		free(b->input[i]);
	}
	for (int i = 0; i < SHARDS * OUTPUTS; i++) {
		free(b->output[i / OUTPUTS][i % OUTPUTS]);
	}
}

/* others: the square parameter of all shards but the first. */
static void run_fed(struct qb_shards *shards, struct batch *b, int threads, int unwanted, const float *others)
{
	const void *in[SHARDS][INPUTS], *const *inputs[SHARDS];
	void *out[SHARDS][OUTPUTS], *const *outputs[SHARDS];
	struct qb_errbuf eb = {0};

	for (int s = 0; s < SHARDS; s++) {
		for (int i = 0; i < INPUTS; i++) {
			in[s][i] = b->input[i] + (i ? 0 : s * ROWS * WIDTH);
		}
		in[s][INPUTS - 1] = s ? others : b->input[INPUTS - 1];
		for (int k = 0; k < OUTPUTS; k++) {
			out[s][k] = k == unwanted ? NULL : b->output[s][k];
			memset(b->output[s][k], 0, b->size[k] * sizeof(float));
		}
		inputs[s] = in[s];
		outputs[s] = out[s];
	}
	if (qb_shards_run(shards, &(struct qb_shards_run){.threads = threads, .input = inputs, .output = outputs}, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
}

static void run(struct qb_shards *shards, struct batch *b, int threads, int unwanted)
{
	run_fed(shards, b, threads, unwanted, b->input[INPUTS - 1]);
}

static void assert_near(uint64_t seed, int output, const float *x, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(fabsf(x[i] - y[i]) <= 2e-5f * (1 + fabsf(y[i])))) {
			fail_msg("seed %d, output %d: element %zu is %g, of the whole batch %g", (int)seed, output, i,
				(double)x[i], (double)y[i]);
		}
	}
}

/* All shards' rows together, the sum of their parts, and what is alike in all of them. */
static void compare_with_whole(uint64_t seed, const struct batch *b)
{
	struct graph_maker whole;
	struct qb_tensor in[INPUTS] = {{0}}, out[OUTPUTS] = {{0}};
	const struct qb_tensor *arg[INPUTS];
	struct qb_errbuf eb = {0};

	make_graph(&whole, seed, SHARDS * ROWS);
	for (int i = 0; i < INPUTS; i++) {
		const struct qb_value *v = whole.g->input[i];

		in[i] = (struct qb_tensor){.dtype = QB_F32, .ndim = v->shape.ndim, .data = b->input[i]};
		memcpy(in[i].dim, v->shape.dim, sizeof(in[i].dim));
		arg[i] = &in[i];
	}
	if (qb_graph_eval(whole.g, arg, out, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
	for (size_t i = 0; i < b->size[PART_OUT]; i++) {
		float sum = 0;

		for (int s = 0; s < SHARDS; s++) {
			sum += b->output[s][PART_OUT][i];
		}
		assert_near(seed, PART_OUT, &sum, (float *)out[PART_OUT].data + i, 1);
	}
	for (int s = 0; s < SHARDS; s++) {
		assert_near(seed, ROWS_OUT, b->output[s][ROWS_OUT], (float *)out[ROWS_OUT].data + (size_t)s * b->size[ROWS_OUT],
			b->size[ROWS_OUT]);
		assert_near(seed, SUM_OUT, b->output[s][SUM_OUT], out[SUM_OUT].data, b->size[SUM_OUT]);
		assert_memory_equal(b->output[s][AGAIN_OUT], b->output[s][SUM_OUT], b->size[SUM_OUT] * sizeof(float));
		assert_memory_equal(b->output[s][PARAMETER_OUT], b->input[INPUTS - 1], b->size[PARAMETER_OUT] * sizeof(float));
	}
	for (int k = 0; k < OUTPUTS; k++) {
		free(out[k].data);
	}
	gm_fini(&whole);
}

static void assert_same(const struct batch *a, const struct batch *b, int but)
{
	for (int i = 0; i < SHARDS * OUTPUTS; i++) {
		int s = i / OUTPUTS, k = i % OUTPUTS;

		if (k != but) {
			assert_memory_equal(a->output[s][k], b->output[s][k], a->size[k] * sizeof(float));
		}
	}
}

static void make_shards(struct qb_graph *g, struct qb_plan **plan, struct qb_shards **shards)
{
	struct qb_errbuf eb = {0};

	if (qb_plan_create(plan, g, QB_PLAN_TRAINING, 1, NULL, &eb) != QB_OK || qb_shards_create(shards, *plan, SHARDS, &eb) != QB_OK) {
		fail_msg("%s", eb.text);
	}
}

/* With parameters said to be the same in all shards, one packs the weights for all: the others' are not read. */
static void check_common(struct qb_graph *g, uint64_t seed, const struct batch *want)
{
	struct qb_plan *plan = NULL;
	struct qb_shards *shards = NULL;
	struct batch got = {0};
	float *nan = malloc(WIDTH * WIDTH * sizeof(*nan));
	struct qb_errbuf eb = {0};

	assert_non_null(nan);
	for (int i = 0; i < WIDTH * WIDTH; i++) {
		nan[i] = NAN;
	}
	start_batch(&got, seed, g);
	for (int i = 1; i < INPUTS; i++) {
		g->input[i]->common = true;
	}
	make_shards(g, &plan, &shards);
	run_fed(shards, &got, 1, -1, nan);
	assert_same(want, &got, PARAMETER_OUT);
	assert_int_equal(qb_shards_check_steps(shards, &eb), QB_OK);
	for (int threads = 1; threads <= 3; threads++) {
		run(shards, &got, threads, -1);
		assert_same(want, &got, -1);
	}
	qb_shards_destroy(&shards);
	qb_plan_destroy(&plan);
	end_batch(&got);
	free(nan);
}

static void check_graph(uint64_t seed)
{
	struct graph_maker m;
	struct qb_plan *plan = NULL;
	struct qb_shards *shards = NULL;
	struct batch first = {0}, other = {0};
	struct qb_errbuf eb = {0};

	make_graph(&m, seed, ROWS);
	start_batch(&first, seed, m.g);
	start_batch(&other, seed, m.g);
	make_shards(m.g, &plan, &shards);
	assert_true(qb_shards_bytes(shards) >= SHARDS * qb_plan_session_bytes(plan));
	run(shards, &first, 1, -1);
	compare_with_whole(seed, &first);
	for (int threads = 2; threads <= 3; threads++) {
		run(shards, &other, threads, -1);
		assert_same(&first, &other, -1);
		run(shards, &other, threads, threads == 2 ? SUM_OUT : ROWS_OUT);
		assert_same(&first, &other, threads == 2 ? SUM_OUT : ROWS_OUT);
	}
	assert_int_equal(qb_shards_check_steps(shards, &eb), QB_OK);
	run(shards, &other, 2, -1);
	assert_same(&first, &other, -1);
	qb_shards_destroy(&shards);
	qb_plan_destroy(&plan);
	check_common(m.g, seed, &first);
	end_batch(&first);
	end_batch(&other);
	gm_fini(&m);
}

static void shards__random_graphs__are_the_whole_batch_at_any_number_of_threads(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
		check_graph(seed);
	}
}

static void shards__time_of_steps__is_added(void **state)
{
	struct graph_maker m;
	struct qb_plan *plan = NULL;
	struct qb_shards *shards = NULL;
	struct batch b = {0};
	struct qb_errbuf eb = {0};
	const void *in[INPUTS], *const *inputs[SHARDS];
	int64_t *ns, sum = 0;

	(void)state;
	make_graph(&m, 1, ROWS);
	start_batch(&b, 1, m.g);
	assert_int_equal(qb_plan_create(&plan, m.g, QB_PLAN_TRAINING, 1, NULL, &eb), QB_OK);
	assert_int_equal(qb_shards_create(&shards, plan, SHARDS, &eb), QB_OK);
	assert_int_equal(qb_shards_count(shards), SHARDS);
	for (int s = 0; s < SHARDS; s++) {
		inputs[s] = in;
	}
	for (int i = 0; i < INPUTS; i++) {
		in[i] = b.input[i];
	}
	ns = calloc((size_t)qb_plan_steps(plan), sizeof(*ns));
	assert_non_null(ns);
	assert_int_equal(qb_shards_run(shards, &(struct qb_shards_run){.threads = 2, .input = inputs, .step_ns = ns}, &eb), QB_OK);
	for (int i = 0; i < qb_plan_steps(plan); i++) {
		assert_true(ns[i] >= 0);
		sum += ns[i];
	}
	assert_true(sum > 0);
	free(ns);
	qb_shards_destroy(&shards);
	qb_plan_destroy(&plan);
	end_batch(&b);
	gm_fini(&m);
}

static void shards__a_plan_that_is_not_for_training__is_refused(void **state)
{
	struct graph_maker m;
	struct qb_plan *plan = NULL;
	struct qb_shards *shards = NULL;
	struct qb_errbuf eb = {0};

	(void)state;
	make_graph(&m, 1, ROWS);
	assert_int_equal(qb_plan_create(&plan, m.g, QB_PLAN_FROZEN, 1, NULL, &eb), QB_OK);
	assert_int_equal(qb_shards_create(&shards, plan, SHARDS, &eb), QB_EINTERNAL);
	assert_null(shards);
	qb_plan_destroy(&plan);
	gm_fini(&m);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(shards__random_graphs__are_the_whole_batch_at_any_number_of_threads),
		cmocka_unit_test(shards__time_of_steps__is_added),
		cmocka_unit_test(shards__a_plan_that_is_not_for_training__is_refused),
	};

	return cmocka_run_group_tests_name("shards", all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
