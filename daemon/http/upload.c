/* SPDX-License-Identifier: Apache-2.0
 *
 * Files on their way in: raw or in a form, straight to disk, hashed as they pass. What a refused or broken upload
 * wrote is removed when its request ends.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/blobs.h"
#include "daemon/http/http.h"
#include "daemon/dispatcher.h"
#include "daemon/loop.h"
#include "daemon/storage.h"
#include "daemon/store.h"
#include "daemon/uploads.h"

enum { FORM_BUFFER = 64 << 10, NAME_MAX_BYTES = 200 };
/* A refused upload is read on for a while, because a client reads the refusal only after it has sent. */
static const int64_t DRAIN_BYTES = 256 << 20;

struct qb_upload {
	struct qb_request *rq;
	struct qb_blob_writer blob;
	struct MHD_PostProcessor *form;
	bool file_seen;  /* in the form */
	bool file_over;  /* another file began */
	int64_t received;
	int64_t limit; /* bytes of the file */
	bool limited;  /* by the token, not by the server */
	char name[NAME_MAX_BYTES + 1];
	struct qb_problem problem;
};

/* The last part of a path, without control characters, cut to what a name may hold. */
static void set_name(struct qb_upload *u, const char *from)
{
	const char *slash = from ? strrchr(from, '/') : NULL, *back = from ? strrchr(from, '\\') : NULL;
	json_t *text;
	size_t n = 0;

	from = slash && slash > back ? slash + 1 : back ? back + 1 : from;
	for (; from && *from && n < NAME_MAX_BYTES; from++) {
		u->name[n++] = (unsigned char)*from < 0x20 || *from == 0x7f ? '_' : *from;
	}
	u->name[n] = '\0';
	/* UTF-8, of which the cut may have taken half a character. */
	while (n && !(text = json_string(u->name))) {
		u->name[--n] = '\0';
	}
	if (n) {
		json_decref(text);
	}
}

/* filename="..." or filename=... of Content-Disposition */
static void name_of_disposition(struct qb_upload *u, const char *header)
{
	const char *at = header ? strcasestr(header, "filename=") : NULL;
	char name[256];
	size_t n;

	if (at) {
		at += strlen("filename=");
		n = *at == '"' ? strcspn(++at, "\"") : strcspn(at, "; ");
		n = n < sizeof(name) ? n : sizeof(name) - 1;
		memcpy(name, at, n);
		name[n] = '\0';
		set_name(u, name);
	}
}

static void too_large(struct qb_request *rq, int64_t limit, bool limited, struct qb_problem *p)
{
	if (limited) {
		qb_refuse(p, 413, "quota", "the uploads of %s may take %lld bytes together, of which %lld are left; delete some that "
			"nobody needs, or ask for more", rq->who.name, (long long)rq->who.upload_bytes, (long long)limit);
	} else {
		qb_refuse(p, 413, "too_large", "the file is larger than the %lld bytes that this server takes; ask "
			"its operator to raise max-upload", (long long)limit);
	}
}

/* How large a file may be: what the server takes, or what the token has left. */
static bool find_limit(struct qb_request *rq, int64_t *limit, bool *limited, struct qb_problem *p)
{
	const struct qb_who *who = &rq->who;
	int64_t used = 0;

	*limit = rq->daemon->options.max_upload;
	*limited = false;
	if (who->token && who->upload_bytes) {
		if (qb_store_value(qb_reader(rq), QB_SQL_TOKEN_UPLOADED, &used, "i", who->token) != QB_FOUND) {
			return qb_refuse_unread(p);
		}
		*limited = who->upload_bytes - used < *limit;
		*limit = *limited ? who->upload_bytes - used : *limit;
		*limit = *limit < 0 ? 0 : *limit;
	}
	return true;
}

static void store(struct qb_upload *u, const char *bytes, size_t n)
{
	if (u->problem.status) {
		return;
	}
	if (u->blob.size + (int64_t)n > u->limit) {
		too_large(u->rq, u->limit, u->limited, &u->problem);
	} else if (!qb_storage_has_room(u->rq->daemon->storage, (int64_t)n, &u->problem) ||
		!qb_blob_write(&u->blob, bytes, n, &u->problem)) {
		qb_blob_end(&u->blob); /* the disk space it takes is needed now, not when the client has heard */
	}
}

static enum MHD_Result on_form(void *arg, enum MHD_ValueKind kind, const char *key,
	const char *filename, const char *content_type, const char *encoding, const char *data,
	uint64_t offset, size_t size)
{
	struct qb_upload *u = arg;
	char text[NAME_MAX_BYTES + 1];

	(void)kind;
	(void)content_type;
	(void)encoding;
	if (!filename) {
		if (key && !strcmp(key, "name") && offset == 0 && size && size < sizeof(text)) {
			memcpy(text, data, size);
			text[size] = '\0';
			set_name(u, text);
		}
		return MHD_YES;
	}
	if (offset == 0) {
		u->file_over = u->file_seen;
		u->file_seen = true;
		if (!u->file_over && !*u->name) {
			set_name(u, filename);
		}
	}
	if (u->file_over) {
		qb_refuse(&u->problem, 400, "bad_upload", "the form holds more than one file; send one at a time");
	} else {
		store(u, data, size);
	}
	return MHD_YES;
}

static int64_t declared(struct qb_request *rq)
{
	const char *length = qb_header(rq, "Content-Length");

	return length ? strtoll(length, NULL, 10) : 0;
}

static bool declared_too_large(struct qb_request *rq, int64_t limit, bool limited, struct qb_problem *p)
{
	/* A form's own lines need some space. */
	if (declared(rq) > limit + (1 << 16)) {
		too_large(rq, limit, limited, p);
		return true;
	}
	return false;
}

struct qb_upload *qb_upload_begin(struct qb_request *rq, struct qb_problem *p)
{
	const char *type = qb_header(rq, "Content-Type");
	bool form = type && !strncasecmp(type, "multipart/form-data", 19);
	const char *name = qb_query(rq, "name");
	struct qb_upload *u;
	int64_t limit;
	bool limited;

	if (!find_limit(rq, &limit, &limited, p) || declared_too_large(rq, limit, limited, p) || !qb_storage_usable(rq->daemon->storage, p) ||
		!qb_storage_has_room(rq->daemon->storage, declared(rq), p)) {
		return NULL;
	}
	u = calloc(1, sizeof(*u));
	if (!u || !qb_blob_begin(&u->blob, rq->daemon->options.state, p)) {
		free(u);
		qb_refuse(p, 500, "out_of_memory", "no memory for the upload; try again later");
		return NULL;
	}
	u->rq = rq;
	u->limit = limit;
	u->limited = limited;
	name_of_disposition(u, qb_header(rq, "Content-Disposition"));
	if (name && *name) {
		set_name(u, name);
	}
	if (form) {
		u->form = MHD_create_post_processor(rq->connection, FORM_BUFFER, on_form, u);
		if (!u->form) {
			qb_refuse(p, 400, "bad_upload", "the form's Content-Type has no boundary; let the browser or "
				"curl -F write it");
			qb_upload_end(&u);
		}
	}
	return u;
}

bool qb_upload_data(struct qb_upload *u, const char *bytes, size_t n)
{
	u->received += (int64_t)n;
	atomic_fetch_add(&u->rq->daemon->upload_bytes, (long long)n);
	if (u->problem.status) {
		return u->received < u->blob.size + DRAIN_BYTES;
	}
	if (!u->form) {
		store(u, bytes, n);
	} else if (MHD_post_process(u->form, bytes, n) != MHD_YES) {
		qb_refuse(&u->problem, 400, "bad_upload", "the form is damaged; send the file again");
	}
	return true;
}

void qb_upload_end(struct qb_upload **upload)
{
	struct qb_upload *u = *upload;

	if (u) {
		if (u->form) {
			MHD_destroy_post_processor(u->form);
		}
		qb_blob_end(&u->blob);
		json_decref(u->problem.errors);
		free(u);
		*upload = NULL;
	}
}

struct add {
	struct qb_upload *u;
	const char *kind;
	json_t *object;
	bool created, wake;
};

static void add(struct qb_call *call, void *arg)
{
	struct add *a = arg;

	struct qb_daemon *daemon = a->u->rq->daemon;

	a->object = qb_uploads_add(daemon, a->kind, a->u->name, &a->u->blob, &a->u->rq->who, &a->created,
		&a->wake, &a->u->problem);
	if (a->wake) {
		qb_dispatcher_wake(daemon->dispatcher);
	}
	qb_call_done(call);
}

static enum MHD_Result upload(struct qb_request *rq, const char *kind, const char *folder)
{
	struct qb_upload *u = rq->upload;
	struct add a = {.u = u, .kind = kind};

	if (!u->problem.status && u->form && !u->file_seen) {
		qb_refuse(&u->problem, 400, "bad_upload", "the form holds no file; send one as its part \"file\"");
	}
	if (!u->problem.status && !u->blob.size) {
		qb_refuse(&u->problem, 400, "bad_upload", "the file is empty; send its bytes as the request's body");
	}
	if (!*u->name) {
		set_name(u, *kind == 'm' ? "model.onnx" : "data");
	}
	if (u->problem.status || !qb_blob_seal(&u->blob, &u->problem)) {
		return qb_reply_problem(rq, &u->problem);
	}
	qb_calls_run(rq->daemon->calls, add, &a);
	if (!a.object) {
		return qb_reply_problem(rq, &u->problem);
	}
	return qb_reply_created(rq, a.created ? 201 : 200, folder, a.object);
}

enum MHD_Result qb__models_upload(struct qb_request *rq)
{
	return upload(rq, "m", "/v1/models");
}

enum MHD_Result qb__datasets_upload(struct qb_request *rq)
{
	return upload(rq, "d", "/v1/datasets");
}
