/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "common/bytes.h"
#include "common/json_text.h"

/* What takes longer than a moment to send. */
static const curl_off_t LARGE_UPLOAD_BYTES = 16 << 20;
/* The server sends a comment every few seconds; when nothing comes for so long, the line is dead. */
static const long SILENCE_SECONDS = 60;

struct cli_http {
	CURL *curl;
	char *server; /* without a slash at its end */
	char *token;
	char *ca;     /* file; "": the system's */
	char *socket; /* path; NULL: the server is reached by its address */
};

/* What the server sends back. */
struct answer {
	CURL *curl;
	FILE *out; /* takes the body of a good one as it comes; NULL: body does */
	struct qb_bytes body;
};

static size_t take(char *data, size_t size, size_t count, void *arg)
{
	struct answer *a = arg;
	long status = 0;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (a->out && status < 400) {
		return fwrite(data, size, count, a->out);
	}
	return qb_bytes_add(&a->body, data, size * count) ? size * count : 0;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

struct cli_http *cli_http_create(const struct cli *cli)
{
	struct cli_http *h = calloc(1, sizeof(*h));

	if (!h) {
		return NULL;
	}
	h->curl = curl_easy_init();
	h->server = strdup(
		first_of(cli->opt['S'], getenv("QUANTBENCH_URL"), "http://127.0.0.1:8080"));
	h->token = strdup(first_of(cli->opt['T'], getenv("QUANTBENCH_TOKEN"), ""));
	h->ca = strdup(first_of(cli->opt['C'], getenv("QUANTBENCH_CA"), ""));
	if (h->server && !strncmp(h->server, "unix:", 5)) {
		h->socket = strdup(h->server + 5);
		free(h->server);
		h->server = strdup("http://localhost");
	}
	if (!h->curl || !h->server || !h->token || !h->ca) {
		cli_http_destroy(&h);
		return NULL;
	}
	while (*h->server && h->server[strlen(h->server) - 1] == '/') {
		h->server[strlen(h->server) - 1] = '\0';
	}
	return h;
}

void cli_http_destroy(struct cli_http **http)
{
	struct cli_http *h = *http;

	if (h) {
		if (h->curl) {
			curl_easy_cleanup(h->curl);
		}
		free(h->server);
		free(h->token);
		free(h->ca);
		free(h->socket);
		free(h);
		*http = NULL;
	}
}

const char *cli_http_server(const struct cli_http *http)
{
	return http->server;
}

char *cli_http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0), *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}

/* Header lines of one request; freed by the caller. */
static struct curl_slist *headers(const struct cli_http *h, const char *type, const char *accept)
{
	struct curl_slist *list = NULL;
	char line[512];

	if (type) {
		snprintf(line, sizeof(line), "Content-Type: %s", type);
		list = curl_slist_append(list, line);
	}
	snprintf(line, sizeof(line), "Accept: %s", accept);
	list = curl_slist_append(list, line);
	if (*h->token) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", h->token);
		list = curl_slist_append(list, line);
	}
	/* A proxy or a slow disk must not make us wait a second for "100 Continue". */
	return curl_slist_append(list, "Expect:");
}

static bool prepare(struct cli_http *h, const char *path)
{
	char *url = NULL;

	curl_easy_reset(h->curl);
	if (asprintf(&url, "%s%s", h->server, path) < 0) {
		return false;
	}
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	free(url);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	if (h->socket) {
		curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, h->socket);
	}
	if (*h->ca) {
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, h->ca);
	}
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "quantbench/" PACKAGE_VERSION);
	return true;
}

/* Names that the sentence does not say itself. */
static void print_near(const char *sentence, const json_t *near)
{
	const json_t *name;
	size_t i, n = 0;

	json_array_foreach(near, i, name) {
		if (json_is_string(name) && !strstr(sentence, json_string_value(name))) {
			fprintf(stderr, "%s%s", n++ ? ", " : "  near it: ", json_string_value(name));
		}
	}
	if (n) {
		putc('\n', stderr);
	}
}

/* What a refusal says: the detail of problem+json, else its title, else the bare status; then the fields that the
 * detail does not speak of. */
static enum cli_exit refused(long status, const char *body)
{
	json_t *problem = body ? json_loads(body, 0, NULL) : NULL;
	const char *detail = cli_text(problem, "detail"), *title = cli_text(problem, "title");
	const json_t *errors = json_object_get(problem, "errors");
	const json_t *e;
	size_t i;

	if (*detail || *title) {
		cli_fail(CLI_REFUSED, "%s", *detail ? detail : title);
	} else {
		cli_fail(CLI_REFUSED, "the server answered with status %ld", status);
	}
	json_array_foreach(errors, i, e) {
		if (!strstr(detail, cli_text(e, "detail"))) {
			fprintf(stderr, "  %s: %s\n", cli_text(e, "field"), cli_text(e, "detail"));
		}
		print_near(cli_text(e, "detail"), json_object_get(e, "near"));
	}
	json_decref(problem);
	return CLI_REFUSED;
}

static enum cli_exit unreachable(const struct cli_http *h, CURLcode rc)
{
	return cli_fail(CLI_UNREACHABLE, "no server answers at %s: %s; start quantbenchd, or name "
		"another server with --server or QUANTBENCH_URL", h->server,
		curl_easy_strerror(rc));
}

/* Sends the prepared request and takes the whole answer. */
static enum cli_exit perform(struct cli_http *h, struct curl_slist *list, struct answer *a)
{
	CURLcode rc;
	long status = 0;

	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, a);
	a->curl = h->curl;
	rc = curl_easy_perform(h->curl);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	/* An upload may be refused before all of it was sent; then the refusal is the news. */
	if (status >= 400) {
		return refused(status, a->body.at);
	}
	if (rc == CURLE_WRITE_ERROR) {
		return cli_fail(CLI_USAGE, "the answer cannot be written%s", a->out ? "" : ": no memory");
	}
	if (rc != CURLE_OK && status) {
		return cli_fail(CLI_UNREACHABLE, "the answer of %s broke off: %s; try again", h->server, curl_easy_strerror(rc));
	}
	return rc == CURLE_OK ? CLI_OK : unreachable(h, rc);
}

static enum cli_exit parse(const struct cli_http *h, const struct qb_bytes *body, json_t **out)
{
	json_error_t why;

	if (!out) {
		return CLI_OK;
	}
	*out = NULL;
	if (body->used) {
		*out = json_loadb(body->at, body->used, JSON_DECODE_ANY, &why);
		if (!*out) {
			return cli_fail(CLI_UNREACHABLE,
				"what answers at %s does not speak JSON (%s); is it quantbenchd?", h->server,
				why.text);
		}
	}
	return CLI_OK;
}

enum cli_exit cli_http_call(struct cli_http *h, const char *method, const char *path,
	const json_t *body, json_t **out)
{
	struct answer answer = {0};
	struct curl_slist *list = headers(h, body ? "application/json" : NULL, "application/json");
	char *text = body ? qb_json_text(body, JSON_COMPACT) : NULL;
	enum cli_exit code;

	if (!prepare(h, path) || (body && !text)) {
		code = cli_fail(CLI_USAGE, "no memory for the request");
		goto out;
	}
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
	if (text) {
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, text);
	} else if (!strcmp(method, "POST")) {
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, "");
	}
	code = perform(h, list, &answer);
	if (code == CLI_OK) {
		code = parse(h, &answer.body, out);
	}
out:
	free(text);
	free(answer.body.at);
	curl_slist_free_all(list);
	return code;
}

enum cli_exit cli_http_print(struct cli_http *h, const char *path)
{
	struct answer answer = {.out = stdout};
	struct curl_slist *list = headers(h, NULL, "*/*");
	enum cli_exit code = prepare(h, path) ? perform(h, list, &answer)
					      : cli_fail(CLI_USAGE, "no memory for the request");

	if (code == CLI_OK && fflush(stdout)) {
		code = cli_fail(CLI_USAGE, "the answer cannot be written");
	}
	free(answer.body.at);
	curl_slist_free_all(list);
	return code;
}

static int show_upload(void *arg, curl_off_t in_total, curl_off_t in, curl_off_t total,
	curl_off_t sent)
{
	struct cli_progress *p = arg;
	json_t *event;

	(void)in_total;
	(void)in;
	if (total >= LARGE_UPLOAD_BYTES && p->terminal) {
		event = json_pack("{s:s, s:s, s:f, s:s}", "event", "progress", "stage", "upload",
			"fraction", (double)sent / (double)total, "text", "sending");
		cli_progress_event(p, event);
		json_decref(event);
	}
	return 0;
}

enum cli_exit cli_http_upload(struct cli_http *h, const char *path, FILE *file, long long size,
	json_t **out)
{
	struct answer answer = {0};
	struct curl_slist *list = headers(h, "application/octet-stream", "application/json");
	struct cli_progress progress;
	enum cli_exit code;

	rewind(file);
	if (!prepare(h, path)) {
		code = cli_fail(CLI_USAGE, "no memory for the request");
		goto out;
	}
	curl_easy_setopt(h->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, "POST");
	curl_easy_setopt(h->curl, CURLOPT_READDATA, file);
	curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
	cli_progress_init(&progress);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, show_upload);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, &progress);
	code = perform(h, list, &answer);
	cli_progress_clear(&progress);
	if (code == CLI_OK) {
		code = parse(h, &answer.body, out);
	}
out:
	free(answer.body.at);
	curl_slist_free_all(list);
	return code;
}

/* Server-Sent Events: lines are gathered until an empty one sends them off. */
struct stream {
	CURL *curl;
	struct qb_bytes line, data;
	char id[64], name[64];
	cli_event_fn listener;
	void *arg;
	bool stopped;
};

static void dispatch(struct stream *s)
{
	json_t *data = s->data.used ? json_loadb(s->data.at, s->data.used, JSON_DECODE_ANY, NULL)
				    : NULL;

	if (data && !s->listener(s->arg, s->id, s->name, data)) {
		s->stopped = true;
	}
	json_decref(data);
	s->data.used = 0;
	s->name[0] = '\0';
}

static void take_line(struct stream *s, char *line)
{
	char *value = strchr(line, ':');

	if (!*line) {
		dispatch(s);
		return;
	}
	if (!value || value == line) {
		return; /* a comment, or a field without a value */
	}
	*value++ = '\0';
	value += *value == ' ';
	if (!strcmp(line, "data")) {
		qb_bytes_add(&s->data, value, strlen(value));
	} else if (!strcmp(line, "id")) {
		snprintf(s->id, sizeof(s->id), "%s", value);
	} else if (!strcmp(line, "event")) {
		snprintf(s->name, sizeof(s->name), "%s", value);
	}
}

static size_t receive(char *data, size_t size, size_t count, void *arg)
{
	struct stream *s = arg;
	size_t n = size * count;
	long status = 0;

	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400) {
		return qb_bytes_add(&s->data, data, n) ? n : 0; /* the refusal's text */
	}
	for (size_t i = 0; i < n && !s->stopped; i++) {
		if (data[i] == '\n') {
			if (s->line.used && s->line.at[s->line.used - 1] == '\r') {
				s->line.at[--s->line.used] = '\0';
			}
			take_line(s, s->line.used ? s->line.at : (char[]){""});
			s->line.used = 0;
		} else if (!qb_bytes_add(&s->line, &data[i], 1)) {
			return 0;
		}
	}
	return s->stopped ? 0 : n;
}

enum cli_exit cli_http_events(struct cli_http *h, const char *path, const char *last_id,
	cli_event_fn listener, void *arg)
{
	struct stream s = {.curl = h->curl, .listener = listener, .arg = arg};
	struct curl_slist *list = headers(h, NULL, "text/event-stream");
	char line[128];
	long status = 0;
	CURLcode rc;
	enum cli_exit code = CLI_OK;

	if (*last_id) {
		snprintf(line, sizeof(line), "Last-Event-ID: %s", last_id);
		list = curl_slist_append(list, line);
	}
	if (!prepare(h, path)) {
		curl_slist_free_all(list);
		return cli_fail(CLI_USAGE, "no memory for the request");
	}
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &s);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_SECONDS);
	rc = curl_easy_perform(h->curl);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400) {
		code = refused(status, s.data.at);
	} else if (!s.stopped && rc == CURLE_COULDNT_CONNECT) {
		code = unreachable(h, rc);
	}
	free(s.line.at);
	free(s.data.at);
	curl_slist_free_all(list);
	return code;
}
