/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/jobspec.h"
#include "cli/served_job.h"

/* Each of the option's texts, which may hold several with commas. */
static json_t *tags_of(const struct cli_list *texts)
{
	json_t *tags = json_array();

	for (int i = 0; i < texts->count; i++) {
		json_t *some = cli_words(texts->text[i]);

		json_array_extend(tags, some);
		json_decref(some);
	}
	return tags;
}

static void put_texts(const struct cli *cli, json_t *object)
{
	if (cli->opt['N']) {
		json_object_set_new(object, "name", json_string(cli->opt['N']));
	}
	if (cli->opt['O']) {
		json_object_set_new(object, "notes", json_string(cli->opt['O']));
	}
}

void cli_labels_put(const struct cli *cli, json_t *job)
{
	json_t *tags = tags_of(&cli->tags), *own = json_object_get(job, "tags");

	put_texts(cli, job);
	if (json_array_size(tags) && json_is_array(own)) {
		json_array_extend(own, tags);
	} else if (json_array_size(tags)) {
		json_object_set(job, "tags", tags);
	}
	json_decref(tags);
}

void cli_labels_strip(json_t *job)
{
	json_object_del(job, "name");
	json_object_del(job, "notes");
	json_object_del(job, "tags");
}

static enum cli_exit change(struct cli *cli, struct cli_http *http, const char *id, const json_t *labels)
{
	char *path = cli_job_path(id, "");
	json_t *job = NULL, *tag;
	size_t i;
	enum cli_exit code = path ? cli_http_call(http, "PATCH", path, labels, &job) : cli_fail(CLI_USAGE, "no memory");

	if (code == CLI_OK && cli->opt['j']) {
		cli_print_json(job);
	} else if (code == CLI_OK) {
		printf("%s%s%s", cli_text(job, "id"), *cli_text(job, "name") ? " " : "", cli_text(job, "name"));
		json_array_foreach(json_object_get(job, "tags"), i, tag) {
			printf("%s%s", i ? "," : ": ", json_string_value(tag));
		}
		putchar('\n');
	}
	json_decref(job);
	free(path);
	return code;
}

enum cli_exit cli_tag(struct cli *cli)
{
	struct cli_http *http = cli_http_create(cli);
	json_t *labels = json_object();
	enum cli_exit code = http ? CLI_OK : cli_fail(CLI_USAGE, "no memory");

	put_texts(cli, labels);
	if (cli->tags.count) {
		json_object_set_new(labels, "add_tags", tags_of(&cli->tags));
	}
	if (cli->untags.count) {
		json_object_set_new(labels, "remove_tags", tags_of(&cli->untags));
	}
	if (code == CLI_OK && !json_object_size(labels)) {
		code = cli_fail(CLI_USAGE, "what is to change? give --tag, --untag, --name or --notes; an empty name or note takes it away");
	}
	for (int i = 0; i < cli->args && code == CLI_OK; i++) {
		code = change(cli, http, cli->arg[i], labels);
	}
	json_decref(labels);
	cli_http_destroy(&http);
	return code;
}
