/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/question.h"

#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/report/describe.h"
#include "core/experiment/experiment.h"
#include "core/json/params.h"
#include "core/experiment/rounding.h"

struct question {
	const json_t *body; /* without "ask" */
	const char *version;
	int threads;
};

static enum qb_err ask_types(const struct question *q, json_t **answer, struct qb_errbuf *eb)
{
	*answer = qb_describe_engine(q->version);
	return *answer ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to describe the engine");
}

static enum qb_err ask_format(const struct question *q, json_t **answer, struct qb_errbuf *eb)
{
	const char *name = "";

	QB_TRY(qb_param_string(q->body, "", "name", &name, eb));
	return qb_describe_format(name, answer, eb);
}

static enum qb_err ask_round(const struct question *q, json_t **answer, struct qb_errbuf *eb)
{
	return qb_round_values(q->body, answer, eb);
}

static enum qb_err ask_check(const struct question *q, json_t **answer, struct qb_errbuf *eb)
{
	static const char *const known[] = {"job", "uploads", NULL};
	const json_t *job, *uploads;
	struct qb_errbuf why = {0};
	json_t *error;
	enum qb_err err;

	QB_TRY(qb_param_only(q->body, "", known, eb));
	QB_TRY(qb_param_object(q->body, "", "job", &job, eb));
	QB_TRY(qb_param_object(q->body, "", "uploads", &uploads, eb));
	err = qb_job_check_spec(job, uploads, q->threads, &why);
	*answer = json_pack("{s:b}", "ok", err == QB_OK);
	if (err != QB_OK) {
		error = qb_error_json(&why);
		json_object_update(*answer, error);
		json_decref(error);
	}
	return *answer ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the answer");
}

/* Beside these, every kind of job that is live. */
static const struct {
	const char *name;
	enum qb_err (*answer)(const struct question *q, json_t **answer, struct qb_errbuf *eb);
} questions[] = {
	{"types", ask_types},
	{"format", ask_format},
	{"round", ask_round},
	{"check", ask_check},
};

static void unheard(void *arg, json_t *event)
{
	(void)arg;
	(void)event;
}

static enum qb_err run_live(const struct qb_experiment *kind, const json_t *body, int threads,
	json_t **answer, struct qb_errbuf *eb)
{
	static const volatile bool never;
	const struct qb_host host = {.event = unheard, .cancelled = &never, .threads = threads};
	struct qb_job job = {.spec = body, .host = &host, .live = true};

	if (json_object_get(body, "type") || json_object_get(body, "workdir")) {
		return qb_fail(eb, QB_EJOB, "type and workdir belong into a job; leave them out");
	}
	return kind->run(&job, answer, eb);
}

static enum qb_err no_such(const char *name, struct qb_errbuf *eb)
{
	char all[256] = "";
	size_t n = 0;
	const struct qb_experiment *kind;

	for (size_t i = 0; i < QB_COUNT(questions) && n < sizeof(all); i++) {
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "", questions[i].name);
	}
	for (int i = 0; (kind = qb_experiment_at(i)); i++) {
		if (kind->live && n < sizeof(all)) {
			n += (size_t)snprintf(all + n, sizeof(all) - n, ", %s", kind->type);
		}
	}
	return qb_fail(eb, QB_EINVAL, "\"%.60s\" cannot be asked; ask for %s", name, all);
}

enum qb_err qb_question_answer(const json_t *question, const char *version, int threads,
	json_t **answer, struct qb_errbuf *eb)
{
	const char *name = "";
	const struct qb_experiment *kind;
	struct question q = {.version = version, .threads = threads};
	json_t *body;
	enum qb_err err;

	if (!json_is_object(question)) {
		return qb_fail(eb, QB_EJOB, "a question is a JSON object with \"ask\"");
	}
	QB_TRY(qb_param_string(question, "", "ask", &name, eb));
	body = json_copy((json_t *)question);
	if (!body) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the question");
	}
	json_object_del(body, "ask");
	q.body = body;
	kind = qb_experiment_find(name);
	err = kind && kind->live ? run_live(kind, body, threads, answer, eb) : QB_EINVAL;
	for (size_t i = 0; !(kind && kind->live); i++) {
		if (i == QB_COUNT(questions)) {
			err = no_such(name, eb);
			break;
		}
		if (!strcmp(questions[i].name, name)) {
			err = questions[i].answer(&q, answer, eb);
			break;
		}
	}
	json_decref(body);
	return err;
}
