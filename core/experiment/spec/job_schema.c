/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/job_schema.h"

#include <string.h>

#include "core/base/size.h"
#include "core/experiment/jobs/kinds.h"
#include "core/ptq/method.h"
#include "core/experiment/schemas.h"

static const struct {
	const char *type, *text;
} schemas[] = {
#define X(name, inputs, internal, live, text) {#name, qb__schema_##name},
	QB_EXPERIMENTS(X)
#undef X
};

static const char common_file[] = "common.json", local[] = "#/$defs/";

/* "common.json#/$defs/part" becomes "#/$defs/part", and defs gets it with all that it refers to. */
static void take_common(json_t *node, json_t *defs, const json_t *common)
{
	const char *ref = json_string_value(json_object_get(node, "$ref")), *key, *name;
	json_t *v, *def;
	size_t i;

	if (ref && !strncmp(ref, common_file, strlen(common_file))) {
		json_object_set_new(node, "$ref", json_string(ref + strlen(common_file)));
		ref = json_string_value(json_object_get(node, "$ref"));
	}
	name = ref && !strncmp(ref, local, strlen(local)) ? ref + strlen(local) : NULL;
	if (name && !json_object_get(defs, name) && json_object_get(common, name)) {
		def = json_deep_copy(json_object_get(common, name));
		json_object_set_new(defs, name, def);
		take_common(def, defs, common);
	}
	json_object_foreach(node, key, v) {
		take_common(v, defs, common);
	}
	json_array_foreach(node, i, v) {
		take_common(v, defs, common);
	}
}

static json_t *whole(const char *text)
{
	json_t *schema = json_loads(text, 0, NULL), *common = json_loads(qb__schema_common, 0, NULL);
	json_t *shared = json_object_get(common, "$defs"), *own = json_object_get(schema, "$defs");
	json_t *defs = own ? json_copy(own) : json_object();

	json_object_set_new(json_object_get(shared, "methods"), "items", qb_method_schema());
	take_common(schema, defs, shared);
	if (json_object_size(defs)) {
		json_object_set(schema, "$defs", defs);
	}
	json_decref(defs);
	json_decref(common);
	return schema;
}

json_t *qb_job_schema(const char *type)
{
	for (size_t i = 0; i < QB_COUNT(schemas); i++) {
		if (!strcmp(schemas[i].type, type)) {
			return whole(schemas[i].text);
		}
	}
	return NULL;
}
