/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json_text.h"

static const struct {
	int key;
	const char *name, *argument, *help;
} options[] = {
#define X(key, name, argument, help) {key, name, argument, help},
	CLI_OPTIONS(X)
#undef X
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("quantbench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

void cli_print_json(const json_t *v)
{
	char *text = qb_json_text(v, JSON_INDENT(2) | JSON_ENCODE_ANY);

	if (text) {
		puts(text);
	}
	free(text);
}

const char *cli_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

double cli_number(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

void cli_command_help(const struct cli_command *command)
{
	printf("usage: quantbench %s %s [OPTION]...\n%s\n\n", command->name, command->synopsis,
		command->help);
	for (int i = 0; i < OPTIONS; i++) {
		char left[64];

		if (strchr(command->options, options[i].key)) {
			snprintf(left, sizeof(left), "--%s %s", options[i].name,
				options[i].argument ? options[i].argument : "");
			printf("  %-22s %s\n", left, options[i].help);
		}
	}
}

/* getopt's table, of the options that the command takes. */
static void long_options(const struct cli_command *command, struct option *out)
{
	for (int i = 0; i < OPTIONS; i++) {
		if (strchr(command->options, options[i].key)) {
			*out++ = (struct option){options[i].name,
				options[i].argument ? required_argument : no_argument, NULL,
				options[i].key};
		}
	}
	*out = (struct option){NULL, 0, NULL, 0};
}

enum cli_exit cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	struct option table[OPTIONS + 1];
	struct cli_list *repeated;
	const char *letters = strchr(command->options, 'h') ? "h" : "";
	int key;

	long_options(command, table);
	optind = 1;
	opterr = 0;
	while ((key = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		if (key == '?' || key == ':') {
			return cli_fail(CLI_USAGE, "%s: not an option of `quantbench %s`, or it lacks its "
				"argument; `quantbench %s --help` lists them", argv[optind - 1],
				command->name, command->name);
		}
		repeated = key == 'x' ? &cli->sets : key == 'V' ? &cli->tags : key == 'U' ? &cli->untags : NULL;
		if (repeated && repeated->count == CLI_LIST_MAX) {
			return cli_fail(CLI_USAGE, "more than %d times --%s%s", CLI_LIST_MAX, key == 'x' ? "set" : key == 'V' ? "tag" : "untag",
				key == 'x' ? "; write the job as a file" : "");
		}
		if (repeated) {
			repeated->text[repeated->count++] = optarg;
		}
		cli->opt[key] = optarg ? optarg : "";
	}
	cli->arg = argv + optind;
	cli->args = argc - optind;
	if (!cli->opt['h'] && (cli->args < command->min_args || cli->args > command->max_args)) {
		return cli_fail(CLI_USAGE, "usage: quantbench %s %s", command->name, command->synopsis);
	}
	return CLI_OK;
}
