/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job chooses by name, with parameters of its own: methods, networks. In a job it is the bare name, or an object with
 * "name" and the parameters. A table of them is read, and described as JSON Schema, here.
 */
#ifndef QB_JSON_NAMED_H
#define QB_JSON_NAMED_H

#include "core/json/fields.h"

struct qb_named {
	const char *name, *summary;
	size_t params_bytes;            /* of what the fields fill */
	const struct qb_field *fields;  /* the parameters beside the name; NULL: none */
	void (*defaults)(void *params); /* params is zeroed; NULL: zeros */
	/* Where the fields' own bounds do not say it all; `at` is its path in the job. NULL: they do. */
	enum qb_err (*check)(void *params, const char *at, struct qb_errbuf *eb);
};

struct qb_named_table {
	const char *noun; /* "method", as errors call one */
	int count;
	const struct qb_named *const *entry; /* [count] */
};

/* The index of a name; -1 where it is none of the table. */
int qb_named_index(const struct qb_named_table *t, const char *name);

/* *params: what the fields fill, with its defaults; the caller frees it. */
enum qb_err qb_named_defaults(void **params, const struct qb_named *n, struct qb_errbuf *eb);

/* v, a name or an object of the job, borrowed: *index is its entry, *params what its fields fill, which the caller frees.
 * also (NULL-terminated; NULL: "name" alone): the object's other fields, which the caller reads. A name that is unknown fails with
 * QB_EJOB and the nearest ones. */
enum qb_err qb_named_read(int *index, void **params, const struct qb_named_table *t, const json_t *v, const char *at,
	const char *const *also, struct qb_errbuf *eb);

/* JSON Schema of an object that names n and has its parameters, and of a table's entry: one of these objects, or the bare
 * name. New references. */
json_t *qb_named_schema(const struct qb_named *n);
json_t *qb_named_table_schema(const struct qb_named_table *t);

#endif
