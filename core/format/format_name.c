/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of formats: what is known by name, and reading and writing names.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/near.h"
#include "core/base/order.h"
#include "core/base/size.h"
#include "core/format/format.h"

/* Hardware formats and the talk's names. Columns: name, bits, signed, exponent bits, mantissa bits, bias, real scale,
 * specials, overflows. Sources: OCP 8-bit Floating Point 1.0 (e4m3fn, e5m2), OCP Microscaling 1.0 (e3m2, e2m3, e2m1,
 * e8m0), Noune et al. 2022 (fnuz), IEEE 754-2019 (fp16), and arXiv:2208.09225 (E2 to E5: no specials, real bias). */
static const struct named_float {
	const char *name;
	int bits;
	bool is_signed;
	int exp_bits, man_bits, bias;
	bool real_scale;
	enum qb_specials specials;
	bool overflows;
} named_floats[] = {
	{"E2", 8, true, 2, 5, 1, true, QB_SPECIALS_NONE, false},
	{"E3", 8, true, 3, 4, 3, true, QB_SPECIALS_NONE, false},
	{"E4", 8, true, 4, 3, 7, true, QB_SPECIALS_NONE, false},
	{"E5", 8, true, 5, 2, 15, true, QB_SPECIALS_NONE, false},
	{"e4m3fn", 8, true, 4, 3, 7, true, QB_SPECIALS_FN, false},
	{"e4m3fnuz", 8, true, 4, 3, 8, true, QB_SPECIALS_FNUZ, false},
	{"e4m3b11fnuz", 8, true, 4, 3, 11, true, QB_SPECIALS_FNUZ, false},
	{"e4m3", 8, true, 4, 3, 7, true, QB_SPECIALS_IEEE, false},
	{"e3m4", 8, true, 3, 4, 3, true, QB_SPECIALS_IEEE, false},
	{"e5m2", 8, true, 5, 2, 15, true, QB_SPECIALS_IEEE, false},
	{"e5m2fnuz", 8, true, 5, 2, 16, true, QB_SPECIALS_FNUZ, false},
	{"e3m2", 6, true, 3, 2, 3, true, QB_SPECIALS_NONE, false},
	{"e2m3", 6, true, 2, 3, 1, true, QB_SPECIALS_NONE, false},
	{"e2m1", 4, true, 2, 1, 1, true, QB_SPECIALS_NONE, false},
	{"fp16", 16, true, 5, 10, 15, false, QB_SPECIALS_IEEE, true},
	{"bf16", 16, true, 8, 7, 127, false, QB_SPECIALS_IEEE, true},
	{"tf32", 19, true, 8, 10, 127, false, QB_SPECIALS_IEEE, true},
	{"e8m0", 8, false, 8, 0, 127, false, QB_SPECIALS_FN, true},
};

/* Normal-float 4 (Dettmers et al., QLoRA, 2023, appendix E). */
static const float nf4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f,
	-0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
	-0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
	0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
	0.7229568362236023f, 1.0f};

/* Block formats: name, element, block, scale. */
static const struct named_block {
	const char *name, *element;
	int block;
	enum qb_block_scale scale;
} named_blocks[] = {
	{"mxfp8_e4m3", "e4m3fn", 32, QB_SCALE_E8M0},
	{"mxfp8_e5m2", "e5m2", 32, QB_SCALE_E8M0},
	{"mxfp8", "e4m3fn", 32, QB_SCALE_E8M0},
	{"mxfp6_e3m2", "e3m2", 32, QB_SCALE_E8M0},
	{"mxfp6_e2m3", "e2m3", 32, QB_SCALE_E8M0},
	{"mxfp6", "e2m3", 32, QB_SCALE_E8M0},
	{"mxfp4", "e2m1", 32, QB_SCALE_E8M0},
	{"mxint8", "int8", 32, QB_SCALE_E8M0},
	{"nvfp4", "e2m1", 16, QB_SCALE_E4M3},
};

static const char understood[] =
	"intB, uintB and intB_asym (B from 1 to 16), E2 E3 E4 E5, fpB_eXmY and ufpB_eXmY (3 to 16 bits), e4m3fn "
	"e4m3fnuz e4m3b11fnuz e4m3 e3m4 e5m2 e5m2fnuz e3m2 e2m3 e2m1 e8m0, fp16 bf16 tf32, logB, nf4, mxfp8_e4m3 "
	"mxfp8_e5m2 mxfp6_e3m2 mxfp6_e2m3 mxfp4 mxint8 nvfp4, values(a,b,...); floats take _ieee _fn _fnuz, _nosub, _overflow, _bN (integer bias N); _gN: N elements share a scale, and those of intB_asym a zero point";

static struct qb_format from_named(const struct named_float *n)
{
	struct qb_format f = {.kind = QB_FORMAT_FLOAT, .bits = n->bits, .is_signed = n->is_signed,
		.exp_bits = n->exp_bits, .man_bits = n->man_bits, .bias = n->bias,
		.real_scale = n->real_scale, .specials = n->specials, .overflows = n->overflows};

	f.no_zero = !strcmp(n->name, "e8m0");
	return f;
}

static bool parse_int_format(struct qb_format *f, const char *s)
{
	int bits, n = 0;
	bool is_unsigned = s[0] == 'u';

	s += is_unsigned;
	if (sscanf(s, "int%2d%n", &bits, &n) != 1 || bits < 1 || bits > 16 || s[3] == '0') {
		return false;
	}
	*f = (struct qb_format){.kind = QB_FORMAT_INT, .bits = bits, .is_signed = !is_unsigned,
		.real_scale = true};
	if (!strcmp(s + n, "_asym")) {
		f->asymmetric = true;
		return true;
	}
	if (!strcmp(s + n, "_narrow") && f->is_signed && bits > 1) {
		f->narrow = true;
		return true;
	}
	return !s[n];
}

/* E8 stays inside float32: bias 128 makes the largest exponent 127 where no code is spent on infinity. */
static int usual_bias(const struct qb_format *f)
{
	int half = 1 << (f->exp_bits - 1);

	if (f->specials == QB_SPECIALS_FNUZ || (f->exp_bits == 8 && f->specials != QB_SPECIALS_IEEE)) {
		return half;
	}
	return half - 1;
}

/* "_ieee_overflow" and the like, after a float's name. */
static bool parse_float_options(struct qb_format *f, const char *s)
{
	static const struct {
		const char *name;
		enum qb_specials specials;
	} specials[] = {{"_ieee", QB_SPECIALS_IEEE}, {"_fnuz", QB_SPECIALS_FNUZ}, {"_fn", QB_SPECIALS_FN}};

	for (size_t i = 0; i < QB_COUNT(specials); i++) {
		size_t n = strlen(specials[i].name);

		if (!strncmp(s, specials[i].name, n) && (!s[n] || s[n] == '_')) {
			f->specials = specials[i].specials;
			f->bias = usual_bias(f);
			s += n;
			break;
		}
	}
	if (!strncmp(s, "_nosub", 6)) {
		f->no_subnormals = true;
		s += 6;
	}
	if (!strncmp(s, "_overflow", 9) && f->specials != QB_SPECIALS_NONE) {
		f->overflows = true;
		s += 9;
	}
	if (s[0] == '_' && s[1] == 'b') {
		int n = 0;

		if (sscanf(s, "_b%4d%n", &f->bias, &n) != 1) {
			return false;
		}
		f->real_scale = false;
		s += n;
	}
	return !s[0] && (f->specials != QB_SPECIALS_FNUZ || f->is_signed);
}

/* Values and the half-way points between them must be normal or subnormal numbers of float32. */
static bool fits_float32(const struct qb_format *f)
{
	int largest = (1 << f->exp_bits) - 1 - (f->specials == QB_SPECIALS_IEEE) - f->bias;

	return qb_format_max(f) > 0 && largest <= 127 && f->bias <= 128;
}

static bool parse_float_format(struct qb_format *f, const char *s)
{
	int bits, e, m, n = 0;
	bool is_unsigned = s[0] == 'u';

	s += is_unsigned;
	if (sscanf(s, "fp%2d_e%1dm%2d%n", &bits, &e, &m, &n) != 3 || e < 1 || e > 8 || m < 0 ||
		bits != e + m + !is_unsigned || bits < 3 || bits > 16) {
		return false;
	}
	*f = (struct qb_format){.kind = QB_FORMAT_FLOAT, .bits = bits, .is_signed = !is_unsigned,
		.exp_bits = e, .man_bits = m, .real_scale = true};
	f->bias = usual_bias(f);
	return parse_float_options(f, s + n) && fits_float32(f);
}

static bool parse_log_format(struct qb_format *f, const char *s)
{
	int bits, n = 0;

	if (sscanf(s, "log%1d%n", &bits, &n) != 1 || s[n] || bits < 2 || bits > 8) {
		return false;
	}
	*f = (struct qb_format){.kind = QB_FORMAT_LOG2, .bits = bits, .is_signed = true,
		.exp_bits = bits - 1, .bias = (1 << (bits - 2)) - (bits > 2), .real_scale = true};
	return true;
}

static enum qb_err parse_table(struct qb_format *f, const char *name, struct qb_errbuf *eb)
{
	const char *p = name + strlen("values(");

	*f = (struct qb_format){.kind = QB_FORMAT_TABLE, .is_signed = false, .real_scale = true};
	for (;;) {
		char *end;
		float v = strtof(p, &end) + 0.0f; /* -0 becomes 0 */

		if (end == p || !isfinite(v) || f->table_count == QB_FORMAT_TABLE_MAX) {
			return qb_fail(eb, QB_EINVAL,
				"format \"%.60s\": values() takes 2 to %d finite numbers separated by commas",
				name, QB_FORMAT_TABLE_MAX);
		}
		f->table[f->table_count++] = v;
		f->is_signed = f->is_signed || v < 0;
		p = end;
		if (*p != ',') {
			break;
		}
		p++;
	}
	if (strcmp(p, ")") || f->table_count < 2) {
		return qb_fail(eb, QB_EINVAL,
			"format \"%.60s\": values() takes 2 to %d numbers and ends with \")\"", name,
			QB_FORMAT_TABLE_MAX);
	}
	qsort(f->table, (size_t)f->table_count, sizeof(f->table[0]), qb_float_order);
	for (int i = 1; i < f->table_count; i++) {
		if (f->table[i] == f->table[i - 1]) {
			return qb_fail(eb, QB_EINVAL, "format \"%.60s\": %g stands twice", name,
				f->table[i]);
		}
	}
	while ((1 << f->bits) < f->table_count) {
		f->bits++;
	}
	return QB_OK;
}

static bool parse_named(struct qb_format *f, const char *name)
{
	/* uE4: the unsigned tensor gives its sign bit to the mantissa. */
	bool is_unsigned = name[0] == 'u' && name[1] == 'E';

	name += is_unsigned;
	for (size_t i = 0; i < QB_COUNT(named_floats); i++) {
		size_t n = strlen(named_floats[i].name);

		if (!strncmp(named_floats[i].name, name, n) && (!name[n] || name[n] == '_')) {
			*f = from_named(&named_floats[i]);
			if (is_unsigned) {
				*f = qb_format_unsigned(f);
			}
			return !name[n] || (!f->no_zero && parse_float_options(f, name + n) && fits_float32(f));
		}
	}
	if (!is_unsigned && !strcmp(name, "nf4")) {
		*f = (struct qb_format){.kind = QB_FORMAT_TABLE, .bits = 4, .is_signed = true,
			.real_scale = true, .table_count = 16};
		memcpy(f->table, nf4, sizeof(nf4));
		return true;
	}
	return false;
}

static bool parse_block(struct qb_format *f, const char *name)
{
	for (size_t i = 0; i < QB_COUNT(named_blocks); i++) {
		if (!strcmp(named_blocks[i].name, name)) {
			if (!parse_named(f, named_blocks[i].element)) {
				parse_int_format(f, named_blocks[i].element);
				/* OCP MX: MXINT8 is symmetric, with an implied scale of 2^-6. */
				f->narrow = true;
			}
			f->block = named_blocks[i].block;
			f->block_scale = named_blocks[i].scale;
			return true;
		}
	}
	return false;
}

static bool parse_element(struct qb_format *f, const char *name)
{
	return parse_named(f, name) || parse_int_format(f, name) || parse_float_format(f, name) ||
		parse_log_format(f, name);
}

/* Any element that takes a real scale, with "_gN" behind it. */
static bool parse_group(struct qb_format *f, const char *name)
{
	char element[QB_FORMAT_NAME_MAX];
	const char *g = strstr(name, "_g");
	int group, n = 0;

	if (!g || sscanf(g, "_g%5d%n", &group, &n) != 1 || g[n] || g[2] == '0' || group < 2) {
		return false;
	}
	snprintf(element, sizeof(element), "%.*s", (int)(g - name), name);
	if (!parse_element(f, element) || !f->real_scale) {
		return false;
	}
	f->block = group;
	f->block_scale = QB_SCALE_F32;
	return true;
}

/* Names that people use for several formats, or for one under another name. */
static const char *meant(const char *word)
{
	static const struct {
		const char *word, *names;
	} meanings[] = {
		{"fp8", "E4, e4m3fn, e5m2"}, {"float8", "E4, e4m3fn, e5m2"}, {"f8", "E4, e4m3fn, e5m2"},
		{"fp6", "mxfp6, e2m3, e3m2"}, {"float6", "mxfp6, e2m3, e3m2"},
		{"fp4", "mxfp4, nvfp4, e2m1"}, {"float4", "mxfp4, nvfp4, e2m1"}, {"f4", "mxfp4, nvfp4, e2m1"},
		{"float16", "fp16"}, {"half", "fp16"}, {"f16", "fp16"}, {"bfloat16", "bf16"}, {"bfloat", "bf16"},
		{"fp32", "fp16, bf16, tf32"}, {"int", "int8, int4, int16"}, {"mx", "mxfp8, mxfp6, mxfp4"}, {"mxfp", "mxfp8, mxfp6, mxfp4"},
	};

	for (size_t i = 0; i < QB_COUNT(meanings); i++) {
		if (!strcasecmp(word, meanings[i].word)) {
			return meanings[i].names;
		}
	}
	return NULL;
}

enum qb_err qb_format_unknown(struct qb_errbuf *eb, const char *word, const char *what,
	const char *const *more, int count)
{
	enum { NAMES_MAX = 64 };
	const char *names[NAMES_MAX], *known = meant(word);
	char near[100];
	int n = 0;

	for (int i = 0; n < NAMES_MAX && i < count; i++) {
		names[n++] = more[i];
	}
	for (int i = 0; n < NAMES_MAX && qb_format_common_name(i); i++) {
		names[n++] = qb_format_common_name(i);
	}
	if (known) {
		snprintf(near, sizeof(near), "%s", known);
	} else {
		qb_near(word, names, n, near, sizeof(near));
	}
	qb_fail(eb, QB_EINVAL, "\"%.60s\" is no %s; near it are %s; the formats are %s", word, what, near,
		understood);
	if (eb) {
		snprintf(eb->near, sizeof(eb->near), "%s", near);
	}
	return QB_EINVAL;
}

enum qb_err qb_format_parse(struct qb_format *out, const char *name, struct qb_errbuf *eb)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	struct qb_format f;

	if (!strncmp(name, "values(", 7)) {
		QB_TRY(parse_table(&f, name, eb));
		snprintf(f.name, sizeof(f.name), strlen(name) < sizeof(f.name) ? "%s" : "%.60s...",
			name);
		*out = f;
		return QB_OK;
	}
	/* sscanf skips spaces and takes signs; a name has neither. */
	if (name[strspn(name, letters)] || strlen(name) >= sizeof(f.name) ||
		!(parse_element(&f, name) || parse_block(&f, name) || parse_group(&f, name))) {
		return qb_format_unknown(eb, name, "number format", NULL, 0);
	}
	snprintf(f.name, sizeof(f.name), "%s", name);
	*out = f;
	return QB_OK;
}

const char *qb_format_common_name(int i)
{
	static const char *const common[] = {"int8", "int4", "int16", "int2", "uint8", "uint4"};

	if (i < 0) {
		return NULL;
	}
	if ((size_t)i < QB_COUNT(common)) {
		return common[i];
	}
	i -= (int)QB_COUNT(common);
	if ((size_t)i < QB_COUNT(named_floats)) {
		return named_floats[i].name;
	}
	i -= (int)QB_COUNT(named_floats);
	if ((size_t)i < QB_COUNT(named_blocks)) {
		return named_blocks[i].name;
	}
	i -= (int)QB_COUNT(named_blocks);
	return i == 0 ? "nf4" : i == 1 ? "log4" : NULL;
}

struct qb_format qb_format_integer(int bits, bool is_signed, bool asymmetric)
{
	struct qb_format f = {.kind = QB_FORMAT_INT, .bits = bits, .is_signed = is_signed,
		.asymmetric = asymmetric, .real_scale = true};

	snprintf(f.name, sizeof(f.name), "%sint%d%s", is_signed ? "" : "u", bits, asymmetric ? "_asym" : "");
	return f;
}

enum qb_err qb_format_grouped(struct qb_format *f, int64_t group, struct qb_errbuf *eb)
{
	char name[QB_FORMAT_NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s_g%d", f->name, (int)group);
	return qb_format_parse(f, name, eb);
}

bool qb_format_has_widths(const struct qb_format *f)
{
	return f->kind == QB_FORMAT_INT
		? !f->block
		: f->kind == QB_FORMAT_FLOAT && !f->block && f->real_scale && !f->no_subnormals &&
			f->specials == QB_SPECIALS_NONE && !f->overflows;
}

bool qb_format_at_width(const struct qb_format *f, int bits, struct qb_format *out)
{
	char name[QB_FORMAT_NAME_MAX];

	if (f->kind == QB_FORMAT_INT) {
		snprintf(name, sizeof(name), "%sint%d%s", f->is_signed ? "" : "u", bits,
			f->asymmetric ? "_asym" : f->narrow ? "_narrow" : "");
	} else {
		snprintf(name, sizeof(name), "%sfp%d_e%dm%d", f->is_signed ? "" : "u", bits, f->exp_bits,
			bits - f->is_signed - f->exp_bits);
	}
	return qb_format_parse(out, name, NULL) == QB_OK;
}
