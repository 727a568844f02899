/* SPDX-License-Identifier: Apache-2.0
 *
 * The hwcost job: what a multiply-accumulate unit costs in gates, for each pair of operand formats and accumulator.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/experiment/jobs/kinds.h"
#include "core/ptq/network.h"
#include "core/graph/graph.h"
#include "core/hw/mac.h"
#include "core/ops/op.h"

enum { UNITS_MAX = 256, FILE_NAME = 200 };
/* What a page may ask for. */
enum { LIVE_UNITS_MAX = 32, LIVE_ROUNDS_MAX = 4 };

struct hwcost {
	struct qb_job *job;
	const json_t *units; /* as they are asked for */
	int most_units, most_rounds;
	int multiplier, adders; /* indices of their names */
	int terms, rounds;
	int64_t seed;
	int64_t macs; /* 0: of no network */
	struct qb_hw_options options;
	json_t *rows;
};

static enum qb_err count_model(struct hwcost *h, struct qb_errbuf *eb)
{
	struct qb_graph *g = NULL, *one = NULL;
	const char *path, *name;
	int64_t batch;
	enum qb_err err;

	QB_TRY_OUT(qb_job_input(h->job, "model", &path, &name, eb));
	QB_TRY_OUT(qb_job_in_file(qb_graph_import(&g, path, eb), "model", name, eb));
	batch = qb_model_batch(g);
	QB_TRY_OUT(qb_graph_bind(&one, g, batch ? batch : 1, eb));
	h->macs = 0;
	for (int i = 0; i < one->nodes; i++) {
		h->macs += qb_node_macs(one->node[i]);
	}
out:
	qb_graph_destroy(&one);
	qb_graph_destroy(&g);
	return err;
}

static void set_defaults(void *out)
{
	struct hwcost *h = out;

	*h = (struct hwcost){.terms = 1024, .rounds = 8, .most_rounds = 1000, .most_units = UNITS_MAX, .seed = 1};
}

static const char *const multipliers[] = {"smallest", "array", "dadda", NULL};
static const char *const adders[] = {"ripple", "prefix", NULL};

static const struct qb_field pair_of_formats[] = {
	{.kind = QB_FIELD_STRING},
	{.kind = QB_FIELD_LIST, .low = 2, .high = 2, .any = (const struct qb_field[]){{.kind = QB_FIELD_STRING}, {0}}},
	{0}};

/* A unit as it is asked for. */
struct asked {
	const json_t *operands;
	const char *accumulator;
};

static void set_asked(void *out)
{
	*(struct asked *)out = (struct asked){.accumulator = "fixed"};
}

static const struct qb_field unit_fields[] = {
	{"operands", QB_FIELD_ANY, offsetof(struct asked, operands), .required = true, .any = pair_of_formats,
		.takes = "takes the name of a format, such as \"int8\", or a list of two",
		.summary = "a format (int8, E4, e5m2, mxfp4, fp32), or two"},
	{"accumulator", QB_FIELD_STRING, offsetof(struct asked, accumulator),
		.summary = "fixed (wide enough to be exact), fixedN (N bits), fp16, bf16 or fp32"},
	{0}};
static const struct qb_object unit_object = {.fields = unit_fields, .bytes = sizeof(struct asked), .defaults = set_asked};

static const struct qb_field fields[] = {
	{"units", QB_FIELD_LIST, offsetof(struct hwcost, units), 1, UNITS_MAX, .most = offsetof(struct hwcost, most_units),
		.required = true, .any = (const struct qb_field[]){{.kind = QB_FIELD_OBJECT, .object = &unit_object}, {0}},
		.takes = "units, such as [{\"operands\": \"int8\", \"accumulator\": \"fixed\"}]"},
	{"multiplier", QB_FIELD_CHOICE, offsetof(struct hwcost, multiplier), .choices = multipliers},
	{"adders", QB_FIELD_CHOICE, offsetof(struct hwcost, adders), .choices = adders,
		.summary = "ripple: the fewest gates; prefix: the least depth"},
	{"terms", QB_FIELD_INT, offsetof(struct hwcost, terms), 1, 1 << 24,
		.summary = "products that an exact fixed-point accumulator must hold"},
	{"rounds", QB_FIELD_INT, offsetof(struct hwcost, rounds), 0, 1000, .most = offsetof(struct hwcost, most_rounds),
		.summary = "accumulators tried with every pair of operands; 0 verifies nothing"},
	{"seed", QB_FIELD_LONG, offsetof(struct hwcost, seed), .low = 0, .high = QB_FIELD_MOST_LONG},
	{"model", QB_FIELD_UPLOAD, .summary = "a model's id, or a path for `quantbench run`: its multiply-accumulates give macs"},
	{"macs", QB_FIELD_LONG, offsetof(struct hwcost, macs), 1, 0x1p53,
		.summary = "multiply-accumulates of a network, for gates x macs"},
	{0}};

static enum qb_err parse(struct hwcost *h, struct qb_job *job, struct qb_errbuf *eb)
{
	set_defaults(h);
	h->job = job;
	if (job->live) { /* A page that waits draws what it is told; verification belongs into a job, or is asked for. */
		h->rounds = 0;
		h->most_rounds = LIVE_ROUNDS_MAX;
		h->most_units = LIVE_UNITS_MAX;
	}
	QB_TRY(qb_job_read(h, job, fields, eb));
	h->options = (struct qb_hw_options){.multiplier = (enum qb_multiplier)h->multiplier,
		.fast = h->adders == 1, .terms = h->terms};
	return json_object_get(job->spec, "model") && !job->checked ? count_model(h, eb) : QB_OK;
}

/* One format for both operands, or one for each. */
static enum qb_err parse_operands(const json_t *v, const char *at, const char *name[2],
	struct qb_errbuf *eb)
{
	name[0] = name[1] = json_string_value(v);
	if (json_is_array(v) && json_array_size(v) == 2) {
		name[0] = json_string_value(json_array_get(v, 0));
		name[1] = json_string_value(json_array_get(v, 1));
	}
	if (!name[0] || !name[1]) {
		return qb_fail_field(eb, QB_EJOB, at, "operands",
			"takes the name of a format, such as \"int8\", or a list of two");
	}
	return QB_OK;
}

struct unit {
	struct qb_format a, b;
	struct qb_accumulator accumulator;
};

static enum qb_err parse_unit(const struct hwcost *h, size_t i, struct unit *u, struct qb_errbuf *eb)
{
	const json_t *unit = json_array_get(h->units, i);
	struct asked asked;
	const char *name[2];
	char at[32];

	snprintf(at, sizeof(at), "units[%zu]", i);
	if (!json_is_object(unit)) {
		return qb_fail_field(eb, QB_EJOB, at, "", "takes an object with operands and accumulator");
	}
	set_asked(&asked);
	QB_TRY(qb_fields_read(&asked, unit, at, unit_fields, NULL, eb));
	QB_TRY(parse_operands(asked.operands, at, name, eb));
	if (qb_hw_operand_parse(&u->a, name[0], eb) != QB_OK ||
		qb_hw_operand_parse(&u->b, name[1], eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, "operands");
	}
	return qb_accumulator_parse(&u->accumulator, asked.accumulator, eb) == QB_OK ? QB_OK
		: qb_fail_in_field(eb, QB_EJOB, at, "accumulator");
}

static enum qb_err create_unit(const struct hwcost *h, size_t i, struct qb_hw_unit **out,
	struct qb_errbuf *eb)
{
	struct unit u;
	enum qb_err err;

	QB_TRY(parse_unit(h, i, &u, eb));
	err = qb_hw_unit_create(out, &u.a, &u.b, &u.accumulator, &h->options, eb);
	return err == QB_OK ? QB_OK : qb_fail_in_entry(eb, err, "units", i);
}

/* A file of the unit's own: mac_int8_int8_fixed.v. Formats' names hold letters, digits and underscores alone. */
/* file [FILE_NAME]: empty where nothing was written. */
static enum qb_err write_artifact(struct hwcost *h, const struct qb_hw_unit *u, char *file,
	struct qb_errbuf *eb)
{
	char module[192], path[4096];
	FILE *f;
	enum qb_err err;

	file[0] = '\0';
	if (!h->job->host->workdir) {
		return QB_OK;
	}
	snprintf(module, sizeof(module), "mac_%s_%s_%s", u->a.name, u->b.name, u->accumulator.name);
	snprintf(file, FILE_NAME, "%s.v", module);
	snprintf(path, sizeof(path), "%s/%s", h->job->host->workdir, file);
	f = fopen(path, "w");
	if (!f) {
		return qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
	}
	err = qb_hw_unit_write_verilog(u, module, f, eb);
	if (fclose(f) != 0 && err == QB_OK) {
		err = qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
	}
	if (err == QB_OK) {
		qb_job_artifact(h->job, file, "text/x-verilog");
	}
	return err;
}

static json_t *operands_json(const struct qb_hw_unit *u)
{
	return strcmp(u->a.name, u->b.name) ? json_pack("[s, s]", u->a.name, u->b.name)
					    : json_string(u->a.name);
}

static json_t *row_json(const struct hwcost *h, const struct qb_hw_unit *u, uint64_t pairs,
	const char *file)
{
	int published = strcmp(u->a.name, u->b.name) ? 0
		: qb_hw_published_gates(u->a.name, u->accumulator.name);
	json_t *parts = json_object(), *row;

	for (int i = 0; i < QB_HW_PART_COUNT; i++) {
		json_object_set_new(parts, qb_hw_part_name((enum qb_hw_part)i),
			json_integer(u->parts[i]));
	}
	row = json_pack("{s:o, s:s, s:i, s:i, s:i, s:i, s:o, s:s, s:I, s:I, s:o, s:o}", "operands",
		operands_json(u), "accumulator", u->accumulator.name, "gates", u->gates,
		"register_bits", u->register_bits, "accumulator_bits", u->acc_bits, "depth",
		u->depth, "parts", parts, "multiplier",
		u->options.multiplier == QB_MULTIPLIER_DADDA ? "dadda" : "array", "verified_pairs",
		(json_int_t)pairs, "verified_sums", (json_int_t)(pairs * (uint64_t)h->rounds),
		"published", published ? json_integer(published) : json_null(), "verilog",
		*file ? json_string(file) : json_null());
	if (row && h->macs) {
		json_object_set_new(row, "macs", json_integer(h->macs));
		json_object_set_new(row, "macs_gates",
			json_real((double)h->macs * (double)u->gates));
	}
	return row;
}

static enum qb_err run_unit(struct hwcost *h, size_t i, size_t count, struct qb_errbuf *eb)
{
	struct qb_hw_unit *u = NULL;
	uint64_t pairs = 0;
	char label[192], file[FILE_NAME];
	enum qb_err err;

	QB_TRY_OUT(create_unit(h, i, &u, eb));
	snprintf(label, sizeof(label), "%s x %s + %s", u->a.name, u->b.name, u->accumulator.name);
	QB_TRY_OUT(qb_job_progress(h->job, "verify", (double)i / (double)count, eb,
		"verifying %s: %d gates", label, u->gates));
	if (h->rounds) {
		QB_TRY_OUT(qb_hw_unit_verify(u, h->rounds, (uint64_t)h->seed, &pairs, eb));
	}
	qb_job_metric(h->job, "model", label, NULL, "gates", u->gates, "gates");
	qb_job_metric(h->job, "model", label, NULL, "depth", u->depth, "gates");
	QB_TRY_OUT(write_artifact(h, u, file, eb));
	json_array_append_new(h->rows, row_json(h, u, pairs, file));
out:
	qb_hw_unit_destroy(&u);
	return err;
}

static enum qb_err check(struct qb_job *job, struct qb_errbuf *eb)
{
	struct hwcost h;
	struct unit u;

	QB_TRY(parse(&h, job, eb));
	for (size_t i = 0; i < json_array_size(h.units); i++) {
		QB_TRY(parse_unit(&h, i, &u, eb));
	}
	return QB_OK;
}

static enum qb_err run(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct hwcost h;
	size_t count;
	enum qb_err err;

	QB_TRY(parse(&h, job, eb));
	count = json_array_size(h.units);
	h.rows = json_array();
	for (size_t i = 0; i < count; i++) {
		QB_TRY_OUT(run_unit(&h, i, count, eb));
	}
	*result = json_pack("{s:s, s:s, s:s, s:i, s:i, s:O}", "type", "hwcost", "cells",
		"full adder 5, half adder 2, multiplexer 3, inverter 1; register bits apart",
		"adders", adders[h.adders], "terms", h.terms, "rounds", h.rounds, "rows", h.rows);
	err = *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the result");
out:
	json_decref(h.rows);
	return err;
}

const struct qb_experiment qb_experiment_hwcost = {
	.type = "hwcost",
	.summary = "gates of the multiply-accumulate units that number formats need",
	.live = true,
	.job = {
		.summary = "Multiply-accumulate units as netlists of 2-input gates, verified over every pair of operands.",
		.fields = fields,
		.bytes = sizeof(struct hwcost),
		.defaults = set_defaults,
	},
	.run = run,
	.check = check,
};
