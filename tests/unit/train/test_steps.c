/* SPDX-License-Identifier: Apache-2.0
 *
 * core/train: optimizers against loops in double, schedules against their closed forms, norms, moving averages and targets.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/train/optimizer.h"
#include "core/train/schedule.h"
#include "core/train/targets.h"

enum { N = 37, STEPS = 25 };
static const double PI = 3.14159265358979323846;

static void assert_near(double got, double want, double relative)
{
	if (!(fabs(got - want) <= relative * fmax(1, fabs(want)))) {
		fail_msg("%.17g is not within %g of %.17g", got, relative, want);
	}
}

/* ---- optimizers ---- */

/* The formulas of torch.optim, in double; m and v are 0 before the first step. */
static void reference_step(const struct qb_optimizer_config *o, int step, double g, double *w, double *m, double *v)
{
	if (o->kind == QB_OPTIMIZER_ADAMW) {
		*w -= o->rate * o->decay * *w;
	} else {
		g += o->decay * *w;
	}
	if (o->kind == QB_OPTIMIZER_SGD) {
		*m = step == 1 ? g : o->momentum * *m + g;
		*w -= o->rate * (o->nesterov ? g + o->momentum * *m : *m);
		return;
	}
	*m = o->beta1 * *m + (1 - o->beta1) * g;
	*v = o->beta2 * *v + (1 - o->beta2) * g * g;
	double m_hat = *m / (1 - pow(o->beta1, step)), v_hat = *v / (1 - pow(o->beta2, step));
	*w -= o->rate * m_hat / (sqrt(v_hat) + o->epsilon);
}

static void check_optimizer(const struct qb_optimizer_config *o)
{
	float w[N], g[N], m[N] = {0}, v[N] = {0}, *slot[] = {m, v};
	double want[N], rm[N] = {0}, rv[N] = {0};

	for (int i = 0; i < N; i++) {
		w[i] = (float)qb_random_normal(1, 2, (uint64_t)i);
		want[i] = w[i];
	}
	for (int step = 1; step <= STEPS; step++) {
		for (int i = 0; i < N; i++) {
			g[i] = (float)qb_random_normal(7, (uint64_t)step, (uint64_t)i);
			reference_step(o, step, g[i], &want[i], &rm[i], &rv[i]);
		}
		qb_optimizer_step(o, 1, step, N, g, w, slot);
	}
	for (int i = 0; i < N; i++) {
		assert_near(w[i], want[i], 2e-6);
	}
}

static void optimizer_step__all_kinds__follow_their_formulas(void **state)
{
	const struct qb_optimizer_config kinds[] = {
		{.kind = QB_OPTIMIZER_SGD, .rate = 0.05},
		{.kind = QB_OPTIMIZER_SGD, .rate = 0.05, .decay = 0.01},
		{.kind = QB_OPTIMIZER_SGD, .rate = 0.05, .decay = 0.01, .momentum = 0.9},
		{.kind = QB_OPTIMIZER_SGD, .rate = 0.05, .decay = 0.01, .momentum = 0.9, .nesterov = true},
		{.kind = QB_OPTIMIZER_ADAM, .rate = 0.01, .decay = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
		{.kind = QB_OPTIMIZER_ADAMW, .rate = 0.01, .decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8},
	};
	const int slots[] = {0, 0, 1, 1, 2, 2};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		assert_int_equal(qb_optimizer_slots(&kinds[i]), slots[i]);
		check_optimizer(&kinds[i]);
	}
}

static void optimizer_step__factor__scales_the_rate(void **state)
{
	const struct qb_optimizer_config full = {.kind = QB_OPTIMIZER_SGD, .rate = 0.5}, half = {.rate = 0.25};
	float a[] = {1, -2, 3}, b[] = {1, -2, 3}, g[] = {0.1f, 0.2f, 0.3f};

	(void)state;
	qb_optimizer_step(&full, 0.5, 1, 3, g, a, NULL);
	qb_optimizer_step(&half, 1, 1, 3, g, b, NULL);
	assert_memory_equal(a, b, sizeof(a));
	assert_near(a[1], -2 - 0.25 * 0.2, 1e-7);
}

static void gradient_clip__norms__as_pytorch(void **state)
{
	float g[N];
	double sum = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		g[i] = (float)qb_random_normal(3, 4, (uint64_t)i);
		sum += (double)g[i] * g[i];
	}
	assert_near(qb_sum_of_squares(g, N), sum, 1e-14);
	assert_true(qb_clip_factor(0.5, 1) == 1);
	assert_true(qb_clip_factor(5, 0) == 1);
	assert_near(qb_clip_factor(5, 1), 1 / (5 + 1e-6), 1e-15);
	g[N / 2] = NAN;
	assert_true(isnan(qb_sum_of_squares(g, N)));
	g[N / 2] = INFINITY;
	assert_true(isinf(qb_sum_of_squares(g, N)));
}

static void add_gradient__any_length__adds_each_element(void **state)
{
	(void)state;
	for (size_t n = 0; n < N; n++) {
		float sum[N], g[N], before[N];

		for (size_t i = 0; i < N; i++) {
			sum[i] = before[i] = (float)qb_random_normal(5, n, i);
			g[i] = (float)qb_random_normal(6, n, i);
		}
		qb_add_gradient(sum, g, n);
		for (size_t i = 0; i < N; i++) {
			assert_true(sum[i] == (i < n ? before[i] + g[i] : before[i]));
		}
	}
}

static void moving_average__constant__reaches_it_geometrically(void **state)
{
	float average[] = {0, 2}, w[] = {1, 2};

	(void)state;
	for (int i = 0; i < 10; i++) {
		qb_moving_average(0.9, average, w, 2);
	}
	assert_near(average[0], 1 - pow(0.9, 10), 1e-6);
	assert_near(average[1], 2, 1e-6);
}

/* ---- schedules ---- */

static void schedule_factor__warm_up__rises_to_1(void **state)
{
	const struct qb_schedule_config c = {.kind = QB_SCHEDULE_LINEAR, .warm_up = 4, .final = 0, .every = 1};

	(void)state;
	assert_true(qb_schedule_factor(&c, 0, 20, 5) == 0.25);
	assert_true(qb_schedule_factor(&c, 3, 20, 5) == 1);
	assert_true(qb_schedule_factor(&c, 4, 20, 5) == 1);
	assert_near(qb_schedule_factor(&c, 12, 20, 5), 0.5, 1e-15);
	assert_near(qb_schedule_factor(&c, 19, 20, 5), 1.0 / 16, 1e-15);
}

static void schedule_factor__cosine__by_step_and_by_epoch(void **state)
{
	struct qb_schedule_config c = {.kind = QB_SCHEDULE_COSINE, .final = 0.1, .every = 1};

	(void)state;
	for (int step = 0; step < 20; step++) {
		c.by_epoch = false;
		assert_near(qb_schedule_factor(&c, step, 20, 5), 0.1 + 0.9 * (1 + cos(PI * step / 20)) / 2, 1e-15);
		c.by_epoch = true;
		assert_near(qb_schedule_factor(&c, step, 20, 5), 0.1 + 0.9 * (1 + cos(PI * (step / 5) / 4)) / 2, 1e-15);
	}
}

static void schedule_factor__step_and_constant__change_with_epochs(void **state)
{
	const struct qb_schedule_config step = {.kind = QB_SCHEDULE_STEP, .factor = 0.1, .every = 2};
	const struct qb_schedule_config constant = {.kind = QB_SCHEDULE_CONSTANT, .every = 1};

	(void)state;
	assert_true(qb_schedule_factor(&step, 9, 30, 5) == 1);
	assert_near(qb_schedule_factor(&step, 10, 30, 5), 0.1, 1e-15);
	assert_near(qb_schedule_factor(&step, 29, 30, 5), 0.01, 1e-15);
	assert_true(qb_schedule_factor(&constant, 29, 30, 5) == 1);
}

/* ---- targets ---- */

static void targets_labels__smoothed_and_masked__are_probabilities(void **state)
{
	/* Two rows of three classes at two places. */
	const struct qb_places p = {.outer = 2, .classes = 3, .inner = 2};
	const double label[] = {2, 0, -100, 1};
	const float one = (float)(0.9 + 0.1 / 3), off = (float)(0.1 / 3);
	const float want[] = {off, one, off, off, one, off, 0, off, 0, one, 0, off};
	float target[12], weight[4];
	int64_t counted;

	(void)state;
	assert_int_equal(qb_targets_from_labels(&p, label, -100, 0.1, target, weight, &counted, NULL), QB_OK);
	assert_int_equal(counted, 3);
	for (int i = 0; i < 12; i++) {
		assert_near(target[i], want[i], 1e-7);
	}
	assert_true(weight[0] == 1 && weight[1] == 1 && weight[2] == 0 && weight[3] == 1);
}

static void targets_labels__no_class__is_named(void **state)
{
	const struct qb_places p = {.outer = 2, .classes = 3, .inner = 1};
	const double bad[][2] = {{0, 3}, {0, -1}, {0, 0.5}, {0, NAN}};
	float target[6], weight[2];
	int64_t counted = 77;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct qb_errbuf eb;

		assert_int_equal(qb_targets_from_labels(&p, bad[i], -100, 0, target, weight, &counted, &eb), QB_EJOB);
		assert_non_null(strstr(eb.text, "of place 1 of the batch"));
		assert_int_equal(counted, 77);
	}
}

static void targets_scores__temperature__is_softmax(void **state)
{
	const struct qb_places p = {.outer = 1, .classes = 3, .inner = 2};
	const float score[] = {1, 1000, 2, 1000, 4, 998};
	float target[6], weight[] = {1, 0.5f};
	double sum = exp(0.5) + exp(1) + exp(2), t[2][3], entropy = 0;

	(void)state;
	qb_targets_from_scores(&p, score, 2, target);
	for (int c = 0; c < 3; c++) {
		t[0][c] = exp(score[2 * c] / 2) / sum;
		t[1][c] = exp(score[2 * c + 1] / 2 - 500) / (2 + exp(-1));
		assert_near(target[2 * c], t[0][c], 1e-7);
		assert_near(target[2 * c + 1], t[1][c], 1e-7);
		entropy -= t[0][c] * log(t[0][c]) + 0.5 * t[1][c] * log(t[1][c]);
	}
	assert_near(qb_targets_entropy(&p, target, weight), entropy, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(optimizer_step__all_kinds__follow_their_formulas),
		cmocka_unit_test(optimizer_step__factor__scales_the_rate),
		cmocka_unit_test(gradient_clip__norms__as_pytorch),
		cmocka_unit_test(add_gradient__any_length__adds_each_element),
		cmocka_unit_test(moving_average__constant__reaches_it_geometrically),
		cmocka_unit_test(schedule_factor__warm_up__rises_to_1),
		cmocka_unit_test(schedule_factor__cosine__by_step_and_by_epoch),
		cmocka_unit_test(schedule_factor__step_and_constant__change_with_epochs),
		cmocka_unit_test(targets_labels__smoothed_and_masked__are_probabilities),
		cmocka_unit_test(targets_labels__no_class__is_named),
		cmocka_unit_test(targets_scores__temperature__is_softmax),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
