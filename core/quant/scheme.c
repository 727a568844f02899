/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/scheme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/size.h"

const char *const qb_scheme_splits[QB_SCHEME_SPLITS] = {"E2", "E3", "E4", "E5"};

const char *qb_granularity_name(enum qb_granularity g)
{
	static const char *const names[] = {
#define X(id, name) name,
		QB_GRANULARITY_NAMES(X)
#undef X
	};

	return names[g];
}

struct qb_format qb_activation_format(const struct qb_format *f)
{
	bool affine = f->kind == QB_FORMAT_INT && !f->block && !f->narrow;

	return affine ? qb_format_integer(f->bits, false, true) : *f;
}

static bool parse_wa(struct qb_scheme *s, const char *name)
{
	int w, a, n = 0;
	char format[16];

	if (sscanf(name, "w%2da%2d%n", &w, &a, &n) != 2 || name[n] || w < 1 || a < 1) {
		return false;
	}
	snprintf(format, sizeof(format), "int%d", w);
	s->weights.quantized = w != 32;
	if (w != 32 && qb_format_parse(&s->weights.format, format, NULL) != QB_OK) {
		return false;
	}
	snprintf(format, sizeof(format), "int%d", a);
	s->activations.quantized = a != 32;
	if (a != 32 && qb_format_parse(&s->activations.format, format, NULL) != QB_OK) {
		return false;
	}
	return true;
}

/* The error of a word that is no part of a scheme, or no scheme. */
static enum qb_err unknown(const char *word, bool scheme, struct qb_errbuf *eb)
{
	static const char *const more[] = {"float32", "fp8_auto", "carried", "w4a8", "w8a8"};
	static const char *const floats[] = {"fp32", "f32", "float", "full", "none"};

	qb_format_unknown(eb, word, scheme ? "scheme: no wBaA such as w4a8, no WEIGHTS/ACTIVATIONS, no number "
		"format for both" : "number format", more, scheme ? (int)QB_COUNT(more) : 2);
	for (size_t i = 0; eb && i < QB_COUNT(floats); i++) {
		if (!strcasecmp(word, floats[i])) {
			qb_fail(eb, QB_EINVAL, "\"%s\" is called float32 here", word);
			snprintf(eb->near, sizeof(eb->near), "float32");
		}
	}
	return QB_EINVAL;
}

enum qb_err qb_scheme_part_parse(struct qb_scheme_part *out, const char *format,
	struct qb_errbuf *eb)
{
	bool any = !strcmp(format, "fp8_auto");

	out->quantized = strcmp(format, "float32") != 0;
	out->any_split = any;
	if (!out->quantized) {
		return QB_OK;
	}
	if (qb_format_parse(&out->format, any ? "E4" : format, eb) != QB_OK) {
		return strncmp(format, "values(", 7) ? unknown(format, false, eb) : QB_EINVAL;
	}
	if (any) {
		snprintf(out->format.name, sizeof(out->format.name), "fp8_auto");
	}
	return QB_OK;
}

/* "int4/E4", "int8/float32" */
static enum qb_err parse_halves(struct qb_scheme *s, const char *name, struct qb_errbuf *eb)
{
	char half[QB_FORMAT_NAME_MAX];

	snprintf(half, sizeof(half), "%.*s", (int)strcspn(name, "/"), name);
	QB_TRY(qb_scheme_part_parse(&s->weights, half, eb));
	return qb_scheme_part_parse(&s->activations, strchr(name, '/') + 1, eb);
}

enum qb_err qb_scheme_parse(struct qb_scheme *out, const char *name, struct qb_errbuf *eb)
{
	struct qb_scheme s = {0};

	if (strlen(name) >= sizeof(s.name)) {
		return qb_fail(eb, QB_EINVAL, "the name of a scheme has at most %zu characters",
			sizeof(s.name) - 1);
	}
	snprintf(s.name, sizeof(s.name), "%s", name);
	if (!strcmp(name, "carried")) {
		s.imported = true;
		*out = s;
		return QB_OK;
	}
	if (!strcmp(name, "float32")) {
		*out = s;
		return QB_OK;
	}
	if (strchr(name, '/')) {
		QB_TRY(parse_halves(&s, name, eb));
	} else if (!parse_wa(&s, name)) {
		if (qb_scheme_part_parse(&s.weights, name, eb) != QB_OK) {
			return strncmp(name, "values(", 7) ? unknown(name, true, eb) : QB_EINVAL;
		}
		s.activations = s.weights;
	}
	s.activations.format = qb_activation_format(&s.activations.format);
	s.weights.granularity = s.weights.format.block ? QB_PER_BLOCK : QB_PER_CHANNEL;
	s.activations.granularity = s.activations.format.block ? QB_PER_BLOCK : QB_PER_TENSOR;
	s.weights.range = s.activations.range = (struct qb_range_options){.method = QB_RANGE_MSE, .percentile = 99.99};
	*out = s;
	return QB_OK;
}
