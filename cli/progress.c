/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum { BAR = 24, LINE_MAX_COLUMNS = 200 };

void cli_progress_init(struct cli_progress *p)
{
	const char *term = getenv("TERM");

	*p = (struct cli_progress){.percent = -1};
	p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	clock_gettime(CLOCK_MONOTONIC, &p->start);
}

void cli_progress_clear(struct cli_progress *p)
{
	if (p->drawn) {
		fputs("\r\033[K", stderr);
		p->drawn = false;
	}
}

/* Seconds that are left if the rest goes like what is done; negative while nobody can know. */
static double remaining(const struct cli_progress *p, double fraction)
{
	struct timespec now;
	double spent;

	clock_gettime(CLOCK_MONOTONIC, &now);
	spent = (double)(now.tv_sec - p->start.tv_sec) + 1e-9 * (double)(now.tv_nsec - p->start.tv_nsec);
	return spent < 2 || fraction < 0.05 ? -1 : spent * (1 - fraction) / fraction;
}

static void draw(struct cli_progress *p, double fraction, const char *text)
{
	struct winsize size = {0};
	char line[LINE_MAX_COLUMNS + 1], bar[BAR + 1], left[32] = "";
	int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
	double seconds = remaining(p, fraction);

	for (int i = 0; i < BAR; i++) {
		bar[i] = i < (int)(fraction * BAR + 0.5) ? '#' : '-';
	}
	bar[BAR] = '\0';
	if (seconds >= 0) {
		snprintf(left, sizeof(left), ", %.0f s left", seconds);
	}
	snprintf(line, sizeof(line), "[%s] %3d %%  %s%s", bar, p->percent, text, left);
	if (columns <= LINE_MAX_COLUMNS) {
		line[columns - 1] = '\0';
	}
	fprintf(stderr, "\r%s\033[K", line);
	p->drawn = true;
}

void cli_progress_event(struct cli_progress *p, const json_t *event)
{
	const char *kind = cli_text(event, "event"), *text = cli_text(event, "text");

	if (!strcmp(kind, "log") && strcmp(cli_text(event, "level"), "debug") != 0) {
		cli_progress_clear(p);
		fprintf(stderr, "%s: %s\n", cli_text(event, "level"), text);
	} else if (!strcmp(kind, "progress")) {
		double fraction = json_number_value(json_object_get(event, "fraction"));
		const char *stage = cli_text(event, "stage");
		int percent;

		fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
		percent = (int)(fraction * 100);
		if (p->terminal) {
			p->percent = percent;
			draw(p, fraction, *text ? text : stage);
		} else if (strcmp(stage, p->stage) != 0 || percent / 10 > p->percent / 10) {
			/* A pipe gets a line for a new stage and for every tenth of the way. */
			p->percent = percent;
			snprintf(p->stage, sizeof(p->stage), "%s", stage);
			fprintf(stderr, "%3d %%  %s\n", percent, *text ? text : stage);
		}
	}
}
