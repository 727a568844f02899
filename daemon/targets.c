/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/targets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/size.h"
#include "daemon/util.h"

enum { SLURM_JOBS = 16, JOBS_MAX = 1024, THREADS_MAX = 4096 };

static const char *const kinds[] = {
#define X(name, text) text,
	QB_TARGET_KINDS(X)
#undef X
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* A line while it is read. */
struct reading {
	const char *line;
	char *why;
	size_t why_len;
};

static bool wrong(const struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(const struct reading *r, const char *fmt, ...)
{
	int n = snprintf(r->why, r->why_len, "target \"%.100s\": ", r->line);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < r->why_len) {
		vsnprintf(r->why + n, r->why_len - (size_t)n, fmt, ap);
	}
	va_end(ap);
	return false;
}

const char *qb_target_kind_name(enum qb_target_kind kind)
{
	return kinds[kind];
}

static bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *text && *text != '-' && *text != '.' && strlen(text) < QB_TARGET_NAME && !text[strspn(text, allowed)];
}

/* "slurm", "ssh:pi@10.0.0.5" */
static bool read_kind(const struct reading *r, struct qb_target *t, const char *word)
{
	const size_t n = strcspn(word, ":");
	int kind = 0;

	while (kind < KINDS && (strlen(kinds[kind]) != n || strncmp(kinds[kind], word, n) != 0)) {
		kind++;
	}
	if (kind == KINDS) {
		return wrong(r, "\"%.40s\" is no kind of target; write NAME local, NAME slurm or NAME ssh:USER@BOARD", word);
	}
	t->kind = (enum qb_target_kind)kind;
	if ((t->kind == QB_TARGET_SSH) != (word[n] == ':' && word[n + 1])) {
		return wrong(r, t->kind == QB_TARGET_SSH ? "ssh needs a destination, such as ssh:pi@10.0.0.5"
			: "a destination is for ssh alone");
	}
	/* An option of ssh is no destination. */
	if (word[n] && word[n + 1] == '-') {
		return wrong(r, "\"%.60s\" is no destination", word + n + 1);
	}
	t->destination = strdup(word[n] ? word + n + 1 : "");
	return t->destination != NULL;
}

static bool read_number(const struct reading *r, const char *key, const char *text, int64_t most, int64_t *out)
{
	int64_t n;

	if (!qb_size_read(text, &n) || n < 1 || n > most) {
		return wrong(r, "%s is \"%.40s\"; give a whole number from 1", key, text);
	}
	*out = n;
	return true;
}

static bool read_path(const struct reading *r, const char *key, const char *text, char **out)
{
	if (*text != '/') {
		return wrong(r, "%s is \"%.60s\"; give an absolute path", key, text);
	}
	free(*out);
	*out = strdup(text);
	return *out != NULL;
}

static void append(char **words, const char *word)
{
	char *all = qb_format("%s%s%s", *words, **words ? " " : "", word);

	free(*words);
	*words = all;
}

static bool read_word(const struct reading *r, struct qb_target *t, const char *word)
{
	int64_t jobs = 0;

	if (!strncmp(word, "jobs=", 5)) {
		return read_number(r, "jobs", word + 5, JOBS_MAX, &jobs) && (t->jobs = (int)jobs);
	}
	if (!strncmp(word, "threads=", 8)) {
		return read_number(r, "threads", word + 8, THREADS_MAX, &t->threads);
	}
	if (!strncmp(word, "memory=", 7)) {
		return read_number(r, "memory", word + 7, INT64_MAX, &t->memory);
	}
	if (t->kind == QB_TARGET_SSH && !strncmp(word, "worker=", 7)) {
		return read_path(r, "worker", word + 7, &t->worker);
	}
	if (t->kind == QB_TARGET_SSH && !strncmp(word, "folder=", 7)) {
		return read_path(r, "folder", word + 7, &t->folder);
	}
	append(&t->words, word);
	return true;
}

static void clear(struct qb_target *t)
{
	free(t->words);
	free(t->destination);
	free(t->worker);
	free(t->folder);
	memset(t, 0, sizeof(*t));
}

static bool begin(struct qb_target *t, const char *name)
{
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->words = strdup("");
	t->worker = strdup(QB_DEFAULT_WORKER);
	t->folder = strdup("/var/tmp/quantbench");
	return t->words && t->worker && t->folder;
}

static bool read_line(struct qb_targets *all, char *line, char *why, size_t why_len)
{
	char *whole = strdup(line), *rest = NULL;
	const char *name = strtok_r(line, " \t", &rest), *kind = strtok_r(NULL, " \t", &rest);
	const struct reading r = {.line = whole, .why = why, .why_len = why_len};
	struct qb_target t = {0};
	bool ok;

	if (!name) {
		free(whole);
		return true;
	}
	if (!is_name(name) || !kind) {
		ok = wrong(&r, "write NAME KIND; a name has at most 32 letters, digits, . _ and -");
	} else if (qb_targets_find(all, name)) {
		ok = wrong(&r, !strcmp(name, "local") ? "local is this machine already, as the options jobs, worker-threads, worker-memory and "
			"launcher say; choose another name" : "there is one of this name already");
	} else if (all->count == QB_TARGETS_MAX) {
		ok = wrong(&r, "more than %d targets", QB_TARGETS_MAX - 1);
	} else {
		ok = begin(&t, name) && read_kind(&r, &t, kind);
		for (const char *w; ok && (w = strtok_r(NULL, " \t", &rest)) != NULL;) {
			ok = read_word(&r, &t, w);
		}
	}
	free(whole);
	if (!ok) {
		clear(&t);
		return false;
	}
	t.jobs = t.jobs ? t.jobs : t.kind == QB_TARGET_SLURM ? SLURM_JOBS : 1;
	all->target[all->count++] = t;
	return true;
}

struct qb_targets *qb_targets_parse(const char *lines, char *why, size_t why_len)
{
	static uint64_t generations;
	struct qb_targets *all = calloc(1, sizeof(*all));
	char *copy = strdup(lines), *rest = NULL;
	bool ok = all && copy && begin(&all->target[all->count++], "local");

	snprintf(why, why_len, "no memory for the targets");
	if (ok) {
		all->generation = ++generations;
		all->target[0].destination = strdup("");
	}
	for (char *line = ok ? strtok_r(copy, "\n", &rest) : NULL; ok && line; line = strtok_r(NULL, "\n", &rest)) {
		ok = read_line(all, line, why, why_len);
	}
	free(copy);
	if (!ok) {
		qb_targets_free(&all);
	}
	return all;
}

void qb_targets_free(struct qb_targets **targets)
{
	for (int i = 0; *targets && i < (*targets)->count; i++) {
		clear(&(*targets)->target[i]);
	}
	free(*targets);
	*targets = NULL;
}

const struct qb_target *qb_targets_find(const struct qb_targets *targets, const char *name)
{
	for (int i = 0; i < targets->count; i++) {
		if (!strcmp(targets->target[i].name, name)) {
			return &targets->target[i];
		}
	}
	return NULL;
}

void qb_targets_names(const struct qb_targets *targets, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (int i = 0; i < targets->count && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%s", !i ? "" : i + 1 < targets->count ? ", " : " and ",
			targets->target[i].name);
	}
}
