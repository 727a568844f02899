/* SPDX-License-Identifier: Apache-2.0
 *
 * What every part of the daemon uses: the log, times, problems, small files.
 */
#ifndef QB_DAEMON_UTIL_H
#define QB_DAEMON_UTIL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a request cannot be served: becomes problem+json. */
struct qb_problem {
	int status;
	char code[32];
	char detail[1200];
	int retry_after_s; /* when trying again may help; 0: nobody knows */
	json_t *errors; /* array of {field, detail}, or NULL */
};

/* Fills p (the first one stays) and returns false, for `return qb_refuse(...)`. */
bool qb_refuse(struct qb_problem *p, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool qb_refuse_unread(struct qb_problem *p); /* the store could not tell: 500; returns false */

/* One line on stderr, with systemd's level prefix when it listens; lines that repeat are cut (daemon/log.c). */
enum qb_level { QB_LOG_ERROR = 3, QB_LOG_WARNING = 4, QB_LOG_INFO = 6, QB_LOG_DEBUG = 7 };
void qb_log(enum qb_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum { QB_TIME_LEN = 25 };
/* RFC 3339, UTC, milliseconds. */
void qb_time_now(char out[QB_TIME_LEN]);
void qb_time_in(int64_t seconds, char out[QB_TIME_LEN]); /* so many from now; before now where it is negative */
double qb_seconds(void); /* monotonic */

enum { QB_HASH_LEN = 65 };
void qb_hash_text(const char *text, size_t len, char out[QB_HASH_LEN]);
void qb_hex(const uint8_t *digest, size_t n, char *out);

/* "j12" with prefix 'j' gives 12; -1 when the text is no such id. */
int64_t qb_id_number(const char *text, char prefix);

/* printf into fresh memory; aborts when memory ends (a few bytes of path or message). */
char *qb_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Puts value (stolen) where the job names an input: at "model", or in the list that it has at "models/1". */
void qb_set_input(json_t *job, const char *field, json_t *value);

/* Removes a folder's content (and the folder itself); no link is followed. */
void qb_remove_tree(const char *path);
bool qb_make_folder(const char *path); /* true where it exists already */

/* All n bytes, however often it takes; false with errno. */
bool qb_write_all(int fd, const void *bytes, size_t n);

#endif
