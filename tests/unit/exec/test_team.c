/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "core/exec/exec.h"

enum { ITEMS = 1000 };

struct work {
	_Atomic int done[ITEMS];
	int64_t fail_at;
};

static enum qb_err work(void *arg, int thread, int64_t item, struct qb_errbuf *eb)
{
	struct work *w = arg;

	if (thread < 0 || thread > 2) {
		return qb_fail(eb, QB_EINTERNAL, "thread %d", thread);
	}
	if (item == w->fail_at) {
		return qb_fail(eb, QB_EINVAL, "item %d is bad", (int)item);
	}
	atomic_fetch_add(&w->done[item], 1);
	return QB_OK;
}

static void team__many_items__each_done_once(void **state)
{
	static struct work w = {.fail_at = -1};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, NULL), QB_OK);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_equal(w.done[i], 1);
	}
}

static void team__one_fails__its_error_comes_back(void **state)
{
	static struct work w = {.fail_at = 17};
	struct qb_errbuf eb = {0};

	(void)state;
	assert_int_equal(qb_team_run(3, ITEMS, work, &w, &eb), QB_EINVAL);
	assert_string_equal(eb.text, "item 17 is bad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(team__many_items__each_done_once),
		cmocka_unit_test(team__one_fails__its_error_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
