/* SPDX-License-Identifier: Apache-2.0
 *
 * The log. Lines that differ in numbers alone are one kind; a kind that comes too often is cut after its
 * first lines, and says later how many are left out: an error that repeats must not fill the disk. Information is what
 * the service did, comes as often as that, and is never cut.
 */
#include "config.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/util.h"

enum { KINDS = 64, BURST = 20 };
static const double SECONDS_PER_LINE = 10;

static struct kind {
	uint64_t hash;
	double allowance; /* lines that may be written at once */
	double seen;      /* seconds */
	int64_t left_out;
} kinds[KINDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* FNV-1a of the line, a run of digits counting as one. */
static uint64_t hash_of(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isdigit(c)) {
			if (isdigit((unsigned char)text[1])) {
				continue;
			}
			c = '0';
		}
		h = (h ^ c) * 1099511628211u;
	}
	return h;
}

/* The kind's place; a new one takes that of the kind not seen for longest. */
static struct kind *kind_of(uint64_t hash, double now)
{
	struct kind *oldest = &kinds[0];

	for (int i = 0; i < KINDS; i++) {
		if (kinds[i].seen > 0 && kinds[i].hash == hash) {
			return &kinds[i];
		}
		oldest = kinds[i].seen < oldest->seen ? &kinds[i] : oldest;
	}
	*oldest = (struct kind){.hash = hash, .allowance = BURST, .seen = now};
	return oldest;
}

/* Whether the line may be written; *left_out is how many of its kind were not. */
static bool admit(const char *text, int64_t *left_out)
{
	double now = qb_seconds();
	struct kind *k;
	bool ok;

	pthread_mutex_lock(&lock);
	k = kind_of(hash_of(text), now);
	k->allowance += (now - k->seen) / SECONDS_PER_LINE;
	k->allowance = k->allowance < BURST ? k->allowance : BURST;
	k->seen = now;
	ok = k->allowance >= 1;
	*left_out = ok ? k->left_out : 0;
	k->left_out = ok ? 0 : k->left_out + 1;
	k->allowance -= ok ? 1 : 0;
	pthread_mutex_unlock(&lock);
	return ok;
}

void qb_log(enum qb_level level, const char *fmt, ...)
{
	static const char *const names[] = {[QB_LOG_ERROR] = "error: ", [QB_LOG_WARNING] = "warning: ",
		[QB_LOG_INFO] = "", [QB_LOG_DEBUG] = "debug: "};
	char text[2048], prefix[8] = "", more[64] = "";
	int64_t left_out = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (level != QB_LOG_INFO && !admit(text, &left_out)) {
		return;
	}
	if (left_out) {
		snprintf(more, sizeof(more), " (%lld more like it are left out)", (long long)left_out);
	}
	if (getenv("JOURNAL_STREAM")) {
		snprintf(prefix, sizeof(prefix), "<%d>", (int)level);
	}
	fprintf(stderr, "%squantbenchd: %s%s%s\n", prefix, names[level], text, more);
}
