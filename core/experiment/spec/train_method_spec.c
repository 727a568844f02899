/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/train_method_spec.h"

#include <stdio.h>
#include <string.h>

static json_t *one_schema(void)
{
	return qb_train_method_schema();
}

static const struct qb_object one = {.name = "train_method", .schema = one_schema};
static const struct qb_field entry[] = {{.kind = QB_FIELD_OBJECT, .object = &one}, {0}};
const struct qb_field qb_train_method_entries[] = {
	{.kind = QB_FIELD_OBJECT, .object = &one},
	{.kind = QB_FIELD_LIST, .low = 1, .high = QB_TRAIN_METHODS_MAX, .any = entry, .takes = "methods"},
	{0}};

/* The error is of "method", not of "method[0]". */
static void forget_index(struct qb_errbuf *eb, const char *at)
{
	char path[128];
	char *index;
	size_t n = (size_t)snprintf(path, sizeof(path), "%s[0]", at);

	if (eb && !strncmp(eb->text, path, n)) {
		memmove(eb->text + n - 3, eb->text + n, strlen(eb->text + n) + 1);
	}
	index = eb ? strstr(eb->field, "/0") : NULL;
	if (index && (index[2] == '/' || !index[2])) {
		memmove(index, index + 2, strlen(index + 2) + 1);
	}
}

enum qb_err qb_train_method_read(struct qb_train_method_list *out, const json_t *v, const char *at, struct qb_errbuf *eb)
{
	json_t *list;
	enum qb_err err;

	if (!v || json_is_array(v)) {
		return qb_train_method_list_parse(out, v, at, eb);
	}
	list = json_pack("[O]", v);
	err = qb_train_method_list_parse(out, list, at, eb);
	json_decref(list);
	if (err != QB_OK) {
		forget_index(eb, at);
	}
	return err;
}

char *qb_train_method_name(const struct qb_train_method_list *list, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (int i = 0; i < list->count && n < size; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "+" : "", list->use[i].method->named.name);
	}
	return out;
}
