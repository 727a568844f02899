/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/experiment.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near.h"
#include "core/base/size.h"
#include "core/experiment/jobs/kinds.h"
#include "core/json/params.h"

static const struct qb_experiment *const kinds[] = {
#define X(name) &qb_experiment_##name,
	QB_EXPERIMENTS(X)
#undef X
};

const struct qb_experiment *qb_experiment_at(int i)
{
	return i >= 0 && (size_t)i < QB_COUNT(kinds) ? kinds[i] : NULL;
}

const struct qb_experiment *qb_experiment_find(const char *type)
{
	for (size_t i = 0; i < QB_COUNT(kinds); i++) {
		if (!strcmp(kinds[i]->type, type)) {
			return kinds[i];
		}
	}
	return NULL;
}

static json_t *near_json(const char *names)
{
	json_t *a = json_array();

	while (*names) {
		size_t n = strcspn(names, ",");

		json_array_append_new(a, json_stringn(names, n));
		names += n;
		names += strspn(names, ", ");
	}
	return a;
}

json_t *qb_error_json(const struct qb_errbuf *e)
{
	json_t *o = json_pack("{s:s, s:s}", "code", qb_err_name(e->code), "detail", e->text);

	if (!o) { /* the detail quoted bytes that are not UTF-8 */
		o = json_pack("{s:s, s:s}", "code", qb_err_name(e->code), "detail",
			"the reason holds bytes that are not valid UTF-8; the upload is likely damaged");
	}
	if (e->field[0]) {
		json_object_set_new(o, "field", json_string(e->field));
	}
	if (e->near[0]) {
		json_object_set_new(o, "near", near_json(e->near));
	}
	return o;
}

static void emit(struct qb_job *job, json_t *event)
{
	if (event) {
		job->host->event(job->host->arg, event);
		json_decref(event);
	}
}

enum qb_err qb_job_check(void *arg, struct qb_errbuf *eb)
{
	const struct qb_job *job = arg;

	return *job->host->cancelled ? qb_fail(eb, QB_ECANCELLED, "the job was cancelled after %.0f %% of it",
		100 * job->progress) : QB_OK;
}

enum qb_err qb_job_progress(struct qb_job *job, const char *stage, double fraction,
	struct qb_errbuf *eb, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	QB_TRY(qb_job_check(job, eb));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	job->progress = fraction > job->progress ? fraction : job->progress;
	emit(job, json_pack("{s:s, s:s, s:f, s:s}", "event", "progress", "stage", stage, "fraction",
			job->progress, "text", text));
	return QB_OK;
}

void qb_job_log(struct qb_job *job, const char *level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(job, json_pack("{s:s, s:s, s:s}", "event", "log", "level", level, "text", text));
}

void qb_job_metric(struct qb_job *job, const char *scope, const char *scheme, const char *tensor,
	const char *name, double value, const char *unit)
{
	emit(job, json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:o, s:s*}", "event", "metric", "scope",
			scope, "scheme", scheme, "tensor", tensor, "name", name, "value",
			qb_json_real(value), "unit", unit));
}

void qb_job_step_metric(struct qb_job *job, const char *scheme, const char *name, int64_t step, double value)
{
	emit(job, json_pack("{s:s, s:s, s:s*, s:s, s:I, s:o}", "event", "metric", "scope", "step", "scheme", scheme, "name", name,
			"step", (json_int_t)step, "value", qb_json_real(value)));
}

void qb_job_artifact(struct qb_job *job, const char *name, const char *content_type)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", job->host->workdir, name);
	emit(job, json_pack("{s:s, s:s, s:s, s:s}", "event", "artifact", "name", name, "path", path,
			"content_type", content_type));
}

enum qb_err qb_job_section_begin(struct qb_job *job, const char *name, struct qb_errbuf *eb)
{
	emit(job, json_pack("{s:s, s:s, s:s}", "event", "section", "name", name, "state", "begin"));
	return job->host->wait_go(job->host->arg, name, eb);
}

void qb_job_section_end(struct qb_job *job, const char *name)
{
	emit(job, json_pack("{s:s, s:s, s:s}", "event", "section", "name", name, "state", "end"));
}

enum qb_err qb_job_read(void *out, const struct qb_job *job, const struct qb_field *fields, struct qb_errbuf *eb)
{
	static const char *const of_all[] = {"type", "workdir", "checkpoints", "fresh", NULL};

	return qb_fields_read(out, job->spec, "", fields, of_all, eb);
}

enum qb_err qb_job_in_file(enum qb_err err, const char *field, const char *name, struct qb_errbuf *eb)
{
	bool about_file = err == QB_EFORMAT || err == QB_EIO || err == QB_EONNX || err == QB_EUNSUPPORTED ||
		err == QB_ESHAPE;

	return about_file ? qb_fail_in(eb, err, "%s %s", field, name) : err;
}

/* NULL where there is none. */
static const char *upload_path(const json_t *v, const char **name)
{
	const char *path = json_is_string(v) ? json_string_value(v) : json_string_value(json_object_get(v, "path"));
	const char *slash = path ? strrchr(path, '/') : NULL, *own = json_string_value(json_object_get(v, "name"));

	*name = own ? own : slash ? slash + 1 : path;
	return path;
}

static enum qb_err check_not_live(const struct qb_job *job, const char *field, struct qb_errbuf *eb)
{
	return job->live ? qb_fail_field(eb, QB_EJOB, "", field, "uploads are not read for an answer at once; submit a job") : QB_OK;
}

enum qb_err qb_job_input(const struct qb_job *job, const char *field, const char **path,
	const char **name, struct qb_errbuf *eb)
{
	QB_TRY(check_not_live(job, field, eb));
	*path = upload_path(json_object_get(job->spec, field), name);
	return *path ? QB_OK : qb_fail_field(eb, QB_EJOB, "", field, "is missing; give the %s to use", field);
}

enum qb_err qb_job_input_at(const struct qb_job *job, const char *field, size_t i, const char **path,
	const char **name, struct qb_errbuf *eb)
{
	QB_TRY(check_not_live(job, field, eb));
	*path = upload_path(json_array_get(json_object_get(job->spec, field), i), name);
	if (!*path) {
		qb_fail(eb, QB_EJOB, "is no file");
		return qb_fail_in_entry(eb, QB_EJOB, field, i);
	}
	return QB_OK;
}

static enum qb_err unknown_kind(const char *type, struct qb_errbuf *eb)
{
	const char *names[QB_COUNT(kinds)];
	char all[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < QB_COUNT(kinds) && n < sizeof(all); i++) {
		names[i] = kinds[i]->internal ? NULL : kinds[i]->type;
		n += names[i] ? (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", names[i]) : 0;
	}
	if (type && *type) {
		qb_fail_field(eb, QB_EJOB, "", "type", "\"%.100s\" is no kind of job; the kinds are %s", type, all);
		qb_near_note(eb, type, names, QB_COUNT(kinds));
		return QB_EJOB;
	}
	return qb_fail_field(eb, QB_EJOB, "", "type", "say what kind of job this is; the kinds are %s", all);
}

static enum qb_err kind_of(const struct qb_experiment **out, const json_t *spec, struct qb_errbuf *eb)
{
	const char *type = NULL;
	const struct qb_experiment *kind;

	if (!json_is_object(spec)) {
		return qb_fail(eb, QB_EJOB, "a job is a JSON object with a \"type\"");
	}
	QB_TRY(qb_param_string(spec, "", "type", &type, eb));
	kind = type ? qb_experiment_find(type) : NULL;
	if (!kind) {
		return unknown_kind(type, eb);
	}
	*out = kind;
	return QB_OK;
}

enum qb_err qb_job_run(const json_t *spec, const struct qb_host *host, json_t **result,
	struct qb_errbuf *eb)
{
	struct qb_job job = {.spec = spec, .host = host};
	const struct qb_experiment *kind;

	QB_TRY(kind_of(&kind, spec, eb));
	return kind->run(&job, result, eb);
}

enum qb_err qb_job_check_spec(const json_t *spec, const json_t *uploads, int threads, struct qb_errbuf *eb)
{
	static const volatile bool never;
	const struct qb_host host = {.cancelled = &never, .threads = threads};
	struct qb_job job = {.spec = spec, .host = &host, .checked = true, .uploads = uploads};
	const struct qb_experiment *kind;

	QB_TRY(kind_of(&kind, spec, eb));
	return kind->check(&job, eb);
}
