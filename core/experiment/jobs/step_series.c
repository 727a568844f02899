/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/jobs/step_series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/size.h"
#include "core/json/number.h"

enum { NAME_BYTES = 32 };

/* The journal begins with the names. */
struct header {
	int64_t count;
	char name[QB_SERIES_MOST][NAME_BYTES];
};

/* Its entries follow. */
struct entry {
	int64_t step;
	double value[QB_SERIES_MOST];
};

struct qb_step_series {
	int64_t steps, stride;
	int count;
	struct header header;
	const char *names[QB_SERIES_MOST];
	double sum[QB_SERIES_MOST]; /* since the last point */
	int64_t terms[QB_SERIES_MOST];
	struct entry *point;
	int points;
	qb_step_point_fn *heard;
	void *arg;
	char *path; /* of the journal, or NULL */
	FILE *journal;
};

enum qb_err qb_step_series_create(struct qb_step_series **out, int64_t steps, const char *folder, struct qb_errbuf *eb)
{
	struct qb_step_series *s = calloc(1, sizeof(*s));
	size_t bytes = folder ? strlen(folder) + sizeof("/steps") : 0;

	if (s) {
		s->steps = steps;
		s->stride = QB_MAX((steps + QB_SERIES_POINTS - 1) / QB_SERIES_POINTS, 1);
		s->point = calloc(QB_SERIES_POINTS + 1, sizeof(*s->point));
		s->path = folder ? malloc(bytes) : NULL;
	}
	if (!s || !s->point || (folder && !s->path)) {
		qb_step_series_destroy(&s);
		return qb_fail(eb, QB_ENOMEM, "no memory for the series of %lld steps", (long long)steps);
	}
	if (folder) {
		snprintf(s->path, bytes, "%s/steps", folder);
	}
	*out = s;
	return QB_OK;
}

void qb_step_series_destroy(struct qb_step_series **series)
{
	struct qb_step_series *s = *series;

	if (s) {
		if (s->journal) {
			fclose(s->journal);
		}
		free(s->path);
		free(s->point);
		free(s);
		*series = NULL;
	}
}

static void add_point(struct qb_step_series *s, int64_t step)
{
	struct entry *p = &s->point[s->points];

	if (s->points > QB_SERIES_POINTS) {
		return;
	}
	p->step = step;
	for (int i = 0; i < s->count; i++) {
		p->value[i] = s->terms[i] ? s->sum[i] / (double)s->terms[i] : NAN;
		s->sum[i] = 0;
		s->terms[i] = 0;
	}
	s->points++;
	s->heard(s->arg, step, s->names, p->value, s->count);
}

static void take(struct qb_step_series *s, int64_t step, const double *value)
{
	for (int i = 0; i < s->count; i++) {
		if (!isnan(value[i])) {
			s->sum[i] += value[i];
			s->terms[i]++;
		}
	}
	if ((step + 1) % s->stride == 0 || step + 1 == s->steps) {
		add_point(s, step);
	}
}

static enum qb_err bad_journal(const struct qb_step_series *s, struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_EIO, "%s: %s", s->path, strerror(errno));
}

static void set_names(struct qb_step_series *s)
{
	s->count = (int)s->header.count;
	for (int i = 0; i < s->count; i++) {
		s->header.name[i][NAME_BYTES - 1] = '\0';
		s->names[i] = s->header.name[i];
	}
}

/* Its names, where none are known yet; else they have to be the same. */
static bool read_header(struct qb_step_series *s)
{
	struct header h;

	if (fread(&h, sizeof(h), 1, s->journal) != 1 || h.count < 0 || h.count > QB_SERIES_MOST ||
		(s->count && memcmp(&h, &s->header, sizeof(h)) != 0)) {
		return false;
	}
	s->header = h;
	set_names(s);
	return true;
}

/* Opens the journal behind the last entry before step `from`. */
static enum qb_err replay(struct qb_step_series *s, int64_t from, struct qb_errbuf *eb)
{
	long end = sizeof(struct header);
	struct entry e;

	s->journal = from ? fopen(s->path, "r+b") : NULL;
	if (s->journal && !read_header(s)) {
		fclose(s->journal);
		s->journal = NULL;
	}
	if (!s->journal) {
		s->journal = fopen(s->path, "w+b");
		if (!s->journal || fwrite(&s->header, sizeof(s->header), 1, s->journal) != 1) {
			return bad_journal(s, eb);
		}
	}
	fseek(s->journal, end, SEEK_SET);
	while (fread(&e, sizeof(e), 1, s->journal) == 1 && e.step >= 0 && e.step < from) {
		take(s, e.step, e.value);
		end += (long)sizeof(e);
	}
	if (fflush(s->journal) || ftruncate(fileno(s->journal), end) || fseek(s->journal, end, SEEK_SET)) {
		return bad_journal(s, eb);
	}
	return QB_OK;
}

enum qb_err qb_step_series_begin(struct qb_step_series *s, const char *const *name, int count, int64_t from,
	qb_step_point_fn *heard, void *arg, struct qb_errbuf *eb)
{
	s->header.count = QB_MIN(count, (int)QB_SERIES_MOST);
	for (int i = 0; i < s->header.count; i++) {
		snprintf(s->header.name[i], NAME_BYTES, "%s", name[i]);
	}
	set_names(s);
	s->heard = heard;
	s->arg = arg;
	return s->path ? replay(s, from, eb) : QB_OK;
}

enum qb_err qb_step_series_add(struct qb_step_series *s, int64_t step, const double *value, struct qb_errbuf *eb)
{
	struct entry e = {.step = step};

	memcpy(e.value, value, (size_t)s->count * sizeof(*value));
	if (s->journal && (fwrite(&e, sizeof(e), 1, s->journal) != 1 || fflush(s->journal))) {
		return bad_journal(s, eb);
	}
	take(s, step, value);
	return QB_OK;
}

json_t *qb_step_series_json(const struct qb_step_series *s)
{
	json_t *rows = json_array();

	for (int p = 0; p < s->points; p++) {
		json_t *row = json_pack("{s:I}", "step", (json_int_t)s->point[p].step + 1);

		for (int i = 0; i < s->count; i++) {
			json_object_set_new(row, s->names[i], qb_json_real(s->point[p].value[i]));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}
