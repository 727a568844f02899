/* SPDX-License-Identifier: Apache-2.0
 *
 * A number format is a value: integer, floating point, logarithmic or a list of values, with an
 * optional shared block scale. Every format is described on its canonical grid, whose values are
 * plain numbers (INT8: -128..127; E4M3: 2^-9..480); a quantizer multiplies the grid by a real scale.
 * The talk's real-valued exponent bias b is exactly such a scale: 2^-b times the grid of bias 0.
 */
#ifndef QB_FORMAT_FORMAT_H
#define QB_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

enum qb_format_kind { QB_FORMAT_INT, QB_FORMAT_FLOAT, QB_FORMAT_LOG2, QB_FORMAT_TABLE };
/* Codes spent on specials: none; fn: one NaN per sign; fnuz: the negative zero is NaN; ieee: inf and NaN. */
enum qb_specials { QB_SPECIALS_NONE, QB_SPECIALS_FN, QB_SPECIALS_FNUZ, QB_SPECIALS_IEEE };
enum qb_rounding { QB_ROUND_NEAREST_EVEN, QB_ROUND_STOCHASTIC };
/* What the scale shared by a block of elements is stored in. */
enum qb_block_scale { QB_SCALE_F32, QB_SCALE_E8M0, QB_SCALE_E4M3 };

enum { QB_FORMAT_NAME_MAX = 64, QB_FORMAT_TABLE_MAX = 256 };

struct qb_format {
	enum qb_format_kind kind;
	int bits;           /* of one element, sign included */
	bool is_signed;
	/* integers */
	bool asymmetric;    /* a zero point is allowed */
	bool narrow;        /* signed: -127..127 rather than -128..127 */
	/* floats and log2 */
	int exp_bits, man_bits;
	int bias;           /* of the canonical grid */
	bool real_scale;    /* the range may be any real (the talk's real bias); else scale is 1 */
	enum qb_specials specials;
	bool no_subnormals;
	bool overflows;     /* beyond the largest value: inf or NaN rather than saturation */
	bool no_zero;       /* e8m0: code 0 is the smallest power of two */
	/* blocks */
	int block;          /* elements that share a scale, and a zero point if asymmetric; 0: no blocks */
	enum qb_block_scale block_scale;
	/* a user's list, ascending */
	int table_count;
	float table[QB_FORMAT_TABLE_MAX];
	char name[QB_FORMAT_NAME_MAX];
};

/* Names: int8 uint4 int8_asym fp8_e4m3 E4 e4m3fn e4m3fnuz e5m2 e2m1 mxfp4 nvfp4 int4_g32 uint4_asym_g32 bf16 log4 nf4
 * "values(-1,0,0.5,1)" ... see docs/formats.md. QB_EINVAL says what was not understood and lists what is. */
enum qb_err qb_format_parse(struct qb_format *out, const char *name, struct qb_errbuf *eb);

/* Largest and smallest finite value of the canonical grid. */
double qb_format_max(const struct qb_format *f);
double qb_format_min(const struct qb_format *f);

/* The smallest value above zero: an integer's step is 1. */
double qb_format_smallest(const struct qb_format *f);

/* What a code of the element means on the canonical grid; specials are NaN and infinities. A table's code is an index. */
double qb_format_code_value(const struct qb_format *f, uint32_t code);

/* With the part of a block's scale and zero point. */
double qb_format_bits_per_value(const struct qb_format *f);

/* Whether a code means NaN; formats without one turn NaN into 0. */
bool qb_format_has_nan(const struct qb_format *f);

/* The code of a value of the canonical grid, as rounding gives it (or NaN, infinity where the format has them). */
uint32_t qb_format_value_code(const struct qb_format *f, float value);

/* The error of a word that is no format, nor one of more[count] (which may be none), with the names near it. what: what
 * it should be, as "number format". */
enum qb_err qb_format_unknown(struct qb_errbuf *eb, const char *word, const char *what,
	const char *const *more, int count);

/* The i-th of the names worth offering in a list; NULL at the end. */
const char *qb_format_common_name(int i);

/* Every finite value of the canonical grid, ascending, without repeats (for formats up to 16 bits).
 * values holds cap; returns how many there are. */
int qb_format_values(const struct qb_format *f, double *values, int cap);

/* intB, uintB, intB_asym or uintB_asym; bits from 1 to 16. */
struct qb_format qb_format_integer(int bits, bool is_signed, bool asymmetric);

/* The same with groups of so many elements that share a float32 scale: int4 becomes int4_g32. f is left where there is none. */
enum qb_err qb_format_grouped(struct qb_format *f, int64_t group, struct qb_errbuf *eb);

/* Does the format exist at other numbers of bits: is it an integer, or a float without special values? */
bool qb_format_has_widths(const struct qb_format *f);
/* The format, of those that have widths, at so many bits, its exponent as wide as it is; false where there is none. */
bool qb_format_at_width(const struct qb_format *f, int bits, struct qb_format *out);

/* The same format for a tensor without negative values: unsigned, the sign bit extends the mantissa. */
struct qb_format qb_format_unsigned(const struct qb_format *f);

/* All that can be said of a format, for a page or a table. */
struct qb_format_info {
	double min, max, smallest; /* of the canonical grid */
	double bits_per_value;     /* with the shared scale's part */
	bool has_nan, has_inf;
	int value_count;
	double *values;            /* finite, ascending, without repeats; owned */
	uint32_t code_count;       /* 0 for formats wider than 16 bits */
	double *code_values;       /* of every code, specials as NaN and infinities; owned */
};
enum qb_err qb_format_describe(const struct qb_format *f, struct qb_format_info *out,
	struct qb_errbuf *eb);
void qb_format_info_fini(struct qb_format_info *info);

#endif
