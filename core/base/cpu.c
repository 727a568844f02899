/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define VARIABLE "QUANTBENCH_CPU"

static const struct {
	const char *name;
	unsigned needs, admits;
	const char *onednn;
} levels[QB_CPU_LEVELS] = {
#define X(level, name, needs, admits, onednn) [level] = {name, needs, admits, onednn},
	QB_CPU_LEVELS_OF(X)
#undef X
};

static unsigned found, in_force;
static enum qb_cpu_level current;

static unsigned detect(void)
{
	unsigned flags = 0;

#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		flags |= QB_FLAG_AVX2;
	}
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
		flags |= QB_FLAG_AVX512;
	}
	if (__builtin_cpu_supports("avx512vnni")) {
		flags |= QB_FLAG_VNNI;
	}
	if (__builtin_cpu_supports("avx512vbmi")) {
		flags |= QB_FLAG_VBMI;
	}
#elif defined(__aarch64__)
	flags |= QB_FLAG_NEON; /* part of the architecture */
	if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) {
		flags |= QB_FLAG_DOTPROD;
	}
	if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) {
		flags |= QB_FLAG_I8MM;
	}
#endif
	return flags;
}

bool qb_cpu_has(unsigned flags)
{
	return (in_force & flags) == flags;
}

enum qb_cpu_level qb_cpu_level(void)
{
	return current;
}

const char *qb_cpu_level_name(enum qb_cpu_level level)
{
	return levels[level].name;
}

bool qb_cpu_offers(enum qb_cpu_level level)
{
	return (found & levels[level].needs) == levels[level].needs;
}

bool qb_cpu_mask(enum qb_cpu_level level)
{
	if (!qb_cpu_offers(level)) {
		return false;
	}
	current = level;
	in_force = found & levels[level].admits;
#if defined(__x86_64__)
	/* Read when oneDNN is first asked for something, by whichever part of the program that is. */
	setenv("ONEDNN_MAX_CPU_ISA", levels[level].onednn ? levels[level].onednn : "ALL", 1);
#endif
	return true;
}

static const char *asked(void)
{
	const char *name = getenv(VARIABLE);

	return name && *name ? name : NULL;
}

/* QB_CPU_LEVELS: there is none of this name. */
static enum qb_cpu_level find_level(const char *name)
{
	int i = 0;

	while (i < QB_CPU_LEVELS && strcmp(levels[i].name, name) != 0) {
		i++;
	}
	return (enum qb_cpu_level)i;
}

/* Before main: no thread sees it change. */
__attribute__((constructor)) static void find_once(void)
{
	int highest = QB_CPU_LEVELS - 1;
	enum qb_cpu_level level;

	found = detect();
	while (!qb_cpu_offers((enum qb_cpu_level)highest)) {
		highest--;
	}
	level = asked() ? find_level(asked()) : QB_CPU_LEVELS;
	if (level == QB_CPU_LEVELS || !qb_cpu_mask(level)) {
		qb_cpu_mask((enum qb_cpu_level)highest);
	}
}

enum qb_err qb_cpu_check(struct qb_errbuf *eb)
{
	enum qb_cpu_level level = asked() ? find_level(asked()) : current;
	char offered[128] = "";
	size_t used = 0;

	if (level < QB_CPU_LEVELS && qb_cpu_offers(level)) {
		return QB_OK;
	}
	for (int i = 0; i < QB_CPU_LEVELS; i++) {
		if (qb_cpu_offers((enum qb_cpu_level)i)) {
			used += (size_t)snprintf(offered + used, sizeof(offered) - used, "%s%s", used ? ", " : "", levels[i].name);
		}
	}
	return qb_fail(eb, QB_EINVAL, "%s in the environment is \"%.40s\", which is %s; this processor offers %s. Set it to one of "
		"these, or unset it", VARIABLE, asked(), level < QB_CPU_LEVELS ? "beyond this processor" : "not a CPU level", offered);
}
