/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbench-worker: one job as JSON on stdin, events as JSON lines on stdout, then the end.
 * Everything hostile is parsed here, so that only this process can be hurt by it.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/json_text.h"
#include "common/sandbox.h"
#include "core/base/cpu.h"
#include "core/experiment/experiment.h"
#include "core/experiment/question.h"
#include "core/experiment/report/describe.h"
#include "worker/limits.h"
#include "worker/parent.h"

static volatile bool cancelled;

static void on_terminate(int sig)
{
	(void)sig;
	cancelled = true;
}

static void print_line(void *arg, json_t *event)
{
	char *text = qb_json_text(event, JSON_COMPACT);

	(void)arg;
	puts(text ? text : "{\"event\":\"error\",\"code\":\"memory\",\"detail\":\"no memory to write an event\"}");
	free(text);
	if (fflush(stdout)) {
		/* Nobody listens any more. */
		cancelled = true;
	}
}

/* The next line of standard input; false where that has ended. *v is NULL where the line is no JSON. */
static bool read_line(json_t **v, json_error_t *why)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	do {
		errno = 0;
		n = getline(&line, &cap, stdin);
	} while (n < 0 && errno == EINTR && !cancelled);
	*v = n > 0 ? json_loadb(line, (size_t)n, JSON_REJECT_DUPLICATES, why) : NULL;
	free(line);
	return n > 0;
}

static enum qb_err wait_go(void *arg, const char *section, struct qb_errbuf *eb)
{
	json_error_t why;
	json_t *line;

	(void)arg;
	while (read_line(&line, &why) && !cancelled) {
		const char *go = json_string_value(json_object_get(line, "go"));
		bool ours = go && !strcmp(go, section);

		json_decref(line);
		if (ours) {
			return QB_OK;
		}
	}
	return qb_fail(eb, QB_ECANCELLED, "the parent process went away before the %s section", section);
}

static void print_error(const struct qb_errbuf *error)
{
	json_t *e = qb_error_json(error);

	json_object_set_new(e, "event", json_string("error"));
	print_line(NULL, e);
	json_decref(e);
}

static int run_job(const struct worker_limits *limits)
{
	json_error_t why;
	struct qb_errbuf eb = {0};
	json_t *job = NULL, *result = NULL, *about, *event;
	struct qb_host host = {.event = print_line, .wait_go = wait_go, .cancelled = &cancelled,
		.threads = limits->threads};
	enum qb_err err;

	if (!read_line(&job, &why)) {
		qb_fail(&eb, QB_EJOB, "no job came: standard input ended");
	} else if (!job) {
		qb_fail(&eb, QB_EJOB, "the job is not one line of JSON: %s (line %d, column %d)", why.text, why.line, why.column);
	}
	if (!job) {
		print_error(&eb);
		return 1;
	}
	host.workdir = json_string_value(json_object_get(job, "workdir"));
	host.checkpoints = json_string_value(json_object_get(job, "checkpoints"));
	about = json_incref(json_object_get(job, "about"));
	json_object_del(job, "about");
	host.job = json_string_value(json_object_get(about, "job"));
	host.started = json_string_value(json_object_get(about, "started"));
	host.engine = PACKAGE_VERSION;
	err = qb_job_run(job, &host, &result, &eb);
	if (err != QB_OK) {
		print_error(&eb);
		json_decref(about);
		json_decref(job);
		return 1;
	}
	event = json_pack("{s:s, s:s, s:o, s:o}", "event", "result", "engine", PACKAGE_VERSION, "machine",
		qb_describe_machine(limits->threads), "result", result);
	print_line(NULL, event);
	json_decref(event);
	json_decref(about);
	json_decref(job);
	return 0;
}

/* A question a line, an answer a line, until the input ends. Numbers have the digits that tell doubles apart. */
static int serve(const struct worker_limits *limits)
{
	json_error_t why;
	json_t *question;

	while (!cancelled && read_line(&question, &why)) {
		struct qb_errbuf eb = {0};
		json_t *answer = NULL, *line;
		enum qb_err err;

		worker_limits_next_question(limits);
		err = question ? qb_question_answer(question, PACKAGE_VERSION, limits->threads, &answer, &eb)
			: qb_fail(&eb, QB_EJOB, "the question is not one line of JSON: %s (column %d)", why.text, why.column);
		if (err == QB_OK) {
			line = json_pack("{s:o}", "answer", answer);
			print_line(NULL, line);
			json_decref(line);
		} else {
			print_error(&eb);
		}
		json_decref(question);
	}
	return 0;
}

static void usage(FILE *out)
{
	fputs("usage: quantbench-worker [OPTIONS] < JOB.json\n"
	      "Carries out one job: a JSON object on one line of standard input; events as JSON\n"
	      "lines on standard output. Normally started by quantbenchd or `quantbench run`.\n\n"
	      "  --threads N         worker threads (default: all processors)\n"
	      "  --memory-bytes N    limit of the address space\n"
	      "  --cpu-seconds N     limit of processor time, of each question with --serve\n"
	      "  --wall-seconds N    limit of elapsed time\n"
	      "  --end-with-input    end at once when standard input is closed, and say every few\n"
	      "                      seconds that this process runs\n"
	      "  --sandbox           reach no files but those of the current folder and, for reading, of ../inputs, no\n"
	      "                      network and no other process; with --serve no files at all\n"
	      "  --writable FOLDER   with --sandbox, a folder that may be written to as well; up to 4 times\n"
	      "  --readable PATH     with --sandbox, a file or folder that may be read, in the place of the current folder\n"
	      "                      and ../inputs; up to 64 times\n"
	      "  --serve             answer questions instead, one JSON object a line:\n"
	      "                      echo '{\"ask\": \"types\"}' | quantbench-worker --serve\n"
	      "  --version           print the version\n\n"
	      "QUANTBENCH_CPU=plain|avx2|avx512|avx512_vnni|neon in the environment holds it to a lesser\n"
	      "level of the processor.\n",
		out);
}

enum { READABLE_MAX = 64, WRITABLE_MAX = 4 };

/* What the command line names, ended by NULL. */
struct folders {
	const char *readable[READABLE_MAX + 2], *writable[WRITABLE_MAX + 2];
	int read, write;
};

static bool add_folder(const char **list, int *n, int most, const char *path)
{
	if (*n == most) {
		return false;
	}
	list[(*n)++] = path;
	return true;
}

/* What this kernel lacks is told to the parent, which may be on another machine. */
static bool enter_sandbox(bool serves, struct folders *f)
{
	const struct qb_sandbox s = {.readable = serves ? NULL : f->readable, .writable = serves ? NULL : f->writable};
	char why[200];

	if (!f->read) {
		f->readable[f->read++] = "../inputs";
		f->writable[f->write++] = ".";
	}

	if (!qb_sandbox_enter(&s, why, sizeof(why))) {
		fprintf(stderr, "the sandbox cannot be entered: %s\n", why);
		return false;
	}
	if (*why && !serves) {
		json_t *event = json_pack("{s:s, s:s}", "event", "sandbox", "lacks", why);

		print_line(NULL, event);
		json_decref(event);
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"threads", required_argument, NULL, 't'},
		{"memory-bytes", required_argument, NULL, 'm'},
		{"cpu-seconds", required_argument, NULL, 'c'},
		{"wall-seconds", required_argument, NULL, 'w'}, {"serve", no_argument, NULL, 's'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'}, {"end-with-input", no_argument, NULL, 'e'},
		{"sandbox", no_argument, NULL, 'b'}, {"writable", required_argument, NULL, 'f'},
		{"readable", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct worker_limits limits = {.threads = worker_processors()};
	struct sigaction sa = {.sa_handler = on_terminate};
	struct qb_errbuf eb = {0};
	struct folders folders = {.read = 0};
	bool watches = false, sandbox = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			limits.serves = true;
			break;
		case 'e':
			watches = true;
			break;
		case 'b':
			sandbox = true;
			break;
		case 'f':
			if (!add_folder(folders.writable, &folders.write, WRITABLE_MAX, optarg)) {
				usage(stderr);
				return 2;
			}
			break;
		case 'r':
			if (!add_folder(folders.readable, &folders.read, READABLE_MAX, optarg)) {
				usage(stderr);
				return 2;
			}
			break;
		case 'v':
			puts("quantbench-worker " PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			if (c == '?' || !worker_limits_set(&limits, c, optarg)) {
				usage(stderr);
				return 2;
			}
		}
	}
	/* A worker must not outlive the parent that reads it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (sandbox && !enter_sandbox(limits.serves, &folders)) {
		return 1;
	}
	if (qb_cpu_check(&eb) != QB_OK || worker_limits_apply(&limits, &eb) != QB_OK) {
		if (limits.serves) { /* no question to answer: the parent logs it */
			fprintf(stderr, "%s\n", eb.text);
		} else {
			print_error(&eb);
		}
		return 1;
	}
	if (watches && worker_watch_parent(&eb) != QB_OK) {
		print_error(&eb);
		return 1;
	}
	return limits.serves ? serve(&limits) : run_job(&limits);
}
