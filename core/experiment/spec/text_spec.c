/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/text_spec.h"

#include <string.h>

#include "core/analysis/metrics.h"
#include "core/tensor/backcopy.h"

/* ---- the table ---- */

static void set_defaults(void *out)
{
	qb_text_config_init(out);
}

const struct qb_object qb_text_object = {
	.summary = "the data are tokens: a plain text (.txt), whose bytes are the tokens 0 to 255 and whose mask, start and padding are 256, 257 "
		"and 258, or integers \"tokens\", [L] or [N, T]",
	.bytes = sizeof(struct qb_text_config),
	.defaults = set_defaults,
	.fields = (const struct qb_field[]){
		{"task", QB_FIELD_CHOICE, offsetof(struct qb_text_config, task), .choices = qb_text_task_names, .required = true,
			.takes = "is missing; say what is to be found: masked, causal or bigram_backcopy",
			.summary = "masked: some tokens of a window (BERT); causal: the next token of each; bigram_backcopy: the next token in "
				"sequences made from the text's bigrams, where after a trigger the token before it is repeated"},
		{"length", QB_FIELD_LONG, offsetof(struct qb_text_config, length), 1, 65536,
			.summary = "tokens of a window; default: that of the network, or of rows [N, T], else 128"},
		{"windows", QB_FIELD_CHOICE, offsetof(struct qb_text_config, windows), .choices = qb_text_order_names,
			.summary = "of training: random, anew each epoch; strided, in another order each epoch. Those that evaluate lie one "
				"behind the other"},
		{"stride", QB_FIELD_LONG, offsetof(struct qb_text_config, stride), 1, 1000000,
			.summary = "of strided windows, in tokens; default: length"},
		{"sequences", QB_FIELD_LONG, offsetof(struct qb_text_config, sequences), 1, QB_FIELD_MOST_INT,
			.summary = "random windows of an epoch, and made sequences of an epoch or an evaluation; default: tokens / length"},
		{"mask", QB_FIELD_REAL, offsetof(struct qb_text_config, mask), QB_FIELD_LEAST_REAL, 1,
			.summary = "of masked: the share of the tokens that are to be found; 80 % of them become the mask, 10 % any token"},
		{"vocabulary", QB_FIELD_LONG, offsetof(struct qb_text_config, vocabulary), 1, QB_TEXT_LARGEST_TOKEN,
			.summary = "of arrays: how many tokens there are; default: one more than the largest"},
		{"mask_token", QB_FIELD_LONG, offsetof(struct qb_text_config, mask_token), 0, QB_TEXT_LARGEST_TOKEN,
			.summary = "default: the first behind the vocabulary"},
		{"start_token", QB_FIELD_LONG, offsetof(struct qb_text_config, start_token), 0, QB_TEXT_LARGEST_TOKEN,
			.summary = "of bigram_backcopy; default: the second behind the vocabulary"},
		{"padding_token", QB_FIELD_LONG, offsetof(struct qb_text_config, padding_token), 0, QB_TEXT_LARGEST_TOKEN,
			.summary = "in rows [N, T]: it does not count, and its attention_mask is 0; default: the third behind the vocabulary"},
		{"triggers", QB_FIELD_INT, offsetof(struct qb_text_config, triggers), 0, QB_BACKCOPY_TRIGGERS,
			.summary = "of bigram_backcopy: how many of the most frequent tokens are triggers"},
		{0}},
};

/* ---- reading ---- */

enum qb_err qb_text_spec_metric(const char **metric, const json_t *job, struct qb_errbuf *eb)
{
	if (!json_object_get(job, "metric")) {
		*metric = "perplexity";
		return QB_OK;
	}
	QB_TRY(qb_metric_check_name(*metric, eb));
	return qb_metric_is_of_windows(*metric) ? QB_OK : qb_fail_field(eb, QB_EJOB, "", "metric", "%.60s is none of a text, where every "
		"token has its label at its own place; use perplexity, token_loss or token_accuracy", *metric);
}

enum qb_err qb_text_spec_missing(struct qb_errbuf *eb)
{
	return qb_fail_field(eb, QB_EJOB, "", "text", "is missing; the data is a text: say what is to be found, such as \"text\": {\"task\": "
		"\"causal\"}");
}

/* ---- descriptions ---- */

static int64_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* Of its array "tokens", or the only one "x" (a .npy): the largest token is not known. */
static bool described_array(struct qb_text_shape *out, const json_t *arrays)
{
	const json_t *v;
	size_t i;

	json_array_foreach(arrays, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		const json_t *shape = json_object_get(v, "shape");
		int64_t rows = json_integer_value(json_array_get(shape, 0)), row = json_integer_value(json_array_get(shape, 1));

		if (name && (!strcmp(name, "tokens") || (json_array_size(arrays) == 1 && !strcmp(name, "x")))) {
			bool two = json_array_size(shape) == 2;

			*out = (struct qb_text_shape){.tokens = two ? rows * row : rows, .row = two ? row : 0};
			return out->tokens > 0 && json_array_size(shape) <= 2;
		}
	}
	return false;
}

bool qb_text_described(struct qb_text_shape *out, const json_t *description)
{
	const char *kind = json_string_value(json_object_get(description, "kind"));

	if (!kind || strcmp(kind, "text") != 0) {
		return described_array(out, json_object_get(description, "arrays"));
	}
	*out = (struct qb_text_shape){.plain = true, .tokens = number(description, "tokens"), .largest = number(description, "largest")};
	return out->tokens > 0;
}
