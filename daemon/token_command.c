/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/token_command.h"

#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/blobs.h"
#include "daemon/options.h"
#include "daemon/size.h"
#include "daemon/state.h"
#include "daemon/store.h"
#include "daemon/tokens.h"

/* What stands on the line, besides what finds the state folder. */
struct command {
	const char *verb, *name;
	struct qb_token_wish wish;
	struct qb_options_words server;
};

static const char help[] =
	"usage: quantbenchd token create NAME [--role read|submit|admin] [--expires 90d|DATE|never]\n"
	"                         [--upload-bytes N] [--queued-jobs N] [--requests-per-minute N]\n"
	"       quantbenchd token list\n"
	"       quantbenchd token revoke ID|NAME\n"
	"with --state DIR or --config FILE as the server has them.\n\n"
	"read looks at everything; submit also uploads and submits, and changes what is its own; admin changes\n"
	"everything. Limits of 0 are none, those that are not named are the server's. The secret is printed once, by\n"
	"create, and kept as a hash. A running server needs no restart.\n";

static bool number(const char *text, int64_t *out)
{
	if (qb_size_read(text, out)) {
		return true;
	}
	fprintf(stderr, "quantbenchd token: \"%s\" is no whole number, such as 20 or 4G\n", text);
	return false;
}

static bool take(struct command *c, int option)
{
	switch (option) {
	case 'r':
		c->wish.role = optarg;
		return true;
	case 'e':
		c->wish.lifetime = optarg;
		return true;
	case 'u':
		return number(optarg, &c->wish.upload_bytes);
	case 'q':
		return number(optarg, &c->wish.queued_jobs);
	case 'm':
		return number(optarg, &c->wish.requests_per_minute);
	case 's':
		return qb_options_words_add(&c->server, "--state", optarg);
	case 'c':
		return qb_options_words_add(&c->server, "--config", optarg);
	default:
		return false;
	}
}

static bool read_line(struct command *c, int argc, char **argv)
{
	static const struct option table[] = {{"role", 1, NULL, 'r'}, {"expires", 1, NULL, 'e'},
		{"upload-bytes", 1, NULL, 'u'}, {"queued-jobs", 1, NULL, 'q'}, {"requests-per-minute", 1, NULL, 'm'},
		{"state", 1, NULL, 's'}, {"config", 1, NULL, 'c'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option, words;

	*c = (struct command){.wish = {.role = "submit", .lifetime = "never", .upload_bytes = -1, .queued_jobs = -1,
		.requests_per_minute = -1}};
	while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
		if (option == 'h' || option == '?' || !take(c, option)) {
			return false;
		}
	}
	words = argc - optind;
	c->verb = words > 0 ? argv[optind] : "";
	c->name = words > 1 ? argv[optind + 1] : NULL;
	c->wish.name = c->name;
	return (!strcmp(c->verb, "list") && words == 1) || (!strcmp(c->verb, "create") && words == 2) ||
		(!strcmp(c->verb, "revoke") && words == 2);
}

/* Files of root's in the folder of another user would lock the server out. */
static void become_owner(const char *state)
{
	struct stat st;

	if (geteuid() == 0 && stat(state, &st) == 0 && st.st_uid != 0 &&
		(setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid))) {
		perror("quantbenchd token: becoming the owner of the state folder");
		exit(1);
	}
}

static struct qb_store *open_store(struct qb_options *o)
{
	struct qb_store *s = NULL;
	char *path = NULL;
	int64_t blobs;

	become_owner(o->state);
	switch (qb_state_lock(o)) {
	case QB_STATE_LOCKED:
		s = qb_blobs_prepare(o->state) ? qb_state_open(o, NULL, &path, &blobs) : NULL;
		break;
	case QB_STATE_IN_USE:
		path = qb_format("%s/quantbench.db", o->state);
		s = qb_store_join(path);
		break;
	default:
		break;
	}
	free(path);
	return s;
}

static const char *text(const json_t *row, const char *key)
{
	const char *v = json_string_value(json_object_get(row, key));

	return v ? v : "";
}

static int list(struct qb_store *s)
{
	char now[QB_TIME_LEN];
	json_t *rows = NULL, *row;
	size_t i;

	if (!qb_store_list(s, QB_SQL_TOKEN_LIST, &rows, "")) {
		return 1;
	}
	qb_time_now(now);
	printf("%-6s %-24s %-7s %-11s %-11s %s\n", "id", "name", "role", "created", "expires", "state");
	json_array_foreach(rows, i, row) {
		const char *expires = text(row, "expires");
		const char *state = *text(row, "revoked") ? "revoked" : *expires && strcmp(expires, now) <= 0 ? "expired" : "valid";

		printf("%-6s %-24s %-7s %-11.10s %-11.10s %s\n", text(row, "id"), text(row, "name"), text(row, "role"),
			text(row, "created"), *expires ? expires : "never", state);
	}
	json_decref(rows);
	return 0;
}

static int create(struct qb_store *s, const struct command *c, struct qb_problem *p)
{
	char secret[QB_SECRET_LEN];
	json_t *row = qb_token_create(s, &c->wish, secret, p);

	if (!row) {
		return 1;
	}
	fprintf(stderr, "%s: %s, role %s, expires %s. This is its secret; it is not shown again:\n", text(row, "id"),
		text(row, "name"), text(row, "role"), *text(row, "expires") ? text(row, "expires") : "never");
	puts(secret);
	json_decref(row);
	return 0;
}

static int revoke_named(struct qb_store *s, const struct command *c, struct qb_problem *p)
{
	int64_t id = qb_id_number(c->name, 't');

	if (id < 0 && qb_store_value(s, QB_SQL_TOKEN_NAMED, &id, "s", c->name) != QB_FOUND) {
		qb_refuse(p, 404, "not_found", "there is no token \"%.70s\"; quantbenchd token list shows them", c->name);
		return 1;
	}
	return qb_token_revoke(s, id, p) ? 0 : 1;
}

int qb_token_command(int argc, char **argv)
{
	struct command c;
	struct qb_options o = {0};
	struct qb_problem p = {0};
	struct qb_store *s;
	int code = 1;

	if (!read_line(&c, argc, argv)) {
		fputs(help, stderr);
		return 2;
	}
	if (!qb_options_words_read(&c.server, &o)) {
		return 2;
	}
	umask(0027);
	s = open_store(&o);
	if (s) {
		code = !strcmp(c.verb, "list") ? list(s) : !strcmp(c.verb, "create") ? create(s, &c, &p) : revoke_named(s, &c, &p);
	}
	if (p.status) {
		fprintf(stderr, "quantbenchd token: %s\n", p.detail);
	}
	qb_store_close(&s);
	qb_options_fini(&o);
	return code;
}
