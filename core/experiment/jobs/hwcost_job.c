/* SPDX-License-Identifier: Apache-2.0
 *
 * The hwcost job: what a multiply-accumulate unit costs in gates, for each pair of operand formats and accumulator.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/experiment/jobs/kinds.h"
#include "core/ptq/network.h"
#include "core/json/params.h"
#include "core/graph/graph.h"
#include "core/hw/mac.h"
#include "core/ops/op.h"

enum { UNITS_MAX = 256, LIVE_UNITS_MAX = 32, FILE_NAME = 200 };

struct hwcost {
	struct qb_job *job;
	struct qb_hw_options options;
	int rounds;
	uint64_t seed;
	int64_t macs; /* 0: of no network */
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

static enum qb_err parse(struct hwcost *h, struct qb_errbuf *eb)
{
	static const char *const known[] = {"type", "workdir", "fresh", "units", "multiplier",
		"adders", "terms", "rounds", "seed", "model", "macs", NULL};
	static const char *const multipliers[] = {"smallest", "array", "dadda", NULL};
	static const char *const adders[] = {"ripple", "prefix", NULL};
	const json_t *spec = h->job->spec;
	int multiplier = 0, adder = 0;
	/* A page that waits draws what it is told; verification belongs into a job, or is asked for. */
	int64_t terms = 1024, rounds = h->job->live ? 0 : 8, seed = 1;

	QB_TRY(qb_param_only(spec, "", known, eb));
	QB_TRY(qb_param_choice(spec, "", "multiplier", multipliers, &multiplier, eb));
	QB_TRY(qb_param_choice(spec, "", "adders", adders, &adder, eb));
	QB_TRY(qb_param_int(spec, "", "terms", 1, 1 << 24, &terms, eb));
	QB_TRY(qb_param_int(spec, "", "rounds", 0, h->job->live ? 4 : 1000, &rounds, eb));
	QB_TRY(qb_param_int(spec, "", "seed", 0, INT64_MAX, &seed, eb));
	QB_TRY(qb_param_int(spec, "", "macs", 1, INT64_C(1) << 53, &h->macs, eb));
	h->options = (struct qb_hw_options){.multiplier = (enum qb_multiplier)multiplier,
		.fast = adder == 1, .terms = (int)terms};
	h->rounds = (int)rounds;
	h->seed = (uint64_t)seed;
	return json_object_get(spec, "model") && !h->job->checked ? count_model(h, eb) : QB_OK;
}

/* One format for both operands, or one for each. */
static enum qb_err parse_operands(const json_t *unit, const char *at, const char *name[2],
	struct qb_errbuf *eb)
{
	const json_t *v = json_object_get(unit, "operands");

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
	static const char *const known[] = {"operands", "accumulator", NULL};
	const json_t *unit = json_array_get(json_object_get(h->job->spec, "units"), i);
	const char *name[2], *accumulator = "fixed";
	char at[32];

	snprintf(at, sizeof(at), "units[%zu]", i);
	if (!json_is_object(unit)) {
		return qb_fail_field(eb, QB_EJOB, at, "", "takes an object with operands and accumulator");
	}
	QB_TRY(qb_param_only(unit, at, known, eb));
	QB_TRY(parse_operands(unit, at, name, eb));
	QB_TRY(qb_param_string(unit, at, "accumulator", &accumulator, eb));
	if (qb_hw_operand_parse(&u->a, name[0], eb) != QB_OK ||
		qb_hw_operand_parse(&u->b, name[1], eb) != QB_OK) {
		return qb_fail_in_field(eb, QB_EJOB, at, "operands");
	}
	return qb_accumulator_parse(&u->accumulator, accumulator, eb) == QB_OK ? QB_OK
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
		QB_TRY_OUT(qb_hw_unit_verify(u, h->rounds, h->seed, &pairs, eb));
	}
	qb_job_metric(h->job, "model", label, NULL, "gates", u->gates, "gates");
	qb_job_metric(h->job, "model", label, NULL, "depth", u->depth, "gates");
	QB_TRY_OUT(write_artifact(h, u, file, eb));
	json_array_append_new(h->rows, row_json(h, u, pairs, file));
out:
	qb_hw_unit_destroy(&u);
	return err;
}

static enum qb_err count_units(size_t *out, const struct qb_job *job, struct qb_errbuf *eb)
{
	const json_t *units = json_object_get(job->spec, "units");
	size_t count = json_array_size(units), most = job->live ? LIVE_UNITS_MAX : UNITS_MAX;

	if (!json_is_array(units) || count < 1 || count > most) {
		return qb_fail_field(eb, QB_EJOB, "", "units", "takes a list of 1 to %zu units, such as "
			"[{\"operands\": \"int8\", \"accumulator\": \"fixed\"}]", most);
	}
	*out = count;
	return QB_OK;
}

enum qb_err qb_check_hwcost(struct qb_job *job, struct qb_errbuf *eb)
{
	struct hwcost h = {.job = job};
	struct unit u;
	size_t count;

	QB_TRY(parse(&h, eb));
	QB_TRY(count_units(&count, job, eb));
	for (size_t i = 0; i < count; i++) {
		QB_TRY(parse_unit(&h, i, &u, eb));
	}
	return QB_OK;
}

enum qb_err qb_experiment_hwcost(struct qb_job *job, json_t **result, struct qb_errbuf *eb)
{
	struct hwcost h = {.job = job};
	size_t count;
	enum qb_err err;

	QB_TRY(count_units(&count, job, eb));
	QB_TRY(parse(&h, eb));
	h.rows = json_array();
	for (size_t i = 0; i < count; i++) {
		QB_TRY_OUT(run_unit(&h, i, count, eb));
	}
	*result = json_pack("{s:s, s:s, s:s, s:i, s:i, s:O}", "type", "hwcost", "cells",
		"full adder 5, half adder 2, multiplexer 3, inverter 1; register bits apart",
		"adders", h.options.fast ? "prefix" : "ripple", "terms", h.options.terms, "rounds",
		h.rounds, "rows", h.rows);
	err = *result ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the result");
out:
	json_decref(h.rows);
	return err;
}
