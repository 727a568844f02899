/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/config_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/http/tls.h"
#include "daemon/options.h"
#include "daemon/util.h"
#include "daemon/worker_command.h"

static bool wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("quantbenchd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	return false;
}

static bool check_tls(const struct qb_options *o)
{
	char why[300];

	return !*o->tls_cert || qb_tls_check(o->tls_cert, o->tls_key, why, sizeof(why)) || wrong("TLS: %s", why);
}

static bool check_worker(struct qb_options *o)
{
	o->worker = qb_program_path(o->worker);
	return access(o->worker, X_OK) == 0 || wrong("worker: %s: %s; name the program quantbench-worker", o->worker, strerror(errno));
}

static bool check_launcher(const struct qb_options *o)
{
	char *word = strndup(o->launcher, strcspn(o->launcher, " "));
	bool ok = true;

	if (*word) {
		word = qb_program_path(word);
		ok = access(word, X_OK) == 0 || wrong("launcher: there is no program %s", word);
	}
	free(word);
	return ok;
}

/* One that is missing is made at the start. */
static bool check_state(const struct qb_options *o)
{
	struct stat st;

	if (stat(o->state, &st)) {
		return errno == ENOENT || wrong("state: %s: %s", o->state, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode)) {
		return wrong("state: %s is no folder", o->state);
	}
	return access(o->state, W_OK | X_OK) == 0 || wrong("state: %s: %s; check as the user that the server runs as", o->state,
		strerror(errno));
}

int qb_check_config(int argc, char **argv)
{
	struct qb_options o;
	bool exit_now, ok = qb_options_read(&o, argc, argv, &exit_now);

	if (ok && !exit_now) {
		const bool parts[] = {check_tls(&o), check_worker(&o), check_launcher(&o), check_state(&o)};

		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			ok = ok && parts[i];
		}
		if (ok) {
			qb_options_print_changed(&o, stdout);
			puts("# a server would start with these; all else is as quantbenchd --help says");
		}
	}
	qb_options_fini(&o);
	return ok ? 0 : 1;
}

int qb_print_config(void)
{
	qb_options_print(stdout);
	return 0;
}
