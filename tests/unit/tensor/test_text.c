/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts as data: what is refused, and why; windows through data sets, batches of them by any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/tensor/backcopy.h"
#include "core/tensor/dataset.h"
#include "core/train/samples.h"
#include "tests/unit/files.h"

static char path[64];
static const struct qb_input_spec tokens_64 = {"input", QB_I64, 2, {-1, -1}};

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "test-text-%ld.tmp", (long)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void refused(bool plain, const char *why)
{
	struct qb_text *t = NULL;
	struct qb_errbuf eb = {0};

	assert_int_not_equal(qb_text_open(&t, path, plain, &eb), QB_OK);
	assert_null(t);
	if (!strstr(eb.text, why)) {
		fail_msg("\"%s\" does not say \"%s\"", eb.text, why);
	}
}

static void open__what_is_no_text__is_refused_with_the_reason(void **state)
{
	const int64_t numbers[] = {1, -2, 3, (int64_t)1 << 33};
	const float reals[] = {1, 2};

	(void)state;
	write_file(path, "", 0);
	refused(true, "empty");
	refused(false, "too few");
	unlink(path);
	refused(true, "No such file");
	write_file(path, "To be, or not to be", 19);
	refused(false, ".txt");
	write_npy(path, "<f4", "(2,)", reals, sizeof(reals));
	refused(false, "tokens are integers");
	write_npy(path, "|b1", "(2,)", "\0\1", 2);
	refused(false, "tokens are integers");
	write_npy(path, "<i8", "(1, 2, 2)", numbers, sizeof(numbers));
	refused(false, "3 dimensions");
	write_npy(path, "<i8", "(4,)", numbers, sizeof(numbers));
	refused(false, "token -2 at place 1");
	write_npy(path, "<i8", "(1,)", numbers + 3, 8);
	refused(false, "token 8589934592 at place 0");
	write_npy(path, "<u8", "(1,)", "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused(false, "is none");
	write_npy(path, "<i8", "(0, 5)", numbers, 0);
	refused(false, "no tokens");
}

/* The sentence of a plan that fails, behind its field. */
static void no_plan(const struct qb_text_shape *text, const struct qb_text_config *c, const struct qb_input_spec *input, int inputs,
	const char *field, const char *why)
{
	struct qb_text_plan p;
	struct qb_errbuf eb = {0};

	assert_int_equal(qb_text_plan(&p, text, c, false, input, inputs, &eb), QB_EJOB);
	if (strcmp(eb.field, field) != 0 || !strstr(eb.text, why)) {
		fail_msg("%s: \"%s\" in place of %s: \"%s\"", eb.field, eb.text, field, why);
	}
}

static void plan__of_what_does_not_fit__names_the_field(void **state)
{
	const struct qb_text_shape text = {.plain = true, .tokens = 100, .largest = 122};
	const struct qb_text_shape rows = {.tokens = 100, .row = 20, .largest = 999};
	const struct qb_input_spec image = {"x", QB_F32, 4, {-1, 3, 8, 8}}, fixed = {"x", QB_I64, 2, {-1, 64}};
	const struct qb_input_spec two[] = {{"a", QB_I64, 2, {-1, -1}}, {"b", QB_I64, 2, {-1, -1}}};
	struct qb_text_config c;

	(void)state;
	qb_text_config_init(&c);
	no_plan(&text, &c, &tokens_64, 1, "/text/length", "of 128 needs a text of at least 129 tokens; this one has 100");
	c.length = 100;
	no_plan(&text, &c, &tokens_64, 1, "/text/length", "101 tokens");
	c.length = 50;
	no_plan(&text, &c, &image, 1, "/text", "int64 or int32 tokens");
	no_plan(&text, &c, &fixed, 1, "/text/length", "[N,50]");
	no_plan(&text, &c, two, 2, "/text", "one input of tokens");
	c.vocabulary = 300;
	no_plan(&text, &c, &tokens_64, 1, "/text/vocabulary", "are its bytes");
	no_plan(&rows, &c, &tokens_64, 1, "/text/length", "windows already, of 20");
	c.length = 20;
	no_plan(&rows, &c, &tokens_64, 1, "/text/vocabulary", "the token 999");
	c.task = QB_TEXT_BIGRAM_BACKCOPY;
	no_plan(&rows, &c, &tokens_64, 1, "/text/task", "one text");
}

static void plan__of_tokens__counts_specials_behind_the_vocabulary(void **state)
{
	const struct qb_text_shape text = {.plain = true, .tokens = 1000, .largest = 122}, array = {.tokens = 1000, .largest = 30000};
	const struct qb_input_spec bert[] = {{"token_type_ids", QB_I64, 2, {-1, -1}}, {"input_ids", QB_I32, 2, {-1, -1}},
		{"attention_mask", QB_F32, 2, {-1, -1}}, {"position_ids", QB_I64, 2, {-1, 64}}};
	struct qb_text_config c;
	struct qb_text_plan p;
	struct qb_errbuf eb;

	(void)state;
	qb_text_config_init(&c);
	assert_int_equal(qb_text_plan(&p, &text, &c, false, &tokens_64, 1, &eb), QB_OK);
	assert_int_equal(p.vocabulary, 259);
	assert_int_equal(p.largest, 122);
	assert_int_equal(p.length, QB_TEXT_LENGTH);
	c.task = QB_TEXT_MASKED;
	c.length = 64;
	assert_int_equal(qb_text_plan(&p, &text, &c, false, bert, 4, &eb), QB_OK);
	assert_int_equal(p.largest, 256);
	assert_int_equal(p.tokens_input, 1);
	assert_int_equal(qb_text_role(&p, bert, 0), QB_TEXT_ZEROS);
	assert_int_equal(qb_text_role(&p, bert, 1), QB_TEXT_TOKENS);
	assert_int_equal(qb_text_role(&p, bert, 2), QB_TEXT_ATTENTION);
	assert_int_equal(qb_text_role(&p, bert, 3), QB_TEXT_POSITIONS);
	c.vocabulary = 30522;
	c.mask_token = 103;
	c.padding_token = 0;
	assert_int_equal(qb_text_plan(&p, &array, &c, false, bert, 4, &eb), QB_OK);
	assert_int_equal(p.mask, 103);
	assert_int_equal(p.largest, 30521);
}

static void backcopy__of_triggers_alone__is_refused(void **state)
{
	struct qb_backcopy *b = NULL;
	struct qb_text *t = NULL;
	struct qb_errbuf eb = {0};
	const int64_t *trigger;

	(void)state;
	write_file(path, "abcabca", 7);
	assert_int_equal(qb_text_open(&t, path, true, &eb), QB_OK);
	assert_int_equal(qb_backcopy_create(&b, t, 3, &eb), QB_EJOB);
	assert_string_equal(eb.field, "/text/triggers");
	assert_null(b);
	assert_int_equal(qb_backcopy_create(&b, t, 2, &eb), QB_OK);
	assert_int_equal(qb_backcopy_triggers(b, &trigger), 2);
	assert_int_equal(trigger[0], 'a');
	assert_int_equal(trigger[1], 'b');
	assert_int_equal(qb_backcopy_next(b, -1, -1, 0.99), 'c');
	assert_int_equal(qb_backcopy_next(b, 'x', 'a', 0.5), 'x');
	assert_int_equal(qb_backcopy_next(b, 'x', 'c', 0.999), 'a');
	qb_backcopy_destroy(&b);
	qb_text_close(&t);
}

static void keep__parts_of_a_text__are_all_of_it(void **state)
{
	struct qb_text *t = NULL;
	struct qb_errbuf eb;
	int64_t at = 0;

	(void)state;
	write_file(path, "0123456789abcdefghijklmno", 25);
	for (int part = 0; part < 3; part++) {
		assert_int_equal(qb_text_open(&t, path, true, &eb), QB_OK);
		qb_text_keep(t, part / 3.0, (part + 1) / 3.0);
		assert_int_equal(qb_text_shape(t)->largest, 'o');
		for (int64_t i = 0; i < qb_text_shape(t)->tokens; i++, at++) {
			assert_int_equal(qb_token_at(qb_text_tokens(t), i), "0123456789abcdefghijklmno"[at]);
		}
		qb_text_close(&t);
	}
	assert_int_equal(at, 25);
	write_npy(path, "<i2", "(4, 2)", (int16_t[]){1, 2, 3, 4, 5, 6, 7, 800}, 16);
	assert_int_equal(qb_text_open(&t, path, false, &eb), QB_OK);
	qb_text_keep(t, 0.6, 1);
	assert_int_equal(qb_text_shape(t)->tokens, 4);
	assert_int_equal(qb_token_at(qb_text_tokens(t), 0), 5);
	qb_text_close(&t);
}

/* ---- data sets ---- */

enum { TEXT = 5000, LENGTH = 24, PICKED = 30 };

static struct qb_dataset *open_random(int task, bool training)
{
	unsigned char text[TEXT];
	struct qb_dataset *d = NULL;
	struct qb_text_config c;
	struct qb_errbuf eb;
	const struct qb_input_spec inputs[] = {{"input_ids", QB_I64, 2, {-1, -1}}, {"position_ids", QB_I32, 2, {-1, LENGTH}}};

	for (int i = 0; i < TEXT; i++) {
		text[i] = (unsigned char)(i * i % 251);
	}
	write_file(path, text, TEXT);
	qb_text_config_init(&c);
	c.task = task;
	c.length = LENGTH;
	assert_int_equal(qb_dataset_open_text(&d, &(struct qb_text_source){.path = path, .plain = true, .config = &c, .training = training},
		inputs, 2, &eb), QB_OK);
	return d;
}

static void dataset__of_a_text__reads_any_windows_as_it_reads_all(void **state)
{
	(void)state;
	for (int task = QB_TEXT_MASKED; task <= QB_TEXT_BIGRAM_BACKCOPY; task++) {
		struct qb_dataset *d = open_random(task, false);
		struct qb_dataset_reader *r = NULL;
		struct qb_errbuf eb;
		int64_t count = qb_dataset_count(d);
		int64_t *all = calloc((size_t)count * LENGTH, sizeof(*all)), some[3 * LENGTH];
		int32_t *places = calloc((size_t)count * LENGTH, sizeof(*places));
		double *labels = calloc((size_t)count * LENGTH, sizeof(*labels)), few[3 * LENGTH];
		int32_t other[3 * LENGTH];

		assert_int_equal(qb_dataset_rows(d), 1);
		assert_int_equal(qb_dataset_label_size(d), LENGTH);
		assert_int_equal(qb_dataset_input(d, 0)->dim[1], LENGTH);
		assert_int_equal(qb_dataset_reader_create(&r, d, &eb), QB_OK);
		assert_int_equal(qb_dataset_read(r, 0, count, (void *[]){all, places}, labels, &eb), QB_OK);
		assert_int_equal(qb_dataset_read(r, count - 3, 3, (void *[]){some, other}, NULL, &eb), QB_OK);
		assert_memory_equal(some, all + (count - 3) * LENGTH, sizeof(some));
		assert_int_equal(qb_dataset_read(r, 2, 3, NULL, few, &eb), QB_OK);
		assert_memory_equal(few, labels + 2 * LENGTH, sizeof(few));
		assert_int_equal(places[LENGTH + 5], 5);
		qb_dataset_reader_destroy(&r);
		qb_dataset_close(&d);
		free(all);
		free(places);
		free(labels);
	}
}

static void samples__of_a_text__are_the_same_for_any_threads_and_others_each_epoch(void **state)
{
	const struct qb_augment_config none = {0}, noise = {.noise = 1};

	(void)state;
	for (int task = QB_TEXT_MASKED; task <= QB_TEXT_BIGRAM_BACKCOPY; task++) {
		struct qb_dataset *d = open_random(task, true);
		int64_t picked[PICKED], made[3][PICKED * LENGTH];
		double labels[3][PICKED * LENGTH];
		int32_t places[PICKED * LENGTH];
		struct qb_samples *s = NULL;
		struct qb_errbuf eb;

		assert_int_equal(qb_samples_create(&s, d, 2, &noise, 1, &eb), QB_EJOB);
		assert_string_equal(eb.field, "/augment");
		for (int i = 0; i < PICKED; i++) {
			picked[i] = (i * 7) % qb_dataset_count(d);
		}
		for (int i = 0; i < 3; i++) {
			const struct qb_samples_pick pick = {picked, PICKED, 11, i == 2};

			assert_int_equal(qb_samples_create(&s, d, 2, &none, i ? 1 : 4, &eb), QB_OK);
			assert_int_equal(qb_samples_bytes(s), 0);
			assert_int_equal(qb_samples_row_bytes(s, 1), LENGTH * 4);
			assert_int_equal(qb_samples_read(s, &pick, (void *[]){made[i], places}, labels[i], &eb), QB_OK);
			qb_samples_destroy(&s);
		}
		assert_memory_equal(made[0], made[1], sizeof(made[0]));
		assert_memory_equal(labels[0], labels[1], sizeof(labels[0]));
		assert_memory_not_equal(made[0], made[2], sizeof(made[0]));
		qb_dataset_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__what_is_no_text__is_refused_with_the_reason),
		cmocka_unit_test(plan__of_what_does_not_fit__names_the_field),
		cmocka_unit_test(plan__of_tokens__counts_specials_behind_the_vocabulary),
		cmocka_unit_test(backcopy__of_triggers_alone__is_refused),
		cmocka_unit_test(keep__parts_of_a_text__are_all_of_it),
		cmocka_unit_test(dataset__of_a_text__reads_any_windows_as_it_reads_all),
		cmocka_unit_test(samples__of_a_text__are_the_same_for_any_threads_and_others_each_epoch),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
