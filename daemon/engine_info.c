/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/engine_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/schema.h"

/* "model data" and ["model", "data"] both become the latter. */
static void normalize_inputs(json_t *type)
{
	json_t *inputs = json_object_get(type, "inputs");

	if (!json_is_array(inputs)) {
		char *words = strdup(json_is_string(inputs) ? json_string_value(inputs) : "");
		char *rest = NULL;
		json_t *list = json_array();

		for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
			json_array_append_new(list, json_string(w));
		}
		free(words);
		json_object_set_new(type, "inputs", list);
	}
}

/* A schema given as text is read; none is one that takes everything. Jobs are validated by it: it has to be understood. */
static bool normalize_schema(json_t *type, char *why, size_t size)
{
	json_t *schema = json_object_get(type, "schema");
	char what[300] = "it is no JSON";

	if (!schema || json_is_string(schema)) {
		schema = schema ? json_loads(json_string_value(schema), 0, NULL) : json_object();
		json_object_set_new(type, "schema", schema);
	}
	if (schema && qb_schema_check(schema, what, sizeof(what))) {
		return true;
	}
	snprintf(why, size, "the schema of \"%.60s\" cannot be used: %.300s", json_string_value(json_object_get(type, "type")),
		what);
	return false;
}

bool qb_engine_info_normalize(json_t *info, char *why, size_t size)
{
	json_t *types = json_object_get(info, "types"), *formats = json_object_get(info, "formats"), *v;
	size_t i;

	snprintf(why, size, "its description of its kinds of job is not understood");
	if (!json_is_string(json_object_get(info, "engine")) || !json_is_array(types)) {
		return false;
	}
	json_array_foreach(types, i, v) {
		if (!json_is_string(json_object_get(v, "type")) || !normalize_schema(v, why, size)) {
			return false;
		}
		normalize_inputs(v);
	}
	if (!json_is_array(formats)) {
		json_object_set_new(info, "formats", json_array());
		return true;
	}
	json_array_foreach(formats, i, v) {
		if (json_is_string(v)) {
			json_array_set_new(formats, i, json_pack("{s:O}", "name", v));
		}
	}
	return true;
}
