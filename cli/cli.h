/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands of `quantbench` share: options, exit codes, and how things are said. Errors are printed where
 * they are found, as one sentence on stderr; what travels upwards is the exit code.
 */
#ifndef QB_CLI_CLI_H
#define QB_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_JOB_FAILED = 1,  /* the job failed or was cancelled */
	CLI_USAGE = 2,       /* wrong arguments, or a local file that cannot be read */
	CLI_UNREACHABLE = 3, /* no server answers there, or no worker could be started */
	CLI_REFUSED = 4,     /* the server said no: not found, not valid, not allowed */
	CLI_BEYOND = 5,      /* of `check`: a scheme loses more than it may; of `verify`: the results differ */
};

/* key, long name, argument (NULL: a flag), help */
#define CLI_OPTIONS(X) \
	X('S', "server", "URL", "the server, or unix:PATH of its socket (or QUANTBENCH_URL; default http://127.0.0.1:8080)") \
	X('T', "token", "TOKEN", "access token (or QUANTBENCH_TOKEN)") \
	X('C', "ca", "FILE", "certificates (PEM) to trust of an https server (or QUANTBENCH_CA)") \
	X('j', "json", NULL, "print JSON as the server or the worker gave it") \
	X('c', "csv", NULL, "print comma-separated values") \
	X('m', "model", "FILE|ID", "the network: a file here, or one that the server has") \
	X('d', "data", "FILE|ID", "the data: a file here, or one that the server has") \
	X('s', "schemes", "LIST", "number formats or schemes, with commas: int8,E4,w4a8") \
	X('M', "metric", "NAME", "top1, top5, mse, ...") \
	X('y', "type", "TYPE", "kind of job (default ptq)") \
	X('g', "granularity", "NAME", "of weights: per_tensor or per_channel") \
	X('r', "range", "METHOD", "minmax, percentile or mse, for weights and activations") \
	X('n', "calibration", "N", "samples that set the ranges of activations") \
	X('e', "seed", "N", "seed of everything random") \
	X('L', "no-latency", NULL, "leave latency out") \
	X('x', "set", "PATH=JSON", "any field of the job: latency.min_seconds=2, seed=3; repeatable") \
	X('G', "target", "NAME", "where the server runs it: one of its targets") \
	X('P', "priority", "N", "jobs of a higher one start first: -100 to 100") \
	X('A', "after", "LIST", "ids of jobs, with commas, that have to succeed before") \
	X('w', "wait", NULL, "wait for the job, then print its results") \
	X('a', "fresh", NULL, "compute even if the server has the same job's results") \
	X('N', "name", "NAME", "name for people") \
	X('V', "tag", "TAG", "a tag, or some with commas; repeatable") \
	X('U', "untag", "TAG", "a tag to take away, or some with commas; repeatable") \
	X('O', "notes", "TEXT", "notes for people") \
	X('H', "scheme", "NAME", "a scheme or format that the job is about") \
	X('R', "sort", "KEY", "created, finished, took, name, model, type, state or best; -KEY from the end (default -created)") \
	X('q', "state", "STATE", "queued, running, succeeded, failed or cancelled") \
	X('l', "limit", "N", "at most so many rows; default 100, 0: all") \
	X('t', "threads", "N", "worker threads (default: all processors)") \
	X('o', "out", "FOLDER", "where the job's artifacts go") \
	X('k', "checkpoint", "FOLDER", "where a job that trains leaves checkpoints, and goes on from one that is there") \
	X('D', "max-drop", "N", "what a scheme's metric may lose: points of a metric in per cent, else its own unit") \
	X('b', "baseline", "ID|FILE", "compare with this job's same scheme in the place of float: a job on the server, or a\n" \
		"                         result that --json printed") \
	X('K', "markdown", "FILE", "write the summary as Markdown; - is standard output") \
	X('h', "help", NULL, "this text")

enum { CLI_LIST_MAX = 64 };

/* What a repeatable option was given. */
struct cli_list {
	const char *text[CLI_LIST_MAX];
	int count;
};

struct cli {
	const char *opt[128]; /* by key; "" for a flag that was given, NULL for what was not */
	struct cli_list sets, tags, untags;
	char **arg; /* what is no option */
	int args;
};

struct cli_command {
	const char *name;
	const char *options; /* keys */
	const char *synopsis, *help;
	int min_args, max_args;
	enum cli_exit (*run)(struct cli *cli);
};

/* Prints "quantbench: ..." and returns code. */
enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Reads the command's options and arguments; CLI_USAGE has been explained. */
enum cli_exit cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv);
void cli_command_help(const struct cli_command *command);

/* One JSON value and a newline on stdout. */
void cli_print_json(const json_t *v);
/* A member as text, "" where it is absent or no string. */
const char *cli_text(const json_t *object, const char *key);
/* NaN where it is no number. */
double cli_number(const json_t *object, const char *key);

enum cli_exit cli_models(struct cli *cli);
enum cli_exit cli_data(struct cli *cli);
enum cli_exit cli_submit(struct cli *cli);
enum cli_exit cli_watch(struct cli *cli);
enum cli_exit cli_list(struct cli *cli);
enum cli_exit cli_show(struct cli *cli);
enum cli_exit cli_cancel(struct cli *cli);
enum cli_exit cli_retry(struct cli *cli);
enum cli_exit cli_verify(struct cli *cli);
enum cli_exit cli_export(struct cli *cli);
enum cli_exit cli_post(struct cli *cli);
enum cli_exit cli_tag(struct cli *cli);
enum cli_exit cli_compare(struct cli *cli);
enum cli_exit cli_formats(struct cli *cli);
enum cli_exit cli_run(struct cli *cli);
enum cli_exit cli_check(struct cli *cli);
enum cli_exit cli_job_help(struct cli *cli);

#endif
