/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of JSON Schema (2020-12) is understood: these keywords, and $ref within the same schema. A schema that
 * needs more, or whose patterns cannot be used, is refused before anything is validated by it.
 */
#ifndef QB_DAEMON_SCHEMA_H
#define QB_DAEMON_SCHEMA_H

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

/* name, what its value has to be */
#define QB_SCHEMA_KEYWORDS(X) \
	X("$schema", ANYTHING) X("$comment", ANYTHING) X("title", ANYTHING) X("description", ANYTHING) \
	X("default", ANYTHING) X("examples", ANYTHING) \
	X("$defs", SCHEMA_MAP) X("definitions", SCHEMA_MAP) X("$ref", REFERENCE) \
	X("type", TYPES) X("const", ANYTHING) X("enum", LIST) \
	X("minimum", NUMBER) X("maximum", NUMBER) X("exclusiveMinimum", NUMBER) X("exclusiveMaximum", NUMBER) \
	X("minLength", COUNT) X("maxLength", COUNT) X("pattern", PATTERN) \
	X("items", SCHEMA) X("minItems", COUNT) X("maxItems", COUNT) X("uniqueItems", BOOLEAN) \
	X("properties", SCHEMA_MAP) X("additionalProperties", SCHEMA) X("required", NAMES) \
	X("anyOf", SCHEMA_LIST) X("oneOf", SCHEMA_LIST) X("allOf", SCHEMA_LIST) X("not", SCHEMA)

/* true where all of it is understood; else why says what is not, and where. */
bool qb_schema_check(const json_t *schema, char *why, size_t why_len);

/* What a $ref of a schema refers to, borrowed; NULL where it is not there. */
const json_t *qb_schema_follow(const json_t *root, const char *ref);

/* A pattern as a POSIX regular expression; false where it is none, or would mean something else there. */
bool qb_schema_pattern(const char *pattern, regex_t *out);

#endif
