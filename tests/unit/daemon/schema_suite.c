/* SPDX-License-Identifier: Apache-2.0
 *
 * schema_suite FILE...: files of the JSON Schema Test Suite, compared with daemon/validate. A line for each difference:
 * "differs: FILE: CASE: TEST"; a line for each case whose schema is refused: "refused: FILE: CASE: why"; the counts.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daemon/schema.h"
#include "daemon/validate.h"

static int tests, refused;

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void run_case(const char *file, const json_t *one)
{
	const json_t *schema = json_object_get(one, "schema"), *test;
	char why[400];
	size_t i;

	if (!qb_schema_check(schema, why, sizeof(why))) {
		printf("refused: %s: %s: %s\n", file, text_of(one, "description"), why);
		refused++;
		return;
	}
	json_array_foreach(json_object_get(one, "tests"), i, test) {
		json_t *errors = json_array();
		bool valid = qb_validate(schema, json_object_get(test, "data"), errors);

		tests++;
		if (valid != json_is_true(json_object_get(test, "valid")) || valid != !json_array_size(errors)) {
			printf("differs: %s: %s: %s\n", file, text_of(one, "description"), text_of(test, "description"));
		}
		json_decref(errors);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		json_error_t why;
		json_t *cases = json_load_file(argv[i], JSON_ALLOW_NUL, &why), *one;
		size_t k;

		if (!cases) {
			fprintf(stderr, "%s: %s\n", argv[i], why.text);
			return 1;
		}
		json_array_foreach(cases, k, one) {
			run_case(slash ? slash + 1 : argv[i], one);
		}
		json_decref(cases);
	}
	printf("%d tests, %d schemas refused\n", tests, refused);
	return 0;
}
