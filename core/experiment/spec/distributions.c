/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/distributions.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/spec/uploads_check.h"
#include "core/json/params.h"
#include "core/experiment/jobs/tensor_source.h"

/* Sorting costs 24 bytes a number; more than this belongs into a tensor job. */
enum { EMPIRICAL_MAX = 1 << 24 };

/* In the order of enum qb_distribution_kind; a mixture's parts are of the first five. */
#define PLAIN_KINDS "uniform", "gaussian", "laplace", "student_t", "logistic"
static const char *const kind_names[] = {PLAIN_KINDS, "mixture", "empirical", NULL};
static const char *const part_names[] = {PLAIN_KINDS, NULL};
static const char *const uploads[] = {"data", "model", NULL};

/* As it is asked for. */
struct asked {
	int kind, from;
	struct qb_distribution d;
	double weight;
	const json_t *parts;
	const char *label, *tensor;
};

static void set_defaults(void *out)
{
	*(struct asked *)out = (struct asked){.kind = -1, .d = {.low = -1, .high = 1, .scale = 1, .nu = 8}};
}

#define NAME(names, kinds) {"name", QB_FIELD_CHOICE, offsetof(struct asked, kind), .choices = names, .required = true, \
	.takes = "must be one of " kinds}
#define PARAMETERS \
	{"low", QB_FIELD_REAL, offsetof(struct asked, d.low), -DBL_MAX, DBL_MAX, .summary = "uniform"}, \
	{"high", QB_FIELD_REAL, offsetof(struct asked, d.high), -DBL_MAX, DBL_MAX, .summary = "uniform"}, \
	{"mean", QB_FIELD_REAL, offsetof(struct asked, d.mean), .low = -QB_FIELD_MOST_REAL, .high = QB_FIELD_MOST_REAL}, \
	{"sigma", QB_FIELD_REAL, offsetof(struct asked, d.scale), QB_FIELD_LEAST_REAL, QB_FIELD_MOST_REAL, \
		.summary = "gaussian: standard deviation"}, \
	{"scale", QB_FIELD_REAL, offsetof(struct asked, d.scale), QB_FIELD_LEAST_REAL, QB_FIELD_MOST_REAL, \
		.summary = "laplace, student_t, logistic"}, \
	{"nu", QB_FIELD_REAL, offsetof(struct asked, d.nu), 0.01, 1e6, .summary = "student_t: degrees of freedom"}

static const struct qb_field part_fields[] = {
	NAME(part_names, "uniform, gaussian, laplace, student_t, logistic in a mixture"),
	{"weight", QB_FIELD_REAL, offsetof(struct asked, weight), DBL_MIN, DBL_MAX, .required = true,
		.takes = "is missing; say what the part weighs, such as 0.1"},
	PARAMETERS,
	{0}};
static const struct qb_object part_object = {.name = "part", .fields = part_fields, .bytes = sizeof(struct asked),
	.defaults = set_defaults};

static const struct qb_field fields[] = {
	NAME(kind_names, "uniform, gaussian, laplace, student_t, logistic, mixture, empirical"),
	{"label", QB_FIELD_STRING, offsetof(struct asked, label), 1, 100,
		.summary = "what rows call it; default: its name and parameters"},
	PARAMETERS,
	{"clip", QB_FIELD_REAL, offsetof(struct asked, d.clip), 0, QB_FIELD_MOST_REAL,
		.summary = "x is clipped to [-clip, clip]; 0: it is not"},
	{"parts", QB_FIELD_LIST, offsetof(struct asked, parts), 1, QB_DISTRIBUTION_PARTS_MAX,
		.summary = "mixture: distributions with a weight each", .takes = "distributions with a weight each",
		.any = (const struct qb_field[]){{.kind = QB_FIELD_OBJECT, .object = &part_object}, {0}}},
	{"tensor", QB_FIELD_STRING, offsetof(struct asked, tensor),
		.summary = "empirical: the array's or weight's name; default: the only one"},
	{"from", QB_FIELD_CHOICE, offsetof(struct asked, from), .choices = uploads, .depends = true,
		.summary = "empirical: which upload; default: the one that is given"},
	{0}};
const struct qb_object qb_distribution_object = {.name = "distribution", .fields = fields, .bytes = sizeof(struct asked),
	.defaults = set_defaults};

/* Which fields each kind has beside its name, label and clip; a part has a weight too. */
static const char *const fields_of[][8] = {
	[QB_DIST_UNIFORM] = {"low", "high"},
	[QB_DIST_GAUSSIAN] = {"mean", "sigma"},
	[QB_DIST_LAPLACE] = {"mean", "scale"},
	[QB_DIST_STUDENT_T] = {"mean", "scale", "nu"},
	[QB_DIST_LOGISTIC] = {"mean", "scale"},
	[QB_DIST_MIXTURE] = {"parts"},
	[QB_DIST_EMPIRICAL] = {"tensor", "from"},
};

static enum qb_err known_fields(const json_t *v, const char *at, int kind, bool part,
	struct qb_errbuf *eb)
{
	const char *known[12] = {"name", part ? "weight" : "label", part ? NULL : "clip"};
	int n = part ? 2 : 3;

	for (int i = 0; fields_of[kind][i]; i++) {
		known[n++] = fields_of[kind][i];
	}
	return qb_param_only(v, at, known, eb);
}

static enum qb_err read_asked(struct asked *a, const json_t *v, const char *at, bool part, struct qb_errbuf *eb)
{
	if (!json_is_object(v)) {
		return qb_fail_field(eb, QB_EJOB, at, "", "takes an object such as {\"name\": \"gaussian\", "
			"\"sigma\": 1}");
	}
	QB_TRY(qb_param_choice(v, at, "name", part ? part_names : kind_names, &a->kind, eb));
	if (a->kind >= 0) {
		QB_TRY(known_fields(v, at, a->kind, part, eb));
	}
	QB_TRY(qb_fields_read(a, v, at, part ? part_fields : fields, NULL, eb));
	a->d.kind = (enum qb_distribution_kind)a->kind;
	return QB_OK;
}

/* As much of a text as fits; a character is not cut in two. */
static void fit_label(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
			n--;
		}
	}
	memcpy(out, text, n);
	out[n] = '\0';
}

static void label_plain(const struct qb_distribution *d, char *out, size_t size)
{
	const char *name = kind_names[d->kind];
	size_t n;

	if (d->kind == QB_DIST_UNIFORM) {
		n = (size_t)snprintf(out, size, "%s(%g,%g)", name, d->low, d->high);
	} else {
		n = (size_t)snprintf(out, size, "%s(", name);
		if (d->kind == QB_DIST_STUDENT_T) {
			n += (size_t)snprintf(out + n, size - n, "nu=%g,", d->nu);
		}
		if (d->mean != 0) {
			n += (size_t)snprintf(out + n, size - n, "mean=%g,", d->mean);
		}
		if (d->kind == QB_DIST_STUDENT_T && d->scale == 1) {
			out[n - 1] = ')';
		} else {
			n += (size_t)snprintf(out + n, size - n, "%g)", d->scale);
		}
	}
	if (d->clip > 0) {
		snprintf(out + n, size - n, " clip %g", d->clip);
	}
}

static enum qb_err parse_parts(struct qb_named_distribution *out, const json_t *parts, const char *at,
	struct qb_errbuf *eb)
{
	const json_t *one;
	size_t i;

	if (!parts) {
		return qb_fail_field(eb, QB_EJOB, at, "parts", "takes 1 to %d distributions with a weight each",
			QB_DISTRIBUTION_PARTS_MAX);
	}
	json_array_foreach(parts, i, one) {
		struct asked a;
		char path[160];

		snprintf(path, sizeof(path), "%.100s.parts[%zu]", at, i);
		set_defaults(&a);
		QB_TRY(read_asked(&a, one, path, true, eb));
		out->part[i] = a.d;
		out->weight[i] = a.weight;
	}
	out->d.parts = (int)i;
	out->d.part = out->part;
	out->d.weight = out->weight;
	snprintf(out->label, sizeof(out->label), "mixture of %zu%s", i, out->d.clip > 0 ? ", clipped" : "");
	return QB_OK;
}

/* Which of the source's tensors; without a name the only one. */
static enum qb_err choose_tensor(const struct qb_tensor_source *s, const char *at, const char *tensor,
	int *out, struct qb_errbuf *eb)
{
	int i = tensor ? qb_tensor_source_find(s, tensor) : qb_tensor_source_count(s) == 1 ? 0 : -1;
	const struct qb_tensor_source_tensor *t;

	if (i < 0) {
		qb_fail_field(eb, QB_EJOB, at, "tensor", "%.200s has %d tensors, %s%.200s%s; the first is %.100s",
			qb_tensor_source_name(s), qb_tensor_source_count(s), tensor ? "but no \"" : "so name one",
			tensor ? tensor : "", tensor ? "\"" : "",
			qb_tensor_source_count(s) ? qb_tensor_source_tensor(s, 0)->name : "none");
		qb_tensor_source_near(s, tensor, eb);
		return QB_EJOB;
	}
	t = qb_tensor_source_tensor(s, i);
	if (t->skipped || t->elements > EMPIRICAL_MAX) {
		return qb_fail_field(eb, QB_EUNSUPPORTED, at, "tensor", "%.200s: %s", t->name, t->skipped ? t->skipped
			: "has more than 2^24 elements to sort; survey it with a tensor job");
	}
	*out = i;
	return QB_OK;
}

/* No file is read: any two numbers stand for the tensor's. */
static enum qb_err check_empirical(struct qb_named_distribution *out, const struct qb_job *job,
	const char *field, const char *tensor, const char *at, struct qb_errbuf *eb)
{
	const float any[] = {-1, 1};
	const char *path, *name;

	QB_TRY(qb_job_input(job, field, &path, &name, eb));
	if (tensor && !strcmp(field, "data") && qb_described_array(job, tensor, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, "tensor");
	}
	QB_TRY(qb_empirical_create(&out->empirical, any, QB_COUNT(any), eb));
	out->d.empirical = out->empirical;
	return QB_OK;
}

static enum qb_err load_empirical(struct qb_named_distribution *out, const struct qb_job *job,
	const struct asked *a, const char *at, struct qb_errbuf *eb)
{
	const char *tensor = a->tensor, *from = uploads[a->from];
	struct qb_tensor_source *source = NULL;
	struct qb_tensor_source_reader *reader = NULL;
	float *x = NULL;
	int i = 0;
	size_t n;
	enum qb_err err;

	if (job->checked) {
		return check_empirical(out, job, from, tensor, at, eb);
	}
	QB_TRY_OUT(qb_tensor_source_open(&source, job, from, eb));
	QB_TRY_OUT(choose_tensor(source, at, tensor, &i, eb));
	n = (size_t)qb_tensor_source_tensor(source, i)->elements;
	fit_label(out->label, sizeof(out->label), qb_tensor_source_tensor(source, i)->name);
	x = malloc(n * sizeof(*x));
	if (!x) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the %zu elements of %.100s", n, out->label);
		goto out;
	}
	QB_TRY_OUT(qb_tensor_source_reader_open(&reader, source, i, eb));
	QB_TRY_OUT(qb_tensor_source_read(reader, 0, (int64_t)n, x, eb));
	QB_TRY_OUT(qb_empirical_create(&out->empirical, x, n, eb));
	out->d.empirical = out->empirical;
out:
	free(x);
	qb_tensor_source_reader_close(&reader);
	qb_tensor_source_close(&source);
	return err;
}

enum qb_err qb_named_distribution_parse(struct qb_named_distribution *out, const struct qb_job *job,
	const json_t *v, const char *at, struct qb_errbuf *eb)
{
	struct asked a;
	enum qb_err err;

	memset(out, 0, sizeof(*out));
	set_defaults(&a);
	a.from = !json_object_get(job->spec, "data") && json_object_get(job->spec, "model");
	QB_TRY(read_asked(&a, v, at, false, eb));
	out->d = a.d;
	out->name = kind_names[a.kind];
	if (out->d.kind == QB_DIST_MIXTURE) {
		QB_TRY(parse_parts(out, a.parts, at, eb));
	} else if (out->d.kind == QB_DIST_EMPIRICAL) {
		QB_TRY(load_empirical(out, job, &a, at, eb));
	} else {
		label_plain(&out->d, out->label, sizeof(out->label));
	}
	if (a.label) {
		fit_label(out->label, sizeof(out->label), a.label);
	}
	err = qb_distribution_check(&out->d, eb);
	return err == QB_OK ? QB_OK : qb_fail_in_field(eb, err, at, "");
}

void qb_named_distribution_fini(struct qb_named_distribution *d)
{
	qb_empirical_destroy(&d->empirical);
}

void qb_distribution_moments(const struct qb_distribution *d, double *mean, double *power)
{
	const double middle = 0;
	struct qb_moments m[2];

	qb_distribution_cells(d, &middle, 1, m);
	*mean = m[0].m1 + m[1].m1;
	*power = m[0].m2 + m[1].m2;
}

/* A mixture's last part weighs `mass` of the whole; anything else gets a Gaussian part of that weight. The clip is
 * the whole's. */
static void set_outlier_mass(struct qb_named_distribution *out, double mass, double sigma)
{
	double rest = 0, mean, power;
	int last;

	if (out->d.kind != QB_DIST_MIXTURE) {
		out->part[0] = out->d;
		out->part[0].clip = 0;
		qb_distribution_moments(&out->d, &mean, &power);
		out->part[1] = (struct qb_distribution){.kind = QB_DIST_GAUSSIAN, .mean = mean,
			.scale = sigma * sqrt(power)};
		out->weight[0] = 1;
		out->d = (struct qb_distribution){.kind = QB_DIST_MIXTURE, .parts = 2, .part = out->part,
			.weight = out->weight, .clip = out->d.clip};
	}
	last = out->d.parts - 1;
	for (int i = 0; i < last; i++) {
		rest += out->weight[i];
	}
	for (int i = 0; i < last; i++) {
		out->weight[i] *= (1 - mass) / rest;
	}
	out->weight[last] = mass;
	if (mass == 0 && last > 0) {
		out->d.parts = last;
	}
}

bool qb_named_distribution_vary(struct qb_named_distribution *out,
	const struct qb_named_distribution *from, const char *parameter, double value,
	double outlier_sigma)
{
	bool has = true;

	*out = *from;
	out->empirical = NULL; /* from owns it */
	if (out->d.kind == QB_DIST_MIXTURE) {
		out->d.part = out->part;
		out->d.weight = out->weight;
	}
	if (!strcmp(parameter, "clip")) {
		out->d.clip = value;
	} else if (!strcmp(parameter, "nu")) {
		has = out->d.kind == QB_DIST_STUDENT_T;
		out->d.nu = value;
		for (int i = 0; i < out->d.parts; i++) {
			has = has || out->part[i].kind == QB_DIST_STUDENT_T;
			out->part[i].nu = value;
		}
	} else if (!strcmp(parameter, "outlier_mass")) {
		set_outlier_mass(out, value, outlier_sigma);
	} else {
		has = false;
	}
	return has;
}
