/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for a terminal, and quantities as people read them.
 */
#ifndef QB_CLI_TABLE_H
#define QB_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct cli_table;

/* headings: words separated by '|'; one that starts with '>' is a column of numbers, aligned right. */
struct cli_table *cli_table_create(const char *headings);
void cli_table_destroy(struct cli_table **table);
/* The next cell, row by row. */
void cli_table_cell(struct cli_table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A number by a format of printf for a double; "-" for NaN. */
void cli_table_number(struct cli_table *table, const char *fmt, double v);
void cli_table_print(const struct cli_table *table, FILE *out);
/* As a table of GitHub's Markdown. */
void cli_table_markdown(const struct cli_table *table, FILE *out);
/* Text that Markdown shows as it is. */
void cli_markdown_text(const char *text, FILE *out);

/* "412 B", "12.3 kB", "4.1 MB"; out holds 32 characters. */
const char *cli_bytes(double bytes, char *out);
/* "812 ns", "41.2 µs", "3.21 ms", "1.2 s"; out holds 32 characters. */
const char *cli_duration(double ns, char *out);

#endif
