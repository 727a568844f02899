/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operator chose: defaults, then a file of key=value lines, then QUANTBENCHD_* in the environment, then
 * the command line. The keys are the same everywhere.
 */
#ifndef QB_DAEMON_OPTIONS_H
#define QB_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/http/host.h"

/* kind (text or number), field, option and key, default, help */
#define QB_OPTIONS(X) \
	X(text, listen, "listen", "127.0.0.1:8080", "address and port; port 0 lets the system choose") \
	X(text, state, "state", QB_DEFAULT_STATE, "folder of the database and the uploads") \
	X(text, web, "web", QB_DEFAULT_WEB, "folder of the dashboard's files") \
	X(text, worker, "worker", QB_DEFAULT_WORKER, "the worker program") \
	X(text, launcher, "launcher", "", "words put before the worker of a job, such as: srun -n1") \
	X(number, jobs, "jobs", "1", "jobs that run at once") \
	X(number, worker_threads, "worker-threads", "0", "threads of a job; 0: processors / jobs") \
	X(number, worker_memory, "worker-memory", "0", "bytes of memory of a job (K, M, G); 0: no limit") \
	X(number, worker_cpu_seconds, "worker-cpu-seconds", "0", "processor time of a job; 0: no limit") \
	X(number, worker_wall_seconds, "worker-wall-seconds", "86400", "elapsed time of a job; 0: no limit") \
	X(number, inspections, "inspections", "4", "uploads that are inspected at once") \
	X(number, inspection_cpu_seconds, "inspection-cpu-seconds", "60", "processor time of an inspection; 0: no limit") \
	X(number, inspection_wall_seconds, "inspection-wall-seconds", "60", "elapsed time of an inspection; 0: no limit") \
	X(number, stall_seconds, "stall-seconds", "20", "a latency measurement that does nothing for so long is ended; 0: never") \
	X(number, max_upload, "max-upload", "64G", "bytes of an upload") \
	X(number, heartbeat_ms, "heartbeat-ms", "10000", "pause between the comments of event streams") \
	X(text, tokens, "tokens", "auto", "who needs an access token: auto (all but loopback without public), all, none (loopback only)") \
	X(number, token_upload_bytes, "token-upload-bytes", "0", "bytes of uploads kept for a token that says nothing else; 0: no limit") \
	X(number, token_queued_jobs, "token-queued-jobs", "1000", "jobs that wait or run for such a token; 0: no limit") \
	X(number, token_requests_per_minute, "token-requests-per-minute", "6000", "requests of such a token; 0: no limit") \
	X(number, http_threads, "http-threads", "4", "threads that answer requests") \
	X(text, public, "public", "", "address by which browsers reach the server through a proxy, such as https://bench.example") \
	X(number, connections, "connections", "2048", "connections at once; fewer where the descriptors do not suffice") \
	X(number, connections_per_address, "connections-per-address", "256", "connections at once of one address that is not loopback") \
	X(number, header_seconds, "header-seconds", "10", "time from the first byte of a request to the end of its headers") \
	X(number, body_seconds, "body-seconds", "20", "time within which 16 KiB of a request's body come, or its end") \
	X(number, idle_seconds, "idle-seconds", "120", "time after which a connection without a request is closed")

struct qb_options {
#define text_field(name) char *name;
#define number_field(name) int64_t name;
#define X(kind, field, key, value, help) kind##_field(field)
	QB_OPTIONS(X)
#undef X
#undef text_field
#undef number_field
	bool new_database;
	char *host; /* the parts of listen */
	uint16_t port;
	bool on_loopback; /* nobody else reaches it directly */
	bool has_public; /* and what it says */
	struct qb_origin public_origin;
};

/* "16G" and the like; false where it is none. */
bool qb_options_number(const char *text, int64_t *out);
/* false after having said on stderr what is wrong; *exit_now is set after --help and --version. */
bool qb_options_read(struct qb_options *o, int argc, char **argv, bool *exit_now);
void qb_options_fini(struct qb_options *o);

#endif
