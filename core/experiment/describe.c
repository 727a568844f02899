/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/analysis/metrics.h"
#include "core/exec/exec.h"
#include "core/experiment/experiment.h"
#include "core/format/format.h"

/* What /proc/cpuinfo calls this processor. */
static void cpu_name(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[512];

	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!strncmp(line, "model name", 10) && colon) {
			snprintf(out, size, "%s", colon + 2);
			out[strcspn(out, "\n")] = '\0';
			break;
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
	return json_pack("{s:s, s:s, s:i}", "cpu", cpu, "isa", qb_exec_isa(), "threads", threads);
}

static json_t *words(const char *text)
{
	json_t *a = json_array();
	const char *p = text;

	while (*p) {
		size_t n = strcspn(p, " ");

		json_array_append_new(a, json_stringn(p, n));
		p += n + strspn(p + n, " ");
	}
	return a;
}

static json_t *kinds(void)
{
	json_t *a = json_array();
	const struct qb_experiment *k;

	for (int i = 0; (k = qb_experiment_at(i)); i++) {
		json_array_append_new(a,
			json_pack("{s:s, s:s, s:o, s:b, s:o}", "type", k->type, "summary", k->summary,
				"inputs", words(k->inputs), "internal", k->internal, "schema",
				json_loads(k->schema, 0, NULL)));
	}
	return a;
}
