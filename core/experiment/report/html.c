/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/html.h"

#include <math.h>
#include <string.h>

#include "core/base/size.h"

void qb__html_text(FILE *f, const char *s)
{
	for (; s && *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		case '"': fputs("&quot;", f); break;
		default: fputc(*s, f); break;
		}
	}
}

const char *qb__string_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

double qb__number_at(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* Half of the last digit is rounded up, as the pages do it: printf goes to the even digit. */
void qb__html_fixed(FILE *f, double v, int digits, bool sign)
{
	char digits_of[64];

	snprintf(digits_of, sizeof(digits_of), "%.*f", digits, nextafter(fabs(v), HUGE_VAL));
	if (strspn(digits_of, "0.") < strlen(digits_of)) {
		fputs(v < 0 ? "\xe2\x88\x92" : sign ? "+" : "", f);
	}
	fputs(digits_of, f);
}

const char *const qb__html_bytes[QB__HTML_UNITS] = {"B", "kB", "MB", "GB", "TB"}, *const qb__html_counts[QB__HTML_UNITS] = {"", "k", "M", "G", "T"},
	*const qb__html_times[QB__HTML_UNITS] = {"ns", "\xc2\xb5s", "ms", "s", NULL};

void qb__html_scaled(FILE *f, double v, const char *const units[QB__HTML_UNITS])
{
	int i = 0;

	while (v >= 999.5 && i + 1 < QB__HTML_UNITS && units[i + 1]) {
		v /= 1000;
		i++;
	}
	qb__html_fixed(f, v, v >= 99.95 || (i == 0 && units != qb__html_times) ? 0 : v >= 9.995 ? 1 : 2, false);
	fprintf(f, "%s%s", *units[i] ? " " : "", units[i]);
}

void qb__html_decibel(FILE *f, double db, double high)
{
	qb__html_fixed(f, db, 1, false);
	if (!isnan(high)) {
		fputs(" \xc2\xb1", f);
		qb__html_fixed(f, high - db, 1, false);
	}
	fputs(" dB", f);
}

struct qb__metric_words qb__metric_words(const char *name)
{
	static const struct qb__metric_words known[] = {
		{"top1", "top-1", "%", 2, false},
		{"top5", "top-5", "%", 2, false},
		{"accuracy", "accuracy", "%", 2, false},
		{"f1", "F1", "%", 2, false},
		{"matthews", "Matthews correlation", "%", 2, false},
		{"pearson", "Pearson correlation", "%", 2, false},
		{"spearman", "Spearman correlation", "%", 2, false},
		{"auc", "area under the ROC curve", "%", 2, false},
		{"miou", "mean IoU", "%", 2, false},
		{"mse", "mean squared error", "", 5, true},
		{"perplexity", "perplexity", "", 3, true},
		{"perplexity_causal", "perplexity", "", 3, true},
		{"token_loss", "loss of tokens", "nats", 4, true},
		{"token_accuracy", "accuracy of tokens", "%", 2, false},
		{"cosine", "cosine", "", 4, false},
	};

	for (size_t i = 0; i < QB_COUNT(known); i++) {
		if (!strcmp(name, known[i].name)) {
			return known[i];
		}
	}
	return (struct qb__metric_words){.name = name, .label = name, .unit = "", .digits = 3};
}

bool qb__is_emulated(const json_t *row)
{
	return !strcmp(qb__string_at(json_object_get(row, "latency"), "execution"), "emulated");
}

double qb__cost_of(const json_t *row, enum qb__cost cost)
{
	const json_t *latency = json_object_get(row, "latency");

	switch (cost) {
	case QB__SIZE: return qb__number_at(row, "size_bytes");
	case QB__GATES: return qb__number_at(json_object_get(row, "gates"), "network");
	case QB__LATENCY: return strcmp(qb__string_at(latency, "execution"), "native") ? NAN : qb__number_at(latency, "p50_ns");
	default: return NAN;
	}
}

void qb__html_cost(FILE *f, double v, enum qb__cost cost)
{
	qb__html_scaled(f, v, cost == QB__SIZE ? qb__html_bytes : cost == QB__GATES ? qb__html_counts : qb__html_times);
	fputs(cost == QB__SIZE ? "" : cost == QB__GATES ? " gates a sample" : " a query", f);
}
