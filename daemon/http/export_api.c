/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/export: everything as one file, written by a thread of its own while the connection sleeps.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/export.h"
#include "daemon/http/http.h"
#include "daemon/storage.h"

static const struct {
	const char *name, *type, *file;
} forms[] = {
#define X(form, name, type, file) {name, type, file},
	QB_EXPORT_FORMS(X)
#undef X
};

enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

struct export {
	uv_work_t work;
	struct qb_request *rq;
	enum qb_export_form form;
	bool counts; /* as the one that is being written */
	int fd; /* -1: none, for the reason in problem */
	struct qb_problem problem;
};

/* They take disk and processor: one at a time. */
static atomic_bool busy;

static void end(struct export *x)
{
	if (x->counts) {
		x->counts = false;
		atomic_store(&busy, false);
	}
}

static void free_export(void *work)
{
	struct export *x = work;

	end(x);
	if (x->fd >= 0) {
		close(x->fd);
	}
	free(x);
}

static void write_file(uv_work_t *work)
{
	struct export *x = work->data;
	struct qb_daemon *d = x->rq->daemon;

	x->fd = qb_export(d->database, d->options.state, x->form, &d->stopping, &x->problem);
}

static void written(uv_work_t *work, int status)
{
	struct export *x = work->data;

	(void)status;
	end(x);
	qb_reply_awaken(x->rq);
}

static void begin(void *work)
{
	struct export *x = work;

	x->work.data = x;
	if (uv_queue_work(x->rq->daemon->loop, &x->work, write_file, written) != 0) {
		qb_refuse(&x->problem, 500, "out_of_memory", "no memory to export; try again later");
		end(x);
		qb_reply_awaken(x->rq);
	}
}

static enum MHD_Result reply_file(struct qb_request *rq, struct export *x)
{
	struct MHD_Response *r = NULL;
	struct stat st;
	char disposition[80];

	if (x->fd < 0) {
		return qb_reply_problem(rq, &x->problem);
	}
	if (fstat(x->fd, &st) == 0) {
		r = MHD_create_response_from_fd64((uint64_t)st.st_size, x->fd);
	}
	if (!r) {
		return qb_reply_refuse(rq, 500, "io", "the file that was exported cannot be read");
	}
	x->fd = -1; /* the response's */
	snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", forms[x->form].file);
	MHD_add_response_header(r, "Content-Type", forms[x->form].type);
	MHD_add_response_header(r, "Content-Disposition", disposition);
	return qb_reply_send(rq, 200, r);
}

enum MHD_Result qb__export_get(struct qb_request *rq)
{
	const char *name = qb_query(rq, "format");
	struct qb_problem p = {0};
	struct export *x;
	int form = 0;

	if (rq->work) {
		return reply_file(rq, rq->work);
	}
	while (name && form < FORMS && strcmp(name, forms[form].name) != 0) {
		form++;
	}
	if (form == FORMS) {
		return qb_reply_refuse(rq, 400, "bad_query", "format is \"%.40s\"; give json, csv or sqlite", name);
	}
	if (!qb_storage_usable(rq->daemon->storage, &p)) {
		return qb_reply_problem(rq, &p);
	}
	if (atomic_exchange(&busy, true)) {
		rq->retry_after_s = 5;
		return qb_reply_refuse(rq, 503, "busy", "somebody else exports just now; try again in some seconds");
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		atomic_store(&busy, false);
		return MHD_NO;
	}
	x->rq = rq;
	x->form = (enum qb_export_form)form;
	x->counts = true;
	x->fd = -1;
	return qb_reply_later(rq, begin, x, free_export);
}
