/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/scheme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct qb_format a = *f;

	if (f->kind == QB_FORMAT_INT && !f->block && !f->narrow) {
		a.is_signed = false;
		a.asymmetric = true;
		snprintf(a.name, sizeof(a.name), "uint%d_asym", f->bits);
	}
	return a;
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

enum qb_err qb_scheme_part_parse(struct qb_scheme_part *out, const char *format,
	struct qb_errbuf *eb)
{
	bool any = !strcmp(format, "fp8_auto");

	out->quantized = strcmp(format, "float32") != 0;
	out->any_split = any;
	if (!out->quantized) {
		return QB_OK;
	}
	QB_TRY(qb_format_parse(&out->format, any ? "E4" : format, eb));
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
		s.carried = true;
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
			return qb_fail_in(eb, QB_EINVAL,
				"no scheme of the form wBaA such as w4a8 or WEIGHTS/ACTIVATIONS, and");
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
