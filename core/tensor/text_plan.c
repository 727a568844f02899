/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/text_plan.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/size.h"
#include "core/tensor/backcopy.h"

#define X(id, name, summary) name,
const char *const qb_text_task_names[] = {QB_TEXT_TASKS(X) NULL};
const char *const qb_text_order_names[] = {QB_TEXT_ORDERS(X) NULL};
#undef X

void qb_text_config_init(struct qb_text_config *c)
{
	*c = (struct qb_text_config){.task = QB_TEXT_CAUSAL, .windows = QB_TEXT_RANDOM, .mask = 0.15, .mask_token = -1,
		.start_token = -1, .padding_token = -1, .triggers = 3};
}

/* ---- inputs ---- */

static const struct {
	const char *name;
	enum qb_text_role role;
} roles[] = {{"attention_mask", QB_TEXT_ATTENTION}, {"token_type_ids", QB_TEXT_ZEROS}, {"segment_ids", QB_TEXT_ZEROS},
	{"position_ids", QB_TEXT_POSITIONS}};

static bool role_of(const char *name, enum qb_text_role *role)
{
	for (size_t i = 0; i < QB_COUNT(roles); i++) {
		if (!strcmp(roles[i].name, name)) {
			*role = roles[i].role;
			return true;
		}
	}
	return false;
}

enum qb_text_role qb_text_role(const struct qb_text_plan *plan, const struct qb_input_spec *input, int i)
{
	enum qb_text_role role = QB_TEXT_TOKENS;

	return i == plan->tokens_input || !role_of(input[i].name, &role) ? QB_TEXT_TOKENS : role;
}

/* Every input but one has a name of the table; a single one takes tokens whatever its name. */
static enum qb_err find_tokens(struct qb_text_plan *p, const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb)
{
	enum qb_text_role role;
	int found = -1;

	for (int i = 0; i < inputs; i++) {
		if (inputs > 1 && role_of(input[i].name, &role)) {
			continue;
		}
		if (found >= 0) {
			return qb_fail_field(eb, QB_EJOB, "", "text", "feeds one input of tokens, and beside it attention_mask, token_type_ids "
				"and position_ids; the network has \"%.60s\" and \"%.60s\"", input[found].name, input[i].name);
		}
		found = i;
	}
	if (inputs > QB_TEXT_INPUTS) {
		return qb_fail_field(eb, QB_EJOB, "", "text", "feeds at most %d inputs; the network has %d", QB_TEXT_INPUTS, inputs);
	}
	p->tokens_input = QB_MAX(found, 0);
	return QB_OK;
}

static enum qb_err check_input(const struct qb_text_plan *p, const struct qb_input_spec *s, bool tokens, struct qb_errbuf *eb)
{
	bool integers = s->dtype == QB_I64 || s->dtype == QB_I32;
	char shape[160];

	if (!integers && (tokens || (s->dtype != QB_F32 && s->dtype != QB_BOOL))) {
		return qb_fail_field(eb, QB_EJOB, "", "text", "feeds int64 or int32 tokens; the network's input \"%.60s\" is %s", s->name,
			qb_dtype_name(s->dtype));
	}
	if (s->ndim != QB_ANY_SHAPE && (s->ndim != 2 || (s->dim[1] >= 0 && s->dim[1] != p->length))) {
		return qb_fail_field(eb, QB_EJOB, "text", s->ndim == 2 ? "length" : "", "feeds windows [N,%" PRId64 "]; the network's input "
			"\"%.60s\" is %s", p->length, s->name, qb_shape_print(s->dim, s->ndim, shape, sizeof(shape)));
	}
	return QB_OK;
}

static enum qb_err check_inputs(struct qb_text_plan *p, const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb)
{
	for (int i = 0; i < inputs; i++) {
		QB_TRY(check_input(p, &input[i], i == p->tokens_input, eb));
	}
	return QB_OK;
}

/* ---- windows ---- */

static int64_t length_of(const struct qb_text_plan *p, const struct qb_text_shape *text, const struct qb_text_config *c,
	const struct qb_input_spec *input)
{
	const struct qb_input_spec *s = &input[p->tokens_input];

	return c->length ? c->length : text->row ? text->row : s->ndim == 2 && s->dim[1] > 0 ? s->dim[1] : QB_TEXT_LENGTH;
}

/* Rows of [N, T] are windows as they are. */
static enum qb_err plan_rows(struct qb_text_plan *p, const struct qb_text_shape *text, const struct qb_text_config *c,
	struct qb_errbuf *eb)
{
	if (c->task == QB_TEXT_BIGRAM_BACKCOPY) {
		return qb_fail_field(eb, QB_EJOB, "text", "task", "bigram_backcopy is made from one text, and the tokens here are [N,%" PRId64
			"]; give them as [L]", text->row);
	}
	if (p->length != text->row) {
		return qb_fail_field(eb, QB_EJOB, "text", "length", "of %" PRId64 ": the tokens are windows already, of %" PRId64, p->length,
			text->row);
	}
	p->count = text->tokens / text->row;
	return QB_OK;
}

static enum qb_err plan_windows(struct qb_text_plan *p, const struct qb_text_shape *text, const struct qb_text_config *c,
	bool training, struct qb_errbuf *eb)
{
	int64_t labels = c->task == QB_TEXT_CAUSAL ? 1 : 0; /* tokens behind the window that it needs */
	int64_t stride = c->stride ? c->stride : p->length;
	int64_t sequences = c->sequences ? c->sequences : QB_MAX(text->tokens / p->length, 1);

	if (c->task == QB_TEXT_BIGRAM_BACKCOPY) {
		p->count = sequences;
		return QB_OK;
	}
	if (text->tokens < p->length + labels) {
		return qb_fail_field(eb, QB_EJOB, "text", "length", "of %" PRId64 " needs a text of at least %" PRId64 " tokens; this one has %"
			PRId64, p->length, p->length + labels, text->tokens);
	}
	if (!training) {
		p->count = (text->tokens - labels + p->length - 1) / p->length;
	} else {
		p->count = c->windows == QB_TEXT_RANDOM ? sequences : (text->tokens - p->length - labels) / stride + 1;
	}
	return QB_OK;
}

/* ---- tokens ---- */

static int64_t special(int64_t given, int64_t words, int place)
{
	return given < 0 ? words + place : given;
}

static enum qb_err plan_tokens(struct qb_text_plan *p, const struct qb_text_shape *text, const struct qb_text_config *c,
	struct qb_errbuf *eb)
{
	if (text->plain && c->vocabulary && c->vocabulary != QB_TEXT_BYTES) {
		return qb_fail_field(eb, QB_EJOB, "text", "vocabulary", "of %" PRId64 " is for arrays of tokens; those of a plain text are its "
			"bytes, %d", c->vocabulary, QB_TEXT_BYTES);
	}
	p->words = text->plain ? QB_TEXT_BYTES : c->vocabulary ? c->vocabulary : text->largest + 1;
	p->mask = special(c->mask_token, p->words, 0);
	p->start = special(c->start_token, p->words, 1);
	p->padding = special(c->padding_token, p->words, 2);
	p->vocabulary = QB_MAX(QB_MAX(p->words, p->mask + 1), QB_MAX(p->start + 1, p->padding + 1));
	if (text->largest >= p->vocabulary) {
		return qb_fail_field(eb, QB_EJOB, "text", "vocabulary", "of %" PRId64 " tokens; the text has the token %" PRId64, p->words,
			text->largest);
	}
	if (c->task == QB_TEXT_BIGRAM_BACKCOPY && text->largest > QB_BACKCOPY_LARGEST_TOKEN) {
		return qb_fail_field(eb, QB_EJOB, "text", "task", "bigram_backcopy keeps a table of all tokens up to the largest, which is at "
			"most %d; the text has the token %" PRId64, QB_BACKCOPY_LARGEST_TOKEN, text->largest);
	}
	p->largest = text->largest;
	if (c->task == QB_TEXT_MASKED) {
		p->largest = QB_MAX(QB_MAX(p->largest, p->mask), p->words - 1);
	} else if (c->task == QB_TEXT_BIGRAM_BACKCOPY) {
		p->largest = QB_MAX(p->largest, p->start);
	}
	return QB_OK;
}

enum qb_err qb_text_plan(struct qb_text_plan *out, const struct qb_text_shape *text, const struct qb_text_config *c, bool training,
	const struct qb_input_spec *input, int inputs, struct qb_errbuf *eb)
{
	struct qb_text_plan p = {0};

	QB_TRY(find_tokens(&p, input, inputs, eb));
	p.length = length_of(&p, text, c, input);
	QB_TRY(text->row ? plan_rows(&p, text, c, eb) : plan_windows(&p, text, c, training, eb));
	QB_TRY(check_inputs(&p, input, inputs, eb));
	QB_TRY(plan_tokens(&p, text, c, eb));
	*out = p;
	return QB_OK;
}
