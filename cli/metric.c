/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* All that are not per cents, or fall; the others are per cents that rise. */
static const struct {
	const char *name;
	bool falls;
} metrics[] = {{"mse", true}, {"cosine", false}, {"token_loss", true}, {"perplexity", true},
	{"perplexity_causal", true}, {"metric", false}};

bool cli_metric_in_per_cent(const char *name)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (!strcmp(metrics[i].name, name)) {
			return false;
		}
	}
	return true;
}

bool cli_metric_falls(const char *name)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (!strcmp(metrics[i].name, name)) {
			return metrics[i].falls;
		}
	}
	return false;
}

const char *cli_metric_digits(const char *name)
{
	return cli_metric_in_per_cent(name) ? "%.2f" : "%.5g";
}

const char *cli_metric_change(const char *name, double change, double low, double high, char text[CLI_CHANGE_MAX])
{
	int digits = cli_metric_in_per_cent(name) ? 2 : 5;
	int n = isnan(change) ? snprintf(text, CLI_CHANGE_MAX, "-") : snprintf(text, CLI_CHANGE_MAX, "%+.*f", digits, change);

	if (!isnan(low) && !isnan(high) && n > 0 && n < CLI_CHANGE_MAX) {
		snprintf(text + n, CLI_CHANGE_MAX - (size_t)n, " (%+.*f to %+.*f)", digits, low, digits, high);
	}
	return text;
}

const char *cli_sqnr(const json_t *row, const char *name, char text[CLI_CHANGE_MAX])
{
	char key[64];
	double db, high;
	int n;

	snprintf(key, sizeof(key), "%.40s_db", name);
	db = cli_number(row, key);
	snprintf(key, sizeof(key), "%.40s_high_db", name);
	high = cli_number(row, key);
	n = isnan(db) ? snprintf(text, CLI_CHANGE_MAX, "-") : snprintf(text, CLI_CHANGE_MAX, "%.1f", db);

	if (!isnan(high) && n > 0 && n < CLI_CHANGE_MAX) {
		snprintf(text + n, CLI_CHANGE_MAX - (size_t)n, " ±%.1f", high - db);
	}
	return text;
}
