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

enum kind { text, number };

static const struct row {
	enum kind kind;
	size_t offset;
	const char *key, *value, *help;
} rows[] = {
#define X(kind, field, key, value, help) \
	{kind, offsetof(struct qb_options, field), key, value, help},
	QB_OPTIONS(X)
#undef X
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* "64G" is 64 * 2^30. */
bool qb_options_number(const char *s, int64_t *out)
{
	char *end;
	long long v;
	int shift = 0;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s || v < 0) {
		return false;
	}
	if (*end) {
		const char *units = "KMGT", *u = strchr(units, toupper((unsigned char)*end));

		if (!u || end[1]) {
			return false;
		}
		shift = 10 * (int)(u - units + 1);
	}
	if (v > (INT64_MAX >> shift)) {
		return false;
	}
	*out = (int64_t)v << shift;
	return true;
}

static bool set(struct qb_options *o, const struct row *r, const char *value, const char *where)
{
	void *field = (char *)o + r->offset;

	if (r->kind == text) {
		free(*(char **)field);
		*(char **)field = strdup(value);
		return *(char **)field != NULL;
	}
	if (!qb_options_number(value, field)) {
		fprintf(stderr, "quantbenchd: %s: %s is \"%s\"; give a whole number, such as 4 or 16G\n",
			where, r->key, value);
		return false;
	}
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
	while (ok && fgets(line, sizeof(line), f)) {
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
			ok = set(o, r, trim(value), where);
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
	      "Serves the API and the dashboard, and runs jobs in worker processes.\n\n"
	      "  --config FILE              lines of key = value; the keys are the options below\n",
		out);
	for (int i = 0; i < ROWS; i++) {
		fprintf(out, "  --%-24s %s (%s)\n", rows[i].key, rows[i].help,
			*rows[i].value ? rows[i].value : "none");
	}
	fputs("  --new-database             begin anew beside uploads whose database is gone; they are put aside\n"
	      "  --version, --help\n\nEach option may also be set in the environment: "
	      "QUANTBENCHD_WORKER_MEMORY=8G.\n", out);
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1) {
		return (ntohl(v4.s_addr) >> 24) == 127;
	}
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
static bool split_listen(struct qb_options *o)
{
	struct in6_addr a;
	char *colon = strrchr(o->listen, ':'), *end = NULL;
	long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
	size_t n = colon ? (size_t)(colon - o->listen) : 0;
	const char *host = o->listen;

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
	o->on_loopback = is_loopback(o->host);
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
	return split_listen(o) && read_public(o) && check_tokens(o);
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
		if (rows[i].kind == text) {
			free(*(char **)((char *)o + rows[i].offset));
		}
	}
	free(o->host);
	memset(o, 0, sizeof(*o));
}
