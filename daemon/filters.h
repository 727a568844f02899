/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of lists, composed of filters: the one that the fewest rows pass is looked up in its index and the others are tried
 * on these, so that the time hardly depends on how many rows there are.
 */
#ifndef QB_DAEMON_FILTERS_H
#define QB_DAEMON_FILTERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_store;

enum {
	QB_FEW = 5000,           /* so many jobs are read for a page, if need be */
	QB_COUNTED = 1000,       /* matches among more are counted so far */
	QB_STATEMENT_MAX = 8192, /* bytes */
};

/* A statement that is being composed, with the values of its parameters. */
struct qb_statement {
	char sql[QB_STATEMENT_MAX];
	size_t used;
	json_t *values;
};

void qb_statement_begin(struct qb_statement *t);
void qb_statement_add(struct qb_statement *t, const char *piece);
/* Runs it and releases its values; false where it does not fit or fails. */
bool qb_statement_rows(struct qb_store *s, struct qb_statement *t, json_t **rows);
/* The column n of its one row. */
bool qb_statement_number(struct qb_store *s, struct qb_statement *t, int64_t *n);

/* test tells of one row whether it passes. ids lists what passes (or, where it is not exact, what may), NULL where no index
 * can. */
struct qb_filter {
	const char *ids, *test; /* test is NULL where another one has it */
	json_t *value, *tested; /* parameters: of ids, and each of test */
	int parameters;         /* of test */
	bool exact;
	int64_t count; /* of ids */
};

/* text as a parameter; null, which nothing equals, of what is no UTF-8. */
json_t *qb_filter_value(const char *text);
/* Fills in the counts, up to most + 1; *rarest is NULL where no filter has ids. */
bool qb_filters_count(struct qb_store *s, struct qb_filter *f, int n, int64_t most, const struct qb_filter **rarest);
/* " AND test" of each but skip. */
void qb_filters_add(struct qb_statement *t, const struct qb_filter *f, int n, const struct qb_filter *skip);
void qb_filters_release(struct qb_filter *f, int n);

#endif
