/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a job's fields: every error names the field by its path, what was found and what is accepted.
 */
#ifndef QB_JSON_PARAMS_H
#define QB_JSON_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

/* `at` is the path of obj for messages ("" at the top, "schemes[2]" below). Where obj (which may be NULL) lacks
 * the key, *out is left as it was: callers set the default first. Strings are borrowed from obj. */
enum qb_err qb_param_string(const json_t *obj, const char *at, const char *key, const char **out,
	struct qb_errbuf *eb);
enum qb_err qb_param_bool(const json_t *obj, const char *at, const char *key, bool *out,
	struct qb_errbuf *eb);
enum qb_err qb_param_int(const json_t *obj, const char *at, const char *key, int64_t low,
	int64_t high, int64_t *out, struct qb_errbuf *eb);
enum qb_err qb_param_real(const json_t *obj, const char *at, const char *key, double low,
	double high, double *out, struct qb_errbuf *eb);
/* *out borrowed, or NULL when absent. */
enum qb_err qb_param_object(const json_t *obj, const char *at, const char *key,
	const json_t **out, struct qb_errbuf *eb);
enum qb_err qb_param_array(const json_t *obj, const char *at, const char *key, const json_t **out,
	struct qb_errbuf *eb);
/* A number or an array of numbers; *count is 0 when absent. */
enum qb_err qb_param_reals(const json_t *obj, const char *at, const char *key, double *out,
	int cap, int *count, struct qb_errbuf *eb);
/* A string that must be one of names[] (NULL-terminated); *out is its index. */
enum qb_err qb_param_choice(const json_t *obj, const char *at, const char *key,
	const char *const *names, int *out, struct qb_errbuf *eb);
/* A list of such strings; *out has bit i for names[i]. */
enum qb_err qb_param_choices(const json_t *obj, const char *at, const char *key,
	const char *const *names, unsigned *out, struct qb_errbuf *eb);
/* Fails on a key that is not in known[] (NULL-terminated). */
enum qb_err qb_param_only(const json_t *obj, const char *at, const char *const *known,
	struct qb_errbuf *eb);

#endif
