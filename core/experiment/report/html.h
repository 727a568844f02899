/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of report.html: texts, and numbers as the dashboard's pages have them (web/src/base/units.ts): a real minus sign, three
 * digits in the unit that suits. NAN stands for a number that is not there.
 */
#ifndef QB_EXPERIMENT_REPORT_HTML_H
#define QB_EXPERIMENT_REPORT_HTML_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Escaped; NULL is an empty one. */
void qb__html_text(FILE *f, const char *s);
/* With so many digits behind the point; sign: + before what is above 0. */
void qb__html_fixed(FILE *f, double v, int digits, bool sign);

enum { QB__HTML_UNITS = 5 };
extern const char *const qb__html_bytes[QB__HTML_UNITS], *const qb__html_counts[QB__HTML_UNITS], *const qb__html_times[QB__HTML_UNITS];
void qb__html_scaled(FILE *f, double v, const char *const units[QB__HTML_UNITS]);
/* 22.1 dB, and where high, the end of its interval, is there, 22.1 +-0.4 dB */
void qb__html_decibel(FILE *f, double db, double high);

/* "" where there is no text. */
const char *qb__string_at(const json_t *o, const char *key);
double qb__number_at(const json_t *o, const char *key);

/* What a metric is called, its unit, how many digits it has, and which way is better. */
struct qb__metric_words {
	const char *name, *label, *unit;
	int digits;
	bool lower_is_better;
};
struct qb__metric_words qb__metric_words(const char *name);

/* Whether a scheme's time says nothing about hardware that has its instructions. */
bool qb__is_emulated(const json_t *row);
enum qb__cost { QB__SIZE, QB__GATES, QB__LATENCY, QB__COSTS };
/* What a scheme's row costs; NAN where nothing was measured, which holds for emulated times. */
double qb__cost_of(const json_t *row, enum qb__cost cost);
/* 3.62 MB; 141 G gates a sample; 1.20 ms a query */
void qb__html_cost(FILE *f, double v, enum qb__cost cost);

#endif
