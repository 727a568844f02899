/* SPDX-License-Identifier: Apache-2.0
 *
 * core/train/config: defaults are valid, and what is not names its member.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/train/trainer.h"

static void config_check__defaults__pass(void **state)
{
	struct qb_train_config c;

	(void)state;
	qb_train_config_init(&c);
	assert_int_equal(qb_train_config_check(&c, NULL), QB_OK);
	assert_true(c.optimizer[QB_PARAMETERS_WEIGHTS].decay > 0);
	assert_true(c.optimizer[QB_PARAMETERS_NO_DECAY].decay == 0);
	assert_true(c.optimizer[QB_PARAMETERS_QUANTIZERS].decay == 0);
}

static void expect(const struct qb_train_config *c, const char *begin)
{
	struct qb_errbuf eb = {0};

	assert_int_equal(qb_train_config_check(c, &eb), QB_EINVAL);
	assert_memory_equal(eb.text, begin, strlen(begin));
}

static void config_check__bad_member__is_named(void **state)
{
	struct qb_train_config good, c;

	(void)state;
	qb_train_config_init(&good);
	c = good;
	c.batch = 0;
	expect(&c, "batch of 0: ");
	c = good;
	c.shards = 3;
	expect(&c, "shards of 3: ");
	c = good;
	c.optimizer[QB_PARAMETERS_QUANTIZERS].rate = NAN;
	expect(&c, "optimizer of quantizers: rate of nan: ");
	c = good;
	c.optimizer[QB_PARAMETERS_WEIGHTS].momentum = 1;
	expect(&c, "optimizer of weights: momentum of 1: it has to be from 0 to below 1");
	c = good;
	c.optimizer[QB_PARAMETERS_NO_DECAY].nesterov = true;
	c.optimizer[QB_PARAMETERS_NO_DECAY].momentum = 0;
	expect(&c, "optimizer of biases and norms: nesterov: ");
	c = good;
	c.loss.axis = 2;
	expect(&c, "loss.axis of 2: ");
	c = good;
	c.loss.next_token = true;
	expect(&c, "loss.next_token: ");
}

static void config_names__known_and_unknown__are_told_apart(void **state)
{
	enum qb_optimizer_kind o = QB_OPTIMIZER_SGD;
	enum qb_schedule_kind s = QB_SCHEDULE_CONSTANT;
	enum qb_loss_kind l = QB_LOSS_CROSS_ENTROPY;

	(void)state;
	assert_true(qb_optimizer_from_name("adamw", &o) && o == QB_OPTIMIZER_ADAMW);
	assert_true(qb_schedule_from_name("linear", &s) && s == QB_SCHEDULE_LINEAR);
	assert_true(qb_loss_from_name("mse", &l) && l == QB_LOSS_MSE);
	assert_false(qb_optimizer_from_name("rmsprop", &o));
	assert_int_equal(o, QB_OPTIMIZER_ADAMW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_check__defaults__pass),
		cmocka_unit_test(config_check__bad_member__is_named),
		cmocka_unit_test(config_names__known_and_unknown__are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
