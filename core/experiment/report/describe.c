/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/describe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/base/cpu.h"
#include "core/experiment/experiment.h"
#include "core/experiment/spec/job_schema.h"
#include "core/ptq/method.h"
#include "core/format/format.h"

/* What /proc/cpuinfo calls this processor; on Arm the board, else the core's numbers, which are all it tells there. */
static void cpu_name(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[512], implementer[32] = "", part[32] = "";

	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strstr(line, ": ");

		line[strcspn(line, "\n")] = '\0';
		if (!value) {
			continue;
		}
		if (!strncmp(line, "model name", 10) || !strncmp(line, "Model\t", 6)) {
			snprintf(out, size, "%s", value + 2);
			break;
		}
		if (!strncmp(line, "CPU implementer", 15)) {
			snprintf(implementer, sizeof(implementer), "%s", value + 2);
		} else if (!strncmp(line, "CPU part", 8)) {
			snprintf(part, sizeof(part), "%s", value + 2);
			snprintf(out, size, "Arm core, implementer %s, part %s", implementer, part);
		}
	}
	if (f) {
		fclose(f);
	}
}

json_t *qb_describe_machine(int threads)
{
	char cpu[256];

	cpu_name(cpu, sizeof(cpu));
	return json_pack("{s:s, s:s, s:i}", "cpu", cpu, "isa", qb_cpu_level_name(qb_cpu_level()), "threads", threads);
}

static json_t *kinds(void)
{
	json_t *a = json_array();
	const struct qb_experiment *k;

	for (int i = 0; (k = qb_experiment_at(i)); i++) {
		json_array_append_new(a,
			json_pack("{s:s, s:s, s:o, s:b, s:o}", "type", k->type, "summary", k->summary,
				"inputs", qb_job_inputs(k), "internal", k->internal, "schema",
				qb_job_schema(k)));
	}
	return a;
}

/* Rounded to the digits that tell doubles apart. */
static json_t *value_json(double v)
{
	return isnan(v) ? json_string("nan")
		: isinf(v)  ? json_string(v > 0 ? "inf" : "-inf")
			    : json_real(v);
}

static json_t *format_summary(const struct qb_format *f)
{
	static const char *const kind_names[] = {"int", "float", "log2", "table"};
	static const char *const specials[] = {"none", "fn", "fnuz", "ieee"};
	static const char *const scales[] = {"float32", "e8m0", "e4m3"};
	json_t *o = json_pack("{s:s, s:s, s:i, s:b, s:f, s:f, s:f, s:b, s:b}", "name", f->name, "kind",
		kind_names[f->kind], "bits", f->bits, "signed", f->is_signed, "min",
		qb_format_min(f), "max", qb_format_max(f), "smallest", qb_format_smallest(f),
		"real_scale", f->real_scale, "other_widths", qb_format_has_widths(f));

	if (f->kind == QB_FORMAT_FLOAT || f->kind == QB_FORMAT_LOG2) {
		json_object_set_new(o, "exponent_bits", json_integer(f->exp_bits));
		json_object_set_new(o, "mantissa_bits", json_integer(f->man_bits));
		json_object_set_new(o, "bias", json_integer(f->bias));
		json_object_set_new(o, "specials", json_string(specials[f->specials]));
	}
	if (f->block) {
		json_object_set_new(o, "block", json_integer(f->block));
		json_object_set_new(o, "block_scale", json_string(scales[f->block_scale]));
	}
	return o;
}

static json_t *formats(void)
{
	json_t *a = json_array();
	const char *name;
	struct qb_format f;

	for (int i = 0; (name = qb_format_common_name(i)); i++) {
		if (qb_format_parse(&f, name, NULL) == QB_OK) {
			json_array_append_new(a, format_summary(&f));
		}
	}
	return a;
}

static json_t *metrics(void)
{
	json_t *a = json_array();
	const char *name;

	for (int i = 0; (name = qb_metric_name(i)); i++) {
		json_array_append_new(a, json_pack("{s:s, s:s, s:b}", "name", name, "summary",
					 qb_metric_summary(i), "rises", qb_metric_rises(name)));
	}
	return a;
}

json_t *qb_describe_engine(const char *version)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "engine", version, "isa", qb_cpu_level_name(qb_cpu_level()),
		"types", kinds(), "formats", formats(), "metrics", metrics(), "methods", qb_method_descriptions());
}

static json_t *reals(const double *value, int n)
{
	json_t *a = json_array();

	for (int i = 0; i < n; i++) {
		json_array_append_new(a, json_real(value[i]));
	}
	return a;
}

/* Up to 8 bits every code is shown; wider formats have too many to read. */
static json_t *codes(const struct qb_format *f, const struct qb_format_info *info)
{
	json_t *a = json_array();

	for (uint32_t c = 0; f->bits <= 8 && c < info->code_count; c++) {
		json_array_append_new(a, json_pack("{s:i, s:o}", "code", (int)c, "value",
					 value_json(info->code_values[c])));
	}
	return a;
}

enum qb_err qb_describe_format(const char *name, json_t **out, struct qb_errbuf *eb)
{
	struct qb_format f;
	struct qb_format_info info;

	QB_TRY(qb_format_parse(&f, name, eb));
	QB_TRY(qb_format_describe(&f, &info, eb));
	*out = format_summary(&f);
	json_object_set_new(*out, "bits_per_value", json_real(info.bits_per_value));
	json_object_set_new(*out, "has_nan", json_boolean(info.has_nan));
	json_object_set_new(*out, "has_inf", json_boolean(info.has_inf));
	json_object_set_new(*out, "values", reals(info.values, info.value_count));
	json_object_set_new(*out, "codes", codes(&f, &info));
	qb_format_info_fini(&info);
	return QB_OK;
}
