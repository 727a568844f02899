/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/targets: where jobs run.
 */
#include "config.h"

#include "daemon/dispatcher.h"
#include "daemon/http/http.h"
#include "daemon/loop.h"
#include "daemon/store.h"

struct wanted {
	struct qb_daemon *daemon;
	json_t *targets;
};

static void describe(struct qb_call *call, void *arg)
{
	struct wanted *w = arg;

	w->targets = qb_dispatcher_targets(w->daemon->dispatcher);
	qb_call_done(call);
}

enum MHD_Result qb__targets_list(struct qb_request *rq)
{
	struct wanted w = {.daemon = rq->daemon};
	json_t *waiting = NULL, *t;
	size_t i;

	if (qb_store_get(qb_reader(rq), QB_SQL_JOB_WAITING, &waiting, "") != QB_FOUND) {
		return qb_reply_unread(rq);
	}
	qb_calls_run(rq->daemon->calls, describe, &w);
	json_array_foreach(w.targets, i, t) {
		const json_t *n = json_object_get(json_object_get(waiting, "queued"), json_string_value(json_object_get(t, "name")));

		json_object_set_new(t, "queued", json_integer(json_integer_value(n)));
	}
	json_decref(waiting);
	return qb_reply_json(rq, 200, json_pack("{s:o}", "targets", w.targets));
}
