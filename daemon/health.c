/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/health.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *code, *meaning;
} conditions[QB_CONDITION_COUNT] = {
#define X(name, code, meaning) {code, meaning},
	QB_CONDITIONS(X)
#undef X
};

struct qb_health {
	pthread_mutex_t lock;
	char detail[QB_CONDITION_COUNT][600]; /* empty: all is well */
};

struct qb_health *qb_health_create(void)
{
	struct qb_health *h = calloc(1, sizeof(*h));

	if (h) {
		pthread_mutex_init(&h->lock, NULL);
	}
	return h;
}

void qb_health_destroy(struct qb_health **health)
{
	if (*health) {
		pthread_mutex_destroy(&(*health)->lock);
		free(*health);
		*health = NULL;
	}
}

void qb_health_set(struct qb_health *h, enum qb_condition c, const char *fmt, ...)
{
	char text[sizeof(h->detail[0])];
	va_list ap;
	bool begins;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&h->lock);
	begins = !*h->detail[c];
	snprintf(h->detail[c], sizeof(h->detail[c]), "%s", text);
	pthread_mutex_unlock(&h->lock);
	if (begins) {
		qb_log(QB_LOG_ERROR, "%s: %s", conditions[c].meaning, text);
	}
}

void qb_health_clear(struct qb_health *h, enum qb_condition c)
{
	bool ends;

	pthread_mutex_lock(&h->lock);
	ends = *h->detail[c];
	*h->detail[c] = '\0';
	pthread_mutex_unlock(&h->lock);
	if (ends) {
		qb_log(QB_LOG_INFO, "no longer: %s", conditions[c].meaning);
	}
}

bool qb_health_is(struct qb_health *h, enum qb_condition c)
{
	bool is;

	pthread_mutex_lock(&h->lock);
	is = *h->detail[c];
	pthread_mutex_unlock(&h->lock);
	return is;
}

bool qb_health_check(struct qb_health *h, struct qb_problem *p)
{
	bool well = true;

	pthread_mutex_lock(&h->lock);
	for (int i = 0; well && i < QB_CONDITION_COUNT; i++) {
		if (*h->detail[i]) {
			well = qb_refuse(p, 503, conditions[i].code, "%s: %s", conditions[i].meaning, h->detail[i]);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return well;
}

json_t *qb_health_list(struct qb_health *h)
{
	json_t *list = json_array();

	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < QB_CONDITION_COUNT; i++) {
		if (*h->detail[i]) {
			json_array_append_new(list, json_pack("{s:s, s:s}", "code", conditions[i].code, "detail",
				h->detail[i]));
		}
	}
	pthread_mutex_unlock(&h->lock);
	return list;
}
