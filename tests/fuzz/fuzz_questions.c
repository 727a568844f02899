/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as lines of a worker's standard input: questions, among them the check of every kind of job, which has the
 * reader that runs it. Each object is asked once more for each of its members, with an unusual value in its place.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/experiment/question.h"
#include "tests/fuzz/change_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Jobs are checked, not run; and what the engine can do is the same whatever the question holds. */
static bool is_bounded(const json_t *question)
{
	const char *ask = json_string_value(json_object_get(question, "ask"));

	return !ask || (strcmp(ask, "sqnr") && strcmp(ask, "hwcost") && strcmp(ask, "types"));
}

static void ask(const json_t *question)
{
	json_t *answer = NULL;
	struct qb_errbuf eb = {0};
	enum qb_err err = QB_OK;

	if (is_bounded(question)) {
		err = qb_question_answer(question, "fuzz", 1, &answer, &eb);
	}
	if (err != QB_OK && !eb.text[0]) {
		abort(); /* a refusal has a sentence */
	}
	if (err == QB_OK) {
		char *text = json_dumps(answer, JSON_ENCODE_ANY);

		if (answer && !text) {
			abort(); /* an answer is JSON */
		}
		free(text);
		json_decref(answer);
	}
}

static void take_line(const char *line, size_t n)
{
	json_t *question = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

	if (question) {
		ask(question);
		change_json(question, n, ask);
		json_decref(question);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		take_line(at, (size_t)(stop - at));
		at = stop + 1;
	}
	return 0;
}
