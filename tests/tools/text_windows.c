/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints windows of a text, one a line: tokens, then labels. What test_text_windows.py compares with its own.
 * usage: text_windows FILE train|evaluate SEED EPOCH FIRST COUNT [NAME=VALUE]...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/tensor/backcopy.h"
#include "core/tensor/text_windows.h"

static bool set(struct qb_text_config *c, const char *name, const char *value)
{
	const struct {
		const char *name;
		int64_t *to;
	} numbers[] = {{"length", &c->length}, {"stride", &c->stride}, {"sequences", &c->sequences}, {"vocabulary", &c->vocabulary},
		{"mask_token", &c->mask_token}, {"start_token", &c->start_token}, {"padding_token", &c->padding_token}};

	for (size_t i = 0; i < QB_COUNT(numbers); i++) {
		if (!strcmp(name, numbers[i].name)) {
			*numbers[i].to = atoll(value);
			return true;
		}
	}
	for (int i = 0; qb_text_task_names[i] && !strcmp(name, "task"); i++) {
		c->task = strcmp(value, qb_text_task_names[i]) ? c->task : i;
	}
	if (!strcmp(name, "windows")) {
		c->windows = strcmp(value, "strided") ? QB_TEXT_RANDOM : QB_TEXT_STRIDED;
	} else if (!strcmp(name, "mask")) {
		c->mask = atof(value);
	} else if (!strcmp(name, "triggers")) {
		c->triggers = atoi(value);
	} else {
		return !strcmp(name, "task");
	}
	return true;
}

static void print(const struct qb_text_windows *w, const struct qb_window_draw *at)
{
	int64_t length = qb_text_windows_plan(w)->length;
	int64_t *tokens = malloc((size_t)length * sizeof(*tokens)), *mask = malloc((size_t)length * sizeof(*mask));
	double *labels = malloc((size_t)length * sizeof(*labels));

	qb_text_window(w, at, (void *[]){tokens, mask}, labels);
	for (int64_t t = 0; t < length; t++) {
		printf("%" PRId64 " ", tokens[t]);
	}
	for (int64_t t = 0; t < length; t++) {
		printf("%" PRId64 " ", (int64_t)labels[t]);
	}
	for (int64_t t = 0; t < length; t++) {
		printf("%" PRId64 " ", mask[t]);
	}
	printf("\n");
	free(tokens);
	free(mask);
	free(labels);
}

int main(int argc, char **argv)
{
	const struct qb_input_spec inputs[] = {{"input_ids", QB_I64, 2, {-1, -1}}, {"attention_mask", QB_I64, 2, {-1, -1}}};
	struct qb_text_windows *w = NULL;
	struct qb_text *text = NULL;
	struct qb_text_config c;
	struct qb_errbuf eb;
	bool training = argc > 2 && !strcmp(argv[2], "train");

	qb_text_config_init(&c);
	for (int i = 7; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value || (*value++ = '\0', !set(&c, argv[i], value))) {
			return 2;
		}
	}
	if (argc < 7 || qb_text_open(&text, argv[1], qb_text_is_plain(argv[1]), &eb) != QB_OK ||
		qb_text_windows_create(&w, text, &c, training, inputs, 2, &eb) != QB_OK) {
		fprintf(stderr, "%s\n", argc < 7 ? "usage: see the source" : eb.text);
		qb_text_close(&text);
		return 1;
	}
	if (qb_text_windows_backcopy(w)) {
		struct qb_backcopy_survey s;

		qb_text_windows_survey(w, qb_text_windows_plan(w)->count, &s);
		printf("%.17g %.17g\n", s.copied, s.nats);
	}
	printf("%" PRId64 "\n", qb_text_windows_plan(w)->count);
	for (int64_t i = atoll(argv[5]); i < atoll(argv[5]) + atoll(argv[6]); i++) {
		struct qb_window_draw at = {strtoull(argv[3], NULL, 10), atoll(argv[4]), i};

		at = training ? at : qb_window_of_evaluation(i);
		print(w, &at);
	}
	qb_text_windows_destroy(&w);
	qb_text_close(&text);
	return 0;
}
