/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/scheme_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/size.h"
#include "core/ptq/method.h"

static const char *const granularities[] = {
#define X(id, name) name,
	QB_GRANULARITY_NAMES(X)
#undef X
	"per_group", NULL};
enum { PER_GROUP = QB_PER_BLOCK + 1 }; /* blocks of a format that has none by itself */
static const char *const range_methods[] = {
#define X(id, name) name,
	QB_RANGE_METHODS(X)
#undef X
	NULL};
static const char *const scale_kinds[] = {"real", "power_of_two", NULL};

enum word { FORMAT, GRANULARITY, GROUP_SIZE, RANGE, PERCENTILE, SCALE, SYMMETRIC, WORDS };

/* Who says a word; the later one is the more particular. */
enum place { NOBODY, THE_NAME, THE_JOB, THE_SCHEME, A_LAYER };

/* What has been said of weights or of activations. */
struct half {
	bool weights;
	bool quantized, any_split;
	const char *format_name; /* as the place just read names it, or NULL */
	struct qb_format format;
	int granularity, range, scale;
	int64_t group_size;
	double percentile;
	bool symmetric;
	struct {
		enum place place;
		const char *at; /* the path of the object that says it */
	} said[WORDS];
};

static void begin(struct half *h, bool weights)
{
	*h = (struct half){.weights = weights, .granularity = weights ? QB_PER_CHANNEL : QB_PER_TENSOR,
		.range = QB_RANGE_MSE, .percentile = 99.99, .group_size = 32};
}

static void set_half(void *out)
{
	begin(out, true);
}

static const struct qb_field words[] = {
	[FORMAT] = {"format", QB_FIELD_STRING, offsetof(struct half, format_name),
		.summary = "a number format, fp8_auto or float32"},
	[GRANULARITY] = {"granularity", QB_FIELD_CHOICE, offsetof(struct half, granularity), .choices = granularities,
		.depends = true, .summary = "per_channel is for weights, per_group for symmetric integers; formats with blocks "
			"have their own"},
	[GROUP_SIZE] = {"group_size", QB_FIELD_LONG, offsetof(struct half, group_size), 2, 4096, .summary = "of per_group"},
	[RANGE] = {"range", QB_FIELD_CHOICE, offsetof(struct half, range), .choices = range_methods},
	[PERCENTILE] = {"percentile", QB_FIELD_REAL, offsetof(struct half, percentile), 50, 100, .summary = "of that range"},
	[SCALE] = {"scale", QB_FIELD_CHOICE, offsetof(struct half, scale), .choices = scale_kinds},
	[SYMMETRIC] = {"symmetric", QB_FIELD_BOOL, offsetof(struct half, symmetric), .depends = true,
		.summary = "of integers: without a zero point, or with one; default: weights as their format is named, "
			"activations with one"},
	[WORDS] = {0}};
static const struct qb_object part_object = {
	.name = "part",
	.summary = "what is left out follows the job's own words, then the scheme's name; of a layer, the scheme",
	.fields = words,
	.bytes = sizeof(struct half),
	.defaults = set_half,
};
const struct qb_field qb_part_entry[] = {{.kind = QB_FIELD_OBJECT, .object = &part_object}, {0}};

static const struct qb_field half_entries[] = {
	{.kind = QB_FIELD_STRING}, {.kind = QB_FIELD_NULL}, {.kind = QB_FIELD_OBJECT, .object = &part_object}, {0}};

static json_t *methods_schema(void)
{
	return json_pack("{s:s, s:s, s:i, s:o}", "description", "what is done beyond choosing ranges, in this order", "type",
		"array", "maxItems", QB_METHODS_MAX, "items", qb_method_schema());
}
const struct qb_object qb_methods_object = {.name = "methods", .schema = methods_schema};

/* A scheme or what one of its layers gets, as an object. */
struct asked {
	const char *name, *scheme;
	const json_t *methods, *half[2], *layers;
};

#define HALVES \
	{"weights", QB_FIELD_ANY, offsetof(struct asked, half[0]), .any = half_entries}, \
	{"activations", QB_FIELD_ANY, offsetof(struct asked, half[1]), .any = half_entries}

static const struct qb_field layer_fields[] = {
	{"scheme", QB_FIELD_STRING, offsetof(struct asked, scheme), 1, 0, .summary = "formats by a name; the other words stay"},
	HALVES,
	{0}};
static const struct qb_object layer_object = {.fields = layer_fields, .bytes = sizeof(struct asked)};
static const struct qb_field layer_entries[] = {
	{.kind = QB_FIELD_STRING, .low = 1}, {.kind = QB_FIELD_OBJECT, .object = &layer_object}, {0}};

static const struct qb_field scheme_fields[] = {
	{"name", QB_FIELD_STRING, offsetof(struct asked, name), 1, 63, .summary = "what rows call it"},
	{"scheme", QB_FIELD_STRING, offsetof(struct asked, scheme), 1, 0,
		.summary = "a name as above; weights and activations change it"},
	{"methods", QB_FIELD_LIST, offsetof(struct asked, methods), 0, QB_METHODS_MAX,
		.object = &qb_methods_object, .takes = "methods"},
	HALVES,
	{"layers", QB_FIELD_MAP, offsetof(struct asked, layers), .any = layer_entries,
		.summary = "by the name of a node or tensor, or a pattern with * and ?: what it gets instead"},
	{0}};
static const struct qb_object scheme_object = {.name = "scheme", .fields = scheme_fields, .bytes = sizeof(struct asked)};
const struct qb_field qb_scheme_entries[] = {
	{.kind = QB_FIELD_STRING, .low = 1, .summary = "a format for weights and activations (int8, E4, mxfp4), wBaA (w4a8), "
		"or carried: the quantization that the model's own file brings"},
	{.kind = QB_FIELD_OBJECT, .object = &scheme_object},
	{0}};

static void say(struct half *h, enum word word, enum place place, const char *at)
{
	h->said[word].place = place;
	h->said[word].at = at;
}

/* Is the word to be done or refused? */
static bool is_binding(const struct half *h, enum word word)
{
	return h->said[word].place >= THE_SCHEME && h->said[word].place >= h->said[FORMAT].place;
}

/* Reading */

static void take_format(struct half *h, const struct qb_scheme_part *named, enum place place, const char *at)
{
	h->quantized = named->quantized;
	h->any_split = named->any_split;
	h->format = named->format;
	say(h, FORMAT, place, at);
}

static enum qb_err read_words(struct half *h, const json_t *obj, enum place place, const char *at,
	struct qb_errbuf *eb)
{
	struct qb_scheme_part named = {0};

	h->format_name = NULL;
	QB_TRY(qb_fields_read(h, obj, at, words, NULL, eb));
	for (int i = GRANULARITY; i < WORDS; i++) {
		if (json_object_get(obj, words[i].name)) {
			say(h, (enum word)i, place, at);
		}
	}
	if (!h->format_name) {
		return QB_OK;
	}
	if (qb_scheme_part_parse(&named, h->format_name, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, "format");
	}
	take_format(h, &named, place, at);
	return QB_OK;
}

/* "weights": "int4", null (stays float) or an object of words; one left out says nothing. here [PATH_MAX]: its path, which
 * has to live as long as h. */
enum { PATH = 400 };
static enum qb_err read_half(struct half *h, const json_t *v, const char *key, enum place place,
	const char *at, char *here, struct qb_errbuf *eb)
{
	struct qb_scheme_part named = {0};

	snprintf(here, PATH, "%.350s%s%s", at, *at ? "." : "", key);
	if (!v) {
		return QB_OK;
	}
	if (json_is_object(v)) {
		return read_words(h, v, place, here, eb);
	}
	if (!json_is_string(v) && !json_is_null(v)) {
		return qb_fail_field(eb, QB_EJOB, here, "", "must be the name of a format, null (stays float) or an "
			"object such as {\"format\": \"int4\", \"range\": \"minmax\"}");
	}
	if (json_is_string(v) && qb_scheme_part_parse(&named, json_string_value(v), eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, here, "");
	}
	take_format(h, &named, place, here);
	return QB_OK;
}

/* Both halves: [0] of weights, [1] of activations. */
struct halves {
	struct half half[2];
	char path[2][PATH]; /* of the objects that the most particular place has for them */
};
static const char *const half_names[] = {"weights", "activations"};

static enum qb_err read_name(struct halves *h, struct qb_scheme *out, const char *name, enum place place,
	const char *at, const char *key, struct qb_errbuf *eb)
{
	struct qb_scheme s;
	struct qb_scheme_part *a = &s.activations;

	if (qb_scheme_parse(&s, name, eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, key);
	}
	if (place == A_LAYER && s.imported) {
		return qb_fail_field(eb, QB_EJOB, at, key, "carried is the quantization of a whole network, not of a layer");
	}
	if (a->format.asymmetric && !strstr(name, "_asym")) {
		/* The zero point comes with being an activation, not with the name. */
		a->format = qb_format_integer(a->format.bits, true, false);
	}
	take_format(&h->half[0], &s.weights, place, at);
	take_format(&h->half[1], &s.activations, place, at);
	if (out) {
		snprintf(out->name, sizeof(out->name), "%s", s.name);
		out->imported = s.imported;
	}
	return QB_OK;
}

/* Settling what was said */

/* The same integer with or without a zero point, in groups if it is in groups. */
static enum qb_err set_zero_point(struct qb_format *f, bool is_signed, bool asymmetric, struct qb_errbuf *eb)
{
	int group = f->block;

	*f = qb_format_integer(f->bits, is_signed, asymmetric);
	return group ? qb_format_grouped(f, group, eb) : QB_OK;
}

static enum qb_err settle_zero_point(const struct half *h, struct qb_scheme_part *out, struct qb_errbuf *eb)
{
	struct qb_format *f = &out->format;
	bool said = h->said[SYMMETRIC].place != NOBODY, groups = f->block || h->granularity == PER_GROUP;
	bool fixed = f->narrow || (f->block && f->block_scale != QB_SCALE_F32);
	const char *at = h->said[SYMMETRIC].at;

	if (f->kind != QB_FORMAT_INT) {
		return h->symmetric || !is_binding(h, SYMMETRIC) ? QB_OK
			: qb_fail_field(eb, QB_EJOB, at, "symmetric", "%s has no zero point; leave symmetric out", f->name);
	}
	if (said && !h->symmetric && fixed) {
		return qb_fail_field(eb, QB_EJOB, at, "symmetric", "%s has no zero point; say \"symmetric\": true or "
			"choose another format", f->name);
	}
	if (fixed || (!said && (h->weights || groups))) {
		return QB_OK;
	}
	/* Symmetric, the sign stays: placement makes an activation unsigned where nothing is negative. */
	return said && h->symmetric
		? set_zero_point(f, f->is_signed || f->asymmetric || !h->weights, false, eb)
		: set_zero_point(f, f->is_signed && h->weights, true, eb);
}

/* int4 with groups of 32 is int4_g32. */
static enum qb_err make_groups(const struct half *h, struct qb_scheme_part *out, struct qb_errbuf *eb)
{
	if (out->format.kind != QB_FORMAT_INT || qb_format_grouped(&out->format, h->group_size, NULL) != QB_OK) {
		return qb_fail_field(eb, QB_EJOB, h->said[GRANULARITY].at, "granularity", "per_group needs an integer "
			"format, such as int4, and not %s", out->format.name);
	}
	out->granularity = QB_PER_BLOCK;
	return QB_OK;
}

static enum qb_err settle_granularity(const struct half *h, struct qb_scheme_part *out, struct qb_errbuf *eb)
{
	const char *at = h->said[GRANULARITY].at;
	bool own = out->format.block > 0, groups = h->granularity == PER_GROUP;

	if (is_binding(h, GROUP_SIZE) && (!groups || own)) {
		return qb_fail_field(eb, QB_EJOB, h->said[GROUP_SIZE].at, "group_size",
			"is for \"granularity\": \"per_group\"");
	}
	if (own && h->granularity != QB_PER_BLOCK && is_binding(h, GRANULARITY)) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "%s has its scale per block of %d; leave "
			"granularity out", out->format.name, out->format.block);
	}
	if (own) {
		out->granularity = QB_PER_BLOCK;
		return QB_OK;
	}
	if (h->granularity == QB_PER_BLOCK) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "per_block needs a block format such as mxfp4 or "
			"int4_g32, and not %s", out->format.name);
	}
	if (!h->weights && h->granularity == QB_PER_CHANNEL) {
		return qb_fail_field(eb, QB_EJOB, at, "granularity", "activations are quantized per tensor; per_channel is "
			"for weights");
	}
	if (groups && (out->format.kind == QB_FORMAT_INT || is_binding(h, GRANULARITY))) {
		return make_groups(h, out, eb);
	}
	out->granularity = groups ? (h->weights ? QB_PER_CHANNEL : QB_PER_TENSOR)
				  : (enum qb_granularity)h->granularity;
	return QB_OK;
}

/* Formats that are used without a scale, and those with one a block, leave no range to choose. */
static enum qb_err settle_range(const struct half *h, struct qb_scheme_part *out, struct qb_errbuf *eb)
{
	const struct qb_format *f = &out->format;
	bool fixed = !f->real_scale && !f->block, chosen = fixed || f->block;
	bool powers = f->block ? f->block_scale == QB_SCALE_E8M0 : fixed;

	if (chosen && is_binding(h, RANGE) && h->range != QB_RANGE_MINMAX) {
		return qb_fail_field(eb, QB_EJOB, h->said[RANGE].at, "range", fixed ? "%s is used as it is, without a scale; "
			"leave range out" : "%s has a scale for each block, by its largest magnitude; leave range out", f->name);
	}
	if (chosen && is_binding(h, SCALE) && h->scale != powers) {
		return qb_fail_field(eb, QB_EJOB, h->said[SCALE].at, "scale", "%s has its own scales; leave scale out",
			f->name);
	}
	if (is_binding(h, PERCENTILE) && (chosen || h->range != QB_RANGE_PERCENTILE)) {
		return qb_fail_field(eb, QB_EJOB, h->said[PERCENTILE].at, "percentile",
			"is for \"range\": \"percentile\"");
	}
	out->range = (struct qb_range_options){.method = chosen ? QB_RANGE_MINMAX : (enum qb_range_method)h->range,
		.percentile = h->percentile, .power_of_two = chosen ? powers : h->scale};
	return QB_OK;
}

static enum qb_err settle(const struct half *h, struct qb_scheme_part *out, struct qb_errbuf *eb)
{
	*out = (struct qb_scheme_part){.quantized = h->quantized, .any_split = h->any_split, .format = h->format};
	for (int i = GRANULARITY; !h->quantized && i < WORDS; i++) {
		if (is_binding(h, (enum word)i)) {
			return qb_fail_field(eb, QB_EJOB, h->said[i].at, words[i].name, "nothing says in which format: name one "
				"with \"format\", in the scheme's name or for the whole job");
		}
	}
	if (!h->quantized) {
		return QB_OK;
	}
	QB_TRY(settle_zero_point(h, out, eb));
	QB_TRY(settle_granularity(h, out, eb));
	return settle_range(h, out, eb);
}

static enum qb_err settle_both(const struct halves *h, struct qb_scheme_part *weights,
	struct qb_scheme_part *activations, struct qb_errbuf *eb)
{
	QB_TRY(settle(&h->half[0], weights, eb));
	return settle(&h->half[1], activations, eb);
}

/* Schemes */

static void name_by_formats(struct qb_scheme *s)
{
	snprintf(s->name, sizeof(s->name), "%.28s/%.28s",
		s->weights.quantized ? s->weights.format.name : "float32",
		s->activations.quantized ? s->activations.format.name : "float32");
}

/* What the place at says: a name, or an object with "scheme" and the halves. */
static enum qb_err read_place(struct halves *h, struct qb_scheme *out, const json_t *v, const struct asked *a,
	enum place place, const char *at, const struct qb_job_halves *job, struct qb_errbuf *eb)
{
	enum place named = place == THE_SCHEME ? THE_NAME : place;
	const json_t *of_job[] = {job ? job->weights : NULL, job ? job->activations : NULL};
	const char *name = json_is_object(v) ? a->scheme : json_string_value(v);

	if (!json_is_object(v) && !json_is_string(v)) {
		return qb_fail_field(eb, QB_EJOB, at, "", "must be the name of a scheme, such as int8, E4 or w4a8, "
			"or an object with weights and activations");
	}
	if (name) {
		QB_TRY(read_name(h, out, name, named, at, json_is_object(v) ? "scheme" : "", eb));
	}
	for (int i = 0; i < 2; i++) {
		if (of_job[i]) {
			QB_TRY(read_words(&h->half[i], of_job[i], THE_JOB, half_names[i], eb));
		}
		QB_TRY(read_half(&h->half[i], a->half[i], half_names[i], place, at, h->path[i], eb));
	}
	return QB_OK;
}

/* "layers": {"conv1": "float32", "*attention*": {"weights": "int8"}} */
static enum qb_err read_layers(struct qb_scheme *out, const struct halves *scheme, const json_t *list,
	const char *at, struct qb_errbuf *eb)
{
	struct qb_scheme_layer *layer;
	const json_t *one;
	const char *name;

	if (!json_object_size(list)) {
		return QB_OK;
	}
	layer = calloc(json_object_size(list), sizeof(*layer));
	if (!layer) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the layers of %s", at);
	}
	out->layer = layer;
	json_object_foreach((json_t *)list, name, one) {
		struct halves h = *scheme;
		struct asked a = {0};
		char here[PATH];

		snprintf(here, sizeof(here), "%.60s.layers[\"%.280s\"]", at, name);
		if (json_is_object(one)) {
			QB_TRY(qb_fields_read(&a, one, here, layer_fields, NULL, eb));
		}
		QB_TRY(read_place(&h, NULL, one, &a, A_LAYER, here, NULL, eb));
		layer[out->layers].name = name;
		QB_TRY(settle_both(&h, &layer[out->layers].weights, &layer[out->layers].activations, eb));
		out->layers++;
	}
	return QB_OK;
}

/* "w4a8+adaround" */
static void add_methods_to_name(struct qb_scheme *s, const json_t *methods)
{
	for (size_t i = 0; i < json_array_size(methods); i++) {
		const json_t *m = json_array_get(methods, i);
		const char *name = json_string_value(json_is_object(m) ? json_object_get(m, "name") : m);
		size_t n = strlen(s->name);

		snprintf(s->name + n, sizeof(s->name) - n, "+%s", name ? name : "");
	}
}

static enum qb_err read_own_name(struct qb_scheme *out, const struct asked *a, const char *at, struct qb_errbuf *eb)
{
	if (a->name && strlen(a->name) >= sizeof(out->name)) { /* in bytes */
		return qb_fail_field(eb, QB_EJOB, at, "name", "must have 1 to %zu characters", sizeof(out->name) - 1);
	}
	if (a->name) {
		snprintf(out->name, sizeof(out->name), "%s", a->name);
		return QB_OK;
	}
	if (!a->scheme) {
		name_by_formats(out);
	}
	add_methods_to_name(out, a->methods);
	return QB_OK;
}

/* The file says all: there is nothing to add. */
static enum qb_err read_imported(const json_t *v, const char *at, struct qb_errbuf *eb)
{
	static const char *const more[] = {"weights", "activations", "layers"};

	for (size_t i = 0; i < QB_COUNT(more); i++) {
		if (json_object_get(v, more[i])) {
			return qb_fail_field(eb, QB_EJOB, at, more[i], "carried is what the model's file brings; leave %s "
				"out, or name another scheme", more[i]);
		}
	}
	return QB_OK;
}

enum qb_err qb_scheme_read(struct qb_scheme *out, const json_t *v, const char *at,
	const struct qb_job_halves *job, struct qb_errbuf *eb)
{
	struct halves h;
	struct asked a = {0};

	memset(out, 0, sizeof(*out));
	begin(&h.half[0], true);
	begin(&h.half[1], false);
	if (json_is_object(v)) {
		QB_TRY(qb_fields_read(&a, v, at, scheme_fields, NULL, eb));
	}
	QB_TRY(read_place(&h, out, v, &a, THE_SCHEME, at, job, eb));
	if (out->imported) {
		QB_TRY(read_imported(v, at, eb));
	} else {
		QB_TRY(settle_both(&h, &out->weights, &out->activations, eb));
	}
	if (!json_is_object(v)) {
		return QB_OK;
	}
	QB_TRY(read_own_name(out, &a, at, eb));
	return read_layers(out, &h, a.layers, at, eb);
}

json_t *qb_scheme_part_words(const struct qb_scheme_part *part)
{
	const struct qb_format *f = &part->format;
	json_t *v;

	if (!part->quantized) {
		return json_null();
	}
	v = json_pack("{s:s}", "format", f->name);
	if (f->kind == QB_FORMAT_INT && (!f->block || f->block_scale == QB_SCALE_F32) && !f->narrow) {
		json_object_set_new(v, "symmetric", json_boolean(!f->asymmetric));
	}
	if (f->block || !f->real_scale) {
		return v;
	}
	json_object_set_new(v, "granularity", json_string(qb_granularity_name(part->granularity)));
	json_object_set_new(v, "range", json_string(qb_range_method_name(part->range.method)));
	if (part->range.method == QB_RANGE_PERCENTILE) {
		json_object_set_new(v, "percentile", json_real(part->range.percentile));
	}
	json_object_set_new(v, "scale", json_string(scale_kinds[part->range.power_of_two]));
	return v;
}
