/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/beside.h"
#include "daemon/loopback.h"
#include "daemon/size.h"
#include "daemon/targets.h"
#include "daemon/util.h"

enum kind { text, number, list };
enum when { START, LIVE };

static const struct row {
	enum kind kind;
	enum when when;
	size_t offset;
	const char *key, *value, *help;
} rows[] = {
#define X(kind, when, field, key, value, help) \
	{kind, when, offsetof(struct qb_options, field), key, value, help},
	QB_OPTIONS(X)
#undef X
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static char **text_of(struct qb_options *o, const struct row *r)
{
	return (char **)(void *)((char *)o + r->offset);
}

static _Atomic int64_t *number_of(struct qb_options *o, const struct row *r)
{
	return (_Atomic int64_t *)(void *)((char *)o + r->offset);
}

/* One that may stand several times holds a line for each. */
static void add_line(char **field, const char *value)
{
	char *all = *field && **field ? qb_format("%s\n%s", *field, value) : qb_format("%s", value);

	free(*field);
	*field = all;
}

static bool set(struct qb_options *o, const struct row *r, const char *value, const char *where)
{
	int64_t n;

	if (r->kind == list) {
		add_line(text_of(o, r), value);
		return true;
	}
	if (r->kind == text) {
		char **field = text_of(o, r);

		free(*field);
		*field = strdup(value);
		return *field != NULL;
	}
	if (!qb_size_read(value, &n)) {
		fprintf(stderr, "quantbenchd: %s: %s is \"%s\"; give a whole number, such as 4 or 16G\n",
			where, r->key, value);
		return false;
	}
	*number_of(o, r) = n;
	return true;
}

static const struct row *find(const char *key)
{
	for (int i = 0; i < ROWS; i++) {
		if (!strcmp(rows[i].key, key)) {
			return &rows[i];
		}
	}
	return NULL;
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s)) {
		s++;
	}
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1])) {
		*--end = '\0';
	}
	return s;
}

static bool read_file(struct qb_options *o, const char *path)
{
	char line[1024];
	int n = 0;
	bool ok = true;
	FILE *f = fopen(path, "re");

	if (!f) {
		fprintf(stderr, "quantbenchd: %s: %s\n", path, strerror(errno));
		return false;
	}
	while (fgets(line, sizeof(line), f)) { /* all mistakes are told */
		char *key = trim(line), *value = strchr(key, '='), where[300];
		const struct row *r;

		n++;
		if (!*key || *key == '#' || *key == ';') {
			continue;
		}
		if (value) {
			*value++ = '\0';
		}
		key = trim(key);
		r = value ? find(key) : NULL;
		snprintf(where, sizeof(where), "%.250s line %d", path, n);
		if (!r) {
			fprintf(stderr, "quantbenchd: %s: \"%s\" is no setting; write key = value with a key "
				"of quantbenchd --help\n", where, key);
			ok = false;
		} else {
			ok = set(o, r, trim(value), where) && ok;
		}
	}
	fclose(f);
	return ok;
}

static bool read_environment(struct qb_options *o)
{
	for (int i = 0; i < ROWS; i++) {
		char name[64];
		const char *value;

		snprintf(name, sizeof(name), "QUANTBENCHD_%s", rows[i].key);
		for (char *p = name; *p; p++) {
			*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		}
		value = getenv(name);
		if (value && !set(o, &rows[i], value, name)) {
			return false;
		}
	}
	/* systemd's StateDirectory= says where the state belongs. */
	if (getenv("STATE_DIRECTORY") && !getenv("QUANTBENCHD_STATE")) {
		return set(o, find("state"), getenv("STATE_DIRECTORY"), "STATE_DIRECTORY");
	}
	return true;
}

static void usage(FILE *out)
{
	fputs("usage: quantbenchd [OPTION]...\n"
	      "       quantbenchd token create|list|revoke ...\n"
	      "       quantbenchd backup FILE [--with-blobs DIR]\n"
	      "       quantbenchd check-config [OPTION]...   says whether a server would start with them\n"
	      "       quantbenchd print-config               a configuration file with every option\n"
	      "Serves the API and the dashboard, and runs jobs in worker processes.\n\n"
	      "  --config FILE              lines of key = value; the keys are the options below\n"
	      "                             SIGHUP reads it again, and takes what is marked *\n",
		out);
	for (int i = 0; i < ROWS; i++) {
		fprintf(out, "  --%-23s%c %s (%s)\n", rows[i].key, rows[i].when == LIVE ? '*' : ' ', rows[i].help,
			*rows[i].value ? rows[i].value : rows[i].kind == list ? "none; may stand several times" : "none");
	}
	fputs("  --new-database             begin anew beside uploads whose database is gone; they are put aside\n"
	      "  --version, --help\n\nEach option may also be set in the environment: "
	      "QUANTBENCHD_WORKER_MEMORY=8G.\n", out);
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
static bool split_listen(struct qb_options *o)
{
	struct in6_addr a;
	char *colon = strrchr(o->listen, ':'), *end = NULL;
	long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
	size_t n = colon ? (size_t)(colon - o->listen) : 0;
	const char *host = o->listen;

	if (!strcmp(o->listen, "none")) {
		o->on_loopback = true;
		return *o->socket || (fputs("quantbenchd: listen is none, and there is no socket; nobody could reach the server. Set one of "
			"them\n", stderr), false);
	}
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	o->host = strndup(host, n);
	if (o->host && !strcmp(o->host, "localhost")) {
		free(o->host);
		o->host = strdup("127.0.0.1");
	}
	if (!o->host || !end || *end || port < 0 || port > 65535 ||
		(inet_pton(AF_INET, o->host, &a) != 1 && inet_pton(AF_INET6, o->host, &a) != 1)) {
		fprintf(stderr, "quantbenchd: listen is \"%s\"; give an address and a port, such as "
			"127.0.0.1:8080 or [::1]:8080\n", o->listen);
		return false;
	}
	o->port = (uint16_t)port;
	o->on_loopback = qb_loopback_name(o->host);
	return true;
}

static bool check_tokens(const struct qb_options *o)
{
	if (strcmp(o->tokens, "auto") != 0 && strcmp(o->tokens, "all") != 0 && strcmp(o->tokens, "none") != 0) {
		fprintf(stderr, "quantbenchd: tokens is \"%s\"; choose from auto, all and none\n", o->tokens);
		return false;
	}
	if (!strcmp(o->tokens, "none") && !o->on_loopback) {
		fprintf(stderr, "quantbenchd: tokens is none, and %s is not a loopback address: anybody who reaches it could use "
			"this server. Leave tokens at auto, or listen on 127.0.0.1\n", o->listen);
		return false;
	}
	return true;
}

static bool read_public(struct qb_options *o)
{
	o->has_public = *o->public;
	if (o->has_public && !qb_origin_parse(o->public, &o->public_origin)) {
		fprintf(stderr, "quantbenchd: public is \"%s\"; give the beginning of the address that browsers show, without "
			"a path, such as https://bench.example or http://bench.example:8080\n", o->public);
		return false;
	}
	return true;
}

static bool check_tls(const struct qb_options *o)
{
	if (!*o->tls_cert != !*o->tls_key) {
		fprintf(stderr, "quantbenchd: %s is set and %s is not; TLS needs both\n", *o->tls_cert ? "tls-cert" : "tls-key",
			*o->tls_cert ? "tls-key" : "tls-cert");
		return false;
	}
	return true;
}

static bool read_targets(struct qb_options *o)
{
	char why[300];

	o->targets = qb_targets_parse(o->target, why, sizeof(why));
	if (!o->targets) {
		fprintf(stderr, "quantbenchd: %s\n", why);
	}
	return o->targets != NULL;
}

static int64_t at_least(int64_t least, int64_t value)
{
	return value < least ? least : value;
}

/* From a build folder, the worker and the dashboard that were built with this program. */
static bool prefer_beside(struct qb_options *o)
{
	char *page = qb_beside("web/dist/index.html", QB_DEFAULT_WEB "/index.html");

	free(o->worker);
	o->worker = qb_beside("quantbench-worker", QB_DEFAULT_WORKER);
	if (page) {
		*strrchr(page, '/') = '\0';
		free(o->web);
		o->web = page;
	}
	return o->worker && o->web;
}

static bool defaults(struct qb_options *o)
{
	for (int i = 0; i < ROWS; i++) {
		if (!set(o, &rows[i], rows[i].value, "default")) {
			return false;
		}
	}
	return prefer_beside(o);
}

static bool complete(struct qb_options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	o->jobs = o->jobs < 1 ? 1 : o->jobs > 1024 ? 1024 : o->jobs;
	o->inspections = o->inspections < 1 ? 1 : o->inspections > 64 ? 64 : o->inspections;
	o->http_threads = o->http_threads < 1 ? 1 : o->http_threads > 256 ? 256 : o->http_threads;
	o->heartbeat_ms = at_least(50, o->heartbeat_ms);
	o->connections = at_least(o->http_threads, o->connections);
	o->connections_per_address = at_least(1, o->connections_per_address);
	o->header_seconds = at_least(1, o->header_seconds);
	o->body_seconds = at_least(1, o->body_seconds);
	o->idle_seconds = at_least(1, o->idle_seconds);
	if (o->worker_threads == 0) {
		o->worker_threads = cores > o->jobs ? cores / o->jobs : 1;
	}
	return split_listen(o) && read_public(o) && check_tokens(o) && check_tls(o) && read_targets(o);
}

static bool same(struct qb_options *a, struct qb_options *b, const struct row *r)
{
	char *pa, *pb;
	bool is;

	if (r->kind == number) {
		return *number_of(a, r) == *number_of(b, r);
	}
	if (!strcmp(*text_of(a, r), *text_of(b, r))) {
		return true;
	}
	pa = realpath(*text_of(a, r), NULL); /* paths are made absolute after they have been read */
	pb = realpath(*text_of(b, r), NULL);
	is = pa && pb && !strcmp(pa, pb);
	free(pa);
	free(pb);
	return is;
}

static void take(struct qb_options *o, struct qb_options *from, const struct row *r)
{
	char *old;

	if (r->kind == number) {
		*number_of(o, r) = *number_of(from, r);
	} else {
		old = *text_of(o, r);
		*text_of(o, r) = *text_of(from, r);
		*text_of(from, r) = old;
	}
}

bool qb_options_words_add(struct qb_options_words *w, const char *option, const char *value)
{
	if (w->n == 4) {
		return false;
	}
	w->word[++w->n] = option;
	w->word[++w->n] = value;
	return true;
}

bool qb_options_words_read(struct qb_options_words *w, struct qb_options *o)
{
	bool exit_now; /* neither --help nor --version is among them */

	w->word[0] = "quantbenchd";
	return qb_options_read(o, 1 + w->n, (char **)w->word, &exit_now);
}

bool qb_options_reload(struct qb_options *o, int argc, char **argv)
{
	struct qb_options n;
	bool exit_now, ok = qb_options_read(&n, argc, argv, &exit_now);

	for (int i = 0; ok && i < ROWS; i++) {
		if (same(o, &n, &rows[i])) {
			continue;
		}
		if (rows[i].when == LIVE) {
			take(o, &n, &rows[i]);
			qb_log(QB_LOG_INFO, "%s has changed", rows[i].key);
		} else {
			qb_log(QB_LOG_WARNING, "%s is another now; it is taken when the server starts again", rows[i].key);
		}
	}
	if (ok) { /* with the option target, from which they follow */
		struct qb_targets *before = o->targets;

		o->targets = n.targets;
		n.targets = before;
	}
	qb_options_fini(&n);
	return ok;
}

/* A program of a build folder and an installed one find these at other places. */
static bool is_found(const struct row *r)
{
	return !strcmp(r->key, "state") || !strcmp(r->key, "web") || !strcmp(r->key, "worker");
}

void qb_options_print(FILE *out)
{
	fputs("# quantbenchd: what the server is told. Each line sets one option; those that begin with # show the defaults.\n"
	      "# The command line and QUANTBENCHD_... in the environment come before this file. Look at it with\n"
	      "# quantbenchd check-config --config FILE, and have it read again by systemctl reload quantbench (SIGHUP).\n", out);
	for (int i = 0; i < ROWS; i++) {
		fprintf(out, "\n# %c%s%s%s.\n", toupper((unsigned char)rows[i].help[0]), rows[i].help + 1,
			rows[i].kind == list ? "; may stand several times" : "", rows[i].when == LIVE ? "" : " (read at the start alone)");
		fprintf(out, "#%s =%s%s\n", rows[i].key, is_found(&rows[i]) || !*rows[i].value ? "" : " ",
			is_found(&rows[i]) ? "" : rows[i].value);
	}
}

static void print_lines(const char *key, const char *lines, FILE *out)
{
	for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		fprintf(out, "%s = %.*s\n", key, (int)n, lines);
	}
}

void qb_options_print_changed(const struct qb_options *options, FILE *out)
{
	struct qb_options *o = (struct qb_options *)options, d = {0};

	if (defaults(&d)) {
		for (int i = 0; i < ROWS; i++) {
			if (!same(o, &d, &rows[i]) && rows[i].kind == number) {
				fprintf(out, "%s = %lld\n", rows[i].key, (long long)*number_of(o, &rows[i]));
			} else if (!same(o, &d, &rows[i])) {
				print_lines(rows[i].key, *text_of(o, &rows[i]), out);
			}
		}
	}
	qb_options_fini(&d);
}

bool qb_options_read(struct qb_options *o, int argc, char **argv, bool *exit_now)
{
	struct option table[ROWS + 5];
	int c, index;

	memset(o, 0, sizeof(*o));
	*exit_now = false;
	for (int i = 0; i < ROWS; i++) {
		table[i] = (struct option){rows[i].key, required_argument, NULL, 1000 + i};
	}
	table[ROWS] = (struct option){"config", required_argument, NULL, 'c'};
	table[ROWS + 1] = (struct option){"help", no_argument, NULL, 'h'};
	table[ROWS + 2] = (struct option){"version", no_argument, NULL, 'v'};
	table[ROWS + 3] = (struct option){"new-database", no_argument, NULL, 'n'};
	table[ROWS + 4] = (struct option){NULL, 0, NULL, 0};
	if (!defaults(o)) {
		return false;
	}
	optind = 0; /* getopt begins anew: it has read this line, or that of a command, before */
	/* The file is read first, wherever on the line it is named. */
	while ((c = getopt_long(argc, argv, "hc:", table, &index)) != -1) {
		if (c == '?') {
			fputs("quantbenchd: see quantbenchd --help\n", stderr);
			return false;
		}
		if (c == 'h' || c == 'v') {
			*exit_now = true;
			c == 'h' ? usage(stdout) : (void)puts("quantbenchd " PACKAGE_VERSION);
			return true;
		}
		if (c == 'c' && !read_file(o, optarg)) {
			return false;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "quantbenchd: \"%s\" is no option; see quantbenchd --help\n", argv[optind]);
		return false;
	}
	if (!read_environment(o)) {
		return false;
	}
	optind = 1;
	while ((c = getopt_long(argc, argv, "hc:", table, &index)) != -1) {
		o->new_database = o->new_database || c == 'n';
		if (c >= 1000 && !set(o, &rows[c - 1000], optarg, "command line")) {
			return false;
		}
	}
	return complete(o);
}

void qb_options_fini(struct qb_options *o)
{
	for (int i = 0; i < ROWS; i++) {
		if (rows[i].kind != number) {
			free(*text_of(o, &rows[i]));
		}
	}
	qb_targets_free(&o->targets);
	free(o->host);
	memset(o, 0, sizeof(*o));
}
