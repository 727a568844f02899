/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/schema.h"
#include "daemon/validate.h"

static json_t *read_json(const char *text)
{
	json_error_t why;
	json_t *v = json_loads(text, JSON_DECODE_ANY, &why);

	if (!v) {
		print_message("%s: %s\n", text, why.text);
	}
	assert_non_null(v);
	return v;
}

static void schema__not_understood__is_refused_with_its_word(void **state)
{
	static const struct {
		const char *schema, *word;
	} cases[] = {
		{"{\"unevaluatedProperties\": false}", "unevaluatedProperties"}, {"{\"uniqueitems\": true}", "uniqueitems"},
		{"{\"properties\": {\"a\": {\"items\": {\"format\": \"uri\"}}}}", "format"},
		{"{\"$defs\": {\"unused\": {\"multipleOf\": 2}}}", "multipleOf"},
		{"{\"anyOf\": [{\"type\": \"null\"}, {\"not\": {\"contains\": {}}}]}", "contains"},
		{"{\"additionalProperties\": {\"if\": {}}}", "if"}, {"{\"pattern\": \"[\"}", "pattern"},
		{"{\"pattern\": \"(a\"}", "pattern"}, {"{\"pattern\": \"\\\\d\"}", "pattern"},
		{"{\"pattern\": \"[\\\\w]\"}", "pattern"}, {"{\"pattern\": \"(?:a)\"}", "pattern"},
		{"{\"pattern\": \"a\\\\\"}", "pattern"}, {"{\"pattern\": \"[[:alpha:]]\"}", "pattern"},
		{"{\"pattern\": 3}", "pattern"}, {"{\"$ref\": \"#/$defs/none\"}", "$ref"},
		{"{\"$ref\": \"http://x/y\"}", "$ref"}, {"{\"type\": \"int\"}", "type"}, {"{\"type\": []}", "type"},
		{"{\"minItems\": -1}", "minItems"}, {"{\"maxLength\": 1.5}", "maxLength"}, {"{\"minimum\": \"1\"}", "minimum"},
		{"{\"required\": \"a\"}", "required"}, {"{\"required\": [1]}", "required"}, {"{\"anyOf\": []}", "anyOf"},
		{"{\"anyOf\": {}}", "anyOf"}, {"{\"properties\": [{}]}", "properties"}, {"{\"items\": [{}]}", "object"},
		{"{\"uniqueItems\": 1}", "uniqueItems"}, {"[]", "object"}, {"\"x\"", "object"},
	};
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *schema = read_json(cases[i].schema);

		print_message("%s\n", cases[i].schema);
		assert_false(qb_schema_check(schema, why, sizeof(why)));
		assert_non_null(strstr(why, cases[i].word));
		json_decref(schema);
	}
}

static void schema__of_known_keywords__is_taken(void **state)
{
	static const char *const cases[] = {"true", "{}", "{\"properties\": {\"format\": {}, \"if\": true, \"$id\": {}}}",
		"{\"enum\": [{\"format\": 1}], \"const\": {\"if\": 2}, \"default\": {\"then\": 3}}", "{\"pattern\": \"^[a-z_]+(/x|y)*$\"}",
		"{\"pattern\": \"\\\\.onnx$\"}", "{\"$ref\": \"#\"}", "{\"$defs\": {\"a/b\": {}}, \"items\": {\"$ref\": \"#/$defs/a~1b\"}}",
		"{\"type\": [\"null\", \"integer\"], \"minItems\": 2.0}"};
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *schema = read_json(cases[i]);

		print_message("%s\n", cases[i]);
		assert_true(qb_schema_check(schema, why, sizeof(why)));
		json_decref(schema);
	}
}

static void value__wrong__is_told_by_pointer_and_field(void **state)
{
	static const struct {
		const char *schema, *value, *pointer, *field;
	} cases[] = {
		{"{\"type\": \"object\"}", "3", "", ""},
		{"{\"properties\": {\"a\": {\"items\": {\"minimum\": 3}}}}", "{\"a\": [3, 2]}", "/a/1", "a[1]"},
		{"{\"properties\": {\"a\": {\"properties\": {\"b\": false}}}}", "{\"a\": {\"b\": 1}}", "/a/b", "a.b"},
		{"{\"additionalProperties\": {\"required\": [\"x~y\"]}}", "{\"a/b.c\": {}}", "/a~1b.c/x~0y", "a/b.c.x~y"},
		{"{\"additionalProperties\": false}", "{\"odd\": 1}", "/odd", "odd"},
		{"{\"items\": {\"items\": {\"type\": \"null\"}}}", "[[null], [null, 1]]", "/1/1", "[1][1]"},
		{"{\"uniqueItems\": true}", "[1, {\"a\": 1, \"b\": 2}, 3, {\"b\": 2.0, \"a\": 1}]", "", ""},
		{"{\"properties\": {\"p\": {\"pattern\": \"^x\"}}}", "{\"p\": \"y\"}", "/p", "p"},
		{"{\"oneOf\": [{\"type\": \"integer\"}, {\"minimum\": 2}]}", "3", "", ""},
		{"{\"properties\": {\"s\": {\"maxLength\": 2}}}", "{\"s\": \"\xc3\xa4\xc3\xb6\xc3\xbc\"}", "/s", "s"},
		{"{\"anyOf\": [{\"type\": \"string\"}, {\"properties\": {\"n\": {\"const\": \"a\"}, \"v\": {\"type\": \"null\"}}},"
		 "{\"properties\": {\"n\": {\"const\": \"b\"}}}]}", "{\"n\": \"a\", \"v\": 1}", "/v", "v"},
		{"{\"anyOf\": [{\"properties\": {\"n\": {\"const\": \"a\"}}}, {\"properties\": {\"n\": {\"const\": \"b\"}}}]}",
		 "{\"n\": \"c\"}", "/n", "n"},
		{"{\"$ref\": \"#/$defs/l\", \"$defs\": {\"l\": {\"items\": {\"$ref\": \"#/$defs/l\"}, \"type\": \"array\"}}}", "[[], [[1]]]",
		 "/1/0/0", "[1][0][0]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *schema = read_json(cases[i].schema), *value = read_json(cases[i].value), *errors = json_array(), *first;
		char why[300];

		print_message("%s %s\n", cases[i].schema, cases[i].value);
		assert_true(qb_schema_check(schema, why, sizeof(why)));
		assert_false(qb_validate(schema, value, errors));
		first = json_array_get(errors, 0);
		assert_string_equal(json_string_value(json_object_get(first, "pointer")), cases[i].pointer);
		assert_string_equal(json_string_value(json_object_get(first, "field")), cases[i].field);
		assert_true(json_string_length(json_object_get(first, "detail")) > 8);
		json_decref(schema);
		json_decref(value);
		json_decref(errors);
	}
}

static void value__hostile__ends(void **state)
{
	json_t *schema = read_json("{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"anyOf\": [{\"$ref\": \"#/$defs/a\"}, {\"type\": \"null\"}]}}}");
	json_t *unique = read_json("{\"uniqueItems\": true}"), *value = json_integer(1), *errors = json_array();
	json_t *many = json_array();

	(void)state;
	assert_false(qb_validate(schema, value, errors)); /* a reference to itself */
	for (int i = 0; i < 300000; i++) {
		json_array_append_new(many, json_integer(i));
	}
	assert_true(qb_validate(unique, many, errors));
	json_array_append_new(many, json_real(7));
	assert_false(qb_validate(unique, many, errors));
	json_decref(schema);
	json_decref(unique);
	json_decref(value);
	json_decref(errors);
	json_decref(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema__not_understood__is_refused_with_its_word),
		cmocka_unit_test(schema__of_known_keywords__is_taken),
		cmocka_unit_test(value__wrong__is_told_by_pointer_and_field),
		cmocka_unit_test(value__hostile__ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
