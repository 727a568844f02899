/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/job_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store.h"

enum {
	FEW = 5000,       /* so many rows are read for a page, if need be */
	COUNTED = 1000,   /* matches among more are counted so far */
	WORDS_MAX = 20,
	TESTS_MAX = QB_FILTERS + WORDS_MAX + 1,
	PIECES = 3,       /* that a word is looked up by */
	TEXT_MAX = 8192,
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

/* One condition: test tells of one job whether it passes. ids lists what passes (or, where it is not exact, what may), NULL
 * where no index can. */
struct test {
	const char *ids, *test; /* test is NULL where another one has it */
	json_t *value, *tested;
	int parameters; /* of test */
	bool exact;
	int64_t count; /* of ids, at most FEW + 1 */
};

struct list {
	struct qb_store *store;
	const struct qb_job_query *query;
	const struct sort *sort;
	bool down;
	struct test tests[TESTS_MAX];
	int count;
	const struct test *rarest; /* NULL: none has ids */
	bool after;                /* behind a cursor: */
	int64_t after_id;
	json_t *after_key; /* NULL without a key */
};

/* A statement that is being composed. */
struct text {
	char sql[TEXT_MAX];
	size_t used;
	json_t *values;
};

static void add(struct text *t, const char *piece)
{
	size_t n = strlen(piece);

	if (t->used + n < sizeof(t->sql)) {
		memcpy(t->sql + t->used, piece, n + 1);
	}
	t->used += n; /* one that does not fit is no statement: select_rows */
}

static bool select_rows(struct list *l, struct text *t, json_t **rows)
{
	bool ok = t->used < sizeof(t->sql) && qb_store_select(l->store, t->sql, t->values, rows);

	json_decref(t->values);
	return ok;
}

static bool select_number(struct list *l, struct text *t, int64_t *n)
{
	json_t *rows = NULL;
	bool ok = select_rows(l, t, &rows);

	*n = ok ? json_integer_value(json_object_get(json_array_get(rows, 0), "n")) : 0;
	json_decref(rows);
	return ok;
}

static void begin(struct text *t)
{
	t->used = 0;
	t->values = json_array();
	*t->sql = '\0';
}

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

/* NULL as a parameter, which nothing equals, of what is no UTF-8. */
static json_t *parameter(const char *text)
{
	json_t *v = json_string(text);

	return v ? v : json_null();
}

/* Adds the test of one word, and what looks it up to match. */
static void add_word(struct list *l, const char *text, size_t n, char *match, size_t size)
{
	struct test *t = &l->tests[l->count++];
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
	*t = (struct test){.test = of_state ? QB_JOB_STATE_WORD_TEST : QB_JOB_WORD_TEST, .tested = parameter(word),
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
			l->tests[l->count++] = (struct test){.ids = filters[i].ids, .test = filters[i].test, .exact = true,
				.value = parameter(l->query->filter[i]), .tested = parameter(l->query->filter[i]), .parameters = 1};
		}
	}
	for (int i = 0; i < WORDS_MAX && *(text += strspn(text, " \t\r\n")); i++) {
		size_t n = strcspn(text, " \t\r\n");

		add_word(l, text, n, match, sizeof(match));
		text += n;
	}
	value = *match ? json_string(match) : NULL; /* NULL of what is no UTF-8, too, which no job passes */
	if (value) {
		l->tests[l->count++] = (struct test){.ids = QB_JOB_WORD_IDS, .value = value};
	}
}

/* How many pass each condition alone, as far as that matters; the rarest may lead. */
static bool find_rarest(struct list *l)
{
	for (int i = 0; i < l->count; i++) {
		struct test *test = &l->tests[i];
		struct text t;

		test->count = FEW + 1;
		if (!test->ids) {
			continue;
		}
		begin(&t);
		add(&t, "SELECT count(*) AS n FROM (SELECT 1 FROM (");
		add(&t, test->ids);
		add(&t, ") LIMIT ?)");
		json_array_append(t.values, test->value);
		json_array_append_new(t.values, json_integer(FEW + 1));
		if (!select_number(l, &t, &test->count)) {
			return false;
		}
		if (!l->rarest || test->count < l->rarest->count) {
			l->rarest = test;
		}
	}
	return true;
}

/* " FROM ... WHERE ..." of the jobs that pass, each k.job, with k.key where the order has one: those that the rarest condition
 * lists, or all in the order of the list. */
static void add_source(const struct list *l, struct text *t, bool by_rarest, const char *key)
{
	add(t, " FROM (");
	if (key) {
		add(t, by_rarest ? "SELECT d.job AS job, " : "SELECT j.id AS job, ");
		add(t, key);
		add(t, " AS key FROM ");
		add(t, by_rarest ? "(" : "jobs j");
	}
	if (by_rarest) {
		add(t, l->rarest->ids);
		json_array_append(t->values, l->rarest->value);
		add(t, key ? ") d CROSS JOIN jobs j ON j.id = d.job" : "");
	} else if (!key) {
		add(t, "SELECT j.id AS job FROM jobs j");
	}
	add(t, ") k WHERE 1");
	for (int i = 0; i < l->count; i++) {
		const struct test *test = &l->tests[i];

		if (!test->test || (by_rarest && test == l->rarest && test->exact)) {
			continue;
		}
		add(t, " AND ");
		add(t, test->test);
		for (int k = 0; k < test->parameters; k++) {
			json_array_append(t->values, test->tested);
		}
	}
}

/* To the end where few can match, else so far. */
static bool count_matches(struct list *l, int64_t *total, bool *more)
{
	const bool few = l->rarest && l->rarest->count <= FEW;
	struct text t;
	bool ok;

	*more = false;
	if (!l->count) {
		return qb_store_value(l->store, QB_SQL_JOB_TOTAL, total, "") == QB_FOUND;
	}
	if (l->count == 1 && l->rarest) {
		*more = !few;
		*total = few ? l->rarest->count : FEW;
		return true;
	}
	begin(&t);
	add(&t, "SELECT count(*) AS n FROM (SELECT 1");
	add_source(l, &t, l->rarest != NULL, NULL);
	add(&t, " LIMIT ?)");
	json_array_append_new(t.values, json_integer(few ? FEW : COUNTED + 1));
	ok = select_number(l, &t, total);
	*more = !few && *total > COUNTED;
	*total = *more ? COUNTED : *total;
	return ok;
}

/* Those of one page whose key is there (or is not), as {id, key}, behind the ones that are there already. */
static bool list_ids(struct list *l, bool with_key, json_t *ids)
{
	const bool by_id = l->sort == &sorts[0];
	const bool down = with_key ? l->down : true; /* what has no key: the latest first */
	json_t *rows = NULL;
	struct text t;

	begin(&t);
	add(&t, by_id ? "SELECT k.job AS id" : "SELECT k.job AS id, k.key AS key");
	/* Ids come from an index in their order, however many there are. */
	add_source(l, &t, l->rarest && (by_id || l->rarest->count <= FEW), by_id ? NULL : l->sort->key);
	if (l->sort->nullable) {
		add(&t, with_key ? " AND k.key IS NOT NULL" : " AND k.key IS NULL");
	}
	if (l->after && !by_id && with_key) {
		add(&t, down ? " AND (k.key, k.job) < (?, ?)" : " AND (k.key, k.job) > (?, ?)");
		json_array_append(t.values, l->after_key);
		json_array_append_new(t.values, json_integer(l->after_id));
	} else if (l->after && (by_id || json_is_null(l->after_key))) {
		add(&t, down ? " AND k.job < ?" : " AND k.job > ?");
		json_array_append_new(t.values, json_integer(l->after_id));
	}
	add(&t, " ORDER BY ");
	if (!by_id && with_key) {
		add(&t, down ? "k.key DESC, " : "k.key, ");
	}
	add(&t, down ? "k.job DESC LIMIT ?" : "k.job LIMIT ?");
	json_array_append_new(t.values, json_integer(l->query->limit - (int64_t)json_array_size(ids)));
	if (!select_rows(l, &t, &rows)) {
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
	if (!find_rarest(&l) || !count_matches(&l, &total, &more) || !page_ids(&l, ids) || !page_rows(&l, ids, &jobs)) {
		qb_refuse_unread(p);
		goto out;
	}
	answer = json_pack("{s:O, s:I, s:b, s:o}", "jobs", jobs, "total", (json_int_t)total, "more", more, "next", next_page(&l, ids));
out:
	for (int i = 0; i < l.count; i++) {
		json_decref(l.tests[i].value);
		json_decref(l.tests[i].tested);
	}
	json_decref(l.after_key);
	json_decref(jobs);
	json_decref(ids);
	return answer;
}
