/* SPDX-License-Identifier: Apache-2.0
 *
 * The dashboard's files. A path that is no file is a page of the dashboard, whose index.html shows it. Of many there are
 * compressed copies beside them (web/compress.mjs), which are sent to who takes them.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/http/gzip.h"
#include "daemon/http/http.h"

static const char policy[] =
	/* Scripts are ours alone; charts place their tooltips by style attributes. */
	"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
	"connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static const struct {
	const char *ending, *type;
} types[] = {
	{".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
	{".mjs", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
	{".json", "application/json"}, {".svg", "image/svg+xml"}, {".png", "image/png"},
	{".ico", "image/x-icon"}, {".woff2", "font/woff2"}, {".woff", "font/woff"},
	{".txt", "text/plain; charset=utf-8"}, {".map", "application/json"},
};

static const char *type_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(dot, types[i].ending)) {
			return types[i].type;
		}
	}
	return "application/octet-stream";
}

/* Hidden files, and "..", are never served. */
static bool plain(const char *path)
{
	for (const char *p = path; *p; p++) {
		if (*p == '/' && (p[1] == '.' || p[1] == '/')) {
			return false;
		}
	}
	return *path == '/';
}

static int open_file(const char *folder, const char *path, struct stat *st)
{
	char *whole = qb_format("%s%s", folder, path);
	int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	free(whole);
	if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static enum MHD_Result no_dashboard(struct qb_request *rq)
{
	static const char page[] = "<!doctype html><title>quantbench</title><p>The server runs, but its dashboard is "
		"not installed here (see the option --web). <a href=\"/openapi.yaml\">The API</a>, <a "
		"href=\"/v1/system\">this system</a>.\n";

	return qb_reply_text(rq, 200, "text/html; charset=utf-8", strdup(page), sizeof(page) - 1);
}

static const struct coding {
	const char *name, *ending;
} codings[] = {{"br", ".br"}, {"gzip", ".gz"}};

/* Changes an open file for its compressed copy where there is one that may be sent; NULL: there is none. */
static const char *compressed(struct qb_request *rq, const char *folder, const char *path, int *fd, struct stat *st)
{
	const char *accepted = qb_header(rq, "Accept-Encoding");

	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		struct stat other;
		char *name;
		int copy;

		if (!qb_accepts_coding(accepted, codings[i].name)) {
			continue;
		}
		name = qb_format("%s%s", path, codings[i].ending);
		copy = open_file(folder, name, &other);
		free(name);
		/* One that is older is of another build. */
		if (copy >= 0 && other.st_mtim.tv_sec >= st->st_mtim.tv_sec) {
			close(*fd);
			*fd = copy;
			*st = other;
			return codings[i].name;
		}
		copy >= 0 ? close(copy) : 0;
	}
	return NULL;
}

static enum MHD_Result send_file(struct qb_request *rq, int fd, const struct stat *st, const char *path, const char *coding)
{
	const char *known = qb_header(rq, "If-None-Match");
	char etag[80];
	bool same;
	struct MHD_Response *r;

	snprintf(etag, sizeof(etag), "\"%lx-%lx-%lx\"", (unsigned long)st->st_ino,
		(unsigned long)st->st_size, (unsigned long)(st->st_mtim.tv_sec * 1000000000 +
		st->st_mtim.tv_nsec));
	same = known && strstr(known, etag);
	if (same) {
		close(fd);
		r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	} else {
		r = MHD_create_response_from_fd64((uint64_t)st->st_size, fd);
	}
	if (!r) {
		return MHD_NO;
	}
	MHD_add_response_header(r, "ETag", etag);
	MHD_add_response_header(r, "Vary", "Accept-Encoding");
	if (coding) {
		MHD_add_response_header(r, "Content-Encoding", coding);
	}
	/* The build puts a hash into the names below assets/, so those never change. */
	MHD_add_response_header(r, "Cache-Control", strncmp(path, "/assets/", 8) ? "no-cache"
		: "public, max-age=31536000, immutable");
	MHD_add_response_header(r, "Content-Security-Policy", policy);
	MHD_add_response_header(r, "Content-Type", type_of(path));
	return qb_reply_send(rq, same ? 304 : 200, r);
}

enum MHD_Result qb__static_get(struct qb_request *rq)
{
	const char *folder = rq->daemon->options.web;
	const char *path = !strcmp(rq->path, "/") ? "/index.html" : rq->path;
	const char *last = strrchr(path, '/');
	struct stat st;
	int fd = plain(path) ? open_file(folder, path, &st) : -1;

	if (fd < 0 && plain(path) && !strchr(last, '.') && strncmp(path, "/assets/", 8) != 0) {
		path = "/index.html";
		fd = open_file(folder, path, &st);
	}
	if (fd >= 0) {
		const char *coding = compressed(rq, folder, path, &fd, &st);

		return send_file(rq, fd, &st, path, coding);
	}
	if (!strcmp(rq->path, "/")) {
		return no_dashboard(rq);
	}
	return qb_reply_refuse(rq, 404, "not_found", "there is nothing at %.200s", rq->path);
}
