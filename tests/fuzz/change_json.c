/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/change_json.h"

#include <stdbool.h>

enum { MAX_CHANGES = 40 };

static const char *const unusual[] = {"null", "true", "-1", "0", "9223372036854775807", "1e308", "1e-320", "\"\"", "\"int8\"",
	"\"../../etc/passwd\"", "\"%s%n\"", "[]", "{}", "[[]]", "[null]", "[\"int8\", \"int8\"]", "{\"\": {}}",
	"{\"name\": \"int8\", \"weights\": 1}", "\"\\u00e9/~1~0\\n\"", "\"e99m99\"", "\"int0\"", "\"w4a4g0\""};
enum { UNUSUAL = sizeof(unusual) / sizeof(unusual[0]) };

struct changes {
	const json_t *root;
	void (*with)(const json_t *value);
	size_t turn, made;
};

static void set(json_t *v, const char *key, size_t i, json_t *member)
{
	if (key) {
		json_object_set_new(v, key, member);
	} else {
		json_array_set_new(v, i, member);
	}
}

static void change_members(struct changes *c, json_t *v)
{
	bool is_object = json_is_object(v);
	void *at = is_object ? json_object_iter(v) : NULL;
	size_t n = is_object ? json_object_size(v) : json_array_size(v);

	for (size_t i = 0; i < n && c->made < MAX_CHANGES; i++) {
		const char *key = is_object ? json_object_iter_key(at) : NULL;
		json_t *was = json_incref(is_object ? json_object_iter_value(at) : json_array_get(v, i));

		set(v, key, i, json_loads(unusual[(c->turn + 7 * c->made++) % UNUSUAL], JSON_DECODE_ANY, NULL));
		c->with(c->root);
		set(v, key, i, was);
		change_members(c, was);
		at = is_object ? json_object_iter_next(v, at) : NULL;
	}
}

void change_json(json_t *value, size_t turn, void (*with)(const json_t *value))
{
	struct changes c = {.root = value, .with = with, .turn = turn % UNUSUAL};

	change_members(&c, value);
}
