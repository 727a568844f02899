/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/side.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/size.h"

static const double TURN_SECONDS = 0.1;
enum { TURN_QUERIES = 1 << 18 };

/* seconds of queries, but no more than `most`; 0 of these: the side finishes. */
struct order {
	double seconds;
	int64_t most;
};

/* `bytes` follow: elements, or the sentence of an error. */
struct reply {
	enum qb_err err;
	int64_t cpu_ns;
	size_t bytes;
};

static bool send_all(int line, const void *data, size_t bytes)
{
	for (const char *p = data; bytes;) {
		ssize_t n = send(line, p, bytes, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		p += QB_MAX(n, 0);
		bytes -= (size_t)QB_MAX(n, 0);
	}
	return true;
}

static bool receive_all(int line, void *data, size_t bytes)
{
	for (char *p = data; bytes;) {
		ssize_t n = recv(line, p, bytes, 0);

		if (n == 0 || (n < 0 && errno != EINTR)) {
			return false;
		}
		p += QB_MAX(n, 0);
		bytes -= (size_t)QB_MAX(n, 0);
	}
	return true;
}

/* In the side's process */

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void answer(int line, enum qb_err err, int64_t cpu_ns, const void *data, size_t bytes, const struct qb_errbuf *eb)
{
	struct reply r = {err, cpu_ns, err ? strlen(eb->text) + 1 : bytes};

	if (!send_all(line, &r, sizeof(r)) || !send_all(line, err ? eb->text : data, r.bytes)) {
		_exit(1);
	}
}

/* A turn begins with an uncounted query: the others have just used the caches. */
static void take_turn(const struct side *s, const struct order *o)
{
	struct qb_errbuf eb = {0};
	int64_t *ns = malloc((size_t)o->most * sizeof(*ns)), count = 0, least = INT64_MAX, spent = 0;
	enum qb_err err = ns ? s->query(s->arg, &eb) : qb_fail(&eb, QB_ENOMEM, "no memory for latencies");

	while (err == QB_OK && count < o->most && (double)spent < o->seconds * 1e9) {
		int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID), start = now_ns(CLOCK_MONOTONIC);

		err = s->query(s->arg, &eb);
		spent += ns[count++] = now_ns(CLOCK_MONOTONIC) - start;
		cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		least = QB_MIN(least, cpu);
	}
	answer(s->line, err, least, ns, (size_t)count * sizeof(*ns), &eb);
	free(ns);
}

static void live(const struct side *s)
{
	struct qb_errbuf eb = {0};
	struct order o;
	const float *first = NULL;
	size_t n = 0;
	enum qb_err err = s->prepare(s->arg, &eb);

	err = err ? err : s->query(s->arg, &eb);
	if (err == QB_OK) {
		first = s->output(s->arg, &n);
	}
	answer(s->line, err, 0, first, n * sizeof(*first), &eb);
	for (raise(SIGSTOP); receive_all(s->line, &o, sizeof(o)) && o.most; raise(SIGSTOP)) {
		take_turn(s, &o);
	}
	err = s->finish ? s->finish(s->arg, &eb) : QB_OK;
	fflush(stdout);
	answer(s->line, err, 0, NULL, 0, &eb);
	_exit(0);
}

/* In ours */

/* The elements of the reply, to be freed, once the process is paused. */
static enum qb_err hear(struct side *s, void **data, size_t *bytes, int64_t *cpu_ns, struct qb_errbuf *eb)
{
	struct reply r;
	int status;

	if (!receive_all(s->line, &r, sizeof(r)) || !(*data = malloc(r.bytes + 1)) ||
		!receive_all(s->line, *data, r.bytes)) {
		return qb_fail(eb, QB_EINTERNAL, "the process of %s ended", s->name);
	}
	waitpid(s->process, &status, WUNTRACED);
	*bytes = r.bytes;
	*cpu_ns = r.cpu_ns;
	return r.err ? qb_fail(eb, r.err, "%s: %s", s->name, (const char *)*data) : QB_OK;
}

static enum qb_err say(const struct side *s, const struct order *o, struct qb_errbuf *eb)
{
	if (!send_all(s->line, o, sizeof(*o)) || kill(s->process, SIGCONT)) {
		return qb_fail(eb, QB_EINTERNAL, "the process of %s ended", s->name);
	}
	return QB_OK;
}

static enum qb_err start(struct side *s, struct qb_errbuf *eb)
{
	int line[2];
	void *first = NULL;
	size_t bytes;
	int64_t unused;
	enum qb_err err;

	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, line) || (s->process = fork()) < 0) {
		return qb_fail(eb, QB_EIO, "no process for %s: %s", s->name, strerror(errno));
	}
	s->line = line[s->process == 0];
	close(line[s->process != 0]);
	if (s->process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(s);
	}
	err = hear(s, &first, &bytes, &unused, eb);
	if (err) {
		free(first);
		return err;
	}
	s->first = first;
	s->n = bytes / sizeof(*s->first);
	return QB_OK;
}

enum qb_err sides_start(struct side *side, int count, struct qb_errbuf *eb)
{
	for (int i = 0; i < count; i++) {
		QB_TRY(start(&side[i], eb));
	}
	return QB_OK;
}

struct series {
	int64_t *ns, count, total;
};

static enum qb_err turn(struct side *s, struct series *all, const struct order *o, struct qb_errbuf *eb)
{
	void *data = NULL;
	size_t bytes;
	int64_t cpu, *ns;
	enum qb_err err;

	QB_TRY(say(s, o, eb));
	QB_TRY_OUT(hear(s, &data, &bytes, &cpu, eb));
	ns = realloc(all->ns, (size_t)all->count * sizeof(*ns) + bytes + 1);
	if (!ns) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for latencies");
		goto out;
	}
	all->ns = ns;
	memcpy(ns + all->count, data, bytes);
	for (size_t i = 0; i < bytes / sizeof(*ns); i++) {
		all->total += ns[all->count++];
	}
	s->cpu_ns = s->cpu_ns ? QB_MIN(s->cpu_ns, cpu) : cpu;
out:
	free(data);
	return err;
}

enum qb_err sides_measure(struct side *side, int count, const struct qb_latency_options *opt, struct qb_errbuf *eb)
{
	const struct order one = {TURN_SECONDS, TURN_QUERIES}, warm = {opt->warmup_seconds, TURN_QUERIES};
	struct series *s = calloc((size_t)count, sizeof(*s));
	enum qb_err err = s ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for %d sides", count);
	bool going = err == QB_OK;

	for (int i = 0; going && i < count; i++) {
		QB_TRY_OUT(turn(&side[i], &s[i], &warm, eb));
		s[i].count = s[i].total = side[i].cpu_ns = 0;
	}
	while (going) {
		going = false;
		for (int i = 0; i < count; i++) {
			if (s[i].count < QB_MAX(opt->min_queries, 1) || (double)s[i].total < opt->min_seconds * 1e9) {
				QB_TRY_OUT(turn(&side[i], &s[i], &one, eb));
				going = true;
			}
		}
	}
	for (int i = 0; err == QB_OK && i < count; i++) {
		qb_latency_summarise(s[i].ns, s[i].count, opt, &side[i].latency);
	}
out:
	for (int i = 0; s && i < count; i++) {
		free(s[i].ns);
	}
	free(s);
	return err;
}

enum qb_err sides_finish(struct side *side, int count, struct qb_errbuf *eb)
{
	fflush(stdout);
	for (int i = 0; i < count; i++) {
		void *nothing = NULL;
		size_t bytes;
		int64_t cpu;
		enum qb_err err = say(&side[i], &(struct order){0}, eb);

		err = err ? err : hear(&side[i], &nothing, &bytes, &cpu, eb);
		free(nothing);
		side[i].process = 0; /* it has been waited for */
		QB_TRY(err);
	}
	return QB_OK;
}

void sides_end(struct side *side, int count)
{
	for (int i = 0; i < count; i++) {
		if (side[i].process > 0) {
			kill(side[i].process, SIGKILL);
			waitpid(side[i].process, NULL, 0);
		}
		if (side[i].line) {
			close(side[i].line);
		}
		free(side[i].first);
	}
}
