/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operator chose: defaults, then a file of key=value lines, then QUANTBENCHD_* in the environment, then
 * the command line. The keys are the same everywhere.
 */
#ifndef QB_DAEMON_OPTIONS_H
#define QB_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/http/host.h"

/* kind (text, number, or list: a text that may stand several times, its values parted by newlines), when it is read (START alone, or LIVE: on SIGHUP as well), field, option and key, default, help */
#define QB_OPTIONS(X) \
	X(text, START, listen, "listen", "127.0.0.1:8080", "address and port; port 0 lets the system choose; none: the socket alone") \
	X(text, START, socket, "socket", "", "path of a unix socket to listen on as well") \
	X(text, START, tls_cert, "tls-cert", "", "file of the certificate chain (PEM), for TLS on the address; SIGHUP reads it again") \
	X(text, START, tls_key, "tls-key", "", "file of its private key (PEM)") \
	X(text, START, state, "state", QB_DEFAULT_STATE, "folder of the database and the uploads") \
	X(text, START, web, "web", QB_DEFAULT_WEB, "folder of the dashboard's files") \
	X(text, START, worker, "worker", QB_DEFAULT_WORKER, "the worker program") \
	X(text, LIVE, launcher, "launcher", "", "words put before the worker of a job, such as: srun -n1") \
	X(text, START, cgroup, "cgroup", "auto", "cgroups of workers: auto (where systemd delegates to the server), none, or a folder of cgroup v2 for them") \
	X(list, LIVE, target, "target", "", "another place where jobs run (NAME local|slurm|ssh:DESTINATION [jobs=N] [threads=N] [memory=SIZE] [WORD]...)") \
	X(number, LIVE, jobs, "jobs", "1", "jobs that run at once") \
	X(number, LIVE, worker_threads, "worker-threads", "0", "threads of a job; 0: processors / jobs") \
	X(number, LIVE, worker_memory, "worker-memory", "75%", "memory of a job (bytes, K, M, G, or a share of the machine's in %); 0: no limit") \
	X(number, LIVE, worker_cpu_seconds, "worker-cpu-seconds", "0", "processor time of a job; 0: no limit") \
	X(number, LIVE, worker_wall_seconds, "worker-wall-seconds", "21600", "elapsed time of a job; 0: no limit") \
	X(number, LIVE, inspections, "inspections", "4", "uploads that are inspected at once") \
	X(number, LIVE, inspection_cpu_seconds, "inspection-cpu-seconds", "60", "processor time of an inspection; 0: no limit") \
	X(number, LIVE, inspection_wall_seconds, "inspection-wall-seconds", "60", "elapsed time of an inspection; 0: no limit") \
	X(number, LIVE, stall_seconds, "stall-seconds", "20", "a latency measurement that does nothing for so long is ended; 0: never") \
	X(number, LIVE, retry_seconds, "retry-seconds", "30", "pause before a job that asks for retries is tried again, doubled each time up to an hour, and before a webhook or a mail is, up to six hours") \
	X(number, LIVE, fair_share_hours, "fair-share-hours", "24", "of jobs of one priority the next is whose token has used least of so many hours; 0: the oldest") \
	X(number, LIVE, keep_jobs_days, "keep-jobs-days", "0", "days that jobs which succeeded are kept, with their results; 0: for good") \
	X(number, LIVE, keep_failed_days, "keep-failed-days", "0", "days that failed and cancelled jobs are kept; 0: for good") \
	X(number, LIVE, keep_uploads_days, "keep-uploads-days", "0", "days that models and data are kept which no job names; 0: for good") \
	X(list, LIVE, webhook, "webhook", "", "address (http, https) that is told when a job has ended") \
	X(text, LIVE, webhook_secret, "webhook-secret", "", "file whose first line signs what webhooks are told (HMAC-SHA256)") \
	X(list, LIVE, mail, "mail", "", "address that a mail is sent to when a job has ended") \
	X(text, LIVE, sendmail, "sendmail", "/usr/sbin/sendmail", "the program that takes mail (-t -i)") \
	X(number, LIVE, max_upload, "max-upload", "64G", "bytes of an upload") \
	X(number, LIVE, heartbeat_ms, "heartbeat-ms", "10000", "pause between the comments of event streams") \
	X(text, START, tokens, "tokens", "auto", "who needs an access token: auto (all but loopback without public), all, none (loopback only)") \
	X(number, LIVE, token_upload_bytes, "token-upload-bytes", "0", "bytes of uploads kept for a token that says nothing else; 0: no limit") \
	X(number, LIVE, token_queued_jobs, "token-queued-jobs", "1000", "jobs that wait or run for such a token; 0: no limit") \
	X(number, LIVE, token_requests_per_minute, "token-requests-per-minute", "6000", "requests of such a token; 0: no limit") \
	X(number, START, http_threads, "http-threads", "4", "threads that answer requests") \
	X(text, START, public, "public", "", "address by which browsers reach the server through a proxy, such as https://bench.example") \
	X(number, LIVE, connections, "connections", "2048", "connections at once; fewer where the descriptors do not suffice") \
	X(number, LIVE, connections_per_address, "connections-per-address", "256", "connections at once of one address that is not loopback") \
	X(number, LIVE, header_seconds, "header-seconds", "10", "time from the first byte of a request to the end of its headers") \
	X(number, LIVE, body_seconds, "body-seconds", "20", "time within which 16 KiB of a request's body come, or its end") \
	X(number, LIVE, idle_seconds, "idle-seconds", "120", "time after which a connection without a request is closed")

struct qb_targets;

struct qb_options {
#define text_field(name) char *name;
#define list_field(name) char *name;
#define number_field(name) _Atomic int64_t name; /* HTTP threads read what the loop thread reads anew */
#define X(kind, when, field, key, value, help) kind##_field(field)
	QB_OPTIONS(X)
#undef X
#undef text_field
#undef list_field
#undef number_field
	bool new_database;
	struct qb_targets *targets; /* loop thread; what target says */
	char *host; /* the parts of listen; NULL: none */
	uint16_t port;
	bool on_loopback; /* nobody else reaches it directly */
	bool has_public; /* and what it says */
	struct qb_origin public_origin;
};

/* false after having said on stderr what is wrong; *exit_now is set after --help and --version. */
bool qb_options_read(struct qb_options *o, int argc, char **argv, bool *exit_now);
/* --state and --config on the line of a command that works beside the server; begins as zeros. */
struct qb_options_words {
	const char *word[6]; /* after the program's name, ended by NULL */
	int n;
};
/* false where there are too many. */
bool qb_options_words_add(struct qb_options_words *w, const char *option, const char *value);
/* As qb_options_read. */
bool qb_options_words_read(struct qb_options_words *w, struct qb_options *o);
/* Loop thread. Reads all of it again and takes what is LIVE; false, with nothing changed, where something is wrong. */
bool qb_options_reload(struct qb_options *o, int argc, char **argv);
/* Every option as a commented file; what differs from the defaults as lines of it. */
void qb_options_print(FILE *out);
void qb_options_print_changed(const struct qb_options *o, FILE *out);
void qb_options_fini(struct qb_options *o);

#endif
