/* SPDX-License-Identifier: Apache-2.0
 *
 * quantbench: what a person or a script types. Every command but `run` speaks to a server.
 */
#include "config.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define SERVER "STCjh"
#define JOB "mdsMygrneLx"

static const struct cli_command commands[] = {
	{"models", SERVER "N", "[list] | add FILE... | show ID | rm ID...",
		"networks on the server; a file that it has already is not sent again", 0, 1000,
		cli_models},
	{"data", SERVER "N", "[list] | add FILE... | show ID | rm ID...",
		"data sets on the server; a file that it has already is not sent again", 0, 1000,
		cli_data},
	{"submit", SERVER JOB "wacGPANVO", "[JOB.json | -]",
		"hand in a job, written as a file or as options, or a grid of jobs; files that it names are sent\n"
		"along", 0,
		1, cli_submit},
	{"watch", SERVER "c", "ID", "follow a job until it ends, then print its results", 1, 1,
		cli_watch},
	{"list", SERVER "qlyVHR", "[WORD...]", "jobs, the latest first; those with all of the words in id, name, tags, notes, type,\n"
		"state, network, schemes or names of files", 0, 20, cli_list},
	{"show", SERVER "c", "ID | RESULT.json | -", "a job and its results, or a result that --json printed", 1, 1, cli_show},
	{"cancel", SERVER, "ID...", "take jobs out of the queue, or stop them", 1, 1000, cli_cancel},
	{"retry", SERVER, "ID", "queue a job again", 1, 1, cli_retry},
	{"export", SERVER, "[json | csv | sqlite]", "everything, onto standard output: jobs with their results as lines of JSON, the metrics of all\n"
		"jobs as one table, or the server's database without secrets", 0, 1, cli_export},
	{"verify", SERVER, "ID", "do a job again, and say whether its result has the same bytes, measured times apart", 1, 1, cli_verify},
	{"tag", SERVER "VUNO", "ID... --tag TAG | --untag TAG | --name NAME | --notes TEXT", "change what is said of jobs: tags, name, notes", 1,
		1000, cli_tag},
	{"compare", SERVER, "ID ID...", "networks by formats, from several jobs", 1, 100,
		cli_compare},
	{"formats", SERVER, "[NAME]", "number formats, or everything about one", 0, 1, cli_formats},
	{"run", JOB "jctokh", "[JOB.json | -]", "do a job here, with no server", 0, 1, cli_run},
	{"check", SERVER JOB "jatDbK", "[JOB.json | - | RESULT.json | ID] --max-drop N", "whether the schemes of a job lose more than they may, for CI; the job is done here, or\n"
		"by a server that --server, QUANTBENCH_URL or a baseline's id names", 0, 1, cli_check},
	{"post", "h", "URL", "send standard input, headers and an empty line first, as the server's webhooks do", 1, 1, cli_post},
	{"help", SERVER, "TYPE", "every field of a kind of job (ptq, diagnose, ...), with bounds and defaults; of the worker\n"
		"here, or with --server of a server", 1, 1, cli_job_help},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *out)
{
	fputs("usage: quantbench COMMAND [ARGUMENT]... [OPTION]...\n\n"
	      "What does a number format cost a trained network?\n\n",
		out);
	for (int i = 0; i < COMMANDS; i++) {
		if (commands[i].run != cli_job_help) { /* told of below */
			fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].help);
		}
	}
	fputs("\n`quantbench COMMAND --help` tells a command's options, `quantbench help TYPE` the\nfields of a job.\n\n"
	      "exit status: 0 done; 1 the job failed or was cancelled; 2 wrong usage or an unreadable\n"
	      "file; 3 the server (or for `run` the worker) cannot be reached; 4 the server refused;\n"
	      "5 `check`: a scheme loses more than --max-drop; `verify`: the results differ\n",
		out);
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	enum cli_exit code;

	/* Output into a closed pipe is an error of that printf, not the end of a running job. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		usage(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || (!strcmp(argv[1], "help") && argc == 2)) {
		usage(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("quantbench " PACKAGE_VERSION);
		return CLI_OK;
	}
	/* Options of the server may stand before the command, as in scripts that set them once. */
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--server") || !strcmp(argv[i], "--token") || !strcmp(argv[i], "--ca")) {
			i++;
			continue;
		}
		for (int k = 0; k < COMMANDS; k++) {
			if (!strcmp(argv[i], commands[k].name)) {
				/* The command's name leads its arguments, as getopt expects. */
				memmove(&argv[1], &argv[0], (size_t)i * sizeof(*argv));
				argv[1] = argv[i];
				code = cli_parse(&cli, &commands[k], argc - 1, argv + 1);
				if (code == CLI_OK && cli.opt['h']) {
					cli_command_help(&commands[k]);
				} else if (code == CLI_OK) {
					curl_global_init(CURL_GLOBAL_DEFAULT);
					code = commands[k].run(&cli);
					curl_global_cleanup();
				}
				return (int)code;
			}
		}
		if (argv[i][0] != '-') {
			cli_fail(CLI_USAGE, "there is no command \"%s\"; `quantbench --help` lists them",
				argv[i]);
			return CLI_USAGE;
		}
	}
	usage(stderr);
	return CLI_USAGE;
}
