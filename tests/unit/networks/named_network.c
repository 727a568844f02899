/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/networks/named_network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/experiment/spec/attention_spec.h"
#include "core/experiment/spec/network_spec.h"

struct qb_graph *named_network(const char *description, uint64_t seed)
{
	struct qb_network_spec spec;
	struct qb_errbuf eb = {0};
	struct qb_graph *g = NULL;
	json_t *v = json_loads(description, JSON_DECODE_ANY, NULL);

	if (qb_network_spec_read(&spec, v, "network", &eb) != QB_OK) {
		fail_msg("%s: %s", description, eb.text);
	}
	if (qb_network_spec_build(&g, &spec, NULL, seed, &eb) != QB_OK) {
		fail_msg("%s: %s", description, eb.text);
	}
	qb_network_spec_fini(&spec);
	json_decref(v);
	return g;
}

static enum qb_err apply(struct qb_graph *g, const char *variant, uint64_t seed, struct qb_errbuf *eb)
{
	json_t *v = json_loads(variant, JSON_DECODE_ANY, NULL);
	struct qb_attention_spec spec;
	enum qb_err err = qb_attention_spec_read(&spec, v, "attention", eb);

	err = err == QB_OK ? qb_attention_spec_apply(&spec, g, seed, "attention", eb) : err;
	qb_attention_spec_fini(&spec);
	json_decref(v);
	return err;
}

void set_attention(struct qb_graph *g, const char *variant, uint64_t seed)
{
	struct qb_errbuf eb = {0};

	if (variant && apply(g, variant, seed, &eb) != QB_OK) {
		fail_msg("%s: %s", variant, eb.text);
	}
}

void expect_no_attention(struct qb_graph *g, const char *variant, const char *field, const char *words)
{
	struct qb_errbuf eb = {0};

	assert_int_equal(apply(g, variant, 1, &eb), QB_EJOB);
	assert_string_equal(eb.field, field);
	if (!strstr(eb.text, words)) {
		fail_msg("%s: \"%s\" does not say \"%s\"", variant, eb.text, words);
	}
}
