/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/job_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/filters.h"
#include "daemon/store.h"

enum {
	WORDS_MAX = 20,
	TESTS_MAX = QB_FILTERS + WORDS_MAX + 1,
	PIECES = 3, /* that a word is looked up by */
};

static const struct {
	const char *name, *ids, *test;
} filters[QB_FILTERS] = {
#define X(name, ids, test) {#name, ids, test},
	QB_JOB_FILTERS(X)
#undef X
};

const char *const qb_job_filters[QB_FILTERS] = {
#define X(name, ids, test) #name,
	QB_JOB_FILTERS(X)
#undef X
};

static const struct sort {
	const char *name, *key;
	bool nullable;
} sorts[] = {
#define X(name, key, nullable) {#name, key, nullable},
	QB_JOB_SORTS(X)
#undef X
};

enum { SORTS = sizeof(sorts) / sizeof(sorts[0]) };

struct list {
	struct qb_store *store;
	const struct qb_job_query *query;
	const struct sort *sort;
	bool down;
	struct qb_filter tests[TESTS_MAX];
	int count;
	const struct qb_filter *rarest; /* NULL: none has ids */
	bool after;                /* behind a cursor: */
	int64_t after_id;
	json_t *after_key; /* NULL without a key */
};

static bool part_of_a_state(const char *word)
{
	static const char *const states[] = {"queued", "running", "succeeded", "failed", "cancelled"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strstr(states[i], word)) {
			return true;
		}
	}
	return false;
}

/* The length of a character's UTF-8. */
static size_t character(const char *text)
{
	size_t n = 1;

	while (((unsigned char)text[n] & 0xc0) == 0x80) {
		n++;
	}
	return n;
}

/* Three characters as a term of FTS5, behind what the query holds already. */
static void add_piece(char *match, size_t size, const char *at, size_t n)
{
	size_t used = strlen(match);

	if (used + 2 * n + 8 >= size) {
		return;
	}
	used += (size_t)snprintf(match + used, size - used, "%s\"", used ? " AND " : "");
	for (size_t i = 0; i < n; i++) {
		match[used++] = at[i];
		if (at[i] == '"') {
			match[used++] = '"';
		}
	}
	snprintf(match + used, size - used, "\"");
}

/* Some pieces of a word, those with figures first: they tell most apart. */
static void add_pieces(char *match, size_t size, const char *word)
{
	int left = PIECES;

	for (int figures = 1; figures >= 0; figures--) {
		for (const char *at = word; *at && left; at += character(at)) {
			size_t n = character(at);

			n += at[n] ? character(at + n) : size;
			n += n < size && at[n] ? character(at + n) : size;
			if (n >= size) {
				break;
			}
			if ((strcspn(at, "0123456789") < n) == (figures != 0)) {
				add_piece(match, size, at, n);
				left--;
			}
		}
	}
}

/* Adds the test of one word, and what looks it up to match. */
static void add_word(struct list *l, const char *text, size_t n, char *match, size_t size)
{
	struct qb_filter *t = &l->tests[l->count++];
	char word[256];
	bool of_state;

	if (n >= sizeof(word)) {
		n = sizeof(word) - 1;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80) { /* no half of a character */
			n--;
		}
	}
	for (size_t i = 0; i < n; i++) {
		word[i] = (char)tolower((unsigned char)text[i]);
	}
	word[n] = '\0';
	of_state = part_of_a_state(word);
	*t = (struct qb_filter){.test = of_state ? QB_JOB_STATE_WORD_TEST : QB_JOB_WORD_TEST, .tested = qb_filter_value(word),
		.parameters = of_state ? 2 : 1};
	if (!of_state) {
		add_pieces(match, size, word);
	}
}

static void collect_tests(struct list *l)
{
	const char *text = l->query->words ? l->query->words : "";
	char match[2048] = "";
	json_t *value;

	for (int i = 0; i < QB_FILTERS; i++) {
		if (l->query->filter[i]) {
			l->tests[l->count++] = (struct qb_filter){.ids = filters[i].ids, .test = filters[i].test, .exact = true,
				.value = qb_filter_value(l->query->filter[i]), .tested = qb_filter_value(l->query->filter[i]), .parameters = 1};
		}
	}
	for (int i = 0; i < WORDS_MAX && *(text += strspn(text, " \t\r\n")); i++) {
		size_t n = strcspn(text, " \t\r\n");

		add_word(l, text, n, match, sizeof(match));
		text += n;
	}
	value = *match ? json_string(match) : NULL; /* NULL of what is no UTF-8, too, which no job passes */
	if (value) {
		l->tests[l->count++] = (struct qb_filter){.ids = QB_JOB_WORD_IDS, .value = value};
	}
}

/* " FROM ... WHERE ..." of the jobs that pass, each k.job, with k.key where the order has one: those that the rarest condition
 * lists, or all in the order of the list. */
static void add_source(const struct list *l, struct qb_statement *t, bool by_rarest, const char *key)
{
	qb_statement_add(t, " FROM (");
	if (key) {
		qb_statement_add(t, by_rarest ? "SELECT d.job AS job, " : "SELECT j.id AS job, ");
		qb_statement_add(t, key);
		qb_statement_add(t, " AS key FROM ");
		qb_statement_add(t, by_rarest ? "(" : "jobs j");
	}
	if (by_rarest) {
		qb_statement_add(t, l->rarest->ids);
		json_array_append(t->values, l->rarest->value);
		qb_statement_add(t, key ? ") d CROSS JOIN jobs j ON j.id = d.job" : "");
	} else if (!key) {
		qb_statement_add(t, "SELECT j.id AS job FROM jobs j");
	}
	qb_statement_add(t, ") k WHERE 1");
	qb_filters_add(t, l->tests, l->count, by_rarest && l->rarest->exact ? l->rarest : NULL);
}

/* To the end where few can match, else so far. */
static bool count_matches(struct list *l, int64_t *total, bool *more)
{
	const bool few = l->rarest && l->rarest->count <= QB_FEW;
	struct qb_statement t;
	bool ok;

	*more = false;
	if (!l->count) {
		return qb_store_value(l->store, QB_SQL_JOB_TOTAL, total, "") == QB_FOUND;
	}
	if (l->count == 1 && l->rarest) {
		*more = !few;
		*total = few ? l->rarest->count : QB_FEW;
		return true;
	}
	qb_statement_begin(&t);
	qb_statement_add(&t, "SELECT count(*) AS n FROM (SELECT 1");
	add_source(l, &t, l->rarest != NULL, NULL);
	qb_statement_add(&t, " LIMIT ?)");
	json_array_append_new(t.values, json_integer(few ? QB_FEW : QB_COUNTED + 1));
	ok = qb_statement_number(l->store, &t, total);
	*more = !few && *total > QB_COUNTED;
	*total = *more ? QB_COUNTED : *total;
	return ok;
}

/* Those of one page whose key is there (or is not), as {id, key}, behind the ones that are there already. */
static bool list_ids(struct list *l, bool with_key, json_t *ids)
{
	const bool by_id = l->sort == &sorts[0];
	const bool down = with_key ? l->down : true; /* what has no key: the latest first */
	json_t *rows = NULL;
	struct qb_statement t;

	qb_statement_begin(&t);
	qb_statement_add(&t, by_id ? "SELECT k.job AS id" : "SELECT k.job AS id, k.key AS key");
	/* Ids come from an index in their order, however many there are. */
	add_source(l, &t, l->rarest && (by_id || l->rarest->count <= QB_FEW), by_id ? NULL : l->sort->key);
	if (l->sort->nullable) {
		qb_statement_add(&t, with_key ? " AND k.key IS NOT NULL" : " AND k.key IS NULL");
	}
	if (l->after && !by_id && with_key) {
		qb_statement_add(&t, down ? " AND (k.key, k.job) < (?, ?)" : " AND (k.key, k.job) > (?, ?)");
		json_array_append(t.values, l->after_key);
		json_array_append_new(t.values, json_integer(l->after_id));
	} else if (l->after && (by_id || json_is_null(l->after_key))) {
		qb_statement_add(&t, down ? " AND k.job < ?" : " AND k.job > ?");
		json_array_append_new(t.values, json_integer(l->after_id));
	}
	qb_statement_add(&t, " ORDER BY ");
	if (!by_id && with_key) {
		qb_statement_add(&t, down ? "k.key DESC, " : "k.key, ");
	}
	qb_statement_add(&t, down ? "k.job DESC LIMIT ?" : "k.job LIMIT ?");
	json_array_append_new(t.values, json_integer(l->query->limit - (int64_t)json_array_size(ids)));
	if (!qb_statement_rows(l->store, &t, &rows)) {
		return false;
	}
	json_array_extend(ids, rows);
	json_decref(rows);
	return true;
}

static bool page_ids(struct list *l, json_t *ids)
{
	const bool among_keyless = l->after && json_is_null(l->after_key);

	if (!among_keyless && !list_ids(l, true, ids)) {
		return false;
	}
	if (!l->sort->nullable || (int64_t)json_array_size(ids) >= l->query->limit) {
		return true;
	}
	l->after = among_keyless;
	return list_ids(l, false, ids);
}

struct place {
	int64_t job, place;
};

static int by_job(const void *a, const void *b)
{
	const int64_t x = ((const struct place *)a)->job, y = ((const struct place *)b)->job;

	return (x > y) - (x < y);
}

/* Of the jobs of one target: the queue is read once, not counted once for each job. */
static bool add_places_at(struct qb_store *s, json_t *jobs, const json_t *target)
{
	json_t *queue = NULL, *ids, *job, *v;
	struct place *places, *found;
	size_t i, n;

	if (qb_store_get(s, QB_SQL_JOB_QUEUE, &queue, "s", json_string_value(target)) != QB_FOUND) {
		return false;
	}
	ids = json_object_get(queue, "ids");
	n = json_array_size(ids);
	places = calloc(n ? n : 1, sizeof(*places));
	json_array_foreach(ids, i, v) {
		if (places) {
			places[i] = (struct place){json_integer_value(v), (int64_t)i + 1};
		}
	}
	json_decref(queue);
	if (!places) {
		return false;
	}
	qsort(places, n, sizeof(*places), by_job);
	json_array_foreach(jobs, i, job) {
		const struct place wanted = {.job = qb_id_number(json_string_value(json_object_get(job, "id")), 'j')};

		found = bsearch(&wanted, places, n, sizeof(*places), by_job);
		if (found) {
			json_object_set_new(job, "position", json_integer(found->place));
		}
	}
	free(places);
	return true;
}

static bool add_positions(struct qb_store *s, json_t *jobs)
{
	json_t *seen = json_object(), *job;
	bool ok = true;
	size_t i;

	json_array_foreach(jobs, i, job) {
		json_object_set_new(job, "position", json_null());
	}
	json_array_foreach(jobs, i, job) {
		const json_t *target = json_object_get(job, "target");

		if (ok && !strcmp(json_string_value(json_object_get(job, "state")), "queued") &&
			!json_object_get(seen, json_string_value(target))) {
			json_object_set_new(seen, json_string_value(target), json_true());
			ok = add_places_at(s, jobs, target);
		}
	}
	json_decref(seen);
	return ok;
}

/* Where the next page begins: the last id, and behind a colon the last key. */
static json_t *next_page(const struct list *l, const json_t *ids)
{
	const json_t *last = json_array_get(ids, json_array_size(ids) - 1), *key = json_object_get(last, "key");
	char *dump = key ? json_dumps(key, JSON_ENCODE_ANY | JSON_COMPACT) : NULL, *text;
	json_t *next;

	if (!last || (int64_t)json_array_size(ids) < l->query->limit) {
		free(dump);
		return json_null();
	}
	text = qb_format("j%lld%s%s", (long long)json_integer_value(json_object_get(last, "id")), dump ? ":" : "", dump ? dump : "");
	next = json_string(text);
	free(text);
	free(dump);
	return next;
}

static bool read_cursor(struct list *l, struct qb_problem *p)
{
	const char *text = l->query->before, *colon = text ? strchr(text, ':') : NULL;
	char id[24];

	if (!text) {
		return true;
	}
	snprintf(id, sizeof(id), "%.*s", colon ? (int)(colon - text) : 23, text);
	l->after = true;
	l->after_id = qb_id_number(id, 'j');
	l->after_key = colon ? json_loads(colon + 1, JSON_DECODE_ANY, NULL) : NULL;
	if (l->after_id < 0 || (l->sort == &sorts[0] ? colon != NULL : !l->after_key || json_is_object(l->after_key) ||
		json_is_array(l->after_key))) {
		return qb_refuse(p, 400, "bad_query", "before is \"%.80s\"; give what \"next\" of a page in the same order said%s", text,
			l->sort == &sorts[0] ? ", or a job's id" : "");
	}
	return true;
}

static bool read_sort(struct list *l, struct qb_problem *p)
{
	const char *text = l->query->sort ? l->query->sort : "-created", *name = text + (*text == '-');
	char known[200] = "";

	l->down = *text == '-';
	for (int i = 0; i < SORTS; i++) {
		if (!strcmp(name, sorts[i].name)) {
			l->sort = &sorts[i];
			return true;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "", sorts[i].name);
	}
	return qb_refuse(p, 400, "bad_query", "sort is \"%.40s\"; give one of %s, with - before it for the other direction", text, known);
}

/* The rows of a page, in its order. */
static bool page_rows(struct list *l, const json_t *ids, json_t **jobs)
{
	json_t *numbers = json_array(), *row;
	size_t i;
	bool ok;

	json_array_foreach(ids, i, row) {
		json_array_append(numbers, json_object_get(row, "id"));
	}
	ok = qb_store_list(l->store, QB_SQL_JOB_ROWS, jobs, "j", numbers) && add_positions(l->store, *jobs);
	json_decref(numbers);
	return ok;
}

json_t *qb_job_list(struct qb_store *s, const struct qb_job_query *query, struct qb_problem *p)
{
	struct list l = {.store = s, .query = query};
	json_t *ids = json_array(), *jobs = NULL, *answer = NULL;
	int64_t total = 0;
	bool more = false;

	if (!read_sort(&l, p) || !read_cursor(&l, p)) {
		goto out;
	}
	collect_tests(&l);
	if (!qb_filters_count(s, l.tests, l.count, QB_FEW, &l.rarest) || !count_matches(&l, &total, &more) || !page_ids(&l, ids) || !page_rows(&l, ids, &jobs)) {
		qb_refuse_unread(p);
		goto out;
	}
	answer = json_pack("{s:O, s:I, s:b, s:o}", "jobs", jobs, "total", (json_int_t)total, "more", more, "next", next_page(&l, ids));
out:
	qb_filters_release(l.tests, l.count);
	json_decref(l.after_key);
	json_decref(jobs);
	json_decref(ids);
	return answer;
}
