/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/text_rows.h"

#include "core/json/number.h"
#include "core/tensor/backcopy.h"

json_t *qb_text_description(const struct qb_text *text)
{
	const struct qb_text_shape *s = qb_text_shape(text);
	const struct qb_tokens *tokens = qb_text_tokens(text);
	bool seen[QB_TEXT_BYTES] = {false};
	int distinct = 0;

	for (int64_t i = 0; i < s->tokens; i++) {
		int64_t token = qb_token_at(tokens, i);

		distinct += !seen[token];
		seen[token] = true;
	}
	return json_pack("{s:s, s:I, s:I, s:i, s:I, s:i}", "kind", "text", "bytes", (json_int_t)s->tokens, "tokens", (json_int_t)s->tokens,
		"distinct", distinct, "largest", (json_int_t)s->largest, "vocabulary", (int)QB_TEXT_BYTES);
}

static void tell_backcopy(json_t *out, const struct qb_text_windows *w, int64_t samples)
{
	struct qb_backcopy_survey survey;
	json_t *triggers = json_array();
	const int64_t *trigger;
	int count = qb_backcopy_triggers(qb_text_windows_backcopy(w), &trigger);

	qb_text_windows_survey(w, samples, &survey);
	for (int i = 0; i < count; i++) {
		json_array_append_new(triggers, json_integer(trigger[i]));
	}
	json_object_set_new(out, "triggers", triggers);
	json_object_set_new(out, "copied", qb_json_real(survey.copied));
	json_object_set_new(out, "least_loss", qb_json_real(survey.nats));
}

void qb_text_tell(json_t *result, const struct qb_dataset *data, int64_t samples)
{
	const struct qb_text_windows *w = qb_dataset_windows(data);
	const struct qb_text_plan *p;
	json_t *out;

	if (!w || !result) {
		return;
	}
	p = qb_text_windows_plan(w);
	out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "task", qb_text_task_names[qb_text_windows_config(w)->task], "length",
		(json_int_t)p->length, "windows", (json_int_t)p->count, "tokens", (json_int_t)qb_text_windows_shape(w)->tokens,
		"vocabulary", (json_int_t)p->vocabulary, "mask_token", (json_int_t)p->mask, "start_token", (json_int_t)p->start,
		"padding_token", (json_int_t)p->padding);
	if (qb_text_windows_backcopy(w)) {
		tell_backcopy(out, w, samples);
	}
	json_object_set_new(result, "text", out);
}
