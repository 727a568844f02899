/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tensor/backcopy.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

struct qb_backcopy {
	int64_t tokens, vocabulary;
	int64_t *offset;           /* [vocabulary + 1]: where the followers of a token begin; there are as many as it occurs */
	struct qb_tokens follower; /* [tokens]: of each token in ascending order */
	int triggers;
	int64_t trigger[QB_BACKCOPY_TRIGGERS]; /* ascending */
	int64_t others;            /* places of the text that are no triggers */
};

static int64_t occurrences(const struct qb_backcopy *b, int64_t token)
{
	return b->offset[token + 1] - b->offset[token];
}

/* ---- the table ---- */

static void count_tokens(struct qb_backcopy *b, const struct qb_tokens *text)
{
	for (int64_t i = 0; i < b->tokens; i++) {
		b->offset[qb_token_at(text, i) + 1]++;
	}
	for (int64_t v = 0; v < b->vocabulary; v++) {
		b->offset[v + 1] += b->offset[v];
	}
}

/* Places of the text in the order of the tokens there (by counting; stable). at [vocabulary]: scratch. */
static void sort_places(const struct qb_backcopy *b, const struct qb_tokens *text, int64_t *at, int64_t *place)
{
	memcpy(at, b->offset, (size_t)b->vocabulary * sizeof(*at));
	for (int64_t i = 0; i < b->tokens; i++) {
		place[at[qb_token_at(text, i)]++] = i;
	}
}

/* Pairs in the order of their second token go to the first one's followers, which are then ascending. */
static void fill_followers(struct qb_backcopy *b, const struct qb_tokens *text, int64_t *at, const int64_t *place)
{
	memcpy(at, b->offset, (size_t)b->vocabulary * sizeof(*at));
	for (int64_t i = 0; i < b->tokens; i++) {
		int64_t second = place[i], first = second ? second - 1 : b->tokens - 1;

		qb_token_put(&b->follower, at[qb_token_at(text, first)]++, qb_token_at(text, second));
	}
}

static enum qb_err make_table(struct qb_backcopy *b, const struct qb_tokens *text, struct qb_errbuf *eb)
{
	int64_t *at = malloc(((size_t)b->vocabulary + 1) * sizeof(*at));
	int64_t *place = malloc(((size_t)b->tokens + 1) * sizeof(*place));
	enum qb_err err = QB_OK;

	b->offset = calloc((size_t)b->vocabulary + 2, sizeof(*b->offset));
	if (!at || !place || !b->offset || !qb_tokens_alloc(&b->follower, b->tokens, b->vocabulary - 1)) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the bigrams of %" PRId64 " tokens", b->tokens);
		goto out;
	}
	count_tokens(b, text);
	sort_places(b, text, at, place);
	fill_followers(b, text, at, place);
out:
	free(at);
	free(place);
	return err;
}

/* The most frequent token that is no trigger yet, of equal ones the smallest; -1: there is none. */
static int64_t most_frequent(const struct qb_backcopy *b)
{
	int64_t best = -1;

	for (int64_t v = 0; v < b->vocabulary; v++) {
		if (occurrences(b, v) > (best < 0 ? 0 : occurrences(b, best)) && !qb_backcopy_is_trigger(b, v)) {
			best = v;
		}
	}
	return best;
}

static void add_trigger(struct qb_backcopy *b, int64_t token)
{
	int at = b->triggers++;

	for (; at > 0 && b->trigger[at - 1] > token; at--) {
		b->trigger[at] = b->trigger[at - 1];
	}
	b->trigger[at] = token;
	b->others -= occurrences(b, token);
}

static enum qb_err choose_triggers(struct qb_backcopy *b, int triggers, struct qb_errbuf *eb)
{
	b->others = b->tokens;
	for (int i = 0; i < triggers; i++) {
		int64_t token = most_frequent(b);

		if (token >= 0) {
			add_trigger(b, token);
		}
	}
	return b->others > 0 ? QB_OK : qb_fail_field(eb, QB_EJOB, "text", "triggers", "are the %d most frequent tokens, and the text "
		"has no other ones", b->triggers);
}

enum qb_err qb_backcopy_create(struct qb_backcopy **out, const struct qb_text *text, int triggers, struct qb_errbuf *eb)
{
	const struct qb_text_shape *s = qb_text_shape(text);
	struct qb_backcopy *b = calloc(1, sizeof(*b));
	enum qb_err err;

	if (!b) {
		return qb_fail(eb, QB_ENOMEM, "no memory for bigrams");
	}
	b->tokens = s->tokens;
	b->vocabulary = s->largest + 1;
	QB_TRY_OUT(make_table(b, qb_text_tokens(text), eb));
	QB_TRY_OUT(choose_triggers(b, QB_MIN(triggers, (int)QB_BACKCOPY_TRIGGERS), eb));
	*out = b;
	b = NULL;
out:
	qb_backcopy_destroy(&b);
	return err;
}

void qb_backcopy_destroy(struct qb_backcopy **backcopy)
{
	if (*backcopy) {
		free((*backcopy)->offset);
		free((*backcopy)->follower.data);
		free(*backcopy);
		*backcopy = NULL;
	}
}

int qb_backcopy_triggers(const struct qb_backcopy *b, const int64_t **trigger)
{
	*trigger = b->trigger;
	return b->triggers;
}

bool qb_backcopy_is_trigger(const struct qb_backcopy *b, int64_t token)
{
	for (int i = 0; i < b->triggers; i++) {
		if (b->trigger[i] == token) {
			return true;
		}
	}
	return false;
}

/* ---- drawing ---- */

/* The token that stands at place r of the sorted text. */
static int64_t token_of(const struct qb_backcopy *b, int64_t r)
{
	int64_t low = 0, high = b->vocabulary - 1;

	while (low < high) {
		int64_t middle = (low + high) / 2;

		if (b->offset[middle + 1] > r) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return low;
}

/* As frequent as in the text, among those that are no triggers. */
static int64_t draw_first(const struct qb_backcopy *b, double u)
{
	int64_t r = (int64_t)(u * (double)b->others);

	for (int i = 0; i < b->triggers; i++) {
		r += r >= b->offset[b->trigger[i]] ? occurrences(b, b->trigger[i]) : 0;
	}
	return token_of(b, r);
}

int64_t qb_backcopy_next(const struct qb_backcopy *b, int64_t before, int64_t last, double u)
{
	if (last < 0) {
		return draw_first(b, u);
	}
	if (qb_backcopy_is_trigger(b, last)) {
		return before;
	}
	return qb_token_at(&b->follower, b->offset[last] + (int64_t)(u * (double)occurrences(b, last)));
}

/* How many of the followers of a token are below `token`. */
static int64_t followers_below(const struct qb_backcopy *b, int64_t of, int64_t token)
{
	int64_t low = b->offset[of], high = b->offset[of + 1];

	while (low < high) {
		int64_t middle = (low + high) / 2;

		if (qb_token_at(&b->follower, middle) < token) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low - b->offset[of];
}

double qb_backcopy_nats(const struct qb_backcopy *b, int64_t before, int64_t last, int64_t next)
{
	if (last < 0) {
		return qb_backcopy_is_trigger(b, next) ? INFINITY : log((double)b->others / (double)occurrences(b, next));
	}
	if (qb_backcopy_is_trigger(b, last)) {
		return next == before ? 0 : INFINITY;
	}
	return log((double)occurrences(b, last) / (double)(followers_below(b, last, next + 1) - followers_below(b, last, next)));
}
