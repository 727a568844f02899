/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters as data: the list that reads an object's fields also tells those who fill one in what there is.
 */
#ifndef QB_JSON_FIELDS_H
#define QB_JSON_FIELDS_H

#include <jansson.h>
#include <stddef.h>

#include "core/base/err.h"

enum qb_field_kind {
	QB_FIELD_INT,    /* int */
	QB_FIELD_LONG,   /* int64_t */
	QB_FIELD_REAL,   /* double */
	QB_FIELD_PAIR,   /* double[2] */
	QB_FIELD_BOOL,   /* bool */
	QB_FIELD_CHOICE, /* int, an index of choices */
};

struct qb_field {
	const char *name; /* NULL ends a list */
	enum qb_field_kind kind;
	size_t offset;    /* of the member that it fills */
	double low, high; /* of numbers, both inclusive */
	const char *const *choices; /* NULL-terminated */
	const char *summary;
};

/* Fills the members that obj has, beside "name", which is somebody else's; any other field is an error. */
enum qb_err qb_fields_read(void *out, const json_t *obj, const char *at, const struct qb_field *fields,
	struct qb_errbuf *eb);

/* {"iterations": {"type": "integer", "minimum": 1, "default": 2000, "description": ...}, ...}: JSON Schema's
 * properties, with what `defaults` holds (a number out of its bounds means that there is no default). New reference. */
json_t *qb_fields_schema(const struct qb_field *fields, const void *defaults);

#endif
