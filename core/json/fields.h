/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects as data: the table that reads an object's fields also tells those who fill one in what there is. From a row
 * follow the reader with its errors, JSON Schema, and by that the form of the dashboard and the help of the command line.
 */
#ifndef QB_JSON_FIELDS_H
#define QB_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"

enum qb_field_kind {
	QB_FIELD_END,
	QB_FIELD_INT,     /* int */
	QB_FIELD_LONG,    /* int64_t */
	QB_FIELD_REAL,    /* double */
	QB_FIELD_PAIR,    /* double[2] */
	QB_FIELD_BOOL,    /* bool */
	QB_FIELD_CHOICE,  /* int, an index of choices */
	QB_FIELD_CHOICES, /* a list of choices: unsigned, bit i for choices[i] */
	QB_FIELD_STRING,  /* const char *, borrowed from the object; low to high characters, 0: any number */
	QB_FIELD_OBJECT,  /* what the table of `object` fills, from the offset on */
	/* These are const json_t *, borrowed from the object; whoever goes on reading says what is wrong inside. */
	QB_FIELD_LIST,    /* low to high entries, each of them one of `any`, or all together as `object` says */
	QB_FIELD_MAP,     /* an object with members of any name, each of them one of `any` */
	QB_FIELD_ANY,     /* one of `any`; if that is one object, an object */
	QB_FIELD_UPLOADS, /* low to high files, a list; each is read where it is opened */
	/* These fill nothing. */
	QB_FIELD_UPLOAD,  /* a file; read where it is opened */
	QB_FIELD_REFUSED, /* of an object that others have with this field: the summary says why not here */
	QB_FIELD_NULL,    /* null, among `any` */
};

/* Bounds that are none: no number of the kind is beyond them. Reals from 1e-30 on are all that are positive. */
#define QB_FIELD_MOST_INT 2147483647.0
#define QB_FIELD_MOST_LONG 9223372036854775807.0
#define QB_FIELD_LEAST_REAL 1e-30
#define QB_FIELD_MOST_REAL 1e30

struct qb_object;

struct qb_field {
	const char *name; /* NULL ends a table; entries of `any` have none either */
	enum qb_field_kind kind;
	size_t offset;    /* of the member that it fills */
	double low, high; /* of numbers and of how many there are, both inclusive */
	const char *const *choices; /* NULL-terminated */
	const char *summary;
	bool required;
	bool depends;     /* its default depends on more than can be said here; the summary tells */
	size_t most;      /* the offset of an int that bounds it beside `high`, known when it is read; 0: none */
	const struct qb_object *object;
	const struct qb_field *any; /* ends with QB_FIELD_END */
	const char *takes; /* of a list, what it takes 1 to N of; of others that are required, the sentence if it is missing */
	const char *const *usual; /* NULL-terminated: the default of a list; the first is that of QB_FIELD_ANY */
};

struct qb_object {
	const char *name;    /* of its definition, where several fields refer to it; NULL: it stands in place */
	const char *summary;
	const struct qb_field *fields;
	/* Needed of those that are not part of another: the struct that the fields fill, and what it holds at first. */
	size_t bytes;
	void (*defaults)(void *out); /* out is zeroed; NULL: zeros */
	json_t *(*schema)(void); /* instead of fields: it is read by somebody else */
};

/* Fills the members that obj (which may be NULL) has and leaves the others; fields that are neither in the table nor
 * among also (NULL-terminated, or NULL), which are somebody else's, are an error, as are required ones that are missing.
 * at: the path of obj for messages, as in params.h. */
enum qb_err qb_fields_read(void *out, const json_t *obj, const char *at, const struct qb_field *fields,
	const char *const *also, struct qb_errbuf *eb);

/* {"iterations": {"type": "integer", "minimum": 1, "default": 2000, "description": ...}, ...}: JSON Schema's properties,
 * with what `defaults` holds (a number out of its bounds means that there is no default). Definitions that they refer to
 * are added to defs. New reference. */
json_t *qb_fields_schema(const struct qb_field *fields, const void *defaults, json_t *defs);

/* The schema of the whole object, or a reference to its definition. defaults: NULL for its own. New reference. */
json_t *qb_object_schema(const struct qb_object *object, const void *defaults, json_t *defs);

#endif
